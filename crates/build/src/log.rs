//! A builder's output: to the log file, to whoever watches, and its last lines kept.

use crate::diagnosis::Diagnosis;
use crate::events::{Event, Events, StepId};
use std::collections::VecDeque;
use std::io::Write;

/// How many lines an error shows.
const TAIL: usize = 20;
/// A line is passed on when it gets this long, in bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// Splits output into lines and hands them on.
pub(crate) struct LogLines<'a, W> {
    pub events: &'a dyn Events,
    pub step: StepId,
    pub name: &'a str,
    /// The log file; `None` once writing to it has failed, which does not fail the build.
    pub file: Option<W>,
    line: Vec<u8>,
    tail: VecDeque<Vec<u8>>,
    diagnosis: Diagnosis,
}

/// What is left of a builder's output when it has ended.
#[derive(Default)]
pub(crate) struct Finished {
    /// The last lines.
    pub tail: Vec<String>,
    /// Programs that could not be started.
    pub diagnosis: Diagnosis,
}

impl<'a, W: Write> LogLines<'a, W> {
    pub fn new(events: &'a dyn Events, step: StepId, name: &'a str, file: Option<W>) -> Self {
        let (line, tail, diagnosis) = Default::default();
        Self { events, step, name, file, line, tail, diagnosis }
    }

    /// Takes more output.
    pub fn push(&mut self, data: &[u8]) {
        if let Some(file) = &mut self.file
            && file.write_all(data).is_err()
        {
            self.file = None;
        }
        for &byte in data {
            if byte == b'\n' {
                self.end_line();
            } else if byte == b'\r' {
                // A progress display overwrites its line: the last state counts.
                self.line.clear();
            } else {
                self.line.push(byte);
                if self.line.len() >= LONGEST_LINE {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.events.event(Event::Output { step: self.step, name: self.name, line: &line });
        self.diagnosis.line(&line);
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// Ends the last line.
    pub fn finish(mut self) -> Finished {
        if !self.line.is_empty() {
            self.end_line();
        }
        let tail = self.tail.iter().map(|line| printable(line)).collect();
        Finished { tail, diagnosis: self.diagnosis }
    }
}

/// Text without control characters, so that a log can't steer the terminal.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut result = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\x1b' && characters.peek() == Some(&'[') {
            characters.next();
            // The rest of a control sequence up to its final byte (ECMA-48, 5.4).
            let _ = characters.by_ref().find(|c| ('\x40'..='\x7e').contains(c));
        } else if character == '\t' || !character.is_control() {
            result.push(character);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Silent;

    fn check(chunks: &[&str], file: &str, tail: &[&str]) {
        let mut written = Vec::new();
        let mut lines = LogLines::new(&Silent, StepId(0), "x", Some(&mut written));
        for chunk in chunks {
            lines.push(chunk.as_bytes());
        }
        let finished = lines.finish();
        assert_eq!(String::from_utf8(written).unwrap(), file);
        assert_eq!(finished.tail, tail);
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        check(&["a", "b\nc", "\nlast"], "ab\nc\nlast", &["ab", "c", "last"]);
    }

    #[test]
    fn progress_and_colours_do_not_reach_the_error() {
        check(
            &["10%\r20%\n\x1b[1;31mred\x1b[0m\x07\n"],
            "10%\r20%\n\x1b[1;31mred\x1b[0m\x07\n",
            &["20%", "red"],
        );
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let expected: Vec<String> = (80..100).map(|n: i32| n.to_string()).collect();
        check(&[&text], &text, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
