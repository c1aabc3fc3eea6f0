//! Scripts that `nix` interprets: their first line names `nix`, further lines
//! `#! nix …` what is to be done with them (manual page of `nix`, "Shebang interpreter").
//!
//! Words are separated by blanks; what stands between double backticks is one word.
//! Everything that could mean something to a shell is an error without them.

use saltire_terminal::Failure;
use std::ffi::OsString;
use std::path::PathBuf;

/// The command line of a script.
#[derive(Debug)]
pub(crate) struct Interpreted {
    /// The words behind `nix`.
    pub(crate) words: Vec<OsString>,
    /// What relative names in them are relative to.
    pub(crate) directory: PathBuf,
}

/// What begins a line of a comment in one language or another.
const COMMENT: [char; 8] = ['#', '/', '\\', '%', '@', '*', '-', '('];

/// Characters that have to be quoted.
const RESERVED: &str = "$*~<>|;()[]{}'\"\\";

impl Interpreted {
    /// The script that the first word names; nothing if it is something else.
    pub(crate) fn find(words: &[OsString]) -> Result<Option<Self>, Failure> {
        let Some((script, arguments)) = words.split_first() else { return Ok(None) };
        let path = PathBuf::from(script);
        // A command's name need not be read.
        let Ok(content) = std::fs::read(&path) else { return Ok(None) };
        if !content.starts_with(b"#!") {
            return Ok(None);
        }
        let mut words = Vec::new();
        for word in split(&command_line(&String::from_utf8_lossy(&content))).map_err(Failure::new)? {
            words.push(word.into());
        }
        words.push(script.clone());
        words.extend(arguments.iter().cloned());
        let directory = path.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        let directory = std::path::absolute(directory.join("."))
            .map_err(|error| Failure::new(format_args!("{}: {error}", directory.display())))?;
        Ok(Some(Self { words, directory }))
    }
}

/// What stands behind `#! nix` in the comment that begins with the second line.
fn command_line(content: &str) -> String {
    let comment = content.lines().skip(1).take_while(|line| line.starts_with(COMMENT));
    let behind = |line: &str| {
        let rest = line.strip_prefix("#!")?.trim_start().strip_prefix("nix")?;
        // A colon may stand there; "nix-shell" is something else.
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix(' ').map(str::to_owned) }
    };
    comment.filter_map(behind).map(|rest| rest + "\n").collect()
}

/// The words of a text; what is wrong with it.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '`' => {
                rest = rest
                    .strip_prefix('`')
                    .ok_or("single backtick is not a supported syntax in the nix shebang.")?;
            }
            '#' if word.is_empty() => {
                return Err(
                    "unquoted nix shebang argument cannot start with #. Use double backticks to escape?"
                        .to_owned(),
                );
            }
            other if RESERVED.contains(other) => {
                return Err(format!(
                    "unsupported unquoted character in nix shebang: {other}. Use double backticks to escape?"
                ));
            }
            other => {
                word.push(other);
                continue;
            }
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character == '`' {
            let (quoted, behind) = quoted(rest)?;
            words.push(quoted);
            rest = behind;
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// A text in double backticks, from behind the first two, and what is behind it. A blank
/// before the last two does not belong to it; of three or more in a row one is left out.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let backticks = |text: &str| text.bytes().take_while(|byte| *byte == b'`').count();
        match (character, backticks(rest)) {
            (' ', _) if backticks(&rest[1..]) == 2 => return Ok((word, &rest[3..])),
            (_, 2) => return Ok((word, &rest[2..])),
            (_, 0) => {
                word.push(character);
                rest = &rest[character.len_utf8()..];
            }
            (_, count) => {
                let kept = if count > 2 { count - 1 } else { count };
                word.push_str(&rest[..kept]);
                rest = &rest[count..];
            }
        }
    }
    Err("unterminated quoted string in nix shebang".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_quoted() {
        let check = |text: &str, expected: Result<&[&str], &str>| match (split(text), expected) {
            (Ok(words), Ok(expected)) => assert_eq!(words, expected, "{text:?}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{text:?}: {error}"),
            (found, _) => panic!("{text:?}: {found:?}"),
        };
        check(
            "shell nixpkgs#hello\n  --command\tbash\n",
            Ok(&["shell", "nixpkgs#hello", "--command", "bash"]),
        );
        check("a ``b c`` d", Ok(&["a", "b c", "d"]));
        check("`` $x ``", Ok(&[" $x"]));
        check("````", Ok(&[""]));
        check("``a ```` b``", Ok(&["a ``` b"]));
        check("``a ` b``", Ok(&["a ` b"]));
        check("``a\nb``", Ok(&["a\nb"]));
        check("", Ok(&[]));
        check("`a`", Err("single backtick"));
        check("``a", Err("unterminated"));
        check("a $x", Err("unquoted character in nix shebang: $"));
        check("\"a\"", Err("unquoted character in nix shebang: \""));
        check("#a", Err("cannot start with #"));
    }

    #[test]
    fn lines_stand_in_the_first_comment() {
        let check =
            |content: &str, expected: &str| assert_eq!(command_line(content), expected, "{content:?}");
        check(
            "#!/usr/bin/env nix\n#! nix shell a\n#!nix --command b\necho\n#! nix c\n",
            "shell a\n--command b\n",
        );
        check("#!x\n// note\n#! nix: a\n#! nix\n", "a\n\n");
        check("#!x\n#! nix-shell -p a\n#! nix  b\n", " b\n");
        check("#!x\n\n#! nix a\n", "");
    }
}
