//! `nix config`: the settings, and what may be wrong with an installation.

use super::copy::open;
use crate::arguments::{Arguments, Word};
use crate::options::Options;
use saltire_driver::{KnownSetting, OtherStore, SettingKind, SshStore};
use saltire_store::StoreLocation;
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `nix config show --help`.
pub const SHOW_HELP: &str = "\
Usage: nix config show [--json]
       nix config show NAME

Prints Nix's settings, or one of them.
";
/// Text of `nix config check --help`.
pub const CHECK_HELP: &str = "\
Usage: nix config check [--store STORE]

Looks for what is odd about this installation: several of Nix on PATH, profiles that the
garbage collector does not know, and another machine's store of another version. What
builds need of this machine is checked by 'saltire doctor'. The exit code is 2 if
something was found.
";

/// Runs `nix config show`.
pub fn show(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut json = false;
    let mut wanted = None;
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "json" => json = true,
            Word::Plain(name) if wanted.is_none() => wanted = Some(name.to_string_lossy().into_owned()),
            Word::Plain(name) => {
                return Err(Failure::new(format_args!("unexpected argument '{}'", name.to_string_lossy())));
            }
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let machine = format!("{}-linux", std::env::consts::ARCH);
    let settings = options.config.all().map(|(known, value)| match known.name {
        "system" if value.is_empty() => (known, machine.as_str()),
        _ => (known, value),
    });
    let mut settings = settings;
    let text = match wanted {
        Some(_) if json => {
            return Err(Failure::new("'--json' is not supported when specifying a setting name"));
        }
        Some(name) => match settings.find(|(known, _)| known.name == name) {
            Some((_, value)) => format!("{value}\n"),
            None => return Err(Failure::new(format_args!("could not find setting '{name}'"))),
        },
        None if json => {
            let all = settings.map(|(known, value)| (known.name.to_owned(), describe(known, value)));
            format!("{}\n", Json::Object(all.collect::<Map<_, _>>()))
        }
        None => settings.map(|(known, value)| format!("{} = {value}\n", known.name)).collect(),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A setting as JSON.
fn describe(known: &KnownSetting, value: &str) -> Json {
    json!({
        "aliases": known.aliases,
        "defaultValue": value_json(known.kind, known.default),
        "value": value_json(known.kind, value),
    })
}

/// A setting's value as JSON.
fn value_json(kind: SettingKind, value: &str) -> Json {
    let words = || value.split_whitespace();
    let number = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
    match kind {
        SettingKind::Optional if value.is_empty() => Json::Null,
        SettingKind::Boolean => json!(value == "true"),
        SettingKind::Sandbox if value == "relaxed" => json!(value),
        SettingKind::Sandbox => json!(value == "true"),
        SettingKind::Jobs if value == "auto" => {
            json!(std::thread::available_parallelism().map_or(1, usize::from))
        }
        SettingKind::Number | SettingKind::Jobs => number(value),
        SettingKind::List => words().collect(),
        SettingKind::Table => words()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name, json!(value)))
            .collect(),
        SettingKind::Mounts => words().map(mount_json).collect(),
        SettingKind::Lint | SettingKind::Text | SettingKind::Optional => json!(value),
    }
}

/// A place in the sandbox, and what is there.
fn mount_json(word: &str) -> (String, Json) {
    let (word, optional) = word.strip_suffix('?').map_or((word, false), |word| (word, true));
    let (place, source) = word.split_once('=').unwrap_or((word, word));
    (place.to_owned(), json!({ "optional": optional, "source": source }))
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Pass(String),
    Fail(String),
    Info(String),
}

