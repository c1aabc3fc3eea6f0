//! Scripts that say themselves in which shell they run: their first line names
//! `nix-shell`, further lines `#! nix-shell …` the options (manual page of `nix-shell`,
//! "Use as a #!-interpreter").

use saltire_terminal::Failure;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::arguments::text;
use crate::environment::quoted;

/// A script and what it was started with.
#[derive(Debug)]
pub(crate) struct Script {
    path: String,
    /// The options that stand in it.
    pub(crate) options: Vec<OsString>,
    arguments: Vec<String>,
}

impl Script {
    /// The script that the first word names; nothing if it is something else.
    pub(crate) fn find(words: &[OsString]) -> Result<Option<Self>, Failure> {
        let Some((path, arguments)) = words.split_first() else { return Ok(None) };
        let Ok(content) = std::fs::read(path) else { return Ok(None) };
        if !content.starts_with(b"#!") {
            return Ok(None);
        }
        let path = text(path.clone())?;
        let arguments = arguments.iter().map(|word| text(word.clone())).collect::<Result<_, _>>()?;
        let options = options(&String::from_utf8_lossy(&content))
            .map_err(|line| Failure::new(format_args!("{path}:{line}: a quotation does not end")))?;
        Ok(Some(Self { path, options, arguments }))
    }

    /// A file that its options name.
    pub(crate) fn relative(&self, file: &str) -> String {
        // Neither `<nixpkgs>`, nor a URL, nor a store path changes.
        if file.starts_with(['<', '/']) || file.contains("://") {
            return file.to_owned();
        }
        let directory = Path::new(&self.path).parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let directory = std::path::absolute(directory.join(".")).unwrap_or(directory);
        directory.join(file).to_string_lossy().into_owned()
    }

    /// The command by which the shell becomes its interpreter.
    pub(crate) fn command(&self, interpreter: &str) -> String {
        let arguments: String = self.arguments.iter().map(|word| format!(" {}", quoted(word))).collect();
        let path = quoted(&self.path);
        // Perl starts what the first line names, if that and its own name are not of Perl;
        // Ruby looks for its name there, too.
        if interpreter.contains("ruby") {
            format!("exec {interpreter} -e 'load(ARGV.shift)' -- {path}{arguments}")
        } else if interpreter.contains("perl") {
            format!("exec -a PERL {interpreter} {path}{arguments}")
        } else {
            format!("exec {interpreter} {path}{arguments}")
        }
    }
}

/// The words behind `#! nix-shell` in the lines after the first; the number of a line that
/// can't be split into words.
fn options(content: &str) -> Result<Vec<OsString>, usize> {
    let mut all = Vec::new();
    for (index, line) in content.lines().enumerate().skip(1) {
        let Some(rest) = line.strip_prefix("#!") else { continue };
        let Some(rest) = rest.trim_start().strip_prefix("nix-shell") else { continue };
        if rest.starts_with([' ', '\t']) {
            all.extend(shlex::split(rest).ok_or(index + 1)?.into_iter().map(OsString::from));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_behind_the_first_line() {
        let check = |content: &str, expected: Result<&[&str], usize>| {
            let expected = expected.map(|words| words.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(options(content), expected, "{content:?}");
        };
        check(
            "#! /usr/bin/env nix-shell\n#! nix-shell -i bash -p hello\necho\n",
            Ok(&["-i", "bash", "-p", "hello"]),
        );
        check(
            "#!nix-shell -p a\n#!nix-shell -p \"a b\" 'c'\n\n#!  nix-shell -I x=y\n",
            Ok(&["-p", "a b", "c", "-I", "x=y"]),
        );
        check("#!x\n#! nix-shells -p a\n# nix-shell -p b\n", Ok(&[]));
        check("#!x\n#! nix-shell -p 'a\n", Err(2));
    }

    #[test]
    fn interpreters_are_started_with_the_script() {
        let arguments = vec!["a b".into(), "--help".into()];
        let script = Script { path: "/d/s".into(), options: Vec::new(), arguments };
        assert_eq!(script.command("bash -e"), "exec bash -e '/d/s' 'a b' '--help'");
        assert_eq!(script.command("perl"), "exec -a PERL perl '/d/s' 'a b' '--help'");
        assert_eq!(script.command("ruby"), "exec ruby -e 'load(ARGV.shift)' -- '/d/s' 'a b' '--help'");
        assert_eq!(script.relative("shell.nix"), "/d/shell.nix");
        assert_eq!(script.relative("<nixpkgs>"), "<nixpkgs>");
    }
}
