//! The two directions of a connection.

use crate::error::CalledOff;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much is read or written at once, in bytes.
const BUFFER: usize = 64 << 10;

/// How often a connection that is waited for looks whether it was called off.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The two directions of a connection.
pub struct Stream {
    pub(crate) input: BufReader<Box<dyn Read + Send>>,
    pub(crate) output: BufWriter<Box<dyn Write + Send>>,
}

impl Stream {
    /// From two byte streams.
    pub fn new(input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, Box::new(input)),
            output: BufWriter::with_capacity(BUFFER, Box::new(output)),
        }
    }

    /// From the ends of two pipes, which nobody else may use; waiting for them ends when
    /// `cancelled` becomes true.
    pub fn from_pipes(
        input: impl Into<OwnedFd>,
        output: impl Into<OwnedFd>,
        cancelled: &Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let pipe = |descriptor: OwnedFd| {
            let flags = rustix::fs::fcntl_getfl(&descriptor)?;
            rustix::fs::fcntl_setfl(&descriptor, flags | rustix::fs::OFlags::NONBLOCK)?;
            Ok::<_, io::Error>(Pipe { file: descriptor.into(), cancelled: Arc::clone(cancelled) })
        };
        Ok(Self::new(pipe(input.into())?, pipe(output.into())?))
    }
}

/// One end of a pipe.
struct Pipe {
    file: File,
    cancelled: Arc<AtomicBool>,
}

impl Pipe {
    /// Waits until something can be done, unless it was called off.
    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            if self.cancelled.load(Ordering::SeqCst) {
                return Err(io::Error::other(CalledOff));
            }
            match poll(&mut [PollFd::new(&self.file, flags)], Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::IN)?;
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::OUT)?;
            match self.file.write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
