//! What a server says while it works.

use crate::messages::{Message, write_message};
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The way to a client: messages of several threads, and replies.
///
/// Messages may only be sent while the client waits for what it asked for; others are
/// dropped.
pub struct Speaker {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub output: BufWriter<Box<dyn Write + Send>>,
    /// Whether the client waits.
    pub listening: bool,
}

impl Speaker {
    /// To whoever reads `output`.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        let output: Box<dyn Write + Send> = Box::new(output);
        Self { state: Mutex::new(State { output: BufWriter::new(output), listening: false }) }
    }

    /// Says something, if the client waits. What can't be written is noticed later.
    pub fn say(&self, message: &Message) {
        let mut state = self.lock();
        if state.listening {
            let _ = write_message(&mut state.output, message).and_then(|()| state.output.flush());
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages may be sent from now on.
    pub(crate) fn listen(&self) {
        self.lock().listening = true;
    }

    /// Writes a reply, behind which no message may be sent.
    pub(crate) fn reply(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        state.listening = false;
        write(&mut state.output)?;
        state.output.flush()
    }
}
