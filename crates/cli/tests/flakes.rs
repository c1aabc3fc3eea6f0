//! `nix flake` and installables of flakes.

use std::path::Path;
use std::process::{Command, Output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Two flakes, of which `main` has `dep` as an input.
fn example() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().canonicalize().unwrap();
    let write = |name: &str, text: String| {
        std::fs::create_dir_all(base.join(name).parent().unwrap()).unwrap();
        std::fs::write(base.join(name), text).unwrap();
    };
    write(
        "dep/flake.nix",
        "{ description = \"A dependency\"; outputs = { self }: { lib.x = 41; templates.default = { path = ./files; description = \"it\"; }; }; }".into(),
    );
    write("dep/files/flake.nix", "{ outputs = { self }: { x = 1; }; }\n".into());
    write(
        "main/flake.nix",
        format!(
            "{{ description = \"A flake\"; inputs.dep.url = \"path:{}/dep\"; outputs = {{ self, dep }}: {{ x = dep.lib.x + 1;
             packages.x86_64-linux.default = derivation {{ name = \"a-1.0\"; system = \"x86_64-linux\"; builder = \"/b\"; }} // {{ meta.description = \"A thing\"; }};
             overlays.default = final: prev: {{ }}; nixosConfigurations.lp4a = {{ config.system.build.toplevel = self.packages.x86_64-linux.default; }}; }}; }}",
            base.display()
        ),
    );
    directory
}

fn run(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
    command.arg("nix").args(arguments).current_dir(directory.join("main"));
    command.env("HOME", directory).env("XDG_CACHE_HOME", directory).env("XDG_DATA_HOME", directory);
    command.env("XDG_CONFIG_HOME", directory).env("NIX_CONF_DIR", directory);
    command.env("NIX_CONFIG", "system = x86_64-linux").env("SALTIRE_STORE", directory.join("root"));
    command.output().unwrap()
}

