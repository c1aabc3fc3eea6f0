//! `nix-build` and the commands of `nix`.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{saltire, text};

/// The embedded package set's own source.
fn package_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap()
}

/// A command line in a directory; `PKGS` in it is the package set.
fn program(arguments: &[&str], directory: &Path) -> Command {
    let set = package_set().to_str().unwrap().to_owned();
    let words = arguments.iter().map(|word| if *word == "PKGS" { set.as_str() } else { word });
    let mut command = saltire("");
    command.args(words).current_dir(directory).env_remove("NIX_CONFIG");
    command
}

fn run(arguments: &[&str], directory: &Path) -> Output {
    program(arguments, directory).output().unwrap()
}

fn stdout_in(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Checks what a command that needs no directory prints.
fn check(arguments: &[&str], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(stdout_in(arguments, directory.path()), expected, "{arguments:?}");
}

/// Checks a part of the error of a command.
fn check_error(arguments: &[&str], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    check_error_in(arguments, directory.path(), expected);
}

fn check_error_in(arguments: &[&str], directory: &Path, expected: &str) {
    let output = run(arguments, directory);
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains(expected), "{arguments:?}: {error}");
}

#[test]
fn values_are_evaluated_purely_unless_told_otherwise() {
    check(
        &["nix", "eval", "--expr", "{ a = [ 1 ]; b.c = x: x; }"],
        "{ a = [ 1 ]; b = { c = «lambda c @ «string»:1:20»; }; }\n",
    );
    check(&["nix", "eval", "--json", "--expr", "{ a.b = [ 1 2 ]; }", "a"], "{\"b\":[1,2]}\n");
    check(&["nix", "eval", "--json", "--pretty", "--expr", "[ 1 { } ]"], "[\n  1,\n  {}\n]\n");
    check(&["nix", "eval", "--raw", "--expr", "\"a\\nb\""], "a\nb");
    check(&["nix", "eval", "--apply", "x: x + 1", "--expr", "1"], "2\n");
    check(&["nix", "eval", "--expr", "builtins ? currentSystem"], "false\n");
    check(
        &[
            "nix",
            "--extra-experimental-features",
            "nix-command",
            "eval",
            "--impure",
            "--expr",
            "builtins ? currentSystem",
        ],
        "true\n",
    );
    check_error(
        &["nix", "eval", "--expr", "builtins.readFile \"/etc/passwd\""],
        "forbidden in pure evaluation mode",
    );
    check_error(&["nix", "eval", "--raw", "--json", "--expr", "1"], "mutually exclusive");
    check_error(&["nix", "biuld"], "'biuld' is not a recognised command");
}

#[test]
fn values_become_files() {
    let directory = tempfile::tempdir().unwrap();
    stdout_in(
        &["nix", "eval", "--write-to", "out", "--expr", "{ a = \"text\"; d.b = \"\"; }"],
        directory.path(),
    );
    assert_eq!(std::fs::read_to_string(directory.path().join("out/a")).unwrap(), "text");
    assert!(directory.path().join("out/d/b").exists());
    // A path is shown, not copied.
    let path = stdout_in(&["nix", "eval", "--impure", "--json", "--expr", "./nowhere"], directory.path());
    assert!(path.ends_with("/nowhere\"\n"), "{path}");
    check_error(
        &["nix", "eval", "--write-to", "other", "--expr", "{ a = 1; }"],
        "… while evaluating the attribute 'a'",
    );
    check_error(&["nix", "eval", "--write-to", "out", "--expr", "1"], "is not a string or an attribute set");
}

#[test]
fn dry_runs_name_the_derivations() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["nix-build", "PKGS", "-A", "pkgsCross.s390x.zlib", "--dry-run"], directory.path());
    let error = text(&output.stderr);
    assert!(output.status.success() && error.contains("will be built:\n  /nix/store/"), "{error}");
    assert!(error.contains("-zlib-") && !directory.path().join("result").exists(), "{error}");
}

