use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Answer, Division, Effort, Query};
use crate::{Directories, Error, Forgive, Session, Settings, Silent, argument_set};

/// A package set in a temporary directory, and a cache for it.
struct Fixture {
    directory: PathBuf,
    division: Division,
    eval_cache: bool,
    /// Removes the directory in the end.
    _temporary: Option<tempfile::TempDir>,
}

/// Packages `a0` to `a9`, each in its file, that use what they like of each other.
const SET: &str = "let
    call = name: import (./. + \"/${name}.nix\") self;
    names = builtins.genList (n: \"a${toString n}\") 10;
    common = import ./common.nix;
    derive = args: derivation ({ system = \"x\"; builder = common; } // args);
    self = builtins.listToAttrs (map (name: { inherit name; value = call name; }) names)
      // { inherit derive; alias = self.a1; sub = { recurseForDerivations = true; same = self.a2; }; };
    in self";

impl Fixture {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut this = Self::at(temporary.path());
        this._temporary = Some(temporary);
        fs::create_dir(this.path("set")).unwrap();
        this.write("default.nix", SET);
        this.write("common.nix", "\"/bin/sh\"");
        for number in 0..10 {
            this.write(&format!("a{number}.nix"), &format!("self: self.derive {{ name = \"p{number}\"; }}"));
        }
        this
    }

    /// One that is there already.
    fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            division: Division { workers: 2, items: 3, memory: 1 << 30, alone: 2 },
            eval_cache: true,
            _temporary: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("set").join(name), text).unwrap();
    }

    fn session(&self) -> Arc<Session> {
        let directories = Directories { cache: self.path("cache"), data: self.path("data") };
        let settings = Settings {
            store: Some(self.path("store").to_string_lossy().into_owned()),
            read_only: true,
            eval_cache: self.eval_cache,
            ..Settings::default()
        };
        Session::open_in(directories, settings, Arc::new(Silent), Arc::new(AtomicBool::new(false))).unwrap()
    }

    fn ask(&self) -> Result<Answer, Error> {
        let session = self.session();
        let file = self.path("set");
        session.query(&Query {
            roots: &|evaluator| {
                let none = argument_set(evaluator, Vec::new());
                Ok((vec![evaluator.eval_file(file.as_os_str().as_encoded_bytes())?], none))
            },
            describe: &|evaluator, _, package| {
                Ok(evaluator.derivation_path(package.value)?.map(String::into_bytes))
            },
            forgive: Forgive::Assertions,
            forgive_description: Forgive::Assertions,
            repeated: false,
            key: Some(b"test".to_vec()),
            division: self.division,
        })
    }

    /// Paths and derivations, and how many items were evaluated for them. The same
    /// must come of it without anything that is kept.
    fn check(&self) -> (Vec<(String, String)>, Effort) {
        let rows = |answer: &Answer| -> Vec<(String, String)> {
            let text = |row: &super::Row| String::from_utf8_lossy(&row.description).into_owned();
            answer.rows.iter().map(|row| (row.path.clone(), text(row))).collect()
        };
        let answer = self.ask().unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let plain = Fixture {
            directory: temporary.path().to_owned(),
            division: Division { workers: 0, ..self.division },
            eval_cache: false,
            _temporary: Some(temporary),
        };
        std::os::unix::fs::symlink(self.path("set"), plain.path("set")).unwrap();
        let plain = plain.ask().unwrap();
        assert_eq!(rows(&answer), rows(&plain));
        assert_eq!(plain.effort.kept, 0);
        (rows(&answer), answer.effort)
    }

    /// Which of two answers have another derivation.
    fn check_edit(&self, edit: impl FnOnce(), changed: &[&str], evaluated: usize) {
        // A source that was changed just now is not kept.
        std::thread::sleep(std::time::Duration::from_millis(80));
        self.check();
        let (before, effort) = self.check();
        assert_eq!(effort.evaluated, 0, "nothing changed");
        edit();
        std::thread::sleep(std::time::Duration::from_millis(80));
        let (after, effort) = self.check();
        let differs = |row: &&(String, String)| !before.contains(row);
        let differing: Vec<&str> = after.iter().filter(differs).map(|row| row.0.as_str()).collect();
        assert_eq!(differing, changed);
        assert_eq!(effort.evaluated, evaluated);
        assert_eq!(self.check().1.evaluated, 0, "nothing changed since");
    }
}

#[test]
fn packages_are_listed_once_where_they_come_first() {
    let (rows, effort) = Fixture::new().check();
    let paths: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    // `sub.same` is `a2`; `alias` comes after `a1`.
    assert_eq!(paths, ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]);
    assert!(effort.workers > 0 && effort.kept == 0, "{effort:?}");
}

