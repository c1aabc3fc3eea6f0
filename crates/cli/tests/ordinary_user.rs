//! An ordinary user can do what root can. (When the tests are run by one, all the
//! others show that.)

mod support;

#[path = "support/hermetic.rs"]
mod hermetic;

#[path = "../../sandbox/tests/support/riscv.rs"]
mod riscv;

use hermetic::{Home, NOBODY, Server, text};
use std::os::unix::fs::MetadataExt;
use support::write_executable;

#[test]
fn an_ordinary_user_builds_and_runs_with_a_private_store() {
    let Some(home) = Home::of_ordinary_user() else {
        println!("skipped: not root, so every other test is run by an ordinary user");
        return;
    };
    let shell = support::saltire("build sandboxShell --no-link").output().unwrap();
    if !shell.status.success() {
        println!("skipped: {}", text(&shell.stderr));
        return;
    }
    let doctor = home.saltire(&["doctor"]).output().unwrap();
    if !doctor.status.success() {
        println!("skipped: {}", text(&doctor.stdout));
        return;
    }
    let mirror = format!("{}/debian", Server::mirror().url);
    let shell = text(&shell.stdout).trim().to_owned();
    let built = home.stdout(&["build", "sandboxShell", "--no-link", "--mirror", &mirror]);
    assert_eq!(built.trim(), shell);
    let expression = format!(
        "derivation {{ name = \"small\"; system = builtins.currentSystem; builder = \"/bin/sh\"; \
         PATH = \"${{builtins.storePath {shell}}}/bin\"; \
         args = [ \"-c\" \"echo made by $(busybox id -u) > $out\" ]; }}"
    );
    let path = home.stdout(&["build", "--no-link", "--expr", &expression]);
    let file = home.store().join(path.trim().rsplit('/').next().unwrap());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "made by 1000\n");
    assert_eq!(file.metadata().unwrap().uid(), NOBODY);
    // What it built is at its logical place for what it runs.
    let seen = home.stdout(&["exec", &format!("{shell}/bin/busybox"), "cat", path.trim()]);
    assert_eq!(seen, "made by 1000\n");
    let identity = home.stdout(&["exec", "/bin/sh", "-c", "id -u; echo $HOME"]);
    assert_eq!(identity, format!("{NOBODY}\n{}\n", home.path().display()));
    home.check_clean("nothing");
}

/// Where the emulator's package is in the cache, a foreign program runs, and a child
/// of a script of this machine does.
#[test]
fn an_ordinary_user_runs_foreign_programs() {
    let home = Home::of_ordinary_user().unwrap_or_else(Home::new);
    let emulator = support::saltire("build emulators.riscv64 --no-link --offline").output().unwrap();
    if !emulator.status.success()
        || !saltire_driver::probe().has(saltire_driver::Capability::NamespacedBinfmt)
    {
        println!("skipped: no emulator in the cache, or no binfmt_misc per namespace");
        return;
    }
    let mirror = format!("{}/debian", Server::mirror().url);
    home.stdout(&["build", "emulators.riscv64", "--no-link", "--mirror", &mirror]);
    let program = home.path().join("program");
    write_executable(&program, riscv::program());
    let script = home.path().join("script");
    write_executable(&script, format!("#!{}\n", program.display()));
    let children = "./program; ./script | cat; env ./program; readlink /proc/self/exe >/dev/null";
    assert_eq!(
        home.stdout(&["exec", "--for", "riscv64-musl", "sh", "-c", children]),
        "riscv\nriscv\nriscv\n"
    );
    for name in ["./program", "./script"] {
        check_exit(&home, name);
    }
}

/// Its output and its exit code come through.
fn check_exit(home: &Home, name: &str) {
    let output = home.saltire(&["exec", name]).output().unwrap();
    assert_eq!((text(&output.stdout), output.status.code()), ("riscv\n".to_owned(), Some(7)));
}