#[test]
fn packages_are_built_and_linked() {
    let output = saltire("build sandboxShell --no-link").output().unwrap();
    let errors = text(&output.stderr);
    if errors.contains("can't fetch") || !saltire_driver::probe().can_build() {
        println!("skipped: no Debian mirror can be reached, or the kernel does not allow a sandbox");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = stdout_in(&["nix-build", "PKGS", "-A", "sandboxShell"], directory.path());
    let link = directory.path().join("result");
    assert!(path.starts_with("/nix/store/") && link.join("bin/busybox").exists(), "{path}");
    let json =
        stdout_in(&["nix", "build", "-f", "PKGS", "sandboxShell", "--json", "-o", "other"], directory.path());
    assert!(json.contains(&format!("\"out\":\"{}\"", path.trim())), "{json}");
    assert!(directory.path().join("other/bin/busybox").exists());
    let path = path.trim();
    let busybox = format!("{path}/bin/busybox");
    assert_eq!(
        stdout_in(&["nix", "build", path, "--no-link", "--print-out-paths"], directory.path()),
        format!("{path}\n")
    );
    let shell = ["nix", "shell", "-f", "PKGS", "sandboxShell", "-c", "busybox", "echo", "-n", "hi"];
    assert_eq!(stdout_in(&shell, directory.path()), "hi");
    let app = format!("{{ type = \"app\"; program = \"{busybox}\"; }}");
    let run = ["nix", "run", "--impure", "--expr", &app, "", "--", "echo", "-n", "there"];
    assert_eq!(stdout_in(&run, directory.path()), "there");
}

/// Builds that fail, each in its way.
const FAILING: &str = r#"
let
  build = script: extra: derivation ({
    name = "failing"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" script ];
  } // extra);
  zeros = "0000000000000000000000000000000000000000000000000000";
in rec {
  fails = build "exit 3" { };
  slow = build "while :; do :; done" { };
  other = build "echo > $out" { outputHash = zeros; outputHashAlgo = "sha256"; outputHashMode = "flat"; };
  random = build "read line < /proc/sys/kernel/random/uuid; echo $line > $out" { };
  needs = build "" { inherit fails; };
  imported = import fails;
  file = builtins.fetchurl { url = "file://${toString ./failing.nix}"; sha256 = zeros; };
}
"#;

#[test]
fn exit_codes_tell_how_builds_failed() {
    if !saltire_driver::probe().can_build() {
        println!("skipped: the kernel does not allow a sandbox");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("failing.nix"), FAILING).unwrap();
    let check = |line: &str, expected: i32| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = run(&words, directory.path());
        assert_eq!(output.status.code(), Some(expected), "{line}: {}", text(&output.stderr));
    };
    for (attribute, expected) in [("fails", 100), ("needs", 100), ("slow", 101), ("other", 102)] {
        check(&format!("nix-build failing.nix --timeout 1 -A {attribute}"), expected);
        check(&format!("nix build --no-link --timeout 1 -f failing.nix {attribute}"), 1);
    }
    check("build -f failing.nix other --no-link", 102);
    check("nix-build failing.nix --no-out-link -A random", 0);
    check("nix-build failing.nix --no-out-link -A random --check", 104);
    // While something is evaluated, for the commands of `nix` as well.
    for (attribute, expected) in [("imported", 100), ("file", 102)] {
        check(&format!("nix-build failing.nix -A {attribute}"), expected);
        check(&format!("nix eval --impure -f failing.nix {attribute}"), expected);
    }
}

#[test]
fn environments_of_builds_are_what_setup_makes_of_them() {
    let output = saltire("build stdenvNoCC --no-link").output().unwrap();
    if text(&output.stderr).contains("can't fetch") || !saltire_driver::probe().can_build() {
        println!("skipped: no Debian mirror can be reached, or the kernel does not allow a sandbox");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shell.nix");
    std::fs::write(
        &file,
        format!(
            "with import {} {{ }}; stdenvNoCC.mkDerivation {{
               name = \"thing-1\"; outputs = [ \"out\" \"dev\" ]; line = \"a\\t\\\"b\\\"\\n\\\\c\"; text = \"it's ${{placeholder \"out\"}}\";
               buildPhase = \"echo building $name\"; shellHook = \"echo hooked >&2\";
               allowedReferences = [ ]; tools = \"${{sandboxShell}}/bin\";
             }}",
            package_set().display()
        ),
    )
    .unwrap();
    let json = stdout_in(&["nix", "print-dev-env", "--json", "-f", "shell.nix"], directory.path());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let variable = |name: &str| json["variables"][name].clone();
    assert_eq!(variable("line"), serde_json::json!({ "type": "exported", "value": "a\t\"b\"\n\\c" }));
    assert_eq!(variable("name")["value"], "thing-1-env");
    assert_eq!(variable("seenDependencies")["type"], "associative");
    assert!(variable("PATH")["value"].as_str().unwrap().contains("seed-tools"), "{json}");
    assert!(json["bashFunctions"]["genericBuild"].as_str().unwrap().contains("\n"), "{json}");
    // The commands make the same, with outputs below the working directory.
    let commands = stdout_in(&["nix", "print-dev-env", "-f", "shell.nix"], directory.path());
    std::fs::write(directory.path().join("commands"), commands).unwrap();
    let script = ". ./commands; printf '%s|' \"$line\" \"$text\" \"$dev\"; declare -F runHook";
    let shell = Command::new("bash").args(["-c", script]).current_dir(directory.path()).output();
    let here = directory.path().canonicalize().unwrap();
    let here = here.display();
    let expected = format!("a\t\"b\"\n\\c|it's {here}/outputs/out|{here}/outputs/dev|runHook\n");
    assert_eq!(text(&shell.unwrap().stdout), expected);
    let develop = |words: &[&str]| {
        let output = run(&[&["nix", "develop", "-f", "shell.nix"], words].concat(), directory.path());
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let script = "echo $IN_NIX_SHELL $name $((2 + 2)); exit 0";
    assert_eq!(develop(&["-c", "bash", "-c", script]), "impure thing-1-env 4\n");
    assert!(develop(&["--build"]).ends_with("building thing-1-env\n"));
    let tools = stdout_in(
        &["nix", "build", "-f", "PKGS", "sandboxShell", "--no-link", "--print-out-paths"],
        directory.path(),
    );
    let derivation = stdout_in(&["nix-instantiate", "shell.nix"], directory.path());
    let words = ["nix", "develop", derivation.trim(), "--redirect", tools.trim(), "mine", "-c", "bash", "-c"];
    let redirected = run(&[&words[..], &["echo $tools"]].concat(), directory.path());
    assert_eq!(text(&redirected.stdout), format!("{here}/mine/bin\n"));
    let told = text(&redirected.stderr);
    assert!(told.contains(&format!("redirecting '{}' to '{here}/mine'", tools.trim())), "{told}");
    let clean =
        ["-i", "-k", "HOME", "-s", "SAID", "x", "-c", "bash", "-c", "echo ${HOME:+home} $SAID ${USER-none}"];
    assert_eq!(develop(&clean), "home x none\n");
    develop(&["--profile", "kept", "-c", "true"]);
    let kept = run(&["nix", "develop", "./kept", "-c", "bash", "-c", "echo $name"], directory.path());
    assert_eq!(text(&kept.stdout), "thing-1-env\n", "{}", text(&kept.stderr));
    // Builds without a sandbox there are none.
    // A new one each time, so that it is built.
    let made = "derivation { name = \"made-PID\"; system = builtins.currentSystem; builder = \"/bin/sh\"; args = [ \"-c\" \"echo > $out\" ]; }"
        .replace("PID", &std::process::id().to_string());
    let output =
        run(&["nix", "build", "--no-sandbox", "--no-link", "--impure", "--expr", &made], directory.path());
    let error = text(&output.stderr);
    assert_eq!(error.matches("warning: builds are always in a sandbox").count(), 1, "{error}");
}

#[test]
fn scripts_run_in_the_shell_that_they_name() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = directory.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    let shell = "derivation { name = \"shell\"; system = builtins.currentSystem; builder = \"/bin/sh\"; thing = \"here\"; }";
    std::fs::write(scripts.join("shell.nix"), shell).unwrap();
    let script =
        "#!/usr/bin/env nix-shell\n#! nix-shell -i 'bash -eu' shell.nix\necho $thing \"$@\"; exit 7\n";
    std::fs::write(scripts.join("script"), script).unwrap();
    let output = run(&["nix-shell", "scripts/script", "--version", "a  b"], directory.path());
    assert_eq!(text(&output.stdout), "here --version a  b\n", "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
    std::fs::write(scripts.join("script"), "#!/usr/bin/env nix-shell\n\n#! nix-shell -i 'bash\n").unwrap();
    check_error_in(&["nix-shell", "script"], &scripts, "error: script:3: a quotation does not end");
}

#[test]
fn scripts_run_by_the_command_that_they_name() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = directory.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::write(scripts.join("set.nix"), "{ tool = builtins.toFile \"tool\" \"\"; }").unwrap();
    std::fs::write(directory.path().join("file"), "in the working directory\n").unwrap();
    let script = "#!/usr/bin/env nix\n#! nix shell --file ./set.nix\n#! nix tool --command ``bash`` -eu\n\ncat file; echo \"$0 $@\"; exit 7\n";
    std::fs::write(scripts.join("script"), script).unwrap();
    let output = run(&["nix", "scripts/script", "--version", "a  b"], directory.path());
    let expected = "in the working directory\nscripts/script --version a  b\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
    std::fs::write(scripts.join("script"), "#!/usr/bin/env nix\n#! nix shell \"a\"\n").unwrap();
    check_error_in(&["nix", "script"], &scripts, "unsupported unquoted character in nix shebang: \".");
}

