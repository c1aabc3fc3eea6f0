//! The language, by examples: each `lang/NAME.nix` has its value in `NAME.exp`
//! or its error, as printed, in `NAME.err`. With `UPDATE_EXPECT=1` the files are
//! written instead.
//!
//! Where the reference program is installed, files with a value are evaluated by
//! it too. A first line `# not in 2.8: REASON` says why that is left out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use saltire_diagnostics::{Style, render};
use saltire_eval::{Evaluator, FsHost, Settings, with_large_stack};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang")
}

fn sources() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory()).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "nix")).collect();
    paths.sort();
    paths
}

/// The value, or the error, as text. The directory of the tests is written `/lang`.
fn evaluate(path: &Path) -> (bool, String) {
    let path = path.to_owned();
    let (good, text) = with_large_stack(move || {
        let host = FsHost::new("x86_64-linux");
        let settings = Settings { max_call_depth: 5_000, ..Settings::default() };
        let mut evaluator = Evaluator::new(Arc::new(host), settings);
        let name = path.to_string_lossy().into_owned();
        let value = evaluator.eval_file(name.as_bytes()).and_then(|value| evaluator.force_deep(value));
        match value {
            Ok(value) => (true, format!("{}\n", String::from_utf8_lossy(&evaluator.print(value)))),
            Err(error) => {
                let style = Style { colour: false, show_trace: false };
                (false, render(&error.to_diagnostic(), evaluator.sources(), style))
            }
        }
    });
    (good, text.replace(&*directory().to_string_lossy(), "/lang"))
}

#[test]
fn values_and_errors() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for source in sources() {
        let (good, text) = evaluate(&source);
        let expected = source.with_extension(if good { "exp" } else { "err" });
        if update {
            std::fs::write(&expected, &text).expect("writable");
            let _ = std::fs::remove_file(source.with_extension(if good { "err" } else { "exp" }));
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "these differ:\n{}", wrong.join("\n"));
}

#[test]
fn values_are_those_of_the_reference() {
    let found = Command::new("nix-instantiate").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        println!("skipped: nix-instantiate is not installed");
        return;
    }
    let store = tempfile::tempdir().expect("a temporary directory");
    let mut wrong = Vec::new();
    for source in sources() {
        let text = std::fs::read_to_string(&source).expect("readable");
        let Ok(expected) = std::fs::read_to_string(source.with_extension("exp")) else { continue };
        if let Some(reason) = text.strip_prefix("# not in 2.8:") {
            println!("skipped: {}: {}", source.display(), reason.lines().next().unwrap_or_default().trim());
            continue;
        }
        let output = Command::new("nix-instantiate")
            .args(["--eval", "--strict", "--read-write-mode"])
            .arg(&source)
            .env("NIX_CONFIG", "build-users-group =")
            .env("NIX_STATE_DIR", store.path())
            .env("NIX_STORE_DIR", "/nix/store")
            .env("NIX_REMOTE", format!("local?root={}", store.path().display()))
            .output()
            .expect("it runs");
        let value = String::from_utf8_lossy(&output.stdout).replace(&*directory().to_string_lossy(), "/lang");
        if value != expected {
            let error = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{}:\n{value}{error}", source.display()));
        }
    }
    assert!(wrong.is_empty(), "the reference says:\n{}", wrong.join("\n"));
}
