//! The program at a pseudo-terminal, as a person uses it.

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A session, and what it has written.
pub struct Terminal {
    child: Child,
    input: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Starts the program in a directory that is also its home, with further variables.
    pub fn start(arguments: &[&str], directory: &Path, variables: &[(&str, &OsStr)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = rustix::termios::Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size).unwrap();
        let slave = File::from(slave);
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(env!("CARGO_BIN_EXE_saltire"))
            .args(arguments)
            .current_dir(directory);
        command.env("HOME", directory).env("XDG_CACHE_HOME", directory).env("XDG_DATA_HOME", directory);
        command.env("XDG_CONFIG_HOME", directory).env("NIX_CONF_DIR", directory);
        command.env("SALTIRE_STORE", directory.join("root")).env("NIX_PATH", "").env("TERM", "xterm");
        command.env("NO_COLOR", "1").envs(variables.iter().copied());
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        command.process_group(0);
        let child = command.spawn().unwrap();
        drop(command);
        let input = File::from(master);
        let mut reader = input.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, input, output, seen: String::new() }
    }

    /// Waits until something was written, and gives what was up to it.
    pub fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.output.recv_timeout(Duration::from_secs(60)) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{text:?} was not written, but: {:?}", self.seen),
            }
        }
    }

    /// Types something.
    pub fn send(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// Types a line at a prompt and gives what is written before the next prompt.
    #[allow(dead_code)]
    pub fn line(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r"));
        self.expect("\r\n");
        let shown = self.expect("nix-repl> ");
        shown.trim_end_matches("nix-repl> ").to_owned()
    }

    /// Ends the session.
    #[allow(dead_code)]
    pub fn end(mut self) {
        self.send(":q\r");
        assert_eq!(self.wait(), Some(0));
    }

    /// The exit code, when it has ended.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
