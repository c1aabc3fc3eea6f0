//! Running the programs that know repositories: `git` and `hg`.

use crate::tree::TreeError;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often a running program is looked after.
const INTERVAL: Duration = Duration::from_millis(50);

/// What is run, for messages.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    /// The program.
    pub program: &'static str,
    /// Where.
    pub repository: &'a Path,
    /// Its command.
    pub command: &'a str,
}

impl About<'_> {
    /// The program failed, and said this.
    pub fn failed(self, message: String) -> TreeError {
        let Self { program, repository, command } = self;
        TreeError::Program {
            program,
            repository: repository.to_owned(),
            command: command.to_owned(),
            message,
        }
    }
}

/// Starts a program.
pub(super) fn spawn(mut command: Command, program: &'static str) -> Result<Child, TreeError> {
    command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => TreeError::NoProgram(program),
        _ => TreeError::File { action: "run", path: program.into(), source },
    })
}

/// Runs a program with this on its standard input; what it wrote. Its complaints are
/// the error's text. Its outputs, and its input if there is any, have to be pipes.
pub(super) fn run(
    command: Command,
    input: Option<Vec<u8>>,
    about: About<'_>,
    cancelled: &AtomicBool,
) -> Result<Vec<u8>, TreeError> {
    let mut child = spawn(command, about.program)?;
    if let (Some(mut stream), Some(input)) = (child.stdin.take(), input) {
        // If it does not read all, it says why.
        std::thread::spawn(move || stream.write_all(&input));
    }
    let read = |stream: Option<Box<dyn Read + Send>>| {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is what there is.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    };
    let output = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let errors = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let errors = std::thread::spawn(move || read(errors));
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || sender.send(read(output)));
    // The output ends when the program does.
    let output = loop {
        match receiver.recv_timeout(INTERVAL) {
            Ok(output) => break output,
            Err(RecvTimeoutError::Timeout) if !cancelled.load(Ordering::SeqCst) => {}
            Err(_) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(TreeError::Interrupted);
            }
        }
    };
    let status = child.wait();
    let status = status.map_err(|source| TreeError::File {
        action: "wait for",
        path: about.program.into(),
        source,
    })?;
    if status.success() {
        return Ok(output);
    }
    Err(about.failed(String::from_utf8_lossy(&errors.join().unwrap_or_default()).trim().to_owned()))
}