fn stdout(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn outputs_are_evaluated_and_the_lock_file_is_written() {
    let directory = example();
    let directory = directory.path();
    let output = run(&["eval", ".#x"], directory);
    assert_eq!(text(&output.stdout), "42\n");
    assert!(text(&output.stderr).contains("creating lock file"), "{}", text(&output.stderr));
    let lock = std::fs::read_to_string(directory.join("main/flake.lock")).unwrap();
    assert!(lock.contains("\"version\": 7") && lock.contains("narHash"), "{lock}");
    stdout(&["flake", "update"], directory);
    stdout(&["flake", "lock"], directory);
    assert_eq!(std::fs::read_to_string(directory.join("main/flake.lock")).unwrap(), lock);
    let top = stdout(
        &["eval", "--raw", ".#nixosConfigurations.lp4a.config.system.build.toplevel.drvPath"],
        directory,
    );
    assert_eq!(stdout(&["path-info", "--derivation", "."], directory), format!("{top}\n"));
    let error = text(&run(&["eval", ".#y"], directory).stderr);
    assert!(
        error.contains("does not provide attribute 'packages.x86_64-linux.y'")
            && error.contains("Did you mean x?"),
        "{error}"
    );
}

#[test]
fn what_json_leaves_out_is_told_and_changed_trees_have_fingerprints() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let repository = directory.join("main");
    std::fs::create_dir(&repository).unwrap();
    std::fs::write(repository.join("flake.nix"), "{ outputs = _: { }; }\n").unwrap();
    for words in [&["init", "-q"][..], &["add", "."]] {
        let status = std::process::Command::new("git").args(words).current_dir(&repository).status();
        assert!(status.unwrap().success());
    }
    // As Nix 2.35.2 says.
    let json = stdout(&["flake", "metadata", "--json"], directory);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["fingerprint"], "5aec754d2ffcd62a8c1aaeb067951a1ebb9da3b7e3926afe8f2f2f1a23a44e27");

    let flake = "{ outputs = _: { legacyPackages.x86_64-linux = { }; packages.riscv64-linux.a = 1; }; }";
    std::fs::write(repository.join("flake.nix"), flake).unwrap();
    // Evaluated, and from the cache.
    for _ in 0..2 {
        let error = text(&run(&["flake", "show", "--json"], directory).stderr);
        let expected = "warning: legacyPackages.x86_64-linux omitted (use '--legacy' to show)\n\
             warning: packages.riscv64-linux.a omitted (use '--all-systems' to show)\n";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn flakes_are_shown() {
    let directory = example();
    let directory = directory.path();
    let shown = stdout(&["flake", "show"], directory);
    assert!(
        shown.contains("└───x86_64-linux\n        └───default: package 'a-1.0'")
            || shown.contains("default: package 'a-1.0'"),
        "{shown}"
    );
    assert!(
        shown.contains("lp4a: NixOS configuration") && shown.contains("default: Nixpkgs overlay"),
        "{shown}"
    );
    let json = stdout(&["flake", "show", "--json"], directory);
    assert!(
        json.contains("{\"description\":\"A thing\",\"name\":\"a-1.0\",\"type\":\"derivation\"}"),
        "{json}"
    );
    let metadata = stdout(&["flake", "metadata"], directory);
    assert!(
        metadata.contains("Description:   A flake\n") && metadata.contains("└───dep: path:"),
        "{metadata}"
    );
    assert!(
        stdout(&["flake", "metadata", "--json", "../dep"], directory)
            .contains("\"description\":\"A dependency\"")
    );
    assert!(
        stdout(&["flake", "archive", "--json"], directory)
            .contains("\"inputs\":{\"dep\":{\"inputs\":{},\"path\":\"/nix/store/")
    );
    // The same from the cache.
    assert_eq!(stdout(&["flake", "show"], directory), shown);
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&["flake", "metadata", "--json"], directory)).unwrap();
    assert_eq!(json["locked"]["__final"], true);
    assert_eq!(json["fingerprint"].as_str().unwrap().len(), 64);
    stdout(&["flake", "check", "--no-build"], directory);
    let check = |output: &str, expected: &str| {
        let flake = format!("{{ outputs = {{ self }}: {{ {output} }}; }}");
        std::fs::write(directory.join("dep/flake.nix"), flake).unwrap();
        let output = run(&["flake", "check", "--no-build", "../dep"], directory);
        let error = text(&output.stderr);
        assert_eq!(output.status.success(), expected.starts_with("warning"), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check("overlays.a = x: y: { };", "error: overlay does not take an argument named 'final'");
    check("overlay = 1;", "overlay is not a function, but an integer instead");
    check(
        "nixosModules.a = throw \"no\";",
        "… while checking the NixOS module 'nixosModules.a'\n         at",
    );
    check("apps.x86_64-linux.a = { };", "app 'apps.x86_64-linux.a' lacks attribute 'type'");
    check("packages.x86_64-linux.a = 1;", "flake attribute 'packages.x86_64-linux.a' is not a derivation");
    check("packages.x86.a = 1;", "'x86' is not a valid system type");
    check(
        "templates.a = { path = ./no; description = \"\"; };",
        "template 'templates.a' refers to a non-existent path",
    );
    check("hydraJobs.a.b = 1;", "… while checking the Hydra jobset 'hydraJobs.a.b'");
    check("bundlers.x86_64-linux.a = 1;", "bundler must be a function");
    check("nixosConfigurations.a.config = { };", "attribute 'system' missing");
    check("lib = 1;\npackages.x86_64-linux.a = 1;", "… while checking flake output 'packages'\n         at ");
    check("strange = 1;", "warning: unknown flake output 'strange'");
    check("devShell = { };", "warning: flake output attribute 'devShell' is deprecated");
    assert!(stdout(&["search", ".", "THING"], directory).contains("A thing"));
}

#[test]
fn templates_are_copied_and_overwrite_nothing() {
    let directory = example();
    let directory = directory.path();
    stdout(&["flake", "new", "-t", "../dep", "../new"], directory);
    assert_eq!(stdout(&["eval", "../new#x"], directory), "1\n");
    std::fs::write(directory.join("dep/files/other"), "new\n").unwrap();
    let before = std::fs::read(directory.join("main/flake.nix")).unwrap();
    let output = run(&["flake", "init", "-t", "../dep"], directory);
    let error = text(&output.stderr);
    assert!(
        error.contains("refusing to overwrite existing file \"")
            && error.contains("/main/flake.nix\"\n please merge it manually with '/nix/store/"),
        "{error}"
    );
    assert!(
        error.contains("wrote: \"") && error.ends_with("error: encountered 1 conflicts - see above\n"),
        "{error}"
    );
    assert_eq!(std::fs::read(directory.join("main/flake.nix")).unwrap(), before);
    assert_eq!(std::fs::read(directory.join("main/other")).unwrap(), b"new\n");
    let again = text(&run(&["flake", "new", "-t", "../dep", "../new"], directory).stderr);
    assert!(again.contains("skipping identical file: /nix/store/"), "{again}");
}

#[test]
fn flakes_are_archived_with_their_inputs() {
    let directory = example();
    let base = directory.path().canonicalize().unwrap();
    let cache = format!("file://{}/cache", base.display());
    let json = stdout(&["flake", "archive", "--json", "--to", &cache], &base);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let paths = [&json["path"], &json["inputs"]["dep"]["path"]].map(|path| path.as_str().unwrap().to_owned());
    for path in &paths {
        let hash = &path["/nix/store/".len()..][..32];
        assert!(base.join(format!("cache/{hash}.narinfo")).exists(), "{path}");
        assert_eq!(stdout(&["store", "path-from-hash-part", hash], &base), format!("{path}\n"));
    }
    stdout(&["store", "delete", &paths[1]], &base);
    stdout(&["flake", "prefetch-inputs"], &base);
    assert_eq!(stdout(&["path-info", &paths[1]], &base), format!("{}\n", paths[1]));
}

#[test]
fn packages_are_found_under_all_their_names() {
    let directory = example();
    let directory = directory.path();
    let flake = "{ outputs = { self }: { packages.x86_64-linux = rec { default = ab; ab = derivation { name = \"p-1\"; system = \"x86_64-linux\"; builder = \"/b\"; }; }; abc = 1; }; }";
    std::fs::write(directory.join("main/flake.nix"), flake).unwrap();
    let found = stdout(&["search", ".", "^"], directory);
    assert_eq!(found, "* packages.x86_64-linux.ab (1)\n\n* packages.x86_64-linux.default (1)\n");
    // A misspelt name may be meant anywhere.
    let error = text(&run(&["build", ".#abb"], directory).stderr);
    assert!(error.contains("Did you mean one of ab or abc?"), "{error}");
    let error = text(&run(&["build", ".#ab^doc"], directory).stderr);
    assert!(error.contains("-p-1.drv' does not have wanted outputs 'doc'"), "{error}");
    let error = text(&run(&["flake", "nothing"], directory).stderr);
    assert!(error.contains("error: 'nothing' is not a recognised command"), "{error}");
}

#[test]
fn commands_about_the_lock_file_write_it_and_look_again() {
    let directory = example();
    let base = directory.path().canonicalize().unwrap();
    std::fs::create_dir(base.join("lib")).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
        command.current_dir(base.join("lib")).output().is_ok_and(|output| output.status.success())
    };
    let commit = |value: u32| {
        let flake = format!("{{ outputs = _: {{ v = {value}; }}; }}");
        std::fs::write(base.join("lib/flake.nix"), flake).unwrap();
        git(&["add", "."]) && git(&["commit", "--quiet", "--message=m"])
    };
    if !git(&["init", "--quiet", "--initial-branch=main"]) || !commit(1) {
        println!("skipped: git is not installed");
        return;
    }
    let flake = format!(
        "{{ inputs.lib.url = \"git+file://{0}/lib?ref=main\"; inputs.dep.url = \"path:{0}/dep\"; outputs = {{ self, lib, dep }}: {{ inherit (lib) v; }}; }}",
        base.display()
    );
    std::fs::write(base.join("main/flake.nix"), flake).unwrap();
    // A flake whose inputs are used for another one stays as it is.
    assert_eq!(stdout(&["eval", "--inputs-from", ".", "lib#v"], &base), "1\n");
    let lock = base.join("main/flake.lock");
    assert!(!lock.exists());
    stdout(&["flake", "lock"], &base);
    // What a branch of a repository on this machine means is seen at once.
    assert!(commit(2));
    stdout(&["flake", "update", "lib"], &base);
    assert_eq!(stdout(&["eval", ".#v"], &base), "2\n");
    assert!(commit(3));
    let old = run(&["flake", "lock", "--update-input", "lib"], &base);
    assert!(text(&old.stderr).contains("'--update-input' is a deprecated alias for 'flake update'"));
    assert_eq!(stdout(&["eval", ".#v"], &base), "3\n");
    // These commands write what the command line replaces, others don't.
    let other = ["--override-input", "dep", "path:../lib"];
    stdout(&[&["eval", ".#v"][..], &other].concat(), &base);
    assert!(!std::fs::read_to_string(&lock).unwrap().contains("/lib\",\n        \"type\": \"path\""));
    stdout(&[&["flake", "lock"][..], &other].concat(), &base);
    let written = std::fs::read_to_string(&lock).unwrap();
    assert!(written.contains("/lib\",\n        \"type\": \"path\""), "{written}");
    let error = text(&run(&["flake", "update", "nothing"], &base).stderr);
    assert_eq!(error, "warning: 'nothing' does not match any input of this flake\n");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), written);
}