/// Runs `nix config check`.
pub fn check(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        if !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    let (opened, store) = open(&mut options)?;
    let name = store.name();
    eprintln!("Running checks against store uri: {name}");
    let mut findings = Vec::new();
    if let OtherStore::Local(_) = &store {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
        findings.push(programs(&directories));
        findings.push(profiles(&directories, opened.session.store().location()));
    }
    findings.push(match &store {
        OtherStore::Ssh(store) => protocol(store),
        OtherStore::Local(_) | OtherStore::Cache(_) => protocol_matches(),
    });
    let trusts = match &store {
        OtherStore::Local(_) => Some(true),
        OtherStore::Cache(cache) => cache.is_local().then_some(true),
        OtherStore::Ssh(store) => store.trusts_us(),
    };
    findings.push(Finding::Info(match trusts {
        Some(trusts) => {
            let trusted = if trusts { "trusted" } else { "not trusted" };
            format!("You are {trusted} by store uri: {name}")
        }
        None => format!("Store uri: {name} doesn't have a notion of trusted user"),
    }));
    for finding in &findings {
        match finding {
            Finding::Pass(text) => eprintln!("[PASS] {text}"),
            Finding::Fail(text) => eprintln!("[FAIL] {text}"),
            Finding::Info(text) => eprintln!("[INFO] {text}"),
        }
    }
    let is_fine = !findings.iter().any(|finding| matches!(finding, Finding::Fail(_)));
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Whether `PATH` leads to one installation of Nix.
fn programs(directories: &[PathBuf]) -> Finding {
    let programs = directories.iter().map(|directory| directory.join("nix-env"));
    let found = programs.filter_map(|program| Some(program.canonicalize().ok()?.parent()?.to_owned()));
    let found: BTreeSet<PathBuf> = found.collect();
    match found.len() {
        0 => Finding::Fail("No nix-env found in PATH.".to_owned()),
        1 => Finding::Pass("PATH contains only one nix version.".to_owned()),
        _ => Finding::Fail(format!("Multiple versions of nix found in PATH:\n{}", lines(&found))),
    }
}

/// Whether the profiles in `PATH` are where the garbage collector looks for them.
fn profiles(directories: &[PathBuf], location: &StoreLocation) -> Finding {
    let odd = directories.iter().filter(|directory| is_odd_profile(directory, location));
    let odd: BTreeSet<PathBuf> = odd.cloned().collect();
    if odd.is_empty() {
        return Finding::Pass("All profiles are gcroots.".to_owned());
    }
    Finding::Fail(format!(
        "Found profiles outside of {}.\nThe generation this profile points to might not have a gcroot and could be\ngarbage collected, resulting in broken symlinks.\n\n{}",
        location.state_dir.join("profiles").display(),
        lines(&odd)
    ))
}

/// Whether a `bin` directory is of a profile to which no link in a directory `profiles` leads.
fn is_odd_profile(directory: &Path, location: &StoreLocation) -> bool {
    let Some(mut profile) = directory.parent().map(Path::to_path_buf) else { return false };
    let Ok(target) = profile.canonicalize() else { return false };
    let target = location.to_logical(&target);
    if !target.starts_with(location.store_dir.as_str())
        || !target.to_string_lossy().ends_with("user-environment")
    {
        return false;
    }
    let is_known = |path: &Path| path.iter().any(|part| part == "profiles");
    // As many links as the kernel follows at most.
    for _ in 0..40 {
        if is_known(&profile) {
            return false;
        }
        let Ok(next) = profile.read_link() else { return true };
        profile = profile.parent().unwrap_or(Path::new("/")).join(next);
    }
    true
}

fn lines(paths: &BTreeSet<PathBuf>) -> String {
    paths.iter().map(|path| format!("  {path:?}\n")).collect()
}

fn protocol_matches() -> Finding {
    Finding::Pass("Client protocol matches store protocol.".to_owned())
}

/// Whether another machine speaks the newest version of the protocol.
fn protocol(store: &SshStore) -> Finding {
    let (spoken, newest) = store.protocol();
    if spoken == newest {
        return protocol_matches();
    }
    Finding::Fail(format!(
        "Warning: protocol version of this client does not match the store.\nWhile this is not necessarily a problem it's recommended to keep the client in\nsync with the daemon.\n\nClient protocol: {newest}\nStore protocol: {spoken}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_kinds() {
        let check = |kind, text, expected: Json| assert_eq!(value_json(kind, text), expected);
        check(SettingKind::Boolean, "false", json!(false));
        check(SettingKind::Sandbox, "relaxed", json!("relaxed"));
        check(SettingKind::Number, "15", json!(15));
        check(SettingKind::List, "a b", json!(["a", "b"]));
        check(SettingKind::Table, "a=b c", json!({ "a": "b" }));
        let mounts = json!({
            "/a": { "optional": false, "source": "/b" },
            "/c": { "optional": true, "source": "/c" },
        });
        check(SettingKind::Mounts, "/a=/b /c?", mounts);
        check(SettingKind::Optional, "", Json::Null);
        check(SettingKind::Optional, "x", json!("x"));
    }

    #[test]
    fn installations_and_profiles_in_path_are_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join(name);
        for name in ["one", "two", "store/x-user-environment/bin", "profiles"] {
            std::fs::create_dir_all(place(name)).unwrap();
        }
        std::fs::write(place("one/nix-env"), "").unwrap();
        std::os::unix::fs::symlink(place("one/nix-env"), place("store/x-user-environment/bin/nix-env"))
            .unwrap();
        let fails = |finding: Finding| matches!(finding, Finding::Fail(_));
        assert!(fails(programs(&[place("two")])));
        assert!(!fails(programs(&[place("one"), place("store/x-user-environment/bin")])));
        std::fs::write(place("two/nix-env"), "").unwrap();
        assert!(fails(programs(&[place("one"), place("two")])));

        let link = |from: &str, to: &str| std::os::unix::fs::symlink(place(to), place(from)).unwrap();
        link("profiles/default", "store/x-user-environment");
        link("known", "profiles/default");
        link("odd", "store/x-user-environment");
        let is_odd = |name: &str| {
            let location = StoreLocation {
                store_dir: saltire_store_model::StoreDir::new(place("store").to_str().unwrap()).unwrap(),
                physical_store: place("store"),
                state_dir: place("state"),
                log_dir: place("log"),
                root: None,
            };
            fails(profiles(&[place(name).join("bin")], &location))
        };
        assert!(!is_odd("known"));
        assert!(is_odd("odd"));
        assert!(!is_odd("one"));
    }
}
