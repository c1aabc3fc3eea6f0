//! The way to the other machine: the program `ssh`.

use crate::address::{Address, Protocol};
use crate::error::RemoteError;
use crate::peer::{Log, Peer};
use crate::serve::ServeClient;
use crate::stream::Stream;
use crate::worker::WorkerClient;
use saltire_store_model::StoreDir;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many lines of `ssh` an error shows.
const LINES: usize = 5;

/// How long `ssh` may take to end after the connection did.
const PATIENCE: Duration = Duration::from_secs(2);

/// How `ssh` is started.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The program, looked up on `PATH`.
    pub program: String,
    /// The words of `NIX_SSHOPTS`.
    pub words: Vec<String>,
}

impl SshOptions {
    /// From the environment.
    pub fn from_environment() -> Self {
        let words = std::env::var("NIX_SSHOPTS").unwrap_or_default();
        Self { program: "ssh".to_owned(), words: split_words(&words) }
    }
}

/// Splits words at blanks; quotes and backslashes keep blanks in them.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (_, Some(end)) if character == end => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (_, Some(_)) => word.get_or_insert_default().push(character),
            ('\'' | '"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            (other, None) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// The last lines that `ssh` and the other side wrote to standard error.
type Tail = Arc<Mutex<VecDeque<String>>>;

/// A store that is reached through `ssh`, which ends when this is dropped.
pub struct Connection {
    // Dropped before `ssh`, which ends when its pipes do.
    /// The store.
    pub peer: Box<dyn Peer>,
    /// The lines that come on standard error: what builders write, where the serve
    /// protocol is spoken.
    pub lines: Receiver<Vec<u8>>,
    ssh: Ssh,
    host: String,
}

impl Connection {
    /// An error, with what `ssh` said where the connection was cut.
    pub fn explain(&mut self, error: RemoteError) -> RemoteError {
        match error {
            RemoteError::Closed => {
                RemoteError::Cut { host: self.host.clone(), reason: self.ssh.why_it_ended() }
            }
            other => other,
        }
    }
}

/// A running `ssh`, ended when this is dropped.
struct Ssh {
    child: Child,
    reader: Option<JoinHandle<()>>,
    tail: Tail,
    /// Holds the host's key while `ssh` runs.
    _directory: Option<TempDir>,
}

impl Drop for Ssh {
    fn drop(&mut self) {
        // Its pipes are closed by now: where the other side is well, it ends by itself.
        let begin = Instant::now();
        while !matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
            if begin.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(reader) = self.reader.take() {
            // A process that outlives `ssh` may hold the pipe.
            if reader.is_finished() {
                let _ = reader.join();
            }
        }
    }
}

impl Address {
    /// Starts `ssh` and greets the store at the other end. Waiting for it ends when
    /// `cancelled` becomes true.
    pub fn connect(
        &self,
        store: &StoreDir,
        options: &SshOptions,
        cancelled: &Arc<AtomicBool>,
        log: Log<'_>,
    ) -> Result<Connection, RemoteError> {
        let (mut ssh, lines, stream) = self.start(options, cancelled)?;
        let host = self.host.clone();
        let peer: Result<Box<dyn Peer>, RemoteError> = match self.protocol {
            Protocol::Worker => WorkerClient::connect(stream, store.clone(), log).map(|p| Box::new(p) as _),
            Protocol::Serve => ServeClient::connect(stream, store.clone()).map(|p| Box::new(p) as _),
        };
        match peer {
            Ok(peer) => {
                // Such as that the host's key is new.
                lines.try_iter().for_each(drop);
                Ok(Connection { peer, lines, ssh, host })
            }
            Err(RemoteError::Closed) => Err(RemoteError::Connect { host, reason: ssh.why_it_ended() }),
            Err(error) => Err(error),
        }
    }

    fn start(
        &self,
        options: &SshOptions,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(Ssh, Receiver<Vec<u8>>, Stream), RemoteError> {
        let mut command = Command::new(&options.program);
        // The order is Nix's, which programs that stand in for `ssh` may expect.
        command.arg(&self.host).arg("-x").args(&options.words);
        if let Some(key) = &self.key {
            command.arg("-i").arg(key);
        }
        let mut directory = None;
        if let Some(key) = &self.host_key {
            let made = tempfile::Builder::new().prefix("saltire-ssh-").tempdir().map_err(RemoteError::Io)?;
            let file = made.path().join("known_hosts");
            std::fs::write(&file, self.known_host(key)).map_err(RemoteError::Io)?;
            command.arg("-o").arg(format!("UserKnownHostsFile={}", file.display()));
            directory = Some(made);
        }
        if self.compress {
            command.arg("-C");
        }
        if let Some(port) = self.port {
            command.arg(format!("-p{port}"));
        }
        command.arg("--").args(self.command().iter().map(|word| quoted(word)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(RemoteError::NoSsh)?;
        let tail = Tail::default();
        let (sender, lines) = channel();
        let into = Arc::clone(&tail);
        let reader =
            child.stderr.take().map(|stderr| std::thread::spawn(move || read_lines(stderr, &into, &sender)));
        let (output, input) = (child.stdin.take(), child.stdout.take());
        let ssh = Ssh { child, reader, tail, _directory: directory };
        let (Some(input), Some(output)) = (input, output) else { return Err(RemoteError::Closed) };
        let stream = Stream::from_pipes(input, output, cancelled).map_err(RemoteError::Io)?;
        Ok((ssh, lines, stream))
    }

    /// A line of a `known_hosts` file.
    fn known_host(&self, key: &str) -> String {
        let host = self.host.rsplit('@').next().unwrap_or_default();
        match self.port {
            Some(port) => format!("[{host}]:{port} {key}\n"),
            None => format!("{host} {key}\n"),
        }
    }
}

/// A word as the other machine's shell takes it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn read_lines(stderr: ChildStderr, tail: &Tail, lines: &Sender<Vec<u8>>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == LINES {
            tail.pop_front();
        }
        let text = crate::messages::without_colours(&String::from_utf8_lossy(&line));
        tail.push_back(text.trim().to_owned());
        // Nobody may listen any more.
        let _ = lines.send(line);
    }
}

impl Ssh {
    /// Why there is no answer.
    fn why_it_ended(&mut self) -> String {
        // It ends at once, or it was it that ended the connection.
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(None) if begin.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(status)) => break Some(status),
                _ => break None,
            }
        };
        if status.is_some()
            && let Some(reader) = self.reader.take()
        {
            let _ = reader.join();
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<&str> = tail.iter().map(String::as_str).collect();
        lines.retain(|line| !line.is_empty());
        match (lines.is_empty(), status) {
            (false, _) => lines.join("; "),
            (true, Some(status)) => format!("'ssh' ended with {status} and said nothing"),
            (true, None) => "the other side ended the connection and said nothing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_a_shell_does() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split_words(text), expected);
        check("", &[]);
        check(
            " -p 22  -o 'A=b c' -i \"/x y\" a\\ b ''",
            &["-p", "22", "-o", "A=b c", "-i", "/x y", "a b", ""],
        );
    }

    #[test]
    fn words_are_quoted_for_the_other_shell() {
        assert_eq!(quoted("/a/nix-daemon"), "/a/nix-daemon");
        assert_eq!(quoted("a;rm -rf"), "'a;rm -rf'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