#[test]
fn outputs_that_are_paths_are_built_and_others_refused() {
    let directory = example();
    let directory = directory.path();
    std::fs::write(
        directory.join("main/flake.nix"),
        "{ outputs = { self }: { file = ./flake.nix; text = \"${./flake.nix}\"; number = 42; plain = \"x\"; set = { }; }; }",
    )
    .unwrap();
    let path = stdout(&["build", ".#file", "--no-link", "--print-out-paths"], directory);
    assert!(path.ends_with("-flake.nix\n"), "{path}");
    assert_eq!(stdout(&["build", ".#text", "--no-link", "--print-out-paths"], directory), path);
    let check = |output: &str, expected: &str| {
        let error = text(&run(&["build", &format!(".#{output}")], directory).stderr);
        assert!(error.contains(expected), "{output}: {error}");
    };
    let expected = "expected flake output attribute";
    check("number", &format!("{expected} 'number' to be a derivation or path but found an integer: 42"));
    check("set", &format!("{expected} 'set' to be a derivation or path but found a set: {{ }}"));
    check("plain", "string 'x' has 0 entries in its context. It should only have exactly one entry");
}

/// A flake that says so when it is evaluated.
fn talking_example() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("main")).unwrap();
    std::fs::write(
        directory.path().join("main/flake.nix"),
        "{ outputs = { self }: builtins.trace \"evaluated\" { x = 42; packages.x86_64-linux.default =
           derivation { name = \"a\"; system = \"x86_64-linux\"; builder = \"/b\"; }; }; }",
    )
    .unwrap();
    directory
}

