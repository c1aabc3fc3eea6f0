//! Colours of what is typed and of what is printed.

use crate::scan::{KEYWORDS, Kind, scan};
use std::borrow::Cow;

const RESET: &str = "\x1b[0m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const MAGENTA: &str = "\x1b[35m";
const BLUE: &str = "\x1b[34m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";

/// The colour of a piece of Nix text.
fn of(kind: Kind, text: &str) -> Option<&'static str> {
    match kind {
        Kind::String => Some(MAGENTA),
        Kind::Number => Some(CYAN),
        Kind::Path => Some(GREEN),
        Kind::Comment => Some(DIM),
        Kind::Word if KEYWORDS.contains(&text) => Some(BLUE),
        Kind::Word if matches!(text, "true" | "false" | "null") => Some(CYAN),
        _ => None,
    }
}

/// What is typed, in colours.
pub(crate) fn typed(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 32);
    let command = line.starts_with(':').then(|| line.find(char::is_whitespace).unwrap_or(line.len()));
    let code = command.unwrap_or(0);
    if code > 0 {
        out += &format!("{BLUE}{}{RESET}", &line[..code]);
    }
    for piece in scan(&line[code..]) {
        push(&mut out, of(piece.kind, piece.text), piece.text);
    }
    out
}

/// A printed value in colours: its text differs from Nix text in `«…»`.
pub(crate) fn printed(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while !rest.is_empty() {
        let string = rest.starts_with('"').then(|| string_length(rest));
        let special = rest.starts_with('«').then(|| special_length(rest));
        let (length, colour) = match (string, special) {
            (Some(length), _) => (length, Some(MAGENTA)),
            (_, Some(length)) => (length, Some(special_colour(&rest[..length]))),
            _ => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let is_word = |c: char| c.is_ascii_alphanumeric() || "_-+./'".contains(c);
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first);
                (length, word_colour(&rest[..length], &rest[length..]))
            }
        };
        push(&mut out, colour, &rest[..length]);
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

fn push(out: &mut String, colour: Option<&str>, text: &str) {
    match colour {
        Some(colour) => *out += &format!("{colour}{text}{RESET}"),
        None => *out += text,
    }
}

fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    let mut end = (at + 1).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    end
}

/// `«lambda @ «string»:1:1»`: they nest.
fn special_length(text: &str) -> usize {
    let mut depth = 0usize;
    for (index, c) in text.char_indices() {
        match c {
            '«' => depth += 1,
            '»' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + c.len_utf8();
        }
    }
    text.len()
}

fn special_colour(text: &str) -> &'static str {
    match text {
        _ if text.starts_with("«derivation") => GREEN,
        _ if text.starts_with("«error") => RED,
        _ if text.starts_with("«lambda") || text.starts_with("«primop") || text.starts_with("«partially") => {
            BLUE
        }
        _ => MAGENTA,
    }
}

fn word_colour(word: &str, behind: &str) -> Option<&'static str> {
    if behind.starts_with(" =") {
        return None;
    }
    match word {
        "true" | "false" | "null" => Some(CYAN),
        _ if word.starts_with('/') => Some(GREEN),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && word.len() > usize::from(word.starts_with('-')) =>
        {
            Some(CYAN)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours as letters in brackets.
    fn letters(text: &str) -> String {
        [
            (RESET, "]"),
            (RED, "[r:"),
            (GREEN, "[g:"),
            (MAGENTA, "[m:"),
            (BLUE, "[b:"),
            (CYAN, "[c:"),
            (DIM, "[d:"),
        ]
        .iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
    }

    #[test]
    fn values_have_colours_by_kind() {
        let check = |text, expected: &str| assert_eq!(letters(&printed(text)), expected);
        check("{ a = 1; b = \"x\\\"\"; }", "{ a = [c:1]; b = [m:\"x\\\"\"]; }");
        check("[ true /a -1.5 ]", "[ [c:true] [g:/a] [c:-1.5] ]");
        check("«derivation /nix/store/x.drv»", "[g:«derivation /nix/store/x.drv»]");
        check("«lambda @ «string»:1:1» null", "[b:«lambda @ «string»:1:1»] [c:null]");
        check("«error: é»", "[r:«error: é»]");
    }

    #[test]
    fn what_is_typed_has_colours_by_kind() {
        let check = |text, expected: &str| assert_eq!(letters(&typed(text)), expected);
        check(":p let a = 1; in \"b\"", "[b::p] [b:let] a = [c:1]; [b:in] [m:\"][m:b\"]");
    }
}
