//! Roots, garbage, deletion, verification.

use std::os::unix::fs::symlink;

use super::*;
use crate::gc::{DeleteOptions, GarbageOptions};

fn quiet() -> GarbageOptions {
    GarbageOptions { keep_running: false, ..GarbageOptions::default() }
}

#[test]
fn roots_keep_their_closure() {
    let store = scratch();
    let a = store.text("a", &[]);
    let b = store.text("b", &[&a]);
    let c = store.text("c", &[&b]);
    let tree = store.add("t");
    let other = store.again();
    let result = store.directory.path().join("result");
    other.add_root(&result, &b).unwrap();
    assert!(result.exists(), "the link leads somewhere");
    drop(other);

    let kept = store.collect_garbage(&quiet()).unwrap();
    assert_eq!(kept.paths, [], "this process uses all of them");

    let root = store.root();
    drop(std::mem::take(&mut *lock(&store.temp_roots)));
    let other = open(&root);
    let dry = other.collect_garbage(&GarbageOptions { dry_run: true, ..quiet() }).unwrap();
    assert_eq!(dry.paths.iter().collect::<BTreeSet<_>>(), [&c, &tree].into());
    let collected = other.collect_garbage(&quiet()).unwrap();
    assert_eq!(collected.paths, dry.paths);
    assert!(collected.freed > 0);
    assert_eq!(store.files(), {
        let mut names = [a.to_string(), b.to_string()];
        names.sort();
        names
    });

    fs::remove_file(&result).unwrap();
    assert_eq!(other.collect_garbage(&quiet()).unwrap().paths, [b, a]);
    assert_eq!(store.files(), [""; 0]);
    assert_eq!(fs::read_dir(root.join("nix/var/nix/gcroots/auto")).unwrap().count(), 0);
}

#[test]
fn direct_roots_and_links_in_the_way() {
    let store = scratch();
    let a = store.text("a", &[]);
    let profile = store.root().join("nix/var/nix/profiles/per-user/me/p");
    store.add_root(&profile, &a).unwrap();
    let roots = store.find_roots().unwrap();
    assert!(roots.contains(&Root { link: profile, path: a.clone() }), "{roots:?}");

    let file = store.directory.path().join("file");
    fs::write(&file, "x").unwrap();
    let link = store.directory.path().join("link");
    symlink("/etc", &link).unwrap();
    for place in [file, link] {
        let error = store.add_root(&place, &a).unwrap_err();
        assert!(matches!(error, StoreError::RootInTheWay(_)), "{error}");
    }
}

#[test]
fn relative_and_logical_links_are_roots() {
    let store = scratch();
    let a = store.text("a", &[]);
    let roots = store.root().join("nix/var/nix/gcroots");
    symlink(store.display(&a), roots.join("logical")).unwrap();
    symlink(format!("../../../store/./{a}"), roots.join("relative")).unwrap();
    let found = store.find_roots().unwrap();
    let names: Vec<_> = found.iter().map(|root| root.link.file_name().unwrap()).collect();
    assert_eq!(names, ["logical", "relative"]);
}