#[test]
fn what_was_evaluated_is_remembered_and_damage_does_no_harm() {
    let directory = talking_example();
    let directory = directory.path();
    let evaluates = |arguments: &[&str], expected: &str| {
        let output = run(arguments, directory);
        assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
        text(&output.stderr).contains("trace: evaluated")
    };
    assert!(evaluates(&["eval", ".#x"], "42\n"));
    assert!(!evaluates(&["eval", ".#x"], "42\n"));
    assert!(evaluates(&["eval", "--no-eval-cache", ".#x"], "42\n"));
    assert!(evaluates(&["eval", "--impure", ".#x"], "42\n"));
    assert!(evaluates(&["eval", "--apply", "x: x + 1", ".#x"], "43\n"));
    // Every file is cut, then changed.
    let cache = directory.join("saltire/flakes");
    let files = |change: &dyn Fn(&mut Vec<u8>)| {
        for flake in std::fs::read_dir(&cache).unwrap() {
            for file in std::fs::read_dir(flake.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let mut bytes = std::fs::read(&path).unwrap();
                change(&mut bytes);
                std::fs::write(&path, bytes).unwrap();
            }
        }
    };
    files(&|bytes| bytes.truncate(bytes.len() - 1));
    assert!(evaluates(&["eval", ".#x"], "42\n"));
    files(&|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(evaluates(&["eval", ".#x"], "42\n"));
    // There is no place to write to.
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::write(&cache, "").unwrap();
    assert!(evaluates(&["eval", ".#x"], "42\n"));
    std::fs::remove_file(&cache).unwrap();
    // Another content is another flake.
    std::fs::write(directory.join("main/other"), "").unwrap();
    assert!(evaluates(&["eval", ".#x"], "42\n"));
}

#[test]
fn derivations_that_were_deleted_are_made_again() {
    let directory = talking_example();
    let directory = directory.path();
    let path = stdout(&["path-info", "--derivation", "."], directory);
    assert_eq!(stdout(&["path-info", "--derivation", "."], directory), path);
    stdout(&["store", "delete", path.trim()], directory);
    let output = run(&["path-info", "--derivation", "."], directory);
    assert_eq!(text(&output.stdout), path);
    assert!(text(&output.stderr).contains("trace: evaluated"));
}

#[test]
fn many_processes_share_what_was_evaluated() {
    let directory = talking_example();
    let directory = directory.path();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(stdout(&["eval", ".#x"], directory), "42\n"));
        }
    });
    let left: Vec<_> = std::fs::read_dir(directory.join("saltire/flakes")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn what_is_wrong_with_inputs_is_said_and_the_lock_file_stays() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().canonicalize().unwrap();
    std::fs::create_dir_all(base.join("main")).unwrap();
    let lock = base.join("main/flake.lock");
    let check = |flake: &str, arguments: &[&str], expected: &[&str]| {
        std::fs::write(base.join("main/flake.nix"), flake).unwrap();
        let before = std::fs::read(&lock).ok();
        let output = run(&[&["eval", ".#x"], arguments].concat(), &base);
        let error = text(&output.stderr);
        // Wrong hashes have a code of their own.
        let code = if error.contains("hash mismatch") { 102 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{flake}: {error}");
        for part in expected {
            assert!(error.contains(part), "{flake}: {error}");
        }
        assert_eq!(std::fs::read(&lock).ok(), before, "{flake}");
    };
    let with =
        |inputs: &str| format!("{{ inputs = {{ {inputs} }}; outputs = {{ self, ... }}: {{ x = 1; }}; }}");
    check(&with("a.url = \"svn+file:///x\";"), &[], &["input 'svn+file:///x' is unsupported"]);
    check(
        &with("a.url = \"http://127.0.0.1:1/x.tar.gz\";"),
        &[],
        &[
            "unable to download 'http://127.0.0.1:1/x.tar.gz'",
            "while updating the flake input 'a'",
            "hint: check the network",
        ],
    );
    check(&with("a.follows = \"b\"; b.follows = \"a\";"), &[], &["follow cycle detected: [b -> a -> b]"]);
    check(&with("a.follows = \"b/c\";"), &[], &["input 'a' follows a non-existent input 'b/c'"]);
    check(&with("a.url = \"path:../nowhere\";"), &[], &["path '../nowhere' does not exist in the tree"]);
    let own = format!("a.url = \"path:{}/main\";", base.display());
    check(
        &with(&own),
        &[],
        &["found circular import of flake", "hint: let one of the flakes follow the other"],
    );
    check(
        &with("a.url = \"path:/x\";"),
        &["--no-update-lock-file"],
        &["can't read /x", "while updating the flake input 'a'"],
    );
    // What the lock file says of an input is not what there is.
    std::fs::create_dir(base.join("dep")).unwrap();
    std::fs::write(base.join("dep/flake.nix"), "{ outputs = { self }: { }; }").unwrap();
    let dep = format!(
        "{{ inputs.a.url = \"path:{}/dep\"; outputs = {{ self, a }}: {{ x = a ? y; }}; }}",
        base.display()
    );
    std::fs::write(base.join("main/flake.nix"), &dep).unwrap();
    stdout(&["flake", "lock"], &base);
    let text_of_lock = std::fs::read_to_string(&lock).unwrap();
    let hash = text_of_lock.split('"').find(|word| word.starts_with("sha256-")).unwrap();
    let other = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    std::fs::write(&lock, text_of_lock.replace(hash, other)).unwrap();
    check(&dep, &[], &["NAR hash mismatch in input", other, "the input was changed where it comes from"]);
    // An attribute that is not there.
    std::fs::remove_file(&lock).unwrap();
    std::fs::write(base.join("main/flake.nix"), "{ outputs = { self }: { xy = 1; }; }").unwrap();
    let error = text(&run(&["eval", ".#xz"], &base).stderr);
    assert!(error.contains("does not provide attribute") && error.contains("Did you mean xy?"), "{error}");
    std::fs::write(&lock, "{\"nodes\":{\"root\":{}},\"root\":\"root\",\"version\":8}").unwrap();
    check(&with(""), &[], &["has unsupported version 8", "a newer Nix wrote it"]);
    std::fs::write(&lock, "{\"nodes\":").unwrap();
    check(&with(""), &[], &["flake.lock' is not valid"]);
}

#[test]
fn files_that_git_does_not_know_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().canonicalize().unwrap();
    let main = base.join("main");
    std::fs::create_dir_all(&main).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(&main);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !git(&["init", "--quiet"]) {
        println!("skipped: git is not installed");
        return;
    }
    std::fs::write(
        main.join("flake.nix"),
        "{ outputs = { self }: { x = import ./other.nix; y = throw \"\"; }; }",
    )
    .unwrap();
    std::fs::write(main.join("other.nix"), "1").unwrap();
    let error = text(&run(&["eval", ".#x"], &base).stderr);
    assert!(error.contains("is not tracked by Git") && error.contains("add \"flake.nix\""), "{error}");
    assert!(git(&["add", "flake.nix"]));
    let error = text(&run(&["eval", ".#x"], &base).stderr);
    assert!(
        error.contains("'other.nix' is in the repository") && error.contains("add \"other.nix\""),
        "{error}"
    );
    assert!(git(&["add", "other.nix"]));
    // Errors name the user's file, not the copy that is evaluated.
    let error = text(&run(&["eval", ".#y"], &base).stderr);
    assert!(error.contains(&format!("at {}/flake.nix:1:", main.display())), "{error}");
    let output = run(&["eval", ".#x", "--no-allow-dirty"], &base);
    assert!(text(&output.stderr).contains("is dirty\nhint: commit the changes"), "{}", text(&output.stderr));
    let output = run(&["eval", ".#x", "--no-warn-dirty"], &base);
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("1\n", ""));
    // A lock file is committed on demand, under the title that is asked for.
    assert!(git(&["commit", "--quiet", "--all", "--message=first"]));
    std::fs::create_dir(base.join("dep")).unwrap();
    std::fs::write(base.join("dep/flake.nix"), "{ outputs = { self }: { }; }").unwrap();
    let flake = format!(
        "{{ inputs.dep.url = \"path:{}/dep\"; outputs = {{ self, dep }}: {{ x = 2; }}; }}",
        base.display()
    );
    std::fs::write(main.join("flake.nix"), flake).unwrap();
    assert!(git(&["commit", "--quiet", "--all", "--message=second"]));
    assert!(git(&["config", "user.name", "a"]) && git(&["config", "user.email", "a@b"]));
    stdout(&["flake", "lock", "--commit-lock-file", "--commit-lock-file-summary", "locked"], &base);
    let log = Command::new("git").args(["log", "-1", "--format=%B"]).current_dir(&main).output().unwrap();
    assert!(
        text(&log.stdout).starts_with("locked\n\nFlake lock file updates:\n\n• Added input 'dep':"),
        "{}",
        text(&log.stdout)
    );
}

