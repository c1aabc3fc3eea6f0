//! Shows what happens: bars on a terminal, lines elsewhere, or JSON for programs.

use crate::interrupt::SignalWatch;
use crate::json;
use crate::lines::Lines;
use crate::plain::{Keep, printable};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use saltire_driver::{Event, Events, StepId, StepKind};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// In which form to show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Bars if standard error is a terminal, else lines.
    #[default]
    Bars,
    /// Lines.
    Lines,
    /// Lines with `@nix` and a JSON text, for programs.
    Json,
}

/// How much to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verbosity {
    /// The form.
    pub format: Format,
    /// Errors and results only.
    pub quiet: bool,
    /// The output of builders as it comes.
    pub build_logs: bool,
    /// More than usual.
    pub verbose: bool,
}

/// Shows events on standard error.
pub struct Progress {
    verbosity: Verbosity,
    terminal: bool,
    bars: MultiProgress,
    state: Mutex<State>,
    /// Lives as long as the session that shows its events here.
    signals: SignalWatch,
}

#[derive(Default)]
struct State {
    total: Option<ProgressBar>,
    steps: HashMap<StepId, Running>,
    received: HashMap<StepId, u64>,
    done: usize,
    planned: usize,
}

struct Running {
    bar: ProgressBar,
    name: String,
    started: Instant,
    kind: StepKind,
}

impl Running {
    fn received(&self, bytes: u64, total: Option<u64>) {
        if self.kind == StepKind::Input {
            let of = total.map(|total| format!(" of {}", HumanBytes(total))).unwrap_or_default();
            self.bar.set_message(format!("{} ({}{of})", self.name, HumanBytes(bytes)));
            return;
        }
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(bytes);
    }
}

impl Progress {
    /// Bars if standard error is a terminal, else lines. Watches for signals as long
    /// as it exists.
    pub fn new(verbosity: Verbosity, signals: SignalWatch) -> Self {
        let terminal = verbosity.format == Format::Bars
            && std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        if verbosity.format == Format::Json {
            json::switch_on();
        }
        let target = if terminal && !verbosity.quiet {
            ProgressDrawTarget::term_like_with_hz(Box::new(Lines::new()), 10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        Self { verbosity, terminal, bars, state: Mutex::default(), signals }
    }

    /// What becomes true when the user calls it off.
    pub fn cancelled(&self) -> Arc<AtomicBool> {
        self.signals.cancelled()
    }

    /// Removes the bars, before something else is printed or run.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        for running in state.steps.values() {
            running.bar.finish_and_clear();
        }
        if let Some(total) = state.total.take() {
            total.finish_and_clear();
        }
        let _ = self.bars.clear();
    }

    /// Says what is going to happen, unless little is to be said.
    pub fn announce(&self, text: &str) {
        if !self.verbosity.quiet {
            self.line(text.trim_end());
        }
    }

    fn line(&self, text: &str) {
        let text = printable(text, Keep { colours: self.terminal, tabs: false });
        if self.terminal {
            // Printing through the bars would fill the line with blanks.
            self.bars.suspend(|| {
                let _ = writeln!(std::io::stderr().lock(), "{text}");
            });
        } else {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    fn started(&self, state: &mut State, step: StepId, kind: StepKind, name: &str, reason: &str) {
        let verb = verb(kind);
        let is_work = matches!(kind, StepKind::Build | StepKind::Builtin);
        if !self.terminal && is_work || self.verbosity.verbose {
            self.line(&format!("{verb} {name} ({reason})"));
        }
        let template = match kind {
            StepKind::Download => {
                "  {prefix:>9} {msg:28!} [{bar:24}] {bytes:>10}/{total_bytes:10} {bytes_per_sec}"
            }
            _ => "  {prefix:>9} {msg} {elapsed:.dim}",
        };
        // Added first: on its own it would draw a line that nothing removes.
        let bar = self.bars.add(ProgressBar::no_length());
        bar.set_style(
            ProgressStyle::with_template(template).expect("a constant template").progress_chars("=> "),
        );
        bar.set_prefix(verb.to_lowercase());
        bar.set_message(name.to_owned());
        if kind != StepKind::Download {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        state.steps.insert(step, Running { bar, name: name.to_owned(), started: Instant::now(), kind });
    }

    fn finished(&self, state: &mut State, step: StepId, name: &str, success: bool) {
        let Some(running) = state.steps.remove(&step) else { return };
        running.bar.finish_and_clear();
        self.bars.remove(&running.bar);
        // What was wrong with an input is an error of the evaluation.
        if running.kind == StepKind::Input {
            return;
        }
        state.done += 1;
        if let Some(total) = &state.total {
            total.inc(1);
        }
        let elapsed = running.started.elapsed().as_secs_f64();
        match running.kind {
            // What the user ended is not what went wrong.
            _ if !success && self.cancelled().load(Ordering::SeqCst) => {}
            _ if !success => self.line(&format!("failed: {name}")),
            StepKind::Download if !self.terminal => {
                self.line(&format!("[{}/{}] Fetched {name}", state.done, state.planned));
            }
            StepKind::Download | StepKind::Input => {}
            StepKind::Build | StepKind::Builtin => {
                self.line(&format!("[{}/{}] Built {name} in {elapsed:.1} s", state.done, state.planned));
            }
        }
    }
}

fn verb(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Download | StepKind::Input => "Fetching",
        StepKind::Build => "Building",
        StepKind::Builtin => "Unpacking",
    }
}

impl Events for Progress {
    fn event(&self, event: Event<'_>) {
        if self.verbosity.quiet && !matches!(event, Event::Said(_) | Event::Warning(_)) {
            return;
        }
        if self.verbosity.format == Format::Json {
            return json::show(event);
        }
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        match event {
            Event::Planned { downloads, builds } => {
                state.planned = downloads + builds;
                state.done = 0;
                if state.planned > 0 {
                    let bar = self.bars.add(ProgressBar::new(state.planned as u64));
                    bar.set_style(
                        ProgressStyle::with_template("  {pos}/{len} steps, {elapsed}")
                            .expect("a constant template"),
                    );
                    state.total = Some(bar);
                }
            }
            Event::Started { step, kind, name, reason, .. } => {
                self.started(&mut state, step, kind, name, reason)
            }
            Event::Received { step, bytes, total } => {
                state.received.insert(step, bytes);
                if let Some(running) = state.steps.get(&step) {
                    running.received(bytes, total);
                }
            }
            Event::Output { step, name, line } => {
                let text = String::from_utf8_lossy(line);
                if self.verbosity.build_logs {
                    self.line(&format!("{name}> {text}"));
                } else if let Some(running) = state.steps.get(&step) {
                    let text: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
                    running.bar.set_message(format!("{name}: {text}"));
                }
            }
            Event::Finished { step, name, success } => self.finished(&mut state, step, name, success),
            Event::Note(text) | Event::Said(text) => self.line(&text.to_string()),
            Event::Warning(text) => self.line(&format!("warning: {text}")),
        }
    }
}
