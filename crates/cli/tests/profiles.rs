//! Profiles and what belongs to them: `nix profile`, `nix-env`, `nix-channel`; and the
//! questions that flakes and registries ask of the user's files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A home directory with a store and two trees in it, which share `bin/one`.
struct World {
    directory: tempfile::TempDir,
    one: String,
    two: String,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (file, content) in [
            ("one-1.0/bin/one", "1"),
            ("one-1.0/share/a/x", "x"),
            ("two-2.0/bin/one", "2"),
            ("two-2.0/bin/two", "2"),
            ("two-2.0/share/b/y", "y"),
        ] {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut world = Self { directory, one: String::new(), two: String::new() };
        world.one = world.run("nix store add one-1.0").trim().to_owned();
        world.two = world.run("nix store add two-2.0").trim().to_owned();
        world
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn output(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
        command.args(words.split(' ')).current_dir(self.path()).env("HOME", self.path());
        command
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_DATA_HOME", self.path().join("data"));
        command.env("XDG_CONFIG_HOME", self.path().join("config")).env("NIX_CONF_DIR", self.path());
        command.env("XDG_STATE_HOME", self.path().join("state")).env_remove("NIX_PATH");
        command.env("NIX_CONFIG", "substituters =\nflake-registry =\nsystem = x86_64-linux");
        command.env("SALTIRE_STORE", self.path().join("root")).env_remove("NIX_REMOTE");
        command.output().unwrap()
    }

    /// What a successful command printed to standard output.
    #[track_caller]
    fn run(&self, words: &str) -> String {
        let output = self.output(words);
        assert!(output.status.success(), "{words}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// The messages of a command that ends with a code.
    #[track_caller]
    fn messages(&self, words: &str, code: i32) -> String {
        let output = self.output(words);
        assert_eq!(output.status.code(), Some(code), "{words}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Where a link in a profile leads to.
    fn link(&self, profile: &str, file: &str) -> PathBuf {
        std::fs::read_link(self.path().join(profile).join(file)).unwrap()
    }
}

#[test]
fn packages_are_added_removed_and_gone_back_to() {
    let world = World::new();
    let World { one, two, .. } = &world;
    world.run(&format!("nix profile add --profile p {one}"));
    assert_eq!(
        world.run("nix profile list --profile p"),
        format!("Name:               one\nStore paths:        {one}\n")
    );
    // The only one with a directory lends it whole.
    assert_eq!(world.link("p", "bin"), Path::new(one).join("bin"));
    let error = world.messages(&format!("nix profile add --profile p {two}"), 1);
    assert!(error.contains("two packages have the same file") && error.contains("--priority 4"), "{error}");
    world.run(&format!("nix profile add --profile p --priority 4 {two}"));
    assert_eq!(world.link("p", "bin/one"), Path::new(two).join("bin/one"));
    assert_eq!(world.link("p", "share/a"), Path::new(one).join("share/a"));
    assert_eq!(
        world.run("nix profile list --json --profile p"),
        format!(
            "{{\"elements\":{{\"one\":{{\"active\":true,\"priority\":5,\"storePaths\":[\"{one}\"]}},\"two\":{{\"active\":true,\"priority\":4,\"storePaths\":[\"{two}\"]}}}},\"version\":3}}\n"
        )
    );
    let said = world.messages("nix profile remove --profile p one", 0);
    assert!(said.contains("removed 1 packages, kept 1 packages"), "{said}");
    let history = world.run("nix profile history --profile p");
    assert!(history.contains("  two: ∅ -> 2.0\n") && history.contains("  one: 1.0 -> ∅\n"), "{history}");
    let said = world.messages("nix profile rollback --profile p", 0);
    assert_eq!(said, "switching profile from version 3 to 2\n");
    // Generations keep what is in them.
    world.run("nix-store --gc");
    assert_eq!(world.run(&format!("nix store cat {one}/bin/one")), "1");
    world.run("nix profile wipe-history --profile p");
    assert_eq!(std::fs::read_link(world.path().join("p")).unwrap(), Path::new("p-2-link"));
    world.run(&format!("nix build --no-link --profile b {two}"));
    world.run(&format!("nix build --no-link --profile b {one}"));
    assert_eq!(
        std::fs::read_link(world.path().join("b-1-link")).unwrap(),
        world.path().join("root").join(two.trim_start_matches('/'))
    );
    assert_eq!(std::fs::read_link(world.path().join("b")).unwrap(), Path::new("b-2-link"));
    let error = world.messages("nix profile rollback --profile p --to 7", 1);
    assert_eq!(error, "error: profile version 7 does not exist\n");
    let error = world.messages("nix-env -p p -q", 1);
    assert!(error.contains("is incompatible with 'nix-env'"), "{error}");
}

#[test]
fn nix_env_installs_upgrades_and_goes_back() {
    let world = World::new();
    let World { one, two, .. } = &world;
    assert_eq!(world.messages(&format!("nix-env -p e -i {one}"), 0), "installing 'one-1.0'\n");
    assert_eq!(world.run("nix-env -p e -q"), "one-1.0\n");
    let error = world.messages(&format!("nix-env -p e -i {two}"), 1);
    assert!(error.contains("have the same priority 5"), "{error}");
    world.run("nix-env -p e --set-flag priority 9 one");
    world.run(&format!("nix-env -p e -i {two}"));
    assert_eq!(world.run("nix-env -p e -q --out-path"), format!("one-1.0  {one}\ntwo-2.0  {two}\n"));
    assert_eq!(world.link("e", "bin/one"), Path::new(two).join("bin/one"));
    assert_eq!(world.messages("nix-env -p e -e one", 0), "uninstalling 'one-1.0'\n");
    assert_eq!(world.messages("nix-env -p e --rollback", 0), "switching profile from version 4 to 3\n");
    assert!(world.run("nix-env -p e --list-generations").contains("   3   20"));
    let error = world.messages("nix-env -p e --delete-generations 3", 1);
    assert!(error.contains("cannot delete current version of profile"), "{error}");
    assert_eq!(
        world.messages("nix-env -p e --delete-generations +1", 0),
        "removing profile version 1\nremoving profile version 2\n"
    );
    std::fs::write(
        world.path().join("set.nix"),
        "let d = name: derivation { inherit name; system = \"x86_64-linux\"; builder = \"/b\"; }; in { a = d \"a-1\"; b = d \"b-2\"; c = d \"b-10\"; }",
    )
    .unwrap();
    assert!(world.messages("nix-env -p n -f set.nix --dry-run -i b", 0).starts_with("installing 'b-10'\n"));
    assert!(world.messages("nix-env -p n -f set.nix --dry-run -iA b", 0).starts_with("installing 'b-2'\n"));
    let error = world.messages("nix-env -p n -f set.nix --dry-run -i c", 1);
    assert_eq!(error, "error: selector 'c' matches no derivations\n");
    assert_eq!(world.run("nix-env -qa -f set.nix"), "a-1\nb-10\nb-2\n");
    assert_eq!(world.run("nix-env -qa -f set.nix -P b.*"), "c  b-10\nb  b-2\n");
    assert_eq!(world.run("nix-env -p e -qas -f set.nix a"), "---  a-1\n");
    assert_eq!(world.run("nix-env -p e -qs one"), "IP-  one-1.0\n");
    std::fs::write(
        world.path().join("newer.nix"),
        "derivation { name = \"one-1.1\"; system = \"x86_64-linux\"; builder = \"/b\"; } // { meta = { n = 1; f = x: x; }; }",
    )
    .unwrap();
    assert_eq!(world.run("nix-env -p e -qc -f newer.nix"), "one-1.0  < 1.1\ntwo-2.0  - ?\n");
    assert_eq!(world.run("nix-env -p e -qac -f newer.nix"), "one-1.1  > 1.0\n");
    let json: serde_json::Value =
        serde_json::from_str(&world.run("nix-env -qa --json --meta -f newer.nix")).unwrap();
    assert_eq!(json[""]["meta"], serde_json::json!({ "f": null, "n": 1 }));
    let xml = world.run("nix-env -qa --xml --meta -f newer.nix");
    assert!(xml.contains("<meta name=\"n\" type=\"int\" value=\"1\" />"), "{xml}");
    let error = world.messages("nix-env -qa -f newer.nix on", 1);
    assert_eq!(error, "error: selector 'on' matches no derivations, maybe you meant:\n       one\n");
    let error = world.messages("nix-env -q -P", 1);
    assert!(error.contains("only works with --available"), "{error}");
}

#[test]
fn channels_are_fetched() {
    let world = World::new();
    std::fs::create_dir_all(world.path().join("chan/set")).unwrap();
    std::fs::write(world.path().join("chan/set/default.nix"), "{ x = 7; }").unwrap();
    let tar = Command::new("tar")
        .args(["cJf", "nixexprs.tar.xz", "set"])
        .current_dir(world.path().join("chan"))
        .status();
    if !tar.is_ok_and(|status| status.success()) {
        println!("skipped: tar can't compress with xz");
        return;
    }
    world.run(&format!("nix-channel --add file://{}/chan some", world.path().display()));
    assert!(world.run("nix-channel --list").starts_with("some file:///"));
    world.run("nix-channel --update");
    assert_eq!(world.run("nix-instantiate --eval -E (import<some>).x"), "7\n");
    world.run("nix-channel --remove some");
    assert_eq!(world.run("nix-channel --list"), "");
    let error = world.messages("nix-channel --update other", 1);
    assert!(error.contains("there is no channel 'other'"), "{error}");
}

#[test]
fn settings_of_flakes_count_if_they_are_trusted() {
    let world = World::new();
    std::fs::create_dir(world.path().join("flake")).unwrap();
    std::fs::write(
        world.path().join("flake/flake.nix"),
        "{ nixConfig = { bash-prompt = \"p\"; max-call-depth = 30; }; outputs = { self }: { x = let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 50; }; }",
    )
    .unwrap();
    let output = world.output("nix eval path:flake#x");
    assert_eq!(text(&output.stdout), "50\n");
    let said = text(&output.stderr);
    assert!(said.contains("ignoring untrusted flake configuration setting 'max-call-depth'"), "{said}");
    assert!(!said.contains("bash-prompt"), "{said}");
    let error = world.messages("nix eval --accept-flake-config path:flake#x", 1);
    assert!(error.contains("max-call-depth exceeded"), "{error}");
    let trusted = world.path().join("data/nix/trusted-settings.json");
    std::fs::create_dir_all(trusted.parent().unwrap()).unwrap();
    std::fs::write(&trusted, "{\"max-call-depth\":{\"30\":true}}").unwrap();
    let error = world.messages("nix eval path:flake#x", 1);
    assert!(error.contains("Using saved setting for 'max-call-depth = 30'"), "{error}");
    std::fs::write(&trusted, "not JSON").unwrap();
    assert!(world.messages("nix eval path:flake#x", 0).contains("ignoring untrusted"));
}

#[test]
fn registries_are_changed() {
    let world = World::new();
    std::fs::create_dir(world.path().join("flake")).unwrap();
    std::fs::write(world.path().join("flake/flake.nix"), "{ outputs = { self }: { x = 1; }; }").unwrap();
    let flake = world.path().join("flake");
    world.run(&format!("nix registry add foo path:{}", flake.display()));
    let listed = world.run("nix registry list");
    assert_eq!(listed, format!("user   flake:foo path:{}\n", flake.display()));
    assert_eq!(world.run("nix eval foo#x"), "1\n");
    world.run("nix registry pin foo");
    assert!(world.run("nix registry resolve foo").contains("lastModified="));
    world.run("nix registry remove foo");
    assert_eq!(world.run("nix registry list"), "");
    let error = world.messages("nix registry resolve foo", 1);
    assert!(error.contains("cannot find flake 'flake:foo' in the flake registries"), "{error}");
}

#[test]
fn commands_that_run_programs_say_what_is_missing() {
    let world = World::new();
    std::fs::create_dir(world.path().join("flake")).unwrap();
    std::fs::write(
        world.path().join("flake/flake.nix"),
        "{ outputs = { self }: { packages.x86_64-linux.default = derivation { name = \"a\"; system = \"x86_64-linux\"; builder = \"/b\"; } // { meta.position = \"/the/place.nix:7\"; }; }; }",
    )
    .unwrap();
    let check = |words: &str, expected: &str| {
        let error = world.messages(words, 1);
        assert!(error.contains(expected), "{words}: {error}");
    };
    check("nix daemon", "there is no daemon");
    check("nix-copy-closure", "no host name specified");
    check("nix realisation info", "there are no realisations");
    world.messages("nix flake clone path:flake --dest x", 0);
    assert!(world.path().join("x/flake.nix").is_file());
    check("nix flake clone path:flake --dest x", "there is something at 'x' already");
    check("nix flake clone path:flake", "missing flag '--dest'");
    check(
        "nix bundle --bundler path:flake path:flake",
        "does not provide attribute 'bundlers.x86_64-linux.default'",
    );
    check("nix store copy-log", "you must pass '--from' and/or '--to'");
    check("nix help flake frobnicate", "'nix flake' has no subcommand 'frobnicate'");
    check("nix flake", "`nix flake` requires a sub-command. Available sub-commands:\n\n       - `archive`\n");
    check("nix", "no subcommand specified");
    check("nix config show nosuch", "could not find setting 'nosuch'");
    check("nix show-config nosuch", "warning: 'show-config' is a deprecated alias for 'config show'\n");
    check("nix store frobnicate", "'frobnicate' is not a recognised command");
    check("nix frobnicate", "'frobnicate' is not a recognised command");
    check(
        "nix print-dev-env path:flake",
        "only works on derivations that use 'bash' as their builder, not '/b'",
    );
    check("nix develop path:flake --phase build -c x", "you cannot use both '--command' and '--phase'");
    check("nix develop path:flake -k HOME", "--keep-env-var does not make sense without --ignore-env");
    check("nix build --log-format loud path:flake", "option 'log-format' has an invalid value 'loud'");
}
