//! `nix-store`, `nix-hash` and the commands that look at the store, on a store that
//! the reference can use as well.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn prepare(mut command: Command, arguments: &[&str], directory: &Path) -> Command {
    command.args(arguments).current_dir(directory);
    command.env("HOME", directory).env("XDG_CACHE_HOME", directory).env("XDG_DATA_HOME", directory);
    command.env("XDG_CONFIG_HOME", directory).env("NIX_CONF_DIR", directory).env_remove("NIX_PATH");
    command.env("NIX_CONFIG", "build-users-group =\nsandbox = false\nexperimental-features = nix-command");
    command.env("SALTIRE_STORE", directory.join("root"));
    command
}

/// Our command in a directory, whose store is below `root`.
fn ours(arguments: &[&str], directory: &Path) -> Command {
    prepare(Command::new(env!("CARGO_BIN_EXE_saltire")), arguments, directory)
}

fn run(arguments: &[&str], directory: &Path) -> String {
    let output = ours(arguments, directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The same by the reference on the same store; nothing if it is not installed.
fn reference(arguments: &[&str], directory: &Path) -> Option<Output> {
    let mut command = prepare(Command::new(arguments[0]), &arguments[1..], directory);
    command.arg("--store").arg(directory.join("root"));
    let output = command.output();
    if output.is_err() {
        println!("skipped: {} is not installed", arguments[0]);
    }
    output.ok()
}

/// Checks that both print the same.
fn same(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    if let Some(reference) = reference(arguments, directory) {
        assert_eq!(output, text(&reference.stdout), "{arguments:?}: {}", text(&reference.stderr));
    }
    output
}

/// A directory with a derivation in its store: the store paths of it and of its source.
fn example() -> (tempfile::TempDir, String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("tree")).unwrap();
    std::fs::write(directory.path().join("tree/file"), "content\n").unwrap();
    std::fs::write(
        directory.path().join("default.nix"),
        "let make = name: inputs: derivation { inherit name inputs; system = \"x86_64-linux\"; builder = \"/b\"; };
        in make \"top\" [ (make \"one\" ./tree) (make \"two\" [ (make \"one\" ./tree) ]) ]",
    )
    .unwrap();
    let derivation = run(&["nix-instantiate"], directory.path()).trim().to_owned();
    let source = run(&["nix-store", "--add", "tree"], directory.path()).trim().to_owned();
    (directory, derivation, source)
}

#[test]
fn queries_answer_as_the_reference() {
    let (directory, derivation, source) = example();
    let query = |arguments: &[&str]| same(&[&["nix-store", "-q"], arguments].concat(), directory.path());
    assert!(query(&["--outputs", &derivation]).ends_with("-top\n"));
    assert_eq!(query(&["--requisites", &derivation]).lines().count(), 4);
    query(&["--references", &derivation]);
    query(&["--referrers", &source]);
    query(&["--referrers-closure", &source]);
    query(&["--hash", &source]);
    query(&["--size", &derivation]);
    query(&["--deriver", &source]);
    query(&["--binding", "name", &derivation]);
    assert!(query(&["--tree", &derivation]).contains("[...]"));
    same(&["nix-store", "--print-env", &derivation], directory.path());
}

#[test]
fn files_are_added_and_hashed_as_by_the_reference() {
    let (directory, _, source) = example();
    let directory = directory.path();
    same(&["nix-store", "--add", "tree/file"], directory);
    same(&["nix-store", "--add-fixed", "sha256", "tree/file"], directory);
    same(&["nix-store", "--add-fixed", "--recursive", "sha1", "tree"], directory);
    same(&["nix-store", "--print-fixed-path", "sha256", &"0".repeat(52), "name"], directory);
    let hash = |arguments: &[&str]| same(&[&["nix-hash"], arguments].concat(), directory);
    hash(&["tree"]);
    hash(&["--type", "sha256", "--base32", "tree"]);
    hash(&["--flat", "--type", "sha512", "tree/file"]);
    hash(&["--type", "sha256", "--truncate", "tree"]);
    hash(&["--type", "sha256", "--to-base16", &"1".repeat(52)]);
    let sri = run(&["nix", "hash", "path", "tree"], directory);
    let info = run(&["nix", "path-info", "--json", "--json-format", "1", &source], directory);
    assert!(info.contains(&format!("\"narHash\":\"{}\"", sri.trim())), "{info}");
    assert_eq!(
        run(&["nix", "hash", "convert", "--to", "sri", &format!("sha256:{}", "0".repeat(64))], directory)
            .len(),
        52
    );
}

#[test]
fn objects_are_exported_and_imported() {
    let (directory, derivation, source) = example();
    let directory = directory.path();
    let export = |arguments: &[&str]| {
        ours(&[&["nix-store", "--export"], arguments].concat(), directory).output().unwrap()
    };
    let exported = export(&[&source, &derivation]);
    if let Some(reference) = reference(&["nix-store", "--export", &source], directory) {
        assert_eq!(reference.stdout, export(&[&source]).stdout, "{}", text(&reference.stderr));
    }
    std::fs::write(directory.join("stream"), export(&[&source]).stdout).unwrap();
    let other = tempfile::tempdir().unwrap();
    let stream = std::fs::File::open(directory.join("stream")).unwrap();
    let output = ours(&["nix-store", "--import"], other.path()).stdin(Stdio::from(stream)).output().unwrap();
    assert_eq!(text(&output.stdout), format!("{source}\n"), "{}", text(&output.stderr));
    assert!(exported.status.success());
    // A damaged stream is an error, and nothing is added.
    std::fs::write(directory.join("stream"), &exported.stdout[..exported.stdout.len() / 2]).unwrap();
    let stream = std::fs::File::open(directory.join("stream")).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let output = ours(&["nix-store", "--import"], empty.path()).stdin(Stdio::from(stream)).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).starts_with("error: "));
}

