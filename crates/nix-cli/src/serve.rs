//! This store for other machines: `nix-daemon --stdio`, `nix daemon --stdio` and
//! `nix-store --serve`.

use crate::arguments::{Arguments, Word};
use crate::options::Options;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use saltire_driver::{Event, Events, ServedStore, Speaker, ToClient, serve_serve, serve_worker};
use saltire_terminal::{Failure, Interrupt, SignalWatch};
use std::io::{BufReader, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Text of `--help`.
pub const DAEMON_HELP: &str = "\
Usage: nix-daemon --stdio

Speaks the worker protocol on standard input and output: what 'ssh-ng://' stores and
'builders' of Nix, and of this program, start on this machine. There is no daemon that
waits for connections: every user works on the store itself.
";

/// How often it is looked whether the client is still there.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Runs `nix daemon` and `nix-daemon`.
pub fn daemon(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut is_stdio = false;
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "stdio" => is_stdio = true,
            // Whoever may start this may do what its user may.
            Word::Long(name)
                if matches!(name.as_str(), "force-trusted" | "default-trust" | "process-ops") => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if !is_stdio {
        return Err(Failure::new("there is no daemon: saltire works on the store itself")
            .hint("'--stdio' serves another machine, over ssh")
            .hint("a user who may not write to /nix gets a private store; 'saltire doctor' says which one is used"));
    }
    let speaker = Arc::new(Speaker::new(std::io::stdout()));
    let events = Arc::new(ToClient { speaker: Arc::clone(&speaker) });
    serve(&options, events, |served, input| serve_worker(served, input, &speaker).map_err(Failure::new))
}

/// Serves the older protocol: `nix-store --serve`.
pub fn store(options: &Options, write: bool) -> Result<ExitCode, Failure> {
    let speaker = Speaker::new(std::io::stdout());
    let events = Arc::new(StandardError);
    serve(options, events, |served, input| serve_serve(served, input, &speaker, write).map_err(Failure::new))
}

fn serve(
    options: &Options,
    events: Arc<dyn Events>,
    work: impl FnOnce(&ServedStore, &mut BufReader<std::io::Stdin>) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let signals = SignalWatch::start(Interrupt::Command)?;
    let cancelled = signals.cancelled();
    let served = ServedStore::open(options.settings(), events, Arc::clone(&cancelled))?;
    watch(cancelled);
    work(&served, &mut BufReader::new(std::io::stdin()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what builders write to standard error, from where the clients of the serve
/// protocol have it.
struct StandardError;

impl Events for StandardError {
    fn event(&self, event: Event<'_>) {
        let mut output = std::io::stderr().lock();
        // A client that went away is noticed elsewhere.
        let _ = match event {
            Event::Output { line, .. } => output.write_all(line).and_then(|()| output.write_all(b"\n")),
            Event::Warning(text) => writeln!(output, "warning: {text}"),
            _ => Ok(()),
        };
    }
}

/// Ends what runs when the client goes away. The thread lives as long as the process.
fn watch(cancelled: Arc<AtomicBool>) {
    let look = move || {
        let input = std::io::stdin();
        loop {
            // Only the end is waited for, not what the client sends.
            let mut polled = [PollFd::new(&input, PollFlags::empty())];
            let ended = match poll(&mut polled, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => false,
                Ok(_) => polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
                Err(_) => return,
            };
            if ended {
                cancelled.store(true, Ordering::SeqCst);
                return;
            }
        }
    };
    // Without it, what runs ends when it next writes to the client.
    let _ = std::thread::Builder::new().name("client".into()).spawn(look);
}
