//! Binary caches: copying to them and from them, and taking outputs from them instead
//! of building.

mod support;

#[path = "support/hermetic.rs"]
#[allow(dead_code)]
mod hermetic;

use hermetic::{Answer, Server, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SOURCE: &str = "let make = name: inputs: derivation { inherit name inputs; system = \"x86_64-linux\"; builder = \"/b\"; };
    in make \"top\" [ (make \"leaf\" [ ]) ]";

/// A directory with stores, caches and keys below it.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("default.nix"), SOURCE).unwrap();
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
        command.args(arguments).current_dir(self.path()).env_remove("NIX_PATH").env_remove("NIX_REMOTE");
        command.env("HOME", self.path()).env("XDG_CACHE_HOME", self.path().join(format!("cache-{store}")));
        command.env("XDG_DATA_HOME", self.path()).env("XDG_CONFIG_HOME", self.path());
        command.env("NIX_CONF_DIR", self.path()).env("NIX_CONFIG", "substituters =");
        command.env("SALTIRE_STORE", self.path().join(store));
        command
    }

    #[track_caller]
    fn output(&self, store: &str, arguments: &[&str]) -> Output {
        self.command(store, arguments).output().unwrap()
    }

    /// What a successful command printed to standard output.
    #[track_caller]
    fn run(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.output(store, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The messages of a command that fails.
    #[track_caller]
    fn failure(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.output(store, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    fn file(&self, store: &str, path: &str) -> PathBuf {
        self.path().join(store).join(path.trim_start_matches('/'))
    }

    /// Makes what the derivations would make valid in a store, without building: the
    /// outputs of `top` and of `leaf`, of which the first refers to the second.
    fn pretend(&self, store: &str) -> [String; 2] {
        let top = self.run(store, &["nix-instantiate"]);
        let references = self.run(store, &["nix-store", "-q", "--references", top.trim()]);
        let [top, leaf] = [top.trim(), references.trim()];
        let outputs = [top, leaf]
            .map(|path| self.run(store, &["nix-store", "-q", "--outputs", path]).trim().to_owned());
        let [top_output, leaf_output] = &outputs;
        std::fs::write(self.file(store, leaf_output), "leaf\n").unwrap();
        std::fs::write(self.file(store, top_output), format!("needs {leaf_output}\n")).unwrap();
        let lines = format!("{leaf_output}\n{leaf}\n0\n{top_output}\n{top}\n1\n{leaf_output}\n");
        std::fs::write(self.path().join("lines"), lines).unwrap();
        let mut command = self.command(store, &["nix-store", "--register-validity"]);
        command.stdin(Stdio::from(std::fs::File::open(self.path().join("lines")).unwrap()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        outputs
    }

    /// A new pair of keys: the secret one in a file, and the public one.
    fn key(&self, name: &str) -> (String, String) {
        let [secret, public] = ["secret", "public"].map(|kind| self.path().join(format!("{name}.{kind}")));
        let [secret, public] = [secret, public].map(|path| path.to_str().unwrap().to_owned());
        self.run("a", &["nix-store", "--generate-binary-cache-key", name, &secret, &public]);
        (secret, std::fs::read_to_string(public).unwrap())
    }

    /// A server of what is in a directory.
    fn serve(&self, directory: &str) -> Server {
        let directory = self.path().join(directory);
        Server::start(move |path| {
            let file = directory.join(path.trim_start_matches('/'));
            std::fs::read(file).ok().map(Answer::Bytes)
        })
    }
}

#[test]
fn outputs_come_from_caches_if_somebody_trusted_signed_them() {
    let world = World::new();
    let [top, leaf] = world.pretend("a");
    let (secret, public) = world.key("cache-1");
    let cache = format!("file://{}/cache?secret-key={secret}", world.path().display());
    world.run("a", &["nix", "copy", "--to", &cache, &top]);
    let server = world.serve("cache");
    let build = |store: &str, more: &[&str]| {
        let mut arguments = vec!["nix", "build", "-f", "default.nix", "--no-link", "--print-out-paths"];
        arguments.extend(["--substituters", server.url.as_str()]);
        arguments.extend(more);
        world.output(store, &arguments)
    };
    let keys = ["--trusted-public-keys", public.as_str()];

    let dry = text(&build("b", &[&keys[..], &["--dry-run"]].concat()).stderr);
    assert!(dry.contains("these 2 paths will be fetched") && dry.contains(&leaf), "{dry}");
    let dry = text(&build("b", &["--dry-run"]).stderr);
    assert!(dry.contains("these 2 derivations will be built"), "{dry}");
    assert!(dry.contains("as it's not signed by any of the keys in 'trusted-public-keys'"), "{dry}");
    let dry = text(&build("b", &["--dry-run", "--offline"]).stderr);
    assert!(dry.contains("these 2 derivations will be built") && !dry.contains("warning"), "{dry}");

    let output = build("b", &keys);
    assert_eq!(text(&output.stdout), format!("{top}\n"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(world.file("b", &leaf)).unwrap(), "leaf\n");
    assert_eq!(world.run("b", &["nix-store", "-q", "--references", &top]), format!("{leaf}\n"));
    // Signatures are kept, so that others can be served from here.
    let other = format!("file://{}/cache-2", world.path().display());
    world.run("b", &["nix", "copy", "--to", &other, &top]);
    let again = ["nix", "copy", "--from", &other, &top, keys[0], keys[1]];
    world.run("c", &again);
    world.run("c", &["nix-store", "--verify", "--check-contents"]);

    // Whoever does not care may take unsigned paths.
    let output = build("d", &["--no-require-sigs"]);
    assert_eq!(text(&output.stdout), format!("{top}\n"), "{}", text(&output.stderr));
}

#[test]
fn paths_that_an_evaluation_names_come_from_caches() {
    let world = World::new();
    let [top, leaf] = world.pretend("a");
    let cache = format!("file://{}/cache", world.path().display());
    world.run("a", &["nix", "copy", "--to", &cache, &top]);
    let read = format!("builtins.readFile (builtins.storePath \"{top}\")");
    let context =
        format!("builtins.readFile (builtins.appendContext \"{top}\" {{ \"{top}\".path = true; }})");
    for (store, expression) in [("b", &read), ("c", &context)] {
        let eval = ["nix", "eval", "--impure", "--raw", "--expr", expression, "--substituters"];
        let none = world.failure(store, &[&eval[..], &[""]].concat());
        let expected = format!("path '{top}' is required, but there is no substituter that can build it");
        assert!(none.contains(&expected), "{none}");
        let found = world.run(store, &[&eval[..], &[&cache, "--no-require-sigs"]].concat());
        assert_eq!(found, format!("needs {leaf}\n"));
        assert_eq!(world.run(store, &["nix-store", "-q", "--references", &top]), format!("{leaf}\n"));
    }
}

#[test]
fn damaged_archives_are_not_taken() {
    let world = World::new();
    let [top, leaf] = world.pretend("a");
    let cache = format!("file://{}/cache", world.path().display());
    world.run("a", &["nix", "copy", "--to", &format!("{cache}?compression=none"), &top]);
    for archive in std::fs::read_dir(world.path().join("cache/nar")).unwrap() {
        let path = archive.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|window| window == b"leaf" || window == b"need").unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let arguments = ["nix", "build", "-f", "default.nix", "--substituters", &cache, "--no-require-sigs"];
    let error = world.failure("b", &arguments);
    assert!(error.contains("hash mismatch") && error.contains("--fallback"), "{error}");
    let error = world.failure("b", &["nix", "copy", "--from", &cache, "--no-check-sigs", &top]);
    assert!(error.contains("hash mismatch"), "{error}");
    let left = std::fs::read_dir(world.path().join("b/nix/store")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| name.ends_with(".drv")), "{left:?}");
    let error = world.failure("b", &["nix", "copy", "--from", &cache, &leaf]);
    assert!(error.contains("lacks a signature by a trusted key"), "{error}");
}

#[test]
fn stores_are_copied_signed_and_checked() {
    let world = World::new();
    let [top, leaf] = world.pretend("a");
    let other = world.path().join("b").display().to_string();
    let error = world.failure("a", &["nix", "copy", "--to", &other, &top]);
    assert!(error.contains(&format!("cannot add path '{leaf}' because it lacks a signature")), "{error}");
    let (secret, public) = world.key("k-1");
    world.run("a", &["nix", "store", "sign", "-k", &secret, "-r", &top]);
    let keys = ["--trusted-public-keys", public.as_str()];
    world.run("a", &[&["nix", "copy", "--to", &other, &top][..], &keys].concat());
    assert_eq!(world.run("b", &["nix", "store", "cat", &leaf]), "leaf\n");
    world.run("b", &[&["nix", "store", "verify", "-r", &top][..], &keys].concat());
    let output = world.output("b", &["nix", "store", "verify", "-r", &top]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    std::fs::remove_file(world.file("b", &leaf)).unwrap();
    std::fs::write(world.file("b", &leaf), "else\n").unwrap();
    let output = world.output("b", &["nix", "store", "verify", &leaf]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    // A cache has what it was.
    let cache = format!("file://{}/cache", world.path().display());
    world.run("a", &["nix", "copy", "--to", &cache, &top]);
    let error = world.failure("b", &["nix", "store", "repair", &leaf]);
    assert!(error.contains("cannot repair path"), "{error}");
    world.run("b", &[&["nix", "store", "repair", "--substituters", &cache, &leaf][..], &keys].concat());
    assert_eq!(world.run("b", &["nix", "store", "cat", &leaf]), "leaf\n");
    for bad in ["s3://x", "nonsense"] {
        let error = world.failure("a", &["nix", "copy", "--to", bad, &top]);
        assert!(error.contains(&format!("don't know how to open Nix store with URI '{bad}'")), "{error}");
    }
    let error = world.failure("a", &["nix", "copy", "--to", "http://127.0.0.1:1", &top]);
    assert!(error.contains("unable to download 'http://127.0.0.1:1/nix-cache-info'"), "{error}");
}

#[test]
fn logs_are_copied_and_found_in_caches() {
    let world = World::new();
    let [top, _] = world.pretend("a");
    let derivation = world.run("a", &["nix-instantiate"]);
    let derivation = derivation.trim();
    let cache = format!("file://{}/cache", world.path().display());
    let error = world.failure("a", &["nix", "log", &top]);
    assert!(error.contains(&format!("build log of '{top}' is not available")), "{error}");
    let error = world.failure("a", &["nix", "store", "copy-log", "--to", &cache, derivation]);
    assert!(error.contains(&format!("build log for '{derivation}' is not available")), "{error}");

    world.run("a", &["nix", "copy", "--to", &cache, &top]);
    let log = world.path().join("cache/log").join(derivation.rsplit('/').next().unwrap());
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "what was built\n").unwrap();
    // Only the cache knows what the output was built by.
    let found = world.output("b", &["nix", "log", "--store", &cache, &top]);
    assert_eq!(text(&found.stdout), "what was built\n");
    assert_eq!(text(&found.stderr), format!("got build log for '{top}' from '{cache}'\n"));
    assert_eq!(world.run("b", &["nix", "log", "--substituters", &cache, &top]), "what was built\n");
    assert_eq!(
        world.run("b", &["nix-store", "-l", derivation, "--option", "substituters", &cache]),
        "what was built\n"
    );
    world.run("b", &["nix", "store", "copy-log", "--from", &cache, &top]);
    assert_eq!(world.run("b", &["nix", "log", derivation]), "what was built\n");
    let other = format!("file://{}/other", world.path().display());
    world.run("b", &["nix", "store", "copy-log", "--to", &other, derivation]);
    assert_eq!(
        std::fs::read(world.path().join("other").join(log.strip_prefix(world.path().join("cache")).unwrap()))
            .unwrap(),
        b"what was built\n"
    );

    // "hello", as servers that compress logs send it.
    let server = Server::start(|path| match path.starts_with("/log/") {
        true => Some(Answer::Encoded("br", b"\x0b\x02\x80hello\x03".to_vec())),
        false => {
            Some(Answer::Bytes(b"StoreDir: /nix/store\n".to_vec())).filter(|_| path == "/nix-cache-info")
        }
    });
    assert_eq!(world.run("c", &["nix", "log", "--substituters", &server.url, derivation]), "hello");
}

#[test]
fn a_database_is_dumped_and_loaded() {
    let world = World::new();
    world.pretend("a");
    let dump = world.run("a", &["nix-store", "--dump-db"]);
    std::fs::rename(world.path().join("a/nix/var"), world.path().join("var")).unwrap();
    std::fs::write(world.path().join("dump"), &dump).unwrap();
    let mut command = world.command("a", &["nix-store", "--load-db"]);
    command.stdin(Stdio::from(std::fs::File::open(world.path().join("dump")).unwrap()));
    assert!(command.status().unwrap().success());
    assert_eq!(world.run("a", &["nix-store", "--dump-db"]), dump);
    world.run("a", &["nix-store", "--verify", "--check-contents"]);
}

#[test]
fn equal_files_are_stored_once() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new();
    let add = |name: &str| {
        std::fs::create_dir(world.path().join(name)).unwrap();
        std::fs::write(world.path().join(name).join("same"), "the same").unwrap();
        std::fs::write(world.path().join(name).join("other"), name).unwrap();
        world.run("a", &["nix", "store", "add", name]).trim().to_owned()
    };
    let paths = ["x", "y"].map(add);
    let output = world.output("a", &["nix-store", "--optimise"]);
    assert!(text(&output.stderr).contains("freed by hard-linking 1 files"), "{}", text(&output.stderr));
    let inode = |path: &String| world.file("a", path).join("same").metadata().unwrap().ino();
    assert_eq!(inode(&paths[0]), inode(&paths[1]));
    world.run("a", &["nix-store", "--verify", "--check-contents"]);
    world.run("a", &["nix-store", "--gc"]);
    assert_eq!(std::fs::read_dir(world.path().join("a/nix/store/.links")).unwrap().count(), 0);
}

/// The forms are those of the reference, to which this was compared.
#[test]
fn what_is_known_of_paths_is_json_in_three_forms() {
    let world = World::new();
    let [top, leaf] = world.pretend("a");
    let (secret, _) = world.key("cache-1");
    let cache = format!("file://{}/cache?secret-key={secret}", world.path().display());
    world.run("a", &["nix", "copy", "--to", &cache, &top]);
    let info = |more: &[&str]| {
        let output = world.output("a", &[&["nix", "path-info", "--json", &top], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json, text(&output.stderr))
    };
    let (one, said) = info(&[]);
    assert!(said.contains("'--json' without '--json-format' is deprecated"), "{said}");
    assert_eq!(one[&top]["references"], serde_json::json!([leaf]));
    assert_eq!(info(&["--json-format", "1"]), (one.clone(), String::new()));
    let name = |path: &str| path.trim_start_matches("/nix/store/").to_owned();
    let (two, _) = info(&["--json-format", "2"]);
    assert_eq!((&two["version"], &two["storeDir"]), (&2.into(), &"/nix/store".into()));
    assert_eq!(two["info"][name(&top)]["references"], serde_json::json!([name(&leaf)]));
    assert_eq!(two["info"][name(&top)]["narHash"], one[&top]["narHash"]);
    let (three, _) = info(&["--json-format", "3", "--store", &cache, "--closure-size"]);
    let known = &three["info"][name(&top)];
    assert_eq!(known["signatures"][0]["keyName"], "cache-1");
    assert_eq!((&known["compression"], &known["registrationTime"]), (&"xz".into(), &().into()));
    for key in ["url", "downloadHash", "downloadSize", "closureDownloadSize", "closureSize"] {
        assert!(!known[key].is_null(), "{key}: {known}");
    }
    let error = world.failure("a", &["nix", "path-info", "--json", "--json-format", "4", &top]);
    assert!(error.contains("supported versions are 1, 2 and 3"), "{error}");
}