#[test]
fn shells_are_those_of_the_flakes_nixpkgs() {
    let built = saltire("build stdenvNoCC bootstrapTools --no-link").output().unwrap();
    if !built.status.success() || !saltire_driver::probe().can_build() {
        println!("skipped: no Debian mirror, or no sandbox");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let flake = format!(
        "{{ inputs.nixpkgs.url = \"path:{}\"; outputs = {{ self, nixpkgs }}: {{
             devShells.x86_64-linux.default = nixpkgs.legacyPackages.x86_64-linux.stdenvNoCC.mkDerivation {{ name = \"x\"; }};
           }}; }}",
        package_set().display()
    );
    std::fs::write(directory.path().join("flake.nix"), flake).unwrap();
    let words = ["nix", "develop", "path:.", "--no-write-lock-file", "-c", "bash", "-c", "echo $SHELL"];
    let shell = stdout_in(&words, directory.path());
    assert!(shell.ends_with("-seed-tools-12/bin/bash\n"), "{shell}");
    // One that has none is told of, and done without.
    std::fs::create_dir(directory.path().join("other")).unwrap();
    std::fs::write(directory.path().join("other/flake.nix"), "{ outputs = { self }: { }; }").unwrap();
    let flake = std::fs::read_to_string(directory.path().join("flake.nix")).unwrap();
    let flake = flake.replace("inputs.nixpkgs", "inputs.set").replace("nixpkgs", "set");
    let other = format!("inputs.nixpkgs.url = \"path:{}/other\"; inputs.set", directory.path().display());
    let flake = flake.replace("inputs.set", &other);
    let flake = flake.replace("self, set", "self, nixpkgs, set");
    std::fs::write(directory.path().join("flake.nix"), flake).unwrap();
    let output = run(&words, directory.path());
    assert!(text(&output.stdout).ends_with("/bash\n"), "{}", text(&output.stderr));
    let messages = text(&output.stderr);
    assert!(messages.contains("error (ignored): ") && messages.contains("bashInteractive"), "{messages}");
}

