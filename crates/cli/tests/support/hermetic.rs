//! A store and a cache for one test, a web server on the loopback interface, and
//! a look at what a run left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An ordinary user, for tests that root runs.
pub const NOBODY: u32 = 65534;

/// Longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, a cache and a home directory of one test's own.
pub struct Home {
    directory: TempDir,
    user: Option<u32>,
    program: PathBuf,
}

#[allow(dead_code)]
impl Home {
    /// For the user that runs the tests.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, user: None, program: env!("CARGO_BIN_EXE_saltire").into() }
    }

    /// For an ordinary user; `None` if the tests are run by one already.
    pub fn of_ordinary_user() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let mut home = Self::new();
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        // The original may be where only root can go.
        let program = home.path().join("saltire");
        crate::support::copy_executable(&home.program, &program);
        home.program = program;
        home.user = Some(NOBODY);
        Some(home)
    }

    /// Where everything of it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where its store is, physically.
    pub fn store(&self) -> PathBuf {
        self.path().join("data/saltire/root/nix/store")
    }

    /// The program with these arguments.
    pub fn saltire(&self, arguments: &[&str]) -> Command {
        self.with_environment(Command::new(&self.program), arguments)
    }

    /// The program, started by a shell after `script` in namespaces of its own,
    /// in which it is root and may mount.
    pub fn saltire_after(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"]).arg(&self.program);
        self.with_environment(command, arguments)
    }

    fn with_environment(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.path());
        command.env("XDG_DATA_HOME", self.path().join("data"));
        command.env("XDG_CACHE_HOME", self.path().join("cache"));
        command.env("SALTIRE_STORE", "private");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// What a successful run printed to standard output.
    #[track_caller]
    pub fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.saltire(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The messages of a run that must fail, with code 1.
    #[track_caller]
    pub fn failure(&self, arguments: &[&str]) -> String {
        failure(&mut self.saltire(arguments))
    }

    /// Checks that nothing half-done is left: no output of that name, no scratch
    /// directory, no lock.
    #[track_caller]
    pub fn check_clean(&self, name: &str) {
        let entries = std::fs::read_dir(self.store()).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> = names
            .filter(|entry| {
                entry.starts_with("tmp-") || entry.ends_with(".lock") || entry.ends_with(&format!("-{name}"))
            })
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Starts a run in a process group of its own, as a shell does.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.saltire(arguments);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, messages: String::new(), home: self.path().to_owned() }
    }
}

/// The messages of a command that must fail, with code 1 or one of those for builds.
#[allow(dead_code)]
#[track_caller]
pub fn failure(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let messages = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(1 | 100..=104)), "{}: {messages}", output.status);
    let errors = messages.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "one message: {messages}");
    messages
}

/// A run that goes on.
pub struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    messages: String,
    home: PathBuf,
}