#[test]
fn only_what_depends_on_an_edited_file_is_evaluated_again() {
    let fixture = Fixture::new();
    fixture.write("a7.nix", "self: self.derive { name = \"p7\"; inherit (self) a3; }");
    // With `a3`, what uses it.
    let edit = || fixture.write("a3.nix", "self: self.derive { name = \"new\"; }");
    fixture.check_edit(edit, &["a3", "a7"], 2);
    // A set and what is in it, `alias` and `sub.same` depend on `a1` and `a2`.
    fixture.check_edit(|| fixture.write("a1.nix", "self: self.derive { name = \"q\"; }"), &["a1"], 2);
    let all = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
    let text = SET.replace("\"x\"", "\"y\"");
    fixture.check_edit(|| fixture.write("default.nix", &text), &all, 17);
}

#[test]
fn a_file_that_everything_uses_makes_all_be_evaluated_again() {
    let fixture = Fixture::new();
    let all = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"];
    // Ten packages, the alias, and `same`; not the sets.
    fixture.check_edit(|| fixture.write("common.nix", "\"/bin/other\""), &all, 12);
}

#[test]
fn every_kind_of_input_counts() {
    let check = |text: &str, edit: &dyn Fn(&Path)| {
        let fixture = Fixture::new();
        let set = fixture.path("set");
        fs::create_dir_all(set.join("d/e")).unwrap();
        fs::write(set.join("d/f"), "1").unwrap();
        std::os::unix::fs::symlink("f", set.join("d/link")).unwrap();
        fixture.write("a5.nix", &format!("self: self.derive {{ name = \"p\"; v = {text}; }}"));
        fixture.check_edit(|| edit(&set), &["a5"], 1);
    };
    check("builtins.readFile ./d/f", &|set| fs::write(set.join("d/f"), "2").unwrap());
    check("builtins.hashFile \"md5\" ./d/f", &|set| fs::write(set.join("d/f"), "2").unwrap());
    check("import ./d/f", &|set| fs::write(set.join("d/f"), "2").unwrap());
    check("builtins.attrNames (builtins.readDir ./d)", &|set| fs::write(set.join("d/g"), "").unwrap());
    check("builtins.pathExists ./d/g", &|set| fs::write(set.join("d/g"), "").unwrap());
    check("builtins.pathExists ./d/f", &|set| fs::remove_file(set.join("d/f")).unwrap());
    check("builtins.readFileType ./d/f", &|set| {
        fs::remove_file(set.join("d/f")).unwrap();
        fs::create_dir(set.join("d/f")).unwrap();
    });
    check("builtins.readFile ./d/link", &|set| {
        fs::write(set.join("d/h"), "2").unwrap();
        fs::remove_file(set.join("d/link")).unwrap();
        std::os::unix::fs::symlink("h", set.join("d/link")).unwrap();
    });
    check("./d/f", &|set| fs::write(set.join("d/f"), "2").unwrap());
    check("./d", &|set| fs::write(set.join("d/e/new"), "").unwrap());
    let filtered = "builtins.filterSource (path: type: baseNameOf path != \"e\") ./d";
    check(filtered, &|set| fs::write(set.join("d/f"), "2").unwrap());
    check(filtered, &|set| fs::write(set.join("d/g"), "2").unwrap());
    check("builtins.path { path = ./d/f; name = \"n\"; }", &|set| fs::write(set.join("d/f"), "2").unwrap());
}

#[test]
fn what_can_not_be_asked_again_is_not_kept() {
    let fixture = Fixture::new();
    fixture.write("a5.nix", "self: self.derive { name = \"p\"; v = builtins.seq builtins.currentTime 1; }");
    fixture.check();
    assert_eq!(fixture.check().1.evaluated, 1);
    // Nothing says when what is fetched without a hash changes: it is looked at each time.
    fs::write(fixture.path("fetched"), "1").unwrap();
    let fetch = format!(
        "(builtins.fetchTree {{ type = \"path\"; path = \"{}\"; }}).narHash",
        fixture.path("fetched").display()
    );
    fixture.write("a5.nix", &format!("self: self.derive {{ name = \"p\"; v = {fetch}; }}"));
    let before = fixture.check().0;
    fs::write(fixture.path("fetched"), "2").unwrap();
    let (after, effort) = fixture.check();
    assert_eq!(effort.evaluated, 1);
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
}

