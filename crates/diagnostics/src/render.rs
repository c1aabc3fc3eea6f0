//! Error values as text, in the layout of Nix 2.35: for each step of the trace,
//! outermost first, and at last for the error itself the message, the place and
//! three lines of the source with a caret.

use std::collections::HashSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use crate::diagnostic::{Diagnostic, Frame};
use crate::source::{Location, Origin, Pos, SourceMap};

/// How to render a [`Diagnostic`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Colours by ANSI escape sequences.
    pub colour: bool,
    /// All steps of the trace; otherwise the outermost ones and a note.
    pub show_trace: bool,
}

const RED: &str = "\x1b[31;1m";
const BLUE: &str = "\x1b[34;1m";
const MAGENTA: &str = "\x1b[35;1m";
const RESET: &str = "\x1b[0m";

/// How much of the trace is shown unasked; a step with a place counts double.
const STEPS: usize = 3;

/// Repeated steps are left out if there are more than this many in a row.
const REPEATED: usize = 5;

/// Wider lines of source, in columns, are shown around the caret only.
const WIDTH: usize = 200;

/// The error as text, ending in a line break.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    render_as(RED, "error:", diagnostic, sources, style)
}

/// A warning as text, ending in a line break.
pub fn render_warning(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    render_as(MAGENTA, "warning:", diagnostic, sources, style)
}

/// As text that starts with a title, below which everything is indented.
fn render_as(
    colour: &str,
    title: &str,
    diagnostic: &Diagnostic,
    sources: &SourceMap,
    style: Style,
) -> String {
    let mut output = Output { text: String::new(), sources, style };
    if !diagnostic.trace.is_empty() {
        output.trace(&diagnostic.trace, diagnostic.pos);
        output.text.push('\n');
        output.paint(colour, title);
        output.text.push(' ');
    }
    output.message(&diagnostic.message);
    output.text.push('\n');
    output.place("", diagnostic.pos);
    for hint in &diagnostic.hints {
        let hint: String = hint.chars().map(visible).collect();
        output.paint(MAGENTA, &hint);
        output.text.push('\n');
    }
    let body = std::mem::take(&mut output.text);
    output.paint(colour, title);
    for (i, line) in body.trim_end().lines().enumerate() {
        let line = line.trim_end();
        match (i, line) {
            (_, "") => {}
            (0, line) => {
                let _ = write!(output.text, " {line}");
            }
            (_, line) => {
                let _ = write!(output.text, "{:1$}{line}", "", title.len() + 1);
            }
        }
        output.text.push('\n');
    }
    output.text
}

/// A place alone: where it is, and behind an empty line its line of the source with its
/// neighbours and a caret. `None` if it is nowhere.
pub fn render_place(pos: Pos, sources: &SourceMap, style: Style) -> Option<String> {
    let location = sources.resolve(pos)?;
    let mut output = Output { text: String::new(), sources, style };
    let place: String = sources.describe(&location).chars().map(visible).collect();
    let _ = writeln!(output.text, "{place}\n");
    output.excerpt(&location);
    Some(output.text)
}

struct Output<'s> {
    text: String,
    sources: &'s SourceMap,
    style: Style,
}

