//! Killed processes and full disks.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

/// Says to a run of this test program which store it is to work on.
const CHILD_STORE: &str = "SALTIRE_TEST_CHILD_STORE";

/// This program, running only the named test on the store at `root`.
fn child(test: &str, root: &Path) -> Vec<std::ffi::OsString> {
    let name = format!("tests::disasters::{test}");
    let program = std::env::current_exe().unwrap();
    vec![
        "env".into(),
        format!("{CHILD_STORE}={}", root.display()).into(),
        program.into(),
        "--exact".into(),
        name.into(),
        "--nocapture".into(),
    ]
}

/// In a child: adds objects, saying so, until it is killed.
#[test]
fn child_adds_for_ever() {
    let Some(root) = std::env::var_os(CHILD_STORE) else { return };
    let store = open(Path::new(&root));
    let source = Path::new(&root).parent().unwrap().join("tree");
    for number in 0.. {
        let text = store.add_text(&format!("text-{number}"), b"x", &BTreeSet::new()).unwrap();
        let tree =
            store.add_tree(&format!("tree-{number}"), &source, HashAlgorithm::Sha256, &mut keep_all).unwrap();
        println!("added {text} {}", tree.path);
    }
}

#[test]
fn a_killed_process_leaves_nothing_half_done() {
    let store = scratch();
    store.tree();
    let arguments = child("child_adds_for_ever", &store.root());
    let mut promised = Vec::new();
    for round in 1..5 {
        let mut process = Command::new(&arguments[0])
            .args(&arguments[1..])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 7 * round {
            let line = lines.next().expect("the child goes on").unwrap();
            if let Some((_, paths)) = line.split_once("added ") {
                promised.extend(paths.split(' ').map(str::to_owned));
                seen += 1;
            }
        }
        process.kill().unwrap();
        process.wait().unwrap();
        for path in &promised {
            let path = StorePath::from_base_name(path.as_bytes()).unwrap();
            assert!(store.is_valid(&path).unwrap(), "{path} was registered");
        }
        assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
    }
    store.collect_garbage(&GarbageOptions::default()).unwrap();
    let leftovers = fs::read_dir(store.root().join("nix/store")).unwrap().count();
    assert_eq!(leftovers, 0);
    assert!(store.query_all_valid_paths().unwrap().is_empty());
}

/// In a child, on a small file system: fills it.
#[test]
fn child_fills_the_disk() {
    let Some(root) = std::env::var_os(CHILD_STORE) else { return };
    let store = open(Path::new(&root));
    store.add_text("first", b"x", &BTreeSet::new()).unwrap();
    let source = Path::new(&root).parent().unwrap().parent().unwrap().join("big");
    for _ in 0..2 {
        let error = store.add_tree("big", &source, HashAlgorithm::Sha256, &mut keep_all).unwrap_err();
        assert!(error.is_no_space(), "{error}");
        assert!(error.to_string().starts_with("no space left on the device of '"), "{error}");
    }
    store.add_text("second", b"x", &BTreeSet::new()).unwrap();
    drop(store);
    let again = open(Path::new(&root));
    assert_eq!(again.query_all_valid_paths().unwrap().len(), 2);
    assert!(again.verify(true, &mut |_| ()).unwrap().problems.is_empty());
    let files = fs::read_dir(Path::new(&root).join("nix/store")).unwrap().count();
    assert_eq!(files, 2, "nothing is left of what did not fit");
    println!("survived");
}

#[test]
fn a_full_disk_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("big"), vec![b'x'; 8 << 20]).unwrap();
    let small = directory.path().join("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=3m tmpfs \"$0\" || exit 99; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(&small)
        .args(child("child_fills_the_disk", &small.join("root")))
        .output();
    let Ok(output) = output else {
        println!("skipped: no program 'unshare'");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(99) || error.contains("unshare failed") {
        println!("skipped: no mount namespaces here: {error}");
        return;
    }
    assert!(text.contains("survived"), "{text}{error}");
}