#[test]
fn archives_are_written_and_unpacked() {
    let (directory, _, source) = example();
    let directory = directory.path();
    let dump = ours(&["nix-store", "--dump", "tree"], directory).output().unwrap().stdout;
    assert!(dump.starts_with(b"\x0d\0\0\0\0\0\0\0nix-archive-1"));
    std::fs::write(directory.join("nar"), &dump).unwrap();
    let nar = std::fs::File::open(directory.join("nar")).unwrap();
    assert!(ours(&["nix-store", "--restore", "copy"], directory).stdin(nar).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(directory.join("copy/file")).unwrap(), "content\n");
    run(&["nix-store", "--verify", "--check-contents"], directory);
    run(&["nix-store", "--verify-path", &source], directory);
    assert!(run(&["nix-store", "--gc", "--print-dead"], directory).contains(&source));
    let deleted = run(&["nix-collect-garbage"], directory);
    assert!(deleted.contains("store paths deleted"), "{deleted}");
    let output = ours(&["nix-store", "--check-validity", &source], directory).output().unwrap();
    assert_eq!(text(&output.stderr), format!("error: path '{source}' is not valid\n"));
}

#[test]
fn derivations_and_settings_are_shown() {
    let (directory, derivation, _) = example();
    let directory = directory.path();
    let shown = run(&["nix", "derivation", "show", &derivation], directory);
    let name = derivation.rsplit('/').next().unwrap();
    assert!(shown.starts_with(&format!("{{\"derivations\":{{\"{name}\":{{")), "{shown}");
    assert!(shown.contains("\"builder\":\"/b\"") && shown.ends_with("\"version\":4}\n"), "{shown}");
    // What was shown can be added.
    let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
    std::fs::write(directory.join("shown"), value["derivations"][name].to_string()).unwrap();
    let mut command = ours(&["nix", "derivation", "add"], directory);
    command.stdin(std::fs::File::open(directory.join("shown")).unwrap());
    assert_eq!(text(&command.output().unwrap().stdout), format!("{derivation}\n"));
    assert_eq!(run(&["nix", "config", "show", "max-call-depth"], directory), "10000\n");
    assert_eq!(run(&["nix", "config", "show", "cores", "--option", "cores", "3"], directory), "3\n");
    // Whoever says nothing is no client.
    let mut command = ours(&["nix-store", "--serve"], directory);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(text(&output.stderr), "error: the connection was cut\n");
    let listed = run(&["nix-env", "-qaP", "--drv-path", "-f", "default.nix"], directory);
    assert!(listed.contains("top") && listed.trim().ends_with(&derivation), "{listed}");
}

#[test]
fn the_store_is_changed_by_the_commands_of_nix() {
    let (directory, _, _) = example();
    let directory = directory.path();
    std::fs::write(directory.join("file"), "content\n").unwrap();
    let fails = |arguments: &[&str], expected: &str| {
        let output = ours(arguments, directory).output().unwrap();
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{arguments:?}: {error}");
    };
    // Where these are was found out with Nix 2.35.2.
    let add = |words: &[&str]| run(&[&["nix", "store", "add"], words].concat(), directory);
    assert_eq!(add(&["--mode", "flat", "file"]), "/nix/store/2608wd63i88mpdh88079pc44r0755n2p-file\n");
    assert_eq!(add(&["--mode", "text", "file"]), "/nix/store/l54f6gcpk77z0lsz35n4lxffz1gsysnx-file\n");
    let sha1 = ["--hash-algo", "sha1", "--mode", "flat", "-n", "file", "file"];
    assert_eq!(add(&sha1), "/nix/store/53dzv3pikyh46bhpbxrwanr7w3l64mv6-file\n");
    let other = add(&["--dry-run", "--name", "other", "tree"]);
    fails(&["nix-store", "-q", "--hash", other.trim()], "is not valid");
    assert_eq!(add(&["--name", "other", "tree"]), other);
    fails(&["nix", "store", "add"], "more arguments are required");
    fails(&["nix", "store", "add", "a", "b"], "unexpected argument 'b'");
    fails(&["nix", "store", "add", "--mode", "x", "file"], "Unknown file ingestion method 'x'");
    fails(&["nix", "store", "add", "--mode", "flat", "tree"], "is not a regular file");

    let other = other.trim();
    let listed = run(&["nix", "store", "ls", "-Rd", other], directory);
    assert_eq!(listed, ".\n./file\n");
    let listed = run(&["nix", "store", "ls", "--json", other], directory);
    assert_eq!(listed, "{\"entries\":{\"file\":{}},\"type\":\"directory\"}\n");
    run(&["nix-store", "--realise", other, "--add-root", "kept"], directory);
    fails(&["nix", "store", "delete", other], "kept'");
    let delete = |words: &[&str]| run(&[&["nix", "store", "delete", other], words].concat(), directory);
    assert_eq!(delete(&["--skip-alive"]), "0 store paths deleted, 0.0 KiB freed\n");
    assert!(delete(&["--ignore-liveness"]).starts_with("1 store paths deleted, "));

    let hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let convert =
        |from: &'static str| ["nix", "hash", "convert", "--hash-algo", "sha1", "--from", from, hash];
    assert_eq!(run(&convert("base16"), directory), "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n");
    fails(&convert("nix32"), "has format 'base16', but '--from nix32' was specified");
}