impl Output<'_> {
    fn paint(&mut self, colour: &str, text: &str) {
        let (start, end) = if self.style.colour { (colour, RESET) } else { ("", "") };
        let _ = write!(self.text, "{start}{text}{end}");
    }

    /// A message, of which what controls a terminal is not passed on, other
    /// than line breaks and, where colours are wanted, colours.
    fn message(&mut self, message: &str) {
        let mut rest = message;
        let mut coloured = false;
        while let Some(character) = rest.chars().next() {
            if let Some(length) = colour_sequence(rest) {
                if self.style.colour {
                    self.text.push_str(&rest[..length]);
                    coloured = true;
                }
                rest = &rest[length..];
                continue;
            }
            self.text.push(if character == '\n' { '\n' } else { visible(character) });
            rest = &rest[character.len_utf8()..];
        }
        if coloured {
            self.text.push_str(RESET);
        }
    }

    /// The steps; without a place of the error itself the innermost step with one is
    /// shown even where the trace is cut.
    fn trace(&mut self, trace: &[Frame], pos: Pos) {
        let mut seen: HashSet<(Pos, &str)> = HashSet::new();
        let mut repeated: Vec<&Frame> = Vec::new();
        let mut weight = 0;
        let mut cut = false;
        let mut innermost = None;
        let frames: Vec<&Frame> = trace.iter().rev().filter(|frame| !self.is_internal(frame)).collect();
        for frame in frames {
            cut |= !self.style.show_trace && weight > STEPS;
            if cut && !frame.always {
                if frame.pos.is_some() {
                    innermost = Some(frame);
                }
                continue;
            }
            if !seen.insert(key(frame)) {
                repeated.push(frame);
                continue;
            }
            if repeated.len() > REPEATED {
                seen.clear();
            }
            self.repeated(&mut repeated);
            self.step(frame);
            weight += 1 + usize::from(frame.pos.is_some());
        }
        self.repeated(&mut repeated);
        if cut {
            let note = "(stack trace truncated; use '--show-trace' to show the full, detailed trace)";
            self.text.push('\n');
            self.paint(MAGENTA, note);
            self.text.push('\n');
            if let Some(frame) = innermost.filter(|frame| !pos.is_some() && !seen.contains(&key(frame))) {
                self.step(frame);
            }
        }
    }

    /// Whether a step is in a text of the program itself, of which users need to see
    /// only where a derivation is made.
    fn is_internal(&self, frame: &Frame) -> bool {
        let file = self.sources.lookup(frame.pos).map(|(file, _)| file);
        file.is_some_and(|file| matches!(file.origin, Origin::Internal(_)))
            && !frame.message.contains("'derivationStrict'")
    }

    fn step(&mut self, frame: &Frame) {
        self.text.push_str("\n… ");
        self.message(&frame.message);
        self.text.push('\n');
        self.place("  ", frame.pos);
    }

    /// Steps that were shown before: a few are shown again, many counted.
    fn repeated(&mut self, frames: &mut Vec<&Frame>) {
        if frames.len() > REPEATED {
            let note = format!("({} duplicate frames omitted)", frames.len());
            self.text.push('\n');
            self.paint(MAGENTA, &note);
            self.text.push('\n');
            frames.clear();
        }
        for frame in frames.drain(..) {
            self.step(frame);
        }
    }

    /// "at file:line:column:" and the line with its neighbours and a caret.
    fn place(&mut self, indent: &str, pos: Pos) {
        let Some(location) = self.sources.resolve(pos) else {
            return;
        };
        self.text.push_str(indent);
        self.paint(BLUE, "at ");
        let location_text: String = self.sources.describe(&location).chars().map(visible).collect();
        self.paint(MAGENTA, &location_text);
        self.text.push_str(":\n");
        self.excerpt(&location);
    }

    /// The line of a place with its neighbours and a caret.
    fn excerpt(&mut self, location: &Location) {
        let lines = location.file.lines_around(location.line);
        let caret = Caret::new(lines[1].unwrap_or_default(), location.column);
        for (number, line) in (location.line.saturating_sub(1)..).zip(lines) {
            let Some(line) = line else { continue };
            let _ = writeln!(self.text, " {number:5}| {}", caret.window(line));
            if number == location.line {
                let _ = write!(self.text, "      | {}", caret.indent);
                self.paint(RED, "^");
                self.text.push('\n');
            }
        }
    }
}

/// What steps have in common that are the same.
fn key(frame: &Frame) -> (Pos, &str) {
    (frame.pos, &frame.message)
}

/// Where the caret is below a line, and which part of long lines is shown.
struct Caret {
    /// What brings the caret below its character; as wide as the text before it.
    indent: String,
    /// The columns shown.
    from: usize,
    to: usize,
}

