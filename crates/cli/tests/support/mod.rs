//! Runs the built binary with a store and a download cache of the tests' own,
//! which later runs find again.

use std::path::PathBuf;
use std::process::{Command, Output};

#[path = "../../../sandbox/tests/support/executable.rs"]
mod executable;

#[allow(unused_imports)]
pub use executable::{copy_executable, write_executable};

/// Where the tests' store and cache are.
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("home")
}

/// The program with these arguments, separated by white space.
pub fn saltire(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
    command
        .args(arguments.split_whitespace())
        .env("XDG_DATA_HOME", home().join("data"))
        .env("XDG_CACHE_HOME", home().join("cache"))
        .env("SALTIRE_STORE", "private")
        .env_remove("NIX_PATH");
    command
}

/// Standard output of a command that must succeed.
#[allow(dead_code)]
pub fn stdout(arguments: &str) -> String {
    let output = saltire(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", last_lines(&output.stderr));
    text(&output.stdout)
}

/// Standard error and exit code of a command that must fail.
#[allow(dead_code)]
pub fn failure(arguments: &str) -> (String, i32) {
    let output: Output = saltire(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments} must fail");
    (text(&output.stderr), output.status.code().unwrap())
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last 40 lines, where a failed build says why: the whole output of a test
/// that builds hundreds of packages hides it.
#[allow(dead_code)]
pub fn last_lines(bytes: &[u8]) -> String {
    let text = text(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(40);
    let note = if skipped > 0 { format!("({skipped} lines before)\n") } else { String::new() };
    note + &lines[skipped..].join("\n")
}
