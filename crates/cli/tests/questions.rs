//! What is asked at a terminal, and what answers do.

#[path = "support/terminal.rs"]
mod terminal;

use std::process::Command;
use terminal::Terminal;

/// A directory with a flake that has a setting; why there is no terminal is printed.
fn flake() -> Option<tempfile::TempDir> {
    if Command::new("setsid").arg("--version").output().is_err() {
        println!("skipped: setsid is not installed");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let text = "{ nixConfig.max-call-depth = 30; outputs = _: { x = let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 50; }; }";
    std::fs::write(directory.path().join("flake.nix"), text).unwrap();
    Some(directory)
}

/// Evaluates the flake, answers, and gives what was said last and the exit code.
fn answer(directory: &tempfile::TempDir, answers: &[(&str, &str)], last: &str) -> Option<i32> {
    let installable = format!("path:{}#x", directory.path().display());
    let mut terminal = Terminal::start(&["nix", "eval", &installable], directory.path(), &[]);
    for (question, answer) in answers {
        terminal.expect(question);
        terminal.send(&format!("{answer}\r"));
    }
    terminal.expect(last);
    terminal.wait()
}

const ALLOW: &str = "do you want to allow configuration setting 'max-call-depth' to be set to '30' (y/N)?";

#[test]
fn settings_of_flakes_are_asked_about_and_answers_kept() {
    let Some(directory) = flake() else { return };
    let trusted = "do you want to permanently mark this value as trusted (y/N)?";
    // For this once.
    assert_eq!(answer(&directory, &[(ALLOW, "y"), (trusted, "")], "stack overflow"), Some(1));
    assert_eq!(answer(&directory, &[(ALLOW, "y"), (trusted, "y")], "stack overflow"), Some(1));
    let saved = "Using saved setting for 'max-call-depth = 30'";
    assert_eq!(answer(&directory, &[], saved), Some(1));
}

#[test]
fn settings_that_are_refused_do_not_count() {
    let Some(directory) = flake() else { return };
    let untrusted = "do you want to permanently mark this value as untrusted (y/N)?";
    assert_eq!(answer(&directory, &[(ALLOW, "n"), (untrusted, "")], "50\r\n"), Some(0));
    assert_eq!(answer(&directory, &[(ALLOW, ""), (untrusted, "y")], "50\r\n"), Some(0));
    assert_eq!(answer(&directory, &[], "50\r\n"), Some(0));
}