impl Caret {
    fn new(line: &[u8], column: u32) -> Self {
        let before = &line[..(column as usize).saturating_sub(1).min(line.len())];
        let before = String::from_utf8_lossy(before);
        let width: usize = before.chars().map(width_of).sum();
        let (from, to) = match width {
            near if near < WIDTH => (0, WIDTH),
            far => (far - WIDTH / 2, far + WIDTH / 2),
        };
        let mut indent = String::new();
        let mut at = 0;
        for character in before.chars() {
            if at >= from {
                // A tab stays a tab, however wide the terminal shows it.
                match character {
                    '\t' => indent.push('\t'),
                    other => indent.extend(std::iter::repeat_n(' ', width_of(other))),
                }
            }
            at += width_of(character);
        }
        if from > 0 {
            indent.push(' ');
        }
        Self { indent, from, to }
    }

    /// The part of a line that is shown, without what controls a terminal.
    fn window(&self, line: &[u8]) -> String {
        let mut shown = String::new();
        let mut at = 0;
        if self.from > 0 {
            shown.push('…');
        }
        for character in String::from_utf8_lossy(line).chars() {
            if at >= self.to {
                shown.push('…');
                break;
            }
            if at >= self.from {
                shown.push(visible(character));
            }
            at += width_of(character);
        }
        shown
    }
}

/// The length of the escape sequence for colours and the like at the start of a
/// text, if one is there.
fn colour_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// A control character as a picture of it.
fn visible(character: char) -> char {
    match character {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        control if control.is_control() => '\u{fffd}',
        // Characters that change the direction of text can hide what it says.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other => other,
    }
}

