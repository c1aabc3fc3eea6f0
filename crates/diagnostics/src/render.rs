//! Error values as text, in the layout that users of Nix know.

use crate::diagnostic::Diagnostic;
use crate::source::{Pos, SourceMap};
use std::fmt::Write as _;

/// How to render a [`Diagnostic`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Colours by ANSI escape sequences.
    pub colour: bool,
    /// All steps of the trace; otherwise only the outermost one and a note.
    pub show_trace: bool,
}

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[34;1m";
const MAGENTA: &str = "\x1b[35;1m";
const RESET: &str = "\x1b[0m";

/// The error as text, ending in a line break.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    let paint = |colour: &'static str| if style.colour { colour } else { "" };
    let mut out = format!("{}error:{}", paint(RED), paint(RESET));
    let shown = frames(diagnostic, style);
    if !shown.is_empty() {
        out.push('\n');
        for frame in shown {
            let _ = writeln!(out, "       … {}", frame.message);
            excerpt(&mut out, sources, frame.pos, paint);
            out.push('\n');
        }
        if shown.len() < diagnostic.trace.len() {
            out.push_str("       (use '--show-trace' to show all steps)\n\n");
        }
        let _ = write!(out, "       {}error:{}", paint(RED), paint(RESET));
    }
    let mut lines = diagnostic.message.lines();
    let _ = writeln!(out, " {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(out, "       {line}");
    }
    excerpt(&mut out, sources, diagnostic.pos, paint);
    for hint in &diagnostic.hints {
        let _ = writeln!(out, "       {}{hint}{}", paint(MAGENTA), paint(RESET));
    }
    out
}

/// The steps to show, outermost first as stored from the end.
fn frames(diagnostic: &Diagnostic, style: Style) -> &[crate::Frame] {
    let trace = &diagnostic.trace;
    if style.show_trace {
        trace
    } else {
        &trace[trace.len().saturating_sub(1)..]
    }
}

/// "at file:line:column:" and the line with its neighbours and a caret.
fn excerpt(
    out: &mut String,
    sources: &SourceMap,
    pos: Pos,
    paint: impl Fn(&'static str) -> &'static str,
) {
    let Some(location) = sources.resolve(pos) else {
        return;
    };
    let _ = writeln!(out, "       at {}{location}{}:", paint(BLUE), paint(RESET));
    let last = location.file.text.split(|&b| b == b'\n').count() as u32;
    let first = location.line.saturating_sub(1).max(1);
    for number in first..=(location.line + 1).min(last) {
        let text = String::from_utf8_lossy(location.file.line(number)).into_owned();
        let text = text.chars().take(200).collect::<String>();
        if number == last && text.is_empty() && number != location.line {
            continue;
        }
        let _ = writeln!(out, "       {number:5}| {text}");
        if number == location.line {
            let indent = (location.column as usize).saturating_sub(1).min(200);
            let _ = writeln!(
                out,
                "            | {}{}^{}",
                " ".repeat(indent),
                paint(RED),
                paint(RESET)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Origin;

    #[test]
    fn an_error_shows_its_line_and_a_caret() {
        let map = SourceMap::new();
        let file = map.add(Origin::String, *b"let\n  a = b;\nin a").unwrap();
        let error =
            Diagnostic::new(file.pos(10), "undefined variable 'b'").with_hint("did you mean 'a'?");
        let expected = "error: undefined variable 'b'\n       at «string»:2:7:\n           1| let\n           2|   a = b;\n            |       ^\n           3| in a\n       did you mean 'a'?\n";
        assert_eq!(render(&error, &map, Style::default()), expected);
    }
}
