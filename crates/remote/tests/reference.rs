//! The clients against the programs of the reference, where it is installed. `ssh` is a
//! script that leaves out the host's name and runs the rest here.

#[path = "../../sandbox/tests/support/executable.rs"]
mod executable;

use executable::write_executable;
use saltire_remote::{Address, BuildMode, BuildOptions, BuildStatus, Connection, Message, SshOptions};
use saltire_store_model::nar::nar_of_file;
use saltire_store_model::{
    ContentAddress, Derivation, DerivationOutput, Hash, HashAlgorithm, Ingestion, PathInfo, References,
    StoreDir, StorePath,
};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Stands in for `ssh`: options up to `--` are the host's business.
const SSH: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec sh -c \"$*\"\n";

/// A store of the reference in a directory of its own, and programs that serve it.
struct Reference {
    directory: tempfile::TempDir,
    store: StoreDir,
}

impl Reference {
    /// Nothing, with the reason printed, where the reference is not there.
    fn find() -> Option<Self> {
        let program = std::env::var("SALTIRE_NIX").unwrap_or_else(|_| "/usr/bin".into());
        let daemon = Path::new(&program).join("nix-daemon");
        if !daemon.exists() {
            println!("skipped: {} is not there", daemon.display());
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let store = StoreDir::new(directory.path().join("store").to_str().unwrap()).unwrap();
        let reference = Self { directory, store };
        for name in ["nix-daemon", "nix-store"] {
            let variables: String = [
                ("NIX_STORE_DIR", "store"),
                ("NIX_STATE_DIR", "state"),
                ("NIX_LOG_DIR", "log"),
                ("NIX_CONF_DIR", "etc"),
                ("HOME", "home"),
            ]
            .iter()
            .map(|(name, place)| format!("export {name}={}\n", reference.path(place).display()))
            .collect();
            let config = "export NIX_CONFIG='build-users-group =\nsandbox = false\nfilter-syscalls = false\nsubstituters =\n'\n";
            reference.script(name, &format!("#!/bin/sh\n{variables}{config}exec {program}/{name} \"$@\"\n"));
        }
        reference.script("ssh", SSH);
        Some(reference)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        write_executable(self.path(name), text);
    }

    fn connect(&self, scheme: &str, program: &str) -> Connection {
        let address = format!("{scheme}://host?remote-program={}", self.path(program).display());
        let address = Address::parse(&address).unwrap();
        let options =
            SshOptions { program: self.path("ssh").to_str().unwrap().to_owned(), words: Vec::new() };
        let cancelled = Arc::new(AtomicBool::new(false));
        address.connect(&self.store, &options, &cancelled, &mut quiet).unwrap()
    }

    /// A file whose path follows from its content.
    fn file(&self, name: &str, content: &[u8]) -> (PathInfo, Vec<u8>) {
        let nar = nar_of_file(content, false);
        let address = ContentAddress { ingestion: Ingestion::Nar, hash: Hash::sha256(&nar) };
        let path = self.store.make_content_addressed_path(name, &address, &References::default()).unwrap();
        let mut info = PathInfo::new(path, Hash::sha256(&nar), nar.len() as u64);
        info.content_address = Some(address);
        (info, nar)
    }

    /// A derivation that copies its input to its output and says so.
    fn derivation(&self, input: &StorePath, script: &str) -> (StorePath, Derivation) {
        let mut derivation = Derivation { name: "built".into(), ..Derivation::default() };
        derivation.system = Platform::system().into();
        derivation.builder = "/bin/sh".into();
        derivation.arguments = vec!["-c".into(), script.into()];
        derivation.environment.insert("input".into(), self.store.display(input).into());
        derivation.input_sources.insert(input.clone());
        derivation.outputs.insert("out".into(), DerivationOutput::Deferred);
        let cache = Default::default();
        let finished = derivation
            .finish(&self.store, &cache, |_: &StorePath| -> Result<_, std::io::Error> { unreachable!() })
            .unwrap();
        (finished.path, derivation)
    }
}

struct Platform;

impl Platform {
    fn system() -> String {
        format!("{}-linux", std::env::consts::ARCH)
    }
}

fn quiet(_: Message) {}

/// Adds a file, asks for it, builds from it, takes the result.
fn check(scheme: &str, program: &str) {
    let Some(reference) = Reference::find() else { return };
    let mut connection = reference.connect(scheme, program);
    let peer = &mut *connection.peer;
    peer.set_options(&BuildOptions { jobs: 1, ..BuildOptions::default() }, &mut quiet).unwrap();
    let big: Vec<u8> = (0..3_000_000u32).map(|number| (number * 7 / 5) as u8).collect();
    let (info, nar) = reference.file("input", &big);
    let (other, other_nar) = reference.file("other", b"x");
    assert!(peer.path_info(&info.path, &mut quiet).unwrap().is_none());
    let nars = |wanted: &PathInfo, output: &mut dyn std::io::Write| {
        output.write_all(if wanted.path == info.path { &nar } else { &other_nar })
    };
    peer.add(&[info.clone(), other.clone()], false, &nars, &mut quiet).unwrap();
    let both = BTreeSet::from([info.path.clone(), other.path.clone()]);
    assert_eq!(peer.query_valid(&both, false, &mut quiet).unwrap(), both);
    let known = peer.path_info(&info.path, &mut quiet).unwrap().unwrap();
    assert_eq!(known.nar_hash, info.nar_hash);
    assert_eq!(known.content_address, info.content_address);

    let (path, derivation) = reference.derivation(&info.path, "echo a line; echo $input > $out");
    let inputs = derivation.input_sources.clone();
    let mut lines = Vec::new();
    let mut log = |message: Message| lines.extend(message.log_line().map(str::to_owned));
    let result = peer.build_derivation(&path, &derivation, &inputs, BuildMode::Normal, &mut log).unwrap();
    assert_eq!(result.status, BuildStatus::Built, "{}", result.error);
    if scheme == "ssh-ng" {
        assert_eq!(lines, ["a line"]);
    } else {
        assert!(connection.lines.try_iter().any(|line| line == b"a line"));
    }
    let output = derivation.output_path(&reference.store, "out").unwrap().unwrap();
    let known = connection.peer.path_info(&output, &mut quiet).unwrap().unwrap();
    assert_eq!(known.references, inputs);
    let expected = nar_of_file(format!("{}\n", reference.store.display(&info.path)).as_bytes(), false);
    assert_eq!(known.nar_hash, HashAlgorithm::Sha256.hash(&expected));
    let mut got = Vec::new();
    let mut read = |input: &mut dyn Read| Read::take(input, known.nar_size).read_to_end(&mut got).map(drop);
    connection.peer.with_nar(&output, &mut quiet, &mut read).unwrap();
    assert_eq!(got, expected);

    let (path, derivation) = reference.derivation(&info.path, "echo no; exit 3");
    let result = connection.peer.build_derivation(&path, &derivation, &inputs, BuildMode::Normal, &mut quiet);
    let result = result.unwrap();
    assert!(!result.status.is_success() && result.error.contains("failed with exit code 3"), "{result:?}");
    // The connection goes on after what was refused.
    let wrong = PathInfo { nar_hash: Hash::sha256("other"), ..reference.file("wrong", b"w").0 };
    let nar = |_: &PathInfo, output: &mut dyn std::io::Write| output.write_all(&other_nar);
    assert!(connection.peer.add(&[wrong], false, &nar, &mut quiet).is_err());
    if scheme == "ssh-ng" {
        assert_eq!(connection.peer.query_valid(&both, false, &mut quiet).unwrap(), both);
    }
}

#[test]
fn the_worker_protocol_is_the_references() {
    check("ssh-ng", "nix-daemon");
}

#[test]
fn the_serve_protocol_is_the_references() {
    check("ssh", "nix-store");
}

fn refused(ssh: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ssh");
    write_executable(&file, ssh);
    let options = SshOptions { program: file.to_str().unwrap().to_owned(), words: Vec::new() };
    connect(&options)
}

fn connect(options: &SshOptions) -> String {
    let address = Address::parse("ssh-ng://u@host").unwrap();
    let cancelled = Arc::new(AtomicBool::new(false));
    match address.connect(&StoreDir::default(), options, &cancelled, &mut quiet) {
        Ok(_) => panic!("there is nobody to connect to"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn failures_are_told_in_one_line() {
    let denied = refused("#!/bin/sh\necho 'u@host: Permission denied (publickey).' >&2\nexit 255\n");
    assert_eq!(denied, "can't connect to 'u@host': u@host: Permission denied (publickey).");
    let silent = refused("#!/bin/sh\nexit 3\n");
    assert_eq!(silent, "can't connect to 'u@host': 'ssh' ended with exit status: 3 and said nothing");
    let banner = refused("#!/bin/sh\necho Welcome to this machine\nsleep 1\n");
    assert_eq!(banner, "the other side does not speak Nix's protocol; it said 'Welcome to this machine'");
    let old = refused("#!/bin/sh\nprintf 'oixd\\0\\0\\0\\0\\021\\001\\0\\0\\0\\0\\0\\0'\nsleep 1\n");
    assert_eq!(old, "the other side speaks version 1.17 of the protocol, and 1.34 or newer is needed");
    let none = connect(&SshOptions { program: "/nowhere/ssh".into(), words: Vec::new() });
    assert_eq!(none, "can't run 'ssh': No such file or directory (os error 2)");
}