/// Runs one test of this program again, in a process with no other thread.
fn alone(test: &str, variables: &[(&str, &str)]) -> String {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("many::tests::{test}"), "--exact", "--nocapture", "--test-threads=1"])
        .env("SALTIRE_TEST_ALONE", "1")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn is_alone() -> bool {
    std::env::var_os("SALTIRE_TEST_ALONE").is_some()
}

#[test]
fn a_changed_environment_variable_counts() {
    if is_alone() {
        let directory = std::env::var_os("SALTIRE_TEST_SET").unwrap();
        let (rows, effort) = Fixture::at(Path::new(&directory)).check();
        println!("evaluated={} {}", effort.evaluated, rows[5].1);
        return;
    }
    let fixture = Fixture::new();
    let text = "self: self.derive { name = \"p\"; v = builtins.getEnv \"SALTIRE_TEST_VALUE\"; }";
    fixture.write("a5.nix", text);
    let set = fixture.directory.to_str().unwrap();
    let ask = |value: &str| {
        let variables = [("SALTIRE_TEST_SET", set), ("SALTIRE_TEST_VALUE", value)];
        let text = alone("a_changed_environment_variable_counts", &variables);
        let answer = text.split_once("evaluated=").unwrap().1.lines().next().unwrap();
        let (evaluated, derivation) = answer.split_once(' ').unwrap();
        (evaluated.parse::<usize>().unwrap(), derivation.to_owned())
    };
    std::thread::sleep(std::time::Duration::from_millis(80));
    let (_, first) = ask("1");
    assert_eq!(ask("1"), (0, first.clone()));
    let (evaluated, second) = ask("2");
    assert_eq!(evaluated, 1);
    assert_ne!(first, second);
    assert_eq!(ask("2"), (0, second));
    assert_eq!(ask("1"), (1, first));
}

#[test]
fn failures_are_not_kept_but_what_is_left_out_is() {
    let fixture = Fixture::new();
    fixture.write("a5.nix", "self: throw \"no\"");
    fixture.write("a6.nix", "self: self.derive { name = \"p\"; v = throw \"no\"; }");
    fixture.check_edit(|| fixture.write("a5.nix", "self: self.derive { name = \"p5\"; }"), &["a5"], 1);
    fixture.write("a4.nix", "self: self.derive { name = \"p4\"; v = 1 + null; }");
    for _ in 0..2 {
        let Err(Error::Evaluation { text, .. }) = fixture.ask() else { panic!("an error was expected") };
        assert!(text.contains("a4.nix:1:"), "{text}");
    }
}

#[test]
fn a_damaged_or_missing_file_is_as_good_as_none() {
    let fixture = Fixture::new();
    fixture.check();
    let directory = fixture.path("cache/attributes");
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, if at % 2 == 0 { &damaged } else { &whole[..at] }).unwrap();
        assert_eq!(fixture.ask().unwrap().effort.kept, 0);
    }
    // Where nothing can be written nothing is kept.
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    for _ in 0..2 {
        assert_eq!(fixture.check().1.kept, 0);
    }
}

#[test]
fn several_at_once_do_not_disturb_each_other() {
    let fixture = Fixture::new();
    let expected = fixture.check().0.len();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(fixture.ask().unwrap().rows.len(), expected);
                }
            });
        }
    });
}

#[test]
fn a_worker_that_is_killed_loses_nothing() {
    if !is_alone() {
        // Other tests' threads would keep workers from being started.
        alone("a_worker_that_is_killed_loses_nothing", &[]);
        return;
    }
    let fixture = Fixture::new();
    let first_process = rustix::process::getpid();
    let kill = |times: u32| {
        let marks = fixture.path("marks");
        fs::write(&marks, "").unwrap();
        let session = fixture.session();
        let file = fixture.path("set");
        session.query(&Query {
            roots: &|evaluator| {
                let none = argument_set(evaluator, Vec::new());
                Ok((vec![evaluator.eval_file(file.as_os_str().as_encoded_bytes())?], none))
            },
            describe: &|_, _, package| {
                let killed = fs::read(&marks).map_or(0, |marks| marks.len() as u32);
                if package.path.as_bytes() == b"a4" && killed < times {
                    fs::write(&marks, vec![b'.'; killed as usize + 1]).unwrap();
                    let me = rustix::process::getpid();
                    assert_ne!(me, first_process, "only a worker is killed");
                    rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
                }
                Ok(Some(Vec::new()))
            },
            forgive: Forgive::Assertions,
            forgive_description: Forgive::Assertions,
            repeated: false,
            key: None,
            division: fixture.division,
        })
    };
    assert_eq!(kill(1).unwrap().rows.len(), 10);
    let error = kill(9).unwrap_err();
    assert_eq!(error.to_string(), "a process that evaluates 'a4' was killed by signal 9");
}
