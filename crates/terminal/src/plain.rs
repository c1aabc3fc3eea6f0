//! Text of unknown origin (messages of `throw`, what `trace` prints, build logs) made
//! fit for printing, as the reference does: carriage returns and bells go, and so do
//! escape sequences, but for colours on a terminal. In lines that are told (not in laid
//! out errors, whose carets stand below tabs) tabs become spaces, too, up to the next
//! multiple of eight columns.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Columns between tab stops.
const TAB: usize = 8;

/// What stays as it is.
#[derive(Clone, Copy)]
pub(crate) struct Keep {
    /// Sequences that set colours.
    pub(crate) colours: bool,
    /// Tabs.
    pub(crate) tabs: bool,
}

/// The text as it is printed.
pub(crate) fn printable(text: &str, keep: Keep) -> Cow<'_, str> {
    if !text.contains(['\u{1b}', '\t', '\r', '\u{7}']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    // Counted through the whole text: line breaks are no columns, but end none either.
    let mut column = 0;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = match character {
            '\u{1b}' => {
                let length = escape_length(rest.as_bytes());
                if keep.colours && rest[..length].ends_with('m') {
                    out.push_str(&rest[..length]);
                }
                length
            }
            '\t' if !keep.tabs => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
                1
            }
            '\r' | '\u{7}' => 1,
            other => {
                column += other.width().unwrap_or(0);
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// The length of the escape sequence that a text starts with (ECMA-48, 5.4): of a
/// control sequence, of an operating system command, or of two characters.
fn escape_length(text: &[u8]) -> usize {
    let run = |from: usize, class: fn(u8) -> bool| {
        text[from..].iter().position(|byte| !class(*byte)).map_or(text.len(), |length| from + length)
    };
    match text.get(1) {
        Some(b'[') => {
            let end = run(run(2, |byte| (0x30..=0x3f).contains(&byte)), |byte| (0x20..=0x2f).contains(&byte));
            end + usize::from(text.get(end).is_some_and(|byte| (0x40..=0x7e).contains(byte)))
        }
        Some(b']') => {
            let end = run(2, |byte| byte != 0x07 && byte != 0x1b);
            match &text[end..] {
                [0x07, ..] => end + 1,
                [0x1b, b'\\', ..] => end + 2,
                _ => end,
            }
        }
        Some(0x40..=0x5f) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, printable};

    #[track_caller]
    fn check(text: &str, without_colours: &str, with_colours: &str) {
        assert_eq!(printable(text, Keep { colours: false, tabs: false }), without_colours);
        assert_eq!(printable(text, Keep { colours: true, tabs: false }), with_colours);
    }

    #[test]
    fn escapes_go_and_colours_stay_on_terminals() {
        check("a\u{1b}[31mred\u{1b}[0m", "ared", "a\u{1b}[31mred\u{1b}[0m");
        check("a\u{1b}[2Jb\u{1b}[1;2Hc\u{1b}Md", "abcd", "abcd");
        check("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\.", "link.", "link.");
        check("cut\u{1b}", "cut", "cut");
        check("cut\u{1b}[3", "cut", "cut");
        check("\u{1b}é", "é", "é");
    }

    #[test]
    fn tabs_are_filled_up_and_returns_go() {
        check("trace: a\tb\rc\u{7}\n\td", "trace: a        bc\n      d", "trace: a        bc\n      d");
        check("日\t.", "日      .", "日      .");
        assert_eq!(printable("a\tb\r", Keep { colours: false, tabs: true }), "a\tb");
    }
}
