//! A writer that lets another thread do the work.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// How much is written before a thread is worth starting.
const START: usize = 1 << 20;

/// How much is handed over at once.
const CHUNK: usize = 256 << 10;

/// How many chunks may wait.
const QUEUE: usize = 4;

/// Passes what is written to it on to a sink in another thread, once there is so
/// much that a thread pays off. Reading files and hashing them then overlap.
pub struct Offload<S> {
    state: State<S>,
    chunk: Vec<u8>,
    /// Bytes written while the sink is still here.
    early: usize,
}

enum State<S> {
    Here(S),
    There(Worker<S>),
    /// The other thread ended with an error, or with a panic.
    Failed,
}

struct Worker<S> {
    chunks: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<S>>,
}

impl<S: Write + Send + 'static> Offload<S> {
    /// Passes on to `sink`.
    pub fn new(sink: S) -> Self {
        Self { state: State::Here(sink), chunk: Vec::new(), early: 0 }
    }

    /// Waits until everything is passed on, and returns the sink.
    pub fn finish(mut self) -> io::Result<S> {
        self.hand_over()?;
        match self.state {
            State::Here(sink) => Ok(sink),
            State::There(worker) => {
                drop(worker.chunks);
                worker.thread.join().unwrap_or_else(|_| Err(failed()))
            }
            State::Failed => Err(failed()),
        }
    }

    /// Gives the sink to a new thread. Where there can't be one, it stays here.
    fn start(&mut self) {
        let State::Here(_) = &self.state else { return };
        let (chunks, incoming) = sync_channel::<Vec<u8>>(QUEUE);
        let (outgoing, empty) = sync_channel::<Vec<u8>>(QUEUE);
        let (give, take) = sync_channel::<S>(1);
        let thread = std::thread::Builder::new().name("hash".to_owned()).spawn(move || {
            let mut sink = take.recv().map_err(|_| failed())?;
            for mut chunk in incoming {
                sink.write_all(&chunk)?;
                chunk.clear();
                // A full or closed queue only means that the buffer is not used again.
                let _ = outgoing.try_send(chunk);
            }
            Ok(sink)
        });
        let Ok(thread) = thread else { return };
        if let State::Here(sink) = std::mem::replace(&mut self.state, State::Failed) {
            // Holds one without waiting.
            if give.try_send(sink).is_ok() {
                self.state = State::There(Worker { chunks, empty, thread });
            }
        }
    }

    fn hand_over(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Here(sink) => {
                sink.write_all(&self.chunk)?;
                self.chunk.clear();
                Ok(())
            }
            State::There(worker) => {
                let next = worker.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK));
                let chunk = std::mem::replace(&mut self.chunk, next);
                let sent = match worker.chunks.try_send(chunk) {
                    Err(TrySendError::Full(chunk)) => worker.chunks.send(chunk).is_ok(),
                    other => other.is_ok(),
                };
                if sent { Ok(()) } else { self.fail() }
            }
            State::Failed => Err(failed()),
        }
    }

    /// The thread has ended early: says why.
    fn fail(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::There(worker) => {
                drop(worker.chunks);
                match worker.thread.join() {
                    Ok(Err(error)) => Err(error),
                    _ => Err(failed()),
                }
            }
            _ => Err(failed()),
        }
    }
}

fn failed() -> io::Error {
    io::Error::other("the hashing thread ended early")
}

impl<S: Write + Send + 'static> Write for Offload<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let State::Here(sink) = &mut self.state {
            self.early += data.len();
            sink.write_all(data)?;
            if self.early >= START {
                self.start();
            }
            return Ok(data.len());
        }
        let room = CHUNK.saturating_sub(self.chunk.len()).max(1);
        let count = data.len().min(room);
        self.chunk.extend_from_slice(&data[..count]);
        if self.chunk.len() >= CHUNK {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_everything_on_in_order() {
        for size in [0, 10, START - 1, START, START + CHUNK + 7, 5 * START + 1] {
            let data: Vec<u8> = (0..size).map(|index| (index / 251 + index) as u8).collect();
            let mut offload = Offload::new(Vec::new());
            for piece in data.chunks(70_001) {
                offload.write_all(piece).unwrap();
            }
            assert!(offload.finish().unwrap() == data, "{size}");
        }
    }

    struct Failing(usize);

    impl Write for Failing {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(data.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn errors_come_back() {
        for limit in [10, START + 10, 3 * START] {
            let mut offload = Offload::new(Failing(limit));
            let written = (0..400).try_for_each(|_| offload.write_all(&[0; 50_000]));
            let error = written.and_then(|()| offload.finish().map(drop)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