#[test]
fn mercurial_repositories_are_inputs() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().canonicalize().unwrap();
    let (main, dep) = (base.join("main"), base.join("dep"));
    std::fs::create_dir_all(&main).unwrap();
    std::fs::create_dir_all(&dep).unwrap();
    let hg = |arguments: &[&str]| {
        let mut command = Command::new("hg");
        command.args(["--config", "ui.username=a"]).args(arguments).current_dir(&dep).env("HGRCPATH", "");
        command.output().is_ok_and(|output| output.status.success())
    };
    if !hg(&["init"]) {
        println!("skipped: hg is not installed");
        return;
    }
    std::fs::write(dep.join("flake.nix"), "{ outputs = { self }: { x = self.revCount or \"changed\"; }; }")
        .unwrap();
    assert!(hg(&["add", "flake.nix"]) && hg(&["commit", "-m", "first"]) && hg(&["tag", "v1"]));
    let flake = format!(
        "{{ inputs.dep.url = \"hg+file://{}\"; outputs = {{ self, dep }}: {{ inherit (dep) x; }}; }}",
        dep.display()
    );
    std::fs::write(main.join("flake.nix"), flake).unwrap();
    assert_eq!(stdout(&["eval", ".#x"], &base), "1\n");
    let lock = std::fs::read_to_string(main.join("flake.lock")).unwrap();
    for part in ["\"type\": \"hg\"", "\"ref\": \"default\"", "\"revCount\": 1"] {
        assert!(lock.contains(part), "{lock}");
    }
    let tag = format!("hg+file://{}?ref=v1#x", dep.display());
    assert_eq!(stdout(&["eval", &tag], &base), "0\n");
    let url = format!("hg+file://{}", dep.display());
    let error = text(&run(&["eval", &format!("{url}?ref=nowhere#x")], &base).stderr);
    assert!(error.contains("there is no branch, tag or commit 'nowhere' in file://"), "{error}");
    // A working tree with changes is taken as it is, without what is not tracked.
    std::fs::write(dep.join("other"), "").unwrap();
    std::fs::write(dep.join("flake.nix"), "{ outputs = { self }: { x = builtins.pathExists ./other; }; }")
        .unwrap();
    let output = run(&["eval", &format!("{url}#x")], &base);
    assert_eq!(text(&output.stdout), "false\n", "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("Mercurial tree '"), "{}", text(&output.stderr));
    let output = run(&["eval", &format!("{url}#x"), "--no-allow-dirty"], &base);
    assert!(
        text(&output.stderr).contains("is unclean\nhint: commit the changes"),
        "{}",
        text(&output.stderr)
    );
    // The lock still says which commit.
    assert_eq!(stdout(&["eval", ".#x"], &base), "1\n");
    let names = format!(
        "builtins.attrNames (builtins.fetchMercurial {{ url = \"{}\"; rev = \"v1\"; }})",
        dep.display()
    );
    assert_eq!(
        stdout(&["eval", "--impure", "--json", "--expr", &names], &base),
        "[\"branch\",\"outPath\",\"rev\",\"revCount\",\"shortRev\"]\n"
    );
}
