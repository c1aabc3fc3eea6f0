//! Ctrl-C at any moment: nothing registered, nothing half-written, no processes, no
//! mounts. And programs that are run get their signals themselves.

mod support;

#[path = "support/hermetic.rs"]
mod hermetic;

#[path = "support/terminal.rs"]
#[allow(dead_code)]
mod terminal;

use hermetic::{Answer, Home, Server, fetch_expression, text};
use rustix::process::Signal;
use std::path::PathBuf;

/// The static shell that sandboxes have, if it can be had.
fn shell() -> Option<String> {
    let output = support::saltire("build sandboxShell --no-link").output().unwrap();
    let reason = if !saltire_driver::probe().can_build() {
        "the kernel does not allow a sandbox; 'saltire doctor' says why".to_owned()
    } else if !output.status.success() {
        text(&output.stderr)
    } else {
        return Some(text(&output.stdout).trim().to_owned());
    };
    println!("skipped: {reason}");
    None
}

/// An expression for what a shell script builds.
fn build_expression(name: &str, shell: &str, script: &str) -> String {
    format!(
        "derivation {{ name = \"{name}\"; system = builtins.currentSystem; \
         builder = \"${{builtins.storePath {shell}}}/bin/busybox\"; args = [ \"sh\" \"-c\" ''{script}'' ]; }}"
    )
}

/// A home whose store has the shell.
fn home_with_shell() -> Option<(Home, String)> {
    let shell = shell()?;
    let home = Home::new();
    let mirror = Server::mirror();
    home.stdout(&["build", "sandboxShell", "--no-link", "--mirror", &format!("{}/debian", mirror.url)]);
    Some((home, shell))
}

const ENDLESS: &str = "echo half > $out; (sleep 1000; :) & echo begun; sleep 1000; :";

#[test]
fn an_interrupted_build_leaves_nothing() {
    let Some((home, shell)) = home_with_shell() else { return };
    let expression = build_expression("endless", &shell, ENDLESS);
    for signal in [Signal::INT, Signal::TERM] {
        let mut run = home.start(&["build", "-L", "--no-link", "--expr", &expression]);
        run.wait_for("begun");
        run.signal_group(signal);
        let (code, output, messages) = run.finish();
        assert_eq!((code, output.as_str()), (Some(130), ""), "{messages}");
        assert!(messages.ends_with("error: interrupted by the user\n"), "{messages}");
        home.check_clean("endless");
    }
    // It is as if it had never begun.
    let plan = home.stdout(&["plan", "--expr", &expression]);
    assert!(plan.contains("endless"), "{plan}");
}

#[test]
fn at_a_terminal_no_progress_stays() {
    let Some((home, shell)) = home_with_shell() else { return };
    let file = home.path().join("endless.nix");
    std::fs::write(&file, build_expression("endless", &shell, ENDLESS)).unwrap();
    let store = home.path().join("data");
    let variables = [("SALTIRE_STORE", "private".as_ref()), ("XDG_DATA_HOME", store.as_os_str())];
    for (arguments, code) in [
        (&["nix", "build", "--impure", "--no-link", "-f", "endless.nix"][..], 1),
        (&["nix-build", "--no-out-link", "endless.nix"], 1),
        (&["build", "--no-link", "-f", "endless.nix"], 130),
    ] {
        let mut terminal = terminal::Terminal::start(arguments, home.path(), &variables);
        terminal.expect("begun");
        terminal.send("\u{3}");
        let before = terminal.expect("^C");
        // What is echoed stands in the line that is removed next.
        assert!(before.ends_with("s\u{1b}[0m^C") || before.ends_with("s^C"), "{before:?}");
        let after = terminal.expect("error: interrupted by the user\r\n");
        assert!(after.starts_with("\r\u{1b}[2K") && !after.contains("failed"), "{after:?}");
        assert_eq!(terminal.wait(), Some(code));
    }
}

#[test]
fn a_killed_build_leaves_nothing_that_counts() {
    let Some((home, shell)) = home_with_shell() else { return };
    let expression = build_expression("killed", &shell, ENDLESS);
    let mut run = home.start(&["build", "-L", "--no-link", "--expr", &expression]);
    run.wait_for("begun");
    // Its builder is nobody that matters to the machine.
    let users = hermetic::users_inside(home.path());
    assert!(!hermetic::is_root() || users.iter().any(|user| *user > 30_000), "{users:?}");
    run.kill();
    let (code, _, _) = run.finish();
    assert_eq!(code, None);
    let output: PathBuf =
        home.stdout(&["eval", "--raw", "--expr", &format!("({expression}).outPath")]).into();
    assert!(!home.store().join(output.file_name().unwrap()).exists());
    // What it was working on is garbage.
    home.stdout(&["gc"]);
    home.check_clean("killed");
}

#[test]
fn an_interrupted_download_leaves_nothing_and_can_be_begun_again() {
    let content: Vec<u8> = (0..1_000_000u32).map(|number| (number / 7) as u8).collect();
    let hash = sha256(&content);
    let home = Home::new();
    let stalls = Server::of(Answer::Stall(content.clone()));
    let expression = |server: &Server| fetch_expression("file", &format!("{}/file", server.url), &hash);
    let mut run = home.start(&["build", "-v", "--no-link", "--expr", &expression(&stalls)]);
    run.wait_for("Fetching file");
    // So that it is in the middle, most probably; any moment must do.
    std::thread::sleep(std::time::Duration::from_millis(300));
    run.signal_group(Signal::INT);
    let (code, output, messages) = run.finish();
    assert_eq!((code, output.as_str()), (Some(130), ""), "{messages}");
    assert!(messages.ends_with("error: interrupted by the user\n"), "{messages}");
    home.check_clean("file");
    let works = Server::of(Answer::Bytes(content.clone()));
    let path: PathBuf = home.stdout(&["build", "--no-link", "--expr", &expression(&works)]).trim().into();
    assert_eq!(std::fs::read(home.store().join(path.file_name().unwrap())).unwrap(), content);
}

/// What the system's own program says.
fn sha256(content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, content).unwrap();
    let output = std::process::Command::new("sha256sum").arg(&file).output().unwrap();
    text(&output.stdout).split(' ').next().unwrap().to_owned()
}

#[test]
fn a_program_that_is_run_gets_its_signals_itself() {
    let home = Home::new();
    let script = "trap 'echo caught; exit 3' INT; echo ready >&2; while :; do sleep 0.05; done";
    let mut run = home.start(&["exec", "/bin/sh", "-c", script]);
    run.wait_for("ready");
    run.signal_group(Signal::INT);
    assert_eq!(run.finish(), (Some(3), "caught\n".to_owned(), "ready\n".to_owned()));
}

#[test]
fn a_program_that_is_run_ends_as_it_ends() {
    let home = Home::new();
    for (script, expected) in [("exit 7", Some(7)), ("kill -KILL $$", None)] {
        let status = home.saltire(&["exec", "/bin/sh", "-c", script]).status().unwrap();
        assert_eq!(status.code(), expected);
    }
    // In the caller's directory and session, with its environment and standard input.
    let mut command = home.saltire(&["exec", "/bin/sh", "-c", "pwd; echo $MARK; exec cat"]);
    command.env("MARK", "seen").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"through\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), format!("{}\nseen\nthrough\n", home.path().display()));
}
