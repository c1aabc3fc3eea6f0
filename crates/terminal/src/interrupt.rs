//! Ctrl-C: the first ends what runs and cleans up, the second ends the program.

use crate::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Exit code of a program that was interrupted, as a shell gives it.
const INTERRUPTED: i32 = 130;

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ends the command; the second one ends the program at once.
    Command,
    /// Ends what runs now; the session goes on (only Ctrl-C: other signals end it).
    Session,
}

/// Watches for signals as long as it exists, on a thread of its own.
pub struct SignalWatch {
    cancelled: Arc<AtomicBool>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Starts to watch. Evaluations end by themselves at a signal.
    pub fn start(interrupt: Interrupt) -> Result<Self, Failure> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let failed = |error: std::io::Error| Failure::new(format_args!("can't handle signals: {error}"));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let handle = signals.handle();
        let flag = Arc::clone(&cancelled);
        let watch = move || {
            for signal in signals.forever() {
                let again = flag.swap(true, Ordering::SeqCst);
                saltire_eval::set_interrupted(true);
                let ends = match interrupt {
                    Interrupt::Command => again,
                    Interrupt::Session => signal != SIGINT,
                };
                if ends {
                    std::process::exit(INTERRUPTED);
                }
            }
        };
        let builder = std::thread::Builder::new().name("signals".into()).stack_size(128 << 10);
        let thread = Some(builder.spawn(watch).map_err(failed)?);
        Ok(Self { cancelled, handle, thread })
    }

    /// What becomes true at a signal: builds end then.
    pub fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
