//! `xtask bench-repl`: how long `nix repl` takes to its prompt, compared with the
//! reference, and to complete `pkgsCross.`, through a pseudo-terminal. The reference
//! completes nothing there.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Arguments of `xtask bench-repl`.
#[derive(clap::Args)]
pub(crate) struct ReplArguments {
    /// A nixpkgs tree
    #[arg(long, value_name = "DIR")]
    tree: PathBuf,
    /// The reference's `nix`
    #[arg(long, value_name = "PROGRAM")]
    reference: PathBuf,
    /// This program
    #[arg(long, value_name = "PROGRAM", default_value = "target/release/saltire")]
    program: PathBuf,
    /// How often each is run; medians are shown
    #[arg(long, default_value_t = 9)]
    runs: usize,
}

/// What is written at a prompt.
const PROMPT: &str = "nix-repl> ";
/// A name that is among the completions of `pkgsCross.`.
const COMPLETION: &str = "riscv64-embedded";
/// How long a person takes between two keys, at least.
const PAUSE: Duration = Duration::from_millis(100);
/// Waiting longer for anything is an error.
const PATIENCE: Duration = Duration::from_secs(120);

/// Seconds that each part of a session took.
#[derive(Clone, Copy, Default)]
struct Times {
    start: f64,
    first: f64,
    again: f64,
}

pub(crate) fn run(arguments: &ReplArguments) -> anyhow::Result<()> {
    let tree = arguments.tree.canonicalize().context("can't find the tree")?;
    let home = tempfile::tempdir()?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    // Once for nothing, so that caches are warm; then in turns, so that both see the
    // same load of the machine.
    for round in 0..=arguments.runs.max(1) {
        let their = session(Command::new(&arguments.reference), false, &tree, home.path())?;
        let mut command = Command::new(&arguments.program);
        command.arg("nix").env("SALTIRE_STORE", home.path().join("root"));
        let our = session(command, true, &tree, home.path())?;
        if round > 0 {
            theirs.push(their);
            ours.push(our);
        }
    }
    let (their, our) = (median(&theirs, |times| times.start), median(&ours, |times| times.start));
    println!(
        "start to the prompt: reference {:.1} ms, this {:.1} ms, {:.1}x",
        1e3 * their,
        1e3 * our,
        their / our
    );
    println!("completing pkgsCross.: {:.1} ms", 1e3 * median(&ours, |times| times.first));
    println!("the same again: {:.1} ms", 1e3 * median(&ours, |times| times.again));
    Ok(())
}

fn median(all: &[Times], read: fn(&Times) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(read).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn session(mut command: Command, completes: bool, tree: &Path, home: &Path) -> anyhow::Result<Times> {
    command.args(["--extra-experimental-features", "nix-command flakes", "repl", "-f"]).arg(tree);
    command
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home)
        .env("XDG_DATA_HOME", home)
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    let began = Instant::now();
    let mut terminal = Terminal::start(&command)?;
    terminal.expect("Added ")?;
    terminal.expect(PROMPT)?;
    let start = began.elapsed().as_secs_f64();
    let mut complete = || -> anyhow::Result<f64> {
        let began = Instant::now();
        terminal.send("pkgsCross.\t")?;
        terminal.expect(COMPLETION)?;
        let taken = began.elapsed().as_secs_f64();
        // The line that was typed is dropped, once it is shown below the names again.
        terminal.expect(PROMPT)?;
        std::thread::sleep(PAUSE);
        terminal.send("\u{15}")?;
        terminal.send("4040 + 2\r")?;
        terminal.expect("4042\r\n")?;
        terminal.expect(PROMPT)?;
        std::thread::sleep(PAUSE);
        Ok(taken)
    };
    let mut times = Times { start, ..Times::default() };
    if completes {
        times.first = complete()?;
        times.again = complete()?;
    }
    terminal.child.kill()?;
    terminal.child.wait()?;
    Ok(times)
}

/// A program at a pseudo-terminal.
struct Terminal {
    child: Child,
    input: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(wanted: &Command) -> anyhow::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        tcsetwinsize(&slave, Winsize { ws_row: 50, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 })?;
        let slave = File::from(slave);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(wanted.get_program()).args(wanted.get_args());
        command.envs(wanted.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let child = command.spawn().context("can't run setsid")?;
        drop(command);
        let input = File::from(master);
        let mut reader = input.try_clone()?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, output, seen: String::new() })
    }

    fn send(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.input.write_all(text.as_bytes())?)
    }

    /// Waits until something was written, and forgets what was up to it.
    fn expect(&mut self, text: &str) -> anyhow::Result<()> {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return Ok(());
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => bail!("{text:?} was not written, but {:?}", self.seen),
            }
        }
    }
}