/// How many columns a character takes when shown; a tab counts as one.
fn width_of(character: char) -> usize {
    match character {
        '\t' => 1,
        other => visible(other).width().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Origin;

    /// Renders an error at an offset of a text.
    #[track_caller]
    fn check(text: &str, offset: u32, expected: &str) {
        let map = SourceMap::new();
        let file = map.add(Origin::String, text.as_bytes()).expect("the first file fits");
        let error = Diagnostic::new(file.pos(offset), "wrong");
        assert_eq!(render(&error, &map, Style::default()), expected);
    }

    #[test]
    fn an_error_shows_its_line_its_neighbours_and_a_caret() {
        check(
            "let\n  a = b;\nin a",
            10,
            "error: wrong
       at «string»:2:7:
            1| let
            2|   a = b;
             |       ^
            3| in a
",
        );
    }

    #[test]
    fn a_place_alone_is_shown_without_indentation() {
        let map = SourceMap::new();
        let file = map.add(Origin::String, *b"let\n  a = b;\nin a").expect("the first file fits");
        let expected = "«string»:2:7\n\n     1| let\n     2|   a = b;\n      |       ^\n     3| in a\n";
        assert_eq!(render_place(file.pos(10), &map, Style::default()).as_deref(), Some(expected));
        assert_eq!(render_place(Pos::NONE, &map, Style::default()), None);
    }

    #[test]
    fn the_end_of_a_text_has_a_line() {
        check(
            "(\n",
            2,
            "error: wrong\n       at «string»:2:1:\n            1| (\n            2|\n             | ^\n",
        );
        check("(", 1, "error: wrong\n       at «string»:1:2:\n            1| (\n             |  ^\n");
        check("", 0, "error: wrong\n       at «string»:1:1:\n            1|\n             | ^\n");
        check(
            "x\n",
            0,
            "error: wrong\n       at «string»:1:1:\n            1| x\n             | ^\n            2|\n",
        );
    }

    #[test]
    fn carets_stand_below_tabs_and_wide_characters() {
        check("\ta", 1, "error: wrong\n       at «string»:1:2:\n            1| \ta\n             | \t^\n");
        check(
            "\"日本\" é x",
            12,
            "error: wrong\n       at «string»:1:13:\n            1| \"日本\" é x\n             |          ^\n",
        );
        check("é x", 3, "error: wrong\n       at «string»:1:4:\n            1| é x\n             |   ^\n");
    }

    #[test]
    fn control_characters_are_not_passed_on() {
        check(
            "\x1b[2J x\r\n",
            5,
            "error: wrong\n       at «string»:1:6:\n            1| ␛[2J x\n             |      ^\n            2|\n",
        );
    }

    #[test]
    fn messages_may_hold_colours_but_nothing_else() {
        let map = SourceMap::new();
        let error = Diagnostic::new(Pos::NONE, "\x1b[31mred\x1b[0m \x1b[2J\r\nline");
        let plain = render(&error, &map, Style::default());
        assert_eq!(plain, "error: red ␛[2J␍\n       line\n");
        let coloured = render(&error, &map, Style { colour: true, ..Style::default() });
        assert_eq!(coloured, "\x1b[31;1merror:\x1b[0m \x1b[31mred\x1b[0m ␛[2J␍\n       line\x1b[0m\n");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = "ab ".repeat(1000);
        let before = "b ab a".to_owned();
        let map = SourceMap::new();
        let file = map.add(Origin::String, text.as_bytes()).expect("the first file fits");
        let error = Diagnostic::new(file.pos(1500), "wrong");
        let shown = render(&error, &map, Style::default());
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[3].chars().position(|c| c == '^').expect("a caret");
        let source: Vec<char> = lines[2].chars().collect();
        assert_eq!(source[caret - before.len() + 2..caret + 2].iter().collect::<String>(), " ab ab");
        assert!(lines[2].contains("| …") && lines[2].ends_with('…'), "{shown}");
        assert!(source.len() < WIDTH + 20);
    }

    /// A trace of steps, innermost first, of which one has a place.
    fn traced(steps: &[&str], style: Style) -> String {
        let map = SourceMap::new();
        let file = map.add(Origin::String, *b"a\nb").expect("the first file fits");
        let mut error = Diagnostic::new(Pos::NONE, "wrong\nindeed").with_hint("did you mean 'a'?");
        for step in steps {
            let pos = if *step == "placed" { file.pos(2) } else { Pos::NONE };
            error = error.with_frame(pos, *step);
        }
        render(&error, &map, style)
    }

    #[test]
    fn the_trace_comes_first_outermost_first() {
        let expected = "error:
       … outer

       … placed
         at «string»:2:1:
            1| a
            2| b
             | ^

       error: wrong
       indeed
       did you mean 'a'?
";
        assert_eq!(traced(&["placed", "outer"], Style::default()), expected);
    }

    #[test]
    fn long_traces_are_cut_unless_asked_for() {
        let steps = ["1", "2", "3", "4", "5", "6"];
        let short = traced(&steps, Style::default());
        assert!(short.contains("… 3\n\n       (stack trace truncated; use '--show-trace'"), "{short}");
        let long = traced(&steps, Style { show_trace: true, ..Style::default() });
        assert!(long.contains("… 2\n\n       … 1\n\n       error: wrong"), "{long}");
    }

    #[test]
    fn steps_that_are_always_shown_survive_the_cut() {
        let mut error = Diagnostic::new(Pos::NONE, "wrong");
        for step in ["1", "2", "3", "4", "5", "6"] {
            error = error.with_frame(Pos::NONE, step);
        }
        error.trace[0].always = true;
        let text = render(&error, &SourceMap::new(), Style::default());
        assert!(text.contains("… 3\n\n       … 1\n\n       (stack trace truncated;"), "{text}");
    }

    #[test]
    fn repeated_steps_are_counted() {
        let style = Style { show_trace: true, ..Style::default() };
        let many = traced(&["a", "r", "r", "r", "r", "r", "r", "r", "b"], style);
        assert!(
            many.contains("… b\n\n       … r\n\n       (6 duplicate frames omitted)\n\n       … a\n"),
            "{many}"
        );
        let few = traced(&["r", "r", "r"], style);
        assert_eq!(few.matches("… r").count(), 3);
    }

    #[test]
    fn colours_are_escape_sequences() {
        let coloured = traced(&[], Style { colour: true, ..Style::default() });
        assert!(coloured.starts_with("\x1b[31;1merror:\x1b[0m wrong\n"), "{coloured:?}");
    }
}
