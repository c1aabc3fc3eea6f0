//! Errors as the user sees them: what was wrong, what to do, and the exit code.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use crate::plain::{Keep, printable};

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What was wrong, without a leading "error:".
    pub message: String,
    /// What to do, one line each.
    pub hints: Vec<String>,
    /// The program's exit code.
    pub code: u8,
    /// Whether it is builds that failed, but not while something was evaluated.
    pub of_build: bool,
    /// The message as it is shown, where it was laid out already.
    laid_out: Option<String>,
}

impl Failure {
    /// An error with exit code 1.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), hints: Vec::new(), code: 1, of_build: false, laid_out: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Prints it to standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let plain = || {
            let text = self.message.trim_end().replace('\n', "\n       ").replace("\n       \n", "\n\n");
            format!("error: {text}\n")
        };
        let mut text = self.laid_out.clone().unwrap_or_else(plain);
        for hint in &self.hints {
            text += &format!("hint: {}\n", hint.replace('\n', "\n      "));
        }
        if crate::json::is_on() {
            crate::json::error(&text, &self.message);
            return ExitCode::from(self.code);
        }
        let text = printable(&text, Keep { colours: std::io::stderr().is_terminal(), tabs: true });
        let _ = std::io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code)
    }
}

/// Writes a command's result to standard output; a closed pipe
/// (`saltire platforms | head`) ends the program quietly.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// [`print()`] for what need not be UTF-8.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new(format_args!("can't write the result: {error}"))),
        Ok(()) => Ok(()),
    }
}

impl From<saltire_driver::CopyError> for Failure {
    fn from(error: saltire_driver::CopyError) -> Self {
        saltire_driver::Error::from(error).into()
    }
}

impl From<saltire_driver::Error> for Failure {
    fn from(error: saltire_driver::Error) -> Self {
        let text = error.to_string();
        let laid_out = matches!(error, saltire_driver::Error::Evaluation { .. }).then(|| text.clone());
        let message = text.strip_prefix("error:").unwrap_or(&text).trim_start_matches(' ').to_owned();
        let of_build = matches!(error, saltire_driver::Error::Build { .. });
        Self { message, hints: error.hints(), code: error.exit_code(), of_build, laid_out }
    }
}