#[test]
fn leftovers_are_collected_but_not_work_in_progress() {
    let store = scratch();
    let a = store.text("a", &[]);
    let directory = store.root().join("nix/store");
    let half = format!("{}-half", "0".repeat(32));
    let busy = format!("{}-busy", "1".repeat(32));
    for name in [half.as_str(), &busy, "tmp-1-0"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    fs::write(directory.join(format!("{half}.lock")), "").unwrap();
    store.add_temp_root(&StorePath::from_base_name(busy.as_bytes()).unwrap()).unwrap();
    let locks = store
        .lock_paths([&StorePath::from_base_name(busy.as_bytes()).unwrap()], Wait::Never, &mut |_| ())
        .unwrap()
        .unwrap();
    store.again().collect_garbage(&quiet()).unwrap();
    assert_eq!(store.files(), {
        let mut names = [a.to_string(), busy.clone(), format!("{busy}.lock")];
        names.sort();
        names
    });
    assert!(!directory.join("tmp-1-0").exists());
    drop(locks);
    store.text("still-works", &[]);
}

#[test]
fn temporary_roots_of_dead_processes_do_not_count() {
    let store = scratch();
    store.with_database(|_| Ok(())).unwrap();
    let a = StorePath::from_base_name(format!("{}-a", "0".repeat(32)).as_bytes()).unwrap();
    let dead = store.root().join("nix/var/nix/temproots/1");
    fs::write(&dead, format!("{}\0", store.display(&a))).unwrap();
    store
        .add_temp_root(&StorePath::from_base_name(format!("{}-b", "0".repeat(32)).as_bytes()).unwrap())
        .unwrap();
    let roots = store.again().find_temp_roots().unwrap();
    let names: Vec<_> = roots.keys().map(StorePath::name).collect();
    assert_eq!(names, ["b"]);
    assert!(!dead.exists());
}

#[test]
fn deleting_what_is_needed_is_refused() {
    let store = scratch();
    let a = store.text("a", &[]);
    let b = store.text("b", &[&a]);
    drop(std::mem::take(&mut *lock(&store.temp_roots)));
    let other = store.again();
    let error = other.delete_paths(&[a.clone()].into(), DeleteOptions::default()).unwrap_err();
    assert!(error.to_string().contains("-b'"), "{error}");
    assert!(store.is_valid(&a).unwrap());
    let deleted = other.delete_paths(&[a.clone(), b.clone()].into(), DeleteOptions::default()).unwrap();
    assert_eq!(deleted.paths, [b, a]);
    assert_eq!(store.files(), [""; 0]);
}

#[test]
fn what_is_needed_is_left_or_deleted_where_that_is_asked_for() {
    // Names of its own: what other tests have open counts as in use.
    let store = scratch();
    let a = store.text("left-a", &[]);
    let b = store.text("left-b", &[&a]);
    let c = store.text("left-c", &[]);
    drop(std::mem::take(&mut *lock(&store.temp_roots)));
    let link = store.location.state_dir.join("gcroots/link");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(store.physical_path(&c), &link).unwrap();
    let store = store.again();
    let delete = |paths: &[&StorePath], how: DeleteOptions| {
        store
            .delete_paths(&paths.iter().map(|path| (*path).clone()).collect(), how)
            .map(|deleted| deleted.paths)
    };
    let skip = DeleteOptions { skip_alive: true, ..DeleteOptions::default() };
    assert_eq!(delete(&[&a, &c], skip).unwrap(), []);
    let both = DeleteOptions { referrers: true, ..DeleteOptions::default() };
    assert_eq!(delete(&[&a], both).unwrap(), [b, a]);
    assert!(delete(&[&c], both).is_err());
    let all = DeleteOptions { ignore_roots: true, ..DeleteOptions::default() };
    assert_eq!(delete(&[&c], all).unwrap(), [c]);
}

#[test]
fn limit_stops_early() {
    let store = scratch();
    for number in 0..5 {
        store.text(&number.to_string(), &[]);
    }
    drop(std::mem::take(&mut *lock(&store.temp_roots)));
    let options = GarbageOptions { max_freed: Some(1), ..quiet() };
    assert_eq!(store.collect_garbage(&options).unwrap().paths.len(), 1);
    assert_eq!(store.query_all_valid_paths().unwrap().len(), 4);
}

#[test]
fn verify_finds_missing_and_changed_files() {
    let store = scratch();
    let a = store.text("a", &[]);
    let b = store.text("b", &[&a]);
    let c = store.text("c", &[]);
    let d = store.text("d", &[]);
    fs::remove_file(store.physical_path(&a)).unwrap();
    fs::remove_file(store.physical_path(&c)).unwrap();
    fs::remove_file(store.physical_path(&d)).unwrap();
    fs::write(store.physical_path(&d), "other").unwrap();
    let mut problems = store.verify(true, &mut |_| ()).unwrap().problems;
    problems.sort_by_key(|problem| format!("{problem:?}"));
    let [forgotten, missing, modified] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(*forgotten, VerifyProblem::Forgotten(c));
    assert_eq!(*missing, VerifyProblem::Missing { path: a, referrers: [b].into() });
    assert!(matches!(modified, VerifyProblem::Modified { path, .. } if *path == d));
}

#[test]
fn what_processes_use_is_found() {
    let store = scratch();
    let a = store.text("a", &[]);
    let file = fs::File::open(store.physical_path(&a)).unwrap();
    let roots = store.find_runtime_roots();
    assert!(roots.contains_key(&a), "an open file");
    drop(file);
}
