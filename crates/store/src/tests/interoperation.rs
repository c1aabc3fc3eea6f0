//! Nix and we use one store in turn.

use std::process::Command;

use super::*;

/// Runs a Nix program on the store; None, and a note, without Nix.
fn nix(store: &Scratch, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .arg("--store")
        .arg(store.root())
        .args(arguments)
        .env("NIX_CONFIG", "build-users-group =\nsandbox = false")
        .env("HOME", store.directory.path())
        .env_remove("NIX_REMOTE")
        .output();
    match output {
        Err(_) => {
            println!("skipped: {program} is not installed");
            None
        }
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {error}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
    }
}

#[test]
fn nix_reads_ours() {
    let store = scratch();
    let a = store.text("a", &[]);
    let b = store.text("b", &[&a]);
    let tree = store.add("t");
    let shown = store.display(&b);
    let Some(references) = nix(&store, "nix-store", &["--query", "--references", &shown]) else {
        return;
    };
    assert_eq!(references.trim(), store.display(&a));
    let hash = nix(&store, "nix-store", &["--query", "--hash", &shown]).unwrap();
    assert_eq!(hash.trim(), store.path_info(&b).unwrap().nar_hash.to_string());
    nix(&store, "nix-store", &["--verify", "--check-contents"]);
    let dead = nix(&store, "nix-store", &["--gc", "--print-dead"]).unwrap();
    // Nix 2.8 does not know yet that a locked temporary directory is in use.
    let dead: Vec<_> = dead.lines().filter(|path| !path.contains("/tmp-")).collect();
    assert_eq!(dead, [""; 0], "our temporary roots are seen");
    drop(std::mem::take(&mut *lock(&store.temp_roots)));
    drop(std::mem::take(&mut *lock(&store.temporary)));
    nix(&store, "nix-store", &["--delete", &store.display(&tree)]);
    assert!(!store.is_valid(&tree).unwrap());
    nix(&store, "nix-store", &["--gc"]);
    assert!(store.query_all_valid_paths().unwrap().is_empty());
}

#[test]
fn we_read_what_nix_made() {
    let store = scratch();
    let file = store.directory.path().join("source");
    fs::create_dir(&file).unwrap();
    fs::write(file.join("x"), "content").unwrap();
    let source = file.display().to_string();
    let Some(added) = nix(&store, "nix-store", &["--add", &source]) else { return };
    let added = store.store_dir().parse(added.trim()).unwrap();
    let ours = store.add_tree("source", &file, HashAlgorithm::Sha256, &mut keep_all).unwrap();
    assert_eq!(ours.path, added);

    let expression = r#"derivation { name = "d"; system = "x"; builder = "/b"; outputs = [ "out" "dev" ];
        text = builtins.toFile "t" "x"; }"#;
    let derivation = nix(&store, "nix-instantiate", &["-E", expression]).unwrap();
    let path = store.store_dir().parse(derivation.trim()).unwrap();
    let derivation = store.read_derivation(&path).unwrap();
    let outputs = derivation.output_paths(store.store_dir()).unwrap();
    assert_eq!(store.query_derivation_outputs(&path).unwrap(), outputs);
    assert_eq!(store.query_references(&path).unwrap(), derivation.references());
    assert!(store.verify(true, &mut |_| ()).unwrap().problems.is_empty());
    let collected = store.again().collect_garbage(&GarbageOptions::default()).unwrap();
    assert!(collected.paths.contains(&path));
}

#[test]
fn nix_waits_for_our_collector() {
    let store = scratch();
    let file = store.directory.path().join("x");
    fs::write(&file, "x").unwrap();
    let source = file.display().to_string();
    let lock = store.lock_collector().unwrap();
    let socket = store.root().join("nix/var/nix/gc-socket/socket");
    drop(std::os::unix::net::UnixStream::connect(socket).expect("somebody listens"));
    let waited = std::thread::scope(|scope| {
        let adding = scope.spawn(|| nix(&store, "nix-store", &["--add", &source]));
        // Whether Nix gets as far as waiting in this time makes no difference to
        // the result.
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(lock);
        adding.join().unwrap()
    });
    let Some(added) = waited else { return };
    let path = store.store_dir().parse(added.trim()).unwrap();
    assert!(store.is_valid(&path).unwrap());
}

#[test]
fn the_schema_is_that_of_nix() {
    let (ours, theirs) = (scratch(), scratch());
    ours.text("a", &[]);
    let file = theirs.directory.path().join("x");
    fs::write(&file, "").unwrap();
    if nix(&theirs, "nix-store", &["--add", &file.display().to_string()]).is_none() {
        return;
    }
    let columns = |store: &Scratch| {
        let database = store.location().database();
        let connection = rusqlite::Connection::open(database).unwrap();
        let mut statement = connection
            .prepare(
                "select m.type, m.name, c.name, c.type, c.\"notnull\", c.pk from sqlite_master m \
                 left join pragma_table_info(m.name) c order by m.name, c.cid",
            )
            .unwrap();
        let rows = statement
            .query_map([], |row| (0..6).map(|column| row.get::<_, rusqlite::types::Value>(column)).collect());
        rows.unwrap().collect::<rusqlite::Result<Vec<Vec<_>>>>().unwrap()
    };
    assert_eq!(columns(&ours), columns(&theirs));
}
