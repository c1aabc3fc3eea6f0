//! `nix-instantiate`, compared with the reference where it is installed.

use std::path::Path;
use std::process::{Command, Output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Our `nix-instantiate` in a directory, with a store there.
fn ours(arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
    command.arg("nix-instantiate").args(arguments);
    prepare(command, directory)
}

fn prepare(mut command: Command, directory: &Path) -> Command {
    command.current_dir(directory);
    command.env("HOME", directory).env("XDG_CACHE_HOME", directory).env("XDG_DATA_HOME", directory);
    command.env("XDG_CONFIG_HOME", directory).env("NIX_CONF_DIR", directory).env_remove("NIX_PATH");
    command.env("NIX_CONFIG", "build-users-group =\nsandbox = false");
    command.env("SALTIRE_STORE", directory.join("store"));
    command
}

/// The reference's output of the same, if it is installed.
fn reference(arguments: &[&str], directory: &Path) -> Option<Output> {
    let mut command = Command::new("nix-instantiate");
    command.args(arguments).arg("--store").arg(directory.join("reference"));
    let output = prepare(command, directory).output();
    if output.is_err() {
        println!("skipped: nix-instantiate is not installed");
    }
    output.ok()
}

fn example() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "default.nix",
        "{ name ? \"a\", system ? \"x86_64-linux\" }:
        let make = name: derivation { inherit name system; builder = \"/b\"; src = ./source; outputs = [ \"out\" \"dev\" ]; };
        in { one = make name; two = { recurseForDerivations = true; x = (make \"x\").dev; }; n = 1; s.y = make \"y\"; }",
    );
    write("source", "text");
    write(
        "value.nix",
        "{ a = [ 1 2.5 \"x\\n\" null true ./source ]; f = x: x; g = { a, b ? 1 }: a; t = 1 + 1; n.m = { }; }",
    );
    directory
}

/// Checks that both print the same, and returns it.
fn same(arguments: &[&str]) -> String {
    let directory = example();
    let output = ours(arguments, directory.path()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let output = text(&output.stdout);
    // The reference replaces no link that is not its own.
    for link in ["link", "link-2"] {
        let _ = std::fs::remove_file(directory.path().join(link));
    }
    if let Some(reference) = reference(arguments, directory.path()) {
        // Nix 2.8 ends JSON without a line break.
        assert_eq!(
            output.trim_end(),
            text(&reference.stdout).trim_end(),
            "{arguments:?}: {}",
            text(&reference.stderr)
        );
    }
    output
}

#[test]
fn values_are_printed_in_each_form() {
    same(&["--eval", "value.nix", "-A", "a"]);
    same(&["--eval", "--strict", "value.nix", "-A", "a"]);
    same(&["--eval", "--strict", "--json", "value.nix", "-A", "a"]);
    same(&["--eval", "--strict", "--xml", "value.nix"]);
    same(&["--eval", "--xml", "--no-location", "value.nix", "-A", "t"]);
    same(&["--eval", "-E", "{ a, b ? a }: b", "--arg", "a", "1 + 1"]);
    same(&["--eval", "-E", "{ a ? 1 }: a"]);
    same(&["--eval", "-E", "1", "-E", "[ ]"]);
    same(&["--parse", "-E", "a: c: a.b or c"]);
    assert_eq!(same(&["--eval", "-E", "./x"]).lines().count(), 1);
}

#[test]
fn derivations_have_the_same_paths() {
    let one = same(&[]);
    assert_eq!(one.lines().count(), 2);
    assert!(one.lines().next().unwrap().ends_with("-a.drv"), "{one}");
    same(&["-A", "two.x", "--argstr", "system", "riscv64-linux"]);
    same(&["-A", "s.y", "-A", "one", "--arg", "name", "\"b\""]);
    same(&["default.nix", "--add-root", "link", "--indirect"]);
}

#[test]
fn evaluation_writes_to_the_store_only_when_told_to() {
    let directory = example();
    let arguments = ["--eval", "-A", "one.drvPath"];
    let run = |more: &[&str]| {
        let output = ours(&[&arguments, more].concat(), directory.path()).output().unwrap();
        text(&output.stdout).trim().trim_matches('"').to_owned()
    };
    let path = run(&[]);
    let file = directory.path().join("store").join(path.trim_start_matches('/'));
    assert!(path.ends_with("-a.drv") && !file.exists(), "{path}");
    assert_eq!(run(&["--read-write-mode"]), path);
    assert!(file.exists());
}

#[test]
fn the_search_path_comes_from_options_and_the_environment() {
    let directory = example();
    let place = directory.path().display();
    let find = |arguments: &[&str], variable: &str| {
        let output = ours(arguments, directory.path()).env("NIX_PATH", variable).output().unwrap();
        text(if output.status.success() { &output.stdout } else { &output.stderr })
    };
    assert_eq!(find(&["--find-file", "x/source"], &format!("x={place}")), format!("{place}/source\n"));
    assert_eq!(find(&["--find-file", "source", "-I", "."], ""), format!("{place}/source\n"));
    let names = "map (entry: entry.prefix) builtins.nixPath";
    let prefixes = |arguments: &[&str]| {
        let command = ["--eval", "--strict", "-E", names];
        find(&[&command[..], arguments].concat(), "a=/a:/b")
    };
    assert_eq!(prefixes(&["-I", "i=/i"]), "[ \"i\" \"a\" \"\" ]\n");
    assert_eq!(prefixes(&["--nix-path", "n=/n"]), "[ \"n\" ]\n");
    assert_eq!(prefixes(&["--extra-nix-path", "n=/n"]), "[ \"a\" \"\" \"n\" ]\n");
    let text = find(&["--find-file", "nix/fetchurl.nix"], "");
    assert!(text.contains("'<nix/fetchurl.nix>' has no physical path"), "{text}");
    let text = find(&["--find-file", "missing"], "");
    assert!(text.contains("file 'missing' was not found in the Nix search path"), "{text}");
    let text = find(&["--find-file", "x", "-I", "x=/nowhere"], "");
    let warning = "warning: Nix search path entry '/nowhere' does not exist, ignoring\n";
    assert_eq!(text.matches(warning).count(), 1, "{text}");
}

#[test]
fn pure_and_restricted_evaluation_see_only_what_they_may() {
    let directory = example();
    let check = |arguments: &[&str], expected: &str| {
        let output = ours(arguments, directory.path()).output().unwrap();
        let both = text(&output.stdout) + &text(&output.stderr);
        assert!(both.contains(expected), "{arguments:?}: {both}");
    };
    check(&["--eval", "--option", "restrict-eval", "true", "value.nix"], "is forbidden in restricted mode");
    check(&["--eval", "--restrict-eval", "-I", ".", "value.nix", "-A", "t"], "2");
    check(
        &["--eval", "--pure-eval", "-E", "builtins.readFile ./source"],
        "is forbidden in pure evaluation mode",
    );
    check(&["--eval", "--pure-eval", "-E", "builtins.pathExists ./source"], "false\n");
    check(&["--eval", "--restrict-eval", "-E", "builtins.pathExists \"/etc/\""], "false\n");
    check(&["--eval", "--pure-eval", "-E", "builtins.path { path = ./source; }"], "while adding path '");
    check(&["--eval", "--pure-eval", "-E", "builtins ? currentSystem"], "false");
    check(&["--eval", "--restrict-eval", "-E", "builtins.getEnv \"HOME\""], "\"\"");
    check(&["--eval", "-E", "\"${./nowhere}\""], "/nowhere' does not exist");
    check(&["--eval", "--raw", "-E", "./nowhere"], "/nowhere' does not exist");
    check(&["--eval", "--arg", "a"], "flag '--arg' requires 2 argument(s), but only 1 were given");
    check(&["--eval", "-E", "{ a = 5; }", "-A", "a."], "5");
    check(&["--eval", "--nonsense"], "unrecognised flag '--nonsense'");
    check(&["--eval", "--option", "nonsense", "1", "-E", "1"], "warning: unknown setting 'nonsense'");
}

#[test]
fn functions_are_called_with_the_arguments_that_they_take() {
    let directory = example();
    let check = |function: &str, expected: &str| {
        let output = ours(&["--eval", "--arg", "b", "2", "-E", function], directory.path()).output().unwrap();
        let both = text(&output.stdout) + &text(&output.stderr);
        assert!(both.contains(expected), "{function}: {both}");
    };
    check("{ a ? 1 }@all: all", "{ }\n");
    check("{ a ? 1, ... }@all: all.b", "2\n");
    check("{ a }: a", "error: cannot evaluate a function that has an argument without a value ('a')\n");
    // What takes any argument is called with all there are.
    check("{ a, ... }: a", "error: function 'anonymous lambda' called without required argument 'a'\n");
}

#[test]
fn settings_change_evaluation() {
    let directory = example();
    let check = |arguments: &[&str], expected: &str| {
        let mut command = ours(&["--eval", "-E"], directory.path());
        let output = command.args(arguments).env("NIX_ABORT_ON_WARN", "0").output().unwrap();
        let both = text(&output.stdout) + &text(&output.stderr);
        let both = both.replace(|c: char| c.is_ascii_digit(), "#");
        assert_eq!(both, expected, "{arguments:?}");
    };
    check(
        &["1", "--option", "pure-eval", "x"],
        "#\nwarning: Boolean setting 'pure-eval' has invalid value 'x'\n",
    );
    check(
        &["1", "--lint-url-literals", "x"],
        "error: option 'lint-url-literals' has invalid value 'x' (expected 'ignore', 'warn', or 'fatal')\n",
    );
    check(
        &["http://a", "--lint-url-literals", "fatal"],
        "error: URL literals are disallowed. Consider using a string literal \"http://a\" instead (lint-url-literals)\n       at «string»:#:#:\n            #| http://a\n             | ^\n",
    );
    check(
        &["/a", "--lint-absolute-path-literals", "warn"],
        "/a\nwarning: absolute path literals are not portable. Consider replacing path literal '/a' by a string, relative path, or parameter (lint-absolute-path-literals)\n         at «string»:#:#:\n              #| /a\n               | ^\n",
    );
    let output = ours(&["--eval", "-E", "a/b", "--warn-short-path-literals"], directory.path()).output();
    let error = text(&output.unwrap().stderr);
    assert!(error.starts_with("warning: 'warn-short-path-literals' is deprecated, use 'lint-short-path-literals = warn' instead\nwarning: relative path literal 'a/b'"), "{error}");
    check(
        &["(x: x) 1", "--trace-function-calls"],
        &format!(
            "#\nfunction-trace entered «string»:#:# at {0}\nfunction-trace exited «string»:#:# at {0}\n",
            "#".repeat(19)
        ),
    );
    check(&["builtins.exec [ \"echo\" \"1 + 2\" ]", "--allow-unsafe-native-code-during-evaluation"], "#\n");
    check(&["builtins.warn \"w\" 1"], "#\nevaluation warning: w\n");
    check(&["builtins.trace \"t\" 1", "--quiet"], "#\ntrace: t\n");
}

#[test]
fn the_program_acts_by_the_name_that_it_is_called_by() {
    let directory = example();
    let link = directory.path().join("nix-instantiate");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_saltire"), &link).unwrap();
    let mut command = Command::new(&link);
    command.args(["--eval", "-E", "1 + 1"]);
    assert_eq!(text(&prepare(command, directory.path()).output().unwrap().stdout), "2\n");
    let mut command = Command::new(&link);
    command.arg("--version");
    let version = text(&prepare(command, directory.path()).output().unwrap().stdout);
    assert!(version.starts_with("nix-instantiate (Saltire, like Nix) 2."), "{version}");
}