#[allow(dead_code)]
impl Running {
    /// Waits until a line with that text is in the messages.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let count = self.stderr.read_line(&mut line).unwrap();
            assert!(count > 0, "ended before '{text}': {}", self.messages);
            self.messages += &line;
            if line.contains(text) {
                return;
            }
        }
    }

    /// Sends a signal to the whole process group, as the terminal does.
    pub fn signal_group(&self, signal: rustix::process::Signal) {
        let group = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process_group(group, signal).unwrap();
    }

    /// Kills the program alone, without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end, and for that of all that it started: exit code, standard
    /// output and messages.
    #[track_caller]
    pub fn finish(mut self) -> (Option<i32>, String, String) {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        self.stderr.read_to_string(&mut self.messages).unwrap();
        let status = self.child.wait().unwrap();
        let end = Instant::now() + PATIENCE;
        while is_mounted_anywhere(&self.home) {
            assert!(Instant::now() < end, "processes that see {} are left", self.home.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        (status.code(), output, self.messages)
    }
}

/// Whether a process, in whatever namespace, has something of a directory mounted.
fn is_mounted_anywhere(directory: &Path) -> bool {
    let own = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    assert!(!own.contains(&*directory.to_string_lossy()), "a mount is left:\n{own}");
    !users_inside(directory).is_empty()
}

/// The users of the processes that have something of a directory mounted: a sandbox's
/// processes do.
pub fn users_inside(directory: &Path) -> BTreeSet<u32> {
    let name = directory.file_name().unwrap().to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = processes.filter(|process| {
        let info = std::fs::read_to_string(process.path().join("mountinfo"));
        info.is_ok_and(|info| info.contains(&name))
    });
    let user = |process: std::fs::DirEntry| {
        let status = std::fs::read_to_string(process.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    inside.filter_map(user).collect()
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether root runs the tests.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How the server answers.
#[derive(Clone)]
#[allow(dead_code)]
pub enum Answer {
    /// With these bytes.
    Bytes(Vec<u8>),
    /// With these bytes, which are compressed in this way.
    #[allow(dead_code)]
    Encoded(&'static str, Vec<u8>),
    /// With half of these bytes, and no more until the other side hangs up.
    Stall(Vec<u8>),
    /// With this status and nothing else.
    Status(&'static str),
}

/// What was asked for.
#[allow(dead_code)]
pub struct Request<'a> {
    pub path: &'a str,
    /// The lines of the header, in lower case as far as the colon.
    pub header: &'a [String],
}

/// A web server on the loopback interface.
pub struct Server {
    /// Its address, without a slash at the end.
    pub url: String,
}

impl Server {
    /// Answers requests for these paths.
    pub fn start(answers: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::answering(move |request| answers(request.path))
    }

    /// Answers requests.
    pub fn answering(answers: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || drop(serve(stream, &*answers)));
            }
        });
        Self { url }
    }

    /// Serves one file as `/file`.
    #[allow(dead_code)]
    pub fn of(answer: Answer) -> Self {
        Self::start(move |path| (path == "/file").then(|| answer.clone()))
    }

    /// A Debian mirror of what the other tests have downloaded.
    #[allow(dead_code)]
    pub fn mirror() -> Self {
        let cache = super::support::home().join("cache/saltire/downloads");
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs/seed/debian.lock.json");
        let lock: serde_json::Value = serde_json::from_slice(&std::fs::read(lock).unwrap()).unwrap();
        let mut hashes = BTreeMap::new();
        collect_hashes(&lock, &mut hashes);
        Self::start(move |path| {
            let hash = hashes.get(path.strip_prefix("/debian/")?)?;
            std::fs::read(cache.join(format!("sha256-{hash}"))).ok().map(Answer::Bytes)
        })
    }
}

/// Paths and hashes of everything in a lock file.
fn collect_hashes(value: &serde_json::Value, hashes: &mut BTreeMap<String, String>) {
    if let (Some(path), Some(hash)) = (value["path"].as_str(), value["sha256"].as_str()) {
        hashes.insert(path.to_owned(), hash.to_owned());
    }
    for child in value.as_object().into_iter().flat_map(|map| map.values()) {
        collect_hashes(child, hashes);
    }
    for child in value.as_array().into_iter().flatten() {
        collect_hashes(child, hashes);
    }
}

fn serve(mut stream: TcpStream, answers: &dyn Fn(&Request) -> Option<Answer>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
            header.push(format!("{}:{value}", name.to_ascii_lowercase()));
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let answer = answers(&Request { path, header: &header }).unwrap_or(Answer::Status("404 Not Found"));
        let bytes = match &answer {
            Answer::Bytes(bytes) | Answer::Encoded(_, bytes) | Answer::Stall(bytes) => bytes,
            Answer::Status(status) => {
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
        };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", bytes.len())?;
        if let Answer::Encoded(name, _) = answer {
            write!(stream, "Content-Encoding: {name}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        if !matches!(answer, Answer::Stall(_)) {
            stream.write_all(bytes)?;
        } else {
            stream.write_all(&bytes[..bytes.len() / 2])?;
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
    }
}

/// An expression for a file that is fetched from a server.
#[allow(dead_code)]
pub fn fetch_expression(name: &str, url: &str, sha256: &str) -> String {
    format!(
        "derivation {{ name = \"{name}\"; builder = \"builtin:fetchurl\"; system = \"builtin\"; \
         url = \"{url}\"; outputHash = \"{sha256}\"; outputHashAlgo = \"sha256\"; \
         outputHashMode = \"flat\"; }}"
    )
}
