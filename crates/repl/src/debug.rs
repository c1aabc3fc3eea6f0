//! The debugger: where evaluation stops, a prompt in the scope of what is being done.

use crate::command::Command;
use crate::run::{Prompt, show};
use crate::state::State;
use rustix::fs::{FileType, fstat};
use saltire_diagnostics::{Style, render, render_place};
use saltire_driver::Session;
use saltire_eval::{Debugger, Evaluator, LevelKind, NIX_VERSION, Reason, Resume, StackFrame, Stop, StopAt};
use saltire_terminal::Progress;
use std::cell::Cell;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// Makes the evaluations of a session stop at errors, at `builtins.break` and where `at`
/// says, and asks there what to do.
pub fn use_debugger(session: &Arc<Session>, progress: &Arc<Progress>, at: StopAt) {
    let (session_of, progress) = (Arc::downgrade(session), Arc::clone(progress));
    let greeted = Arc::new(AtomicBool::new(false));
    let make = move || -> Box<dyn Debugger> {
        Box::new(Asking {
            session: Weak::clone(&session_of),
            progress: Arc::clone(&progress),
            greeted: Arc::clone(&greeted),
        })
    };
    session.use_debugger(Box::new(make), at);
}

/// Asks at a prompt.
struct Asking {
    session: Weak<Session>,
    progress: Arc<Progress>,
    /// Whether the first words were said.
    greeted: Arc<AtomicBool>,
}

impl Debugger for Asking {
    fn stopped(&mut self, evaluator: &mut Evaluator, stop: &Stop) -> Resume {
        let Some(session) = self.session.upgrade() else { return Resume::Continue };
        self.progress.finish();
        let has_input = has_input();
        let is_first = !self.greeted.swap(true, Ordering::SeqCst);
        if !has_input {
            if is_first {
                eprintln!("warning: there is no terminal for the debugger; evaluation goes on");
            }
            return Resume::Continue;
        }
        let style = Style { colour: session.settings.colour, show_trace: session.settings.show_trace };
        match &stop.reason {
            Reason::Error(error) => {
                let error =
                    if style.show_trace { Box::clone(error) } else { Box::new(error.without_trace()) };
                eprintln!("{}", render(&error.to_diagnostic(), evaluator.sources(), style));
                if stop.in_try {
                    eprintln!(
                        "This is inside of 'tryEval'. With '--ignore-try' evaluation does not stop there.\n"
                    );
                }
            }
            Reason::Break => eprintln!("info: breakpoint reached\n"),
            Reason::Message | Reason::Step => {}
        }
        if is_first {
            let version = env!("CARGO_PKG_VERSION");
            eprintln!("Saltire {version}, like Nix {NIX_VERSION}, debugger\nType :? for help.");
        }
        let colour = session.settings.colour && std::io::stdout().is_terminal();
        let state = State::new(evaluator, colour, style.show_trace);
        let view = View { frames: &stop.frames, reason: &stop.reason, current: Cell::new(0), colour };
        let prompt = Prompt {
            session: &session,
            progress: &self.progress,
            state: &state,
            arguments: Vec::new(),
            stopped: Some(view),
        };
        prompt.go_to(0);
        let resume = prompt.read(colour).unwrap_or_else(|error| {
            eprintln!("{}", state.error_text(&error).trim_end());
            Resume::Quit
        });
        drop(prompt);
        resume
    }
}

/// Whether somebody may type, or something was prepared to be read: no input comes from
/// devices such as `/dev/null`.
fn has_input() -> bool {
    let input = std::io::stdin();
    let is_device = || match fstat(&input) {
        Ok(about) => FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice,
        Err(_) => true,
    };
    input.is_terminal() || !is_device()
}

/// Where evaluation stopped.
pub(crate) struct View<'s> {
    frames: &'s [StackFrame],
    reason: &'s Reason,
    /// The step that is looked at.
    current: Cell<usize>,
    colour: bool,
}

impl View<'_> {
    /// One step as it is shown.
    fn frame(&self, evaluator: &Evaluator, number: usize) -> String {
        let Some(frame) = self.frames.get(number) else { return String::new() };
        let title = frame.title().unwrap_or_else(|| match self.reason {
            Reason::Error(error) => format!("error: {}", error.message),
            _ => "error: breakpoint reached".to_owned(),
        });
        let style = Style { colour: self.colour, show_trace: false };
        let place = render_place(frame.pos(), evaluator.sources(), style);
        let place = place.unwrap_or_default();
        let (start, end) = if self.colour { ("\x1b[34;1m", "\x1b[0m") } else { ("", "") };
        format!("\n{start}{number}{end}: {title}\n{place}")
    }

    /// The scopes of the step that is looked at.
    fn scopes(&self) -> String {
        let Some(frame) = self.frames.get(self.current.get()) else { return String::new() };
        let mut text = String::new();
        for (number, level) in frame.levels().iter().enumerate() {
            let mut names = level.names.clone();
            if level.kind == LevelKind::Builtins {
                names.retain(|name| !name.starts_with("__"));
            }
            let kind = match level.kind {
                LevelKind::Bound | LevelKind::Session => "static: ",
                LevelKind::With => "with: ",
                LevelKind::Builtins => "",
            };
            let _ = writeln!(text, "Env level {number}\n{kind}{} \n", names.join(" "));
        }
        text
    }
}

impl Prompt<'_> {
    /// Goes to the scope of a step.
    pub(crate) fn go_to(&self, number: usize) {
        let Some(view) = &self.stopped else { return };
        let Some(frame) = view.frames.get(number) else { return };
        view.current.set(number);
        let (scope, names) = self.state.with(|evaluator| evaluator.frame_variables(frame));
        self.state.enter(scope, &names);
    }

    /// Shows what the debugger's commands show.
    pub(crate) fn examine(&self, command: Command, argument: &str) {
        let Some(view) = &self.stopped else { return };
        let frame = |number| self.state.with(|evaluator| view.frame(evaluator, number));
        match command {
            Command::Environment => show(&format!("{}\n", view.scopes())),
            Command::Backtrace => {
                for number in 0..view.frames.len() {
                    show(&frame(number));
                }
                show("\n");
            }
            _ => {
                let known = |number: &usize| *number < view.frames.len();
                match argument.parse().ok().filter(known) {
                    Some(number) => self.go_to(number),
                    None if argument.is_empty() => {}
                    None => {
                        let last = view.frames.len().saturating_sub(1);
                        eprintln!("error: there is no step '{argument}': they are numbered from 0 to {last}");
                        return;
                    }
                }
                show(&format!("{}\n{}\n", frame(view.current.get()), view.scopes()));
            }
        }
    }
}
