//! Where progress bars are drawn: a terminal whose last line is left as short as it is.
//!
//! The library fills each line up with blanks, so that the next one begins by itself.
//! What the terminal echoes then (`^C`) goes to a new line, and the lines that are to be
//! removed are not where the library thinks they are.

use console::Term;
use indicatif::TermLike;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard error, with line breaks in place of blanks up to the next line.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    terminal: T,
    /// A line was written, and no other one begun.
    ended: AtomicBool,
}

impl Lines<Term> {
    /// Standard error.
    pub(crate) fn new() -> Self {
        Self::on(Term::buffered_stderr())
    }
}

impl<T> Lines<T> {
    fn on(terminal: T) -> Self {
        Self { terminal, ended: AtomicBool::new(false) }
    }

    /// The terminal, when something else than text comes.
    fn moved(&self) -> &T {
        self.ended.store(false, Ordering::Relaxed);
        &self.terminal
    }
}

impl<T: TermLike> TermLike for Lines<T> {
    fn width(&self) -> u16 {
        self.terminal.width()
    }

    fn height(&self) -> u16 {
        self.terminal.height()
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.moved().move_cursor_up(count)
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.moved().move_cursor_down(count)
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.moved().move_cursor_right(count)
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.moved().move_cursor_left(count)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.moved().write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|byte| byte == b' ') {
            self.ended.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.ended.swap(false, Ordering::Relaxed) {
            self.terminal.write_str("\r\n")?;
        }
        self.terminal.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.moved().clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.moved().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Writes down what a terminal of twenty columns is sent.
    #[derive(Clone, Debug, Default)]
    struct Record(Arc<Mutex<String>>);

    impl Record {
        fn note(&self, text: &str) -> io::Result<()> {
            *self.0.lock().unwrap() += text;
            Ok(())
        }

        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl TermLike for Record {
        fn width(&self) -> u16 {
            20
        }

        fn move_cursor_up(&self, count: usize) -> io::Result<()> {
            self.note(&"<up>".repeat(count))
        }

        fn move_cursor_down(&self, count: usize) -> io::Result<()> {
            self.note(&"<down>".repeat(count))
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.note(&format!("{text}\n"))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.note(text)
        }

        fn clear_line(&self) -> io::Result<()> {
            self.note("<clear>")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_cursor_stays_behind_the_last_line() {
        let record = Record::default();
        let lines = Lines::on(record.clone());
        let draw = |texts: &[&str]| {
            for text in texts {
                lines.write_str(text).unwrap();
                lines.write_str(&" ".repeat(20 - text.len())).unwrap();
            }
            lines.flush().unwrap();
        };
        draw(&["first"]);
        assert_eq!(record.take(), "first");
        lines.clear_line().unwrap();
        draw(&["first", "as wide as this, all", "last"]);
        assert_eq!(record.take(), "<clear>first\r\nas wide as this, all\r\nlast");
        lines.move_cursor_up(2).unwrap();
        lines.clear_line().unwrap();
        draw(&[]);
        draw(&["next"]);
        assert_eq!(record.take(), "<up><up><clear>next");
    }
}
