//! A place for flakes, a session with a store of its own, and a web server.

use saltire_driver::{
    Directories, Error, Event, Events, FlakeTarget, LockFlags, Session, Settings, Via, Wanted,
};
use saltire_store_model::SecretKey;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A directory with flakes, and a session with a store of its own.
pub struct World {
    _directory: tempfile::TempDir,
    pub root: PathBuf,
    pub session: Arc<Session>,
    warnings: Arc<Warnings>,
    pub server: Server,
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Events for Warnings {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push(text.to_string());
        }
    }
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let mut settings = Settings { store: Some(text(&root.join("store"))), ..Settings::default() };
        settings.flake_registry = text(&root.join("registry.json"));
        settings.inputs.ttl = Duration::ZERO;
        settings.inputs.trusted_keys = vec![cache_key().public_key().to_text()];
        let warnings = Arc::new(Warnings::default());
        let events = Arc::clone(&warnings) as Arc<dyn Events>;
        let directories = Directories { cache: root.join("cache"), data: root.join("data") };
        let session = Session::open_in(directories, settings, events, Arc::new(AtomicBool::new(false)));
        let server = Server::start();
        Self { _directory: directory, root, session: session.unwrap(), warnings, server }
    }

    /// Writes a file; `$ROOT` and `$SERVER` stand for where things are.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.expand(content)).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn expand(&self, text: &str) -> String {
        text.replace("$ROOT", &self.root.display().to_string()).replace("$SERVER", &self.server.address)
    }

    /// Makes a repository of a directory, or a further commit of it.
    pub fn commit(&self, directory: &str) {
        self.git(directory, &["init", "--quiet", "--initial-branch=main", "."]);
        self.git(directory, &["add", "--all", "."]);
        self.git(directory, &["commit", "--quiet", "--message=m"]);
    }

    pub fn git(&self, directory: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.root.join(directory));
        command.args(["-c", "user.name=n", "-c", "user.email=e@localhost", "-c", "commit.gpgsign=false"]);
        let date = "2001-02-03T04:05:06Z";
        command.args(arguments).env("GIT_COMMITTER_DATE", date).env("GIT_AUTHOR_DATE", date);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Locks a flake; the text of its lock file, or of the error, with `$ROOT` and `$SERVER`.
    pub fn lock(&self, flake: &str, flags: &LockFlags) -> String {
        let lock = || -> Result<String, Error> {
            let target = FlakeTarget::parse(&self.expand(flake), &self.root).unwrap();
            Ok(self.session.lock_flake(&target.flake, flags)?.lock.to_text())
        };
        match lock() {
            Ok(text) => text,
            Err(error) => {
                let hints: String = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
                self.shorten(&format!("{error}{hints}"))
            }
        }
    }

    /// Evaluates an attribute of a flake; its printed value.
    pub fn evaluate(&self, flake: &str) -> String {
        let target = FlakeTarget::parse(&self.expand(flake), &self.root).unwrap();
        let flags = LockFlags { write: false, ..LockFlags::default() };
        let found = self.session.lock_flake(&target.flake, &flags).and_then(|locked| {
            self.session.evaluate(|evaluator| {
                let prefixes = ["packages.x86_64-linux".to_owned()];
                let session = &self.session;
                let found =
                    session.flake_attribute(evaluator, &locked, &target.fragment, &prefixes, &prefixes)?;
                let value = evaluator.force_deep(found.value)?;
                Ok(String::from_utf8(evaluator.print(value)).unwrap())
            })
        });
        self.shorten(&found.unwrap_or_else(|error| error.to_string()))
    }

    /// Evaluates an expression; its printed value.
    pub fn expression(&self, expression: &str) -> String {
        let found = self.session.evaluate(|evaluator| {
            let value = evaluator.eval_str(&self.expand(expression), b"/")?;
            let value = evaluator.force_deep(value)?;
            Ok(String::from_utf8(evaluator.print(value)).unwrap())
        });
        self.shorten(&found.unwrap_or_else(|error| error.to_string()))
    }

    pub fn shorten(&self, text: &str) -> String {
        let text = text.trim_end().replace(&self.root.display().to_string(), "$ROOT");
        text.replace(&self.server.address, "$SERVER")
    }

    /// Builds the derivation that an expression gives; where its output is, or the error.
    pub fn build(&self, expression: &str) -> Result<PathBuf, String> {
        let build = || -> Result<PathBuf, Error> {
            let path = self.session.evaluate(|evaluator| {
                let value = evaluator.eval_str(&self.expand(expression), b"/")?;
                Ok(evaluator.derivation_path(value)?.unwrap_or_default())
            })?;
            let derivation = self.session.parse(&path)?;
            let wanted = Wanted { derivation: derivation.clone(), outputs: vec!["out".into()] };
            self.session.realise(&[wanted], Via::Auto)?;
            Ok(self.session.store().physical_path(&self.session.output(&derivation, "out")?))
        };
        build().map_err(|error| self.shorten(&error.to_string()))
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = std::mem::take(&mut *self.warnings.0.lock().unwrap());
        warnings.iter().map(|text| self.shorten(text)).collect()
    }

    /// Whether Nix is installed, in a version that knows relative inputs (2.26).
    pub fn has_new_nix(&self) -> bool {
        let version = self.nix(&["--version"]).unwrap_or_default();
        let minor =
            version.trim().rsplit(' ').next().and_then(|version| version.split('.').nth(1)?.parse().ok());
        let is_new = minor.is_some_and(|minor: u32| minor >= 26);
        if !is_new {
            println!("skipped: Nix is too old for this ({})", version.trim());
        }
        is_new
    }

    /// What Nix says, with a store of its own; nothing if it is not installed.
    pub fn nix(&self, arguments: &[&str]) -> Option<String> {
        let output = self.run_nix(arguments)?;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// The printed value of an expression, or the error.
    pub fn nix_or_error(&self, expression: &str) -> String {
        let output = self.run_nix(&["eval", "--impure", "--expr", expression]).unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        self.shorten(&String::from_utf8_lossy(&text))
    }

    fn run_nix(&self, arguments: &[&str]) -> Option<Output> {
        let mut command = Command::new("nix");
        command.args(["--store", &text(&self.root.join("nix"))]);
        command.args(["--extra-experimental-features", "nix-command flakes"]);
        command.args(arguments.iter().map(|argument| self.expand(argument)));
        command.env("NIX_CONFIG", "build-users-group =\nsandbox = false\nflake-registry =\n");
        command.env("HOME", self.root.join("home")).env("XDG_CACHE_HOME", self.root.join("nix-cache"));
        command.env_remove("XDG_CONFIG_HOME").stdin(Stdio::null());
        let output = command.output();
        output.map_err(|error| println!("skipped: nix is not installed ({error})")).ok()
    }
}

/// Signs what binary caches have.
pub fn cache_key() -> SecretKey {
    SecretKey::from_seed("test-1", &[7; 32])
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Serves files, and keeps what was asked for.
pub struct Server {
    pub address: String,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (files, requests) =
            (Arc::<Mutex<HashMap<String, Vec<u8>>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (served, kept) = (Arc::clone(&files), Arc::clone(&requests));
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let Some(first) = lines.next() else { continue };
                let is_known = lines
                    .take_while(|line| !line.is_empty())
                    .any(|line| line.to_ascii_lowercase().starts_with("if-none-match:"));
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let found = served.lock().unwrap().get(&path).cloned();
                let head = match &found {
                    None => "404 Not Found\r\n".to_owned(),
                    Some(_) if is_known => "304 Not Modified\r\n".to_owned(),
                    Some(_) => "200 OK\r\nETag: \"tag\"\r\n".to_owned(),
                };
                kept.lock().unwrap().push(format!("{path} {}", &head[..3]));
                let body = found.filter(|_| !is_known).unwrap_or_default();
                let head =
                    format!("HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // The other side may be gone.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { address, files, requests }
    }

    pub fn serve(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), content.into());
    }

    pub fn stop_serving(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    /// What was asked for since the last call, with the status.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}