/// On a machine whose Bash is not there.
fn without_bash(arguments: &[&str], directory: &Path) -> Output {
    let hide = "for file in /bin/bash /usr/bin/bash; do [ ! -e $file ] || mount --bind /dev/null $file; done";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-ec", &format!("{hide}; exec \"$@\""), "sh"]);
    let told = program(arguments, directory);
    command.arg(told.get_program()).args(told.get_args()).current_dir(directory);
    let variables = told.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(variables).env_remove("NIX_PATH").env_remove("SHELL");
    command.output().unwrap()
}

#[test]
fn shells_start_on_a_machine_without_bash() {
    let directory = tempfile::tempdir().unwrap();
    let hidden = without_bash(&["nix", "eval", "--expr", "1"], directory.path());
    let built = saltire("build stdenvNoCC bootstrapTools --no-link").output().unwrap();
    if !hidden.status.success() || !built.status.success() || !saltire_driver::probe().can_build() {
        println!("skipped: no namespace to hide Bash in, no Debian mirror, or no sandbox");
        return;
    }
    let expression = format!(
        "with import {} {{ }}; stdenvNoCC.mkDerivation {{ name = \"thing\"; buildPhase = \"echo built by $BASH\"; }}",
        package_set().display()
    );
    std::fs::write(directory.path().join("shell.nix"), expression).unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let output = without_bash(arguments, directory.path());
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["nix", "develop", "-f", "shell.nix", "--build"], "-seed-tools-12/bin/bash");
    check(&["nix", "develop", "-f", "shell.nix", "-c", "sh", "-c", "echo $IN_NIX_SHELL"], "impure");
    check(&["nix-shell", "shell.nix", "--run", "echo $BASH is it"], "-seed-tools-12/bin/bash is it");
    // It reads its commands from standard input, which is at its end.
    check(&["nix", "shell", "-f", "PKGS", "sandboxShell"], "");
}
