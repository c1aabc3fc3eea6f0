//! Keeping a store in order: `nix store optimise`, `repair`, `make-content-addressed`,
//! `diff-closures`.

use super::info::{parse, paths, set};
use crate::arguments::{Arguments, Word};
use crate::new::build::build_goals;
use crate::options::{Opened, Options};
use crate::store::failed;
use saltire_driver::{Error, OtherStore, Session, StorePath, make_content_addressed};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `nix store optimise --help`.
pub const OPTIMISE_HELP: &str = "\
Usage: nix store optimise

Makes files of the store that have the same content the same file on disk.
";
/// Text of `nix store repair --help`.
pub const REPAIR_HELP: &str = "\
Usage: nix store repair PATH…

Gets damaged store paths again, from the binary caches of 'substituters'.
";
/// Text of `nix store make-content-addressed --help`.
pub const CONTENT_ADDRESSED_HELP: &str = "\
Usage: nix store make-content-addressed [--from STORE] [--json] INSTALLABLE…

Adds copies of paths, with all that they need, whose names follow from their content.
";
/// Text of `nix store diff-closures --help`.
pub const DIFF_HELP: &str = "\
Usage: nix store diff-closures BEFORE AFTER

Shows which packages, versions and sizes differ between what two installables need.
";

/// Sizes that differ by less are not shown.
const LEAST_DIFFERENCE: i64 = 8 * 1024;

/// Runs `nix store optimise`.
pub fn optimise(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        if !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    let opened = options.open()?;
    optimise_store(&opened)
}

/// Makes equal files one, and says what that saved.
pub fn optimise_store(opened: &Opened) -> Result<ExitCode, Failure> {
    let saved = opened.session.store().optimise(&mut |_| {}).map_err(failed)?;
    opened.progress.finish();
    eprintln!("{} freed by hard-linking {} files", super::info::human_size(saved.bytes), saved.files);
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix store repair`.
pub fn repair(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let installables = parse(&mut words, &mut options, |_| false)?;
    let opened = options.open()?;
    let goals = super::info::goals(&opened, &installables, &mut options)?;
    repair_paths(&opened.session, &paths(&opened.session, &goals, false)?)
}

/// Gets paths again that are not what was registered.
pub fn repair_paths(session: &Arc<Session>, paths: &[StorePath]) -> Result<ExitCode, Failure> {
    for path in paths {
        if !session.repair(path)? {
            let path = session.store().display(path);
            return Err(Failure::new(format_args!("cannot repair path '{path}'")).hint(
                "no binary cache of 'substituters' has it: delete it and what needs it, and build again",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix store make-content-addressed`.
pub fn content_addressed(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut as_json, mut from) = (false, None);
    let mut installables = crate::installable::InstallableOptions::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "json" => as_json = true,
            Word::Long(name) if name == "from" => from = Some(words.value(&word)?),
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let opened = options.open()?;
    let session = &opened.session;
    let goals = super::info::goals(&opened, &installables, &mut options)?;
    let store = OtherStore::open(from.as_deref().unwrap_or("auto"), session).map_err(Error::from)?;
    if from.is_none() {
        build_goals(session, &opened.progress, &goals)?;
    }
    let wanted = paths(session, &goals, false)?;
    let display = |path: &StorePath| session.store().display(path);
    let say = |path: &StorePath, new: &StorePath| {
        eprintln!("rewriting '{}' to '{}'", display(path), display(new));
    };
    let all = make_content_addressed(&store, session.store(), &wanted, None, &say).map_err(Error::from)?;
    if as_json {
        let all: Map<String, Json> =
            all.iter().map(|(path, new)| (display(path), json!(display(new)))).collect();
        print(&format!("{}\n", json!({ "rewrites": all })))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix store diff-closures`.
pub fn diff(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut ignored = false;
    let installables = parse(&mut words, &mut options, |word| match word {
        Word::Long(name) => name == "no-link" && set(&mut ignored),
        _ => false,
    })?;
    if installables.operands.len() != 2 {
        return Err(Failure::new("two installables are needed: before and after"));
    }
    let opened = options.open()?;
    let goals = super::info::goals(&opened, &installables, &mut options)?;
    build_goals(&opened.session, &opened.progress, &goals)?;
    let before = paths(&opened.session, &goals[..1], false)?;
    let after = paths(&opened.session, &goals[1..], false)?;
    print(&closure_changes(&opened.session, &before, &after, "")?)?;
    Ok(ExitCode::SUCCESS)
}

/// The bytes of each version of each package.
type Packages = BTreeMap<String, BTreeMap<String, i64>>;

/// What differs between the closures of paths, a line for each package.
pub fn closure_changes(
    session: &Session,
    before: &[StorePath],
    after: &[StorePath],
    indent: &str,
) -> Result<String, Failure> {
    let (before, after) = (packages(session, before)?, packages(session, after)?);
    Ok(changes(&before, &after, indent))
}

fn packages(session: &Session, paths: &[StorePath]) -> Result<Packages, Failure> {
    let store = session.store();
    let mut packages = Packages::new();
    for path in store.query_closure(paths).map_err(failed)? {
        let (name, version) = crate::installable::package_name(path.name());
        let size = store.path_info(&path).map_err(failed)?.nar_size;
        let version = without_output(version).to_owned();
        *packages.entry(name.to_owned()).or_default().entry(version).or_default() +=
            i64::try_from(size).unwrap_or(i64::MAX);
    }
    Ok(packages)
}

/// A version without the name of an output behind it.
fn without_output(version: &str) -> &str {
    let is_output = |name: &str| {
        matches!(name, "lib32" | "lib64")
            || !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    match version.rsplit_once('-') {
        Some((version, output)) if is_output(output) => version,
        _ => version,
    }
}

fn changes(before: &Packages, after: &Packages, indent: &str) -> String {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let none = BTreeMap::new();
    let mut text = String::new();
    for name in names {
        let (old, new) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        let removed: Vec<&String> = old.keys().filter(|version| !new.contains_key(*version)).collect();
        let added: Vec<&String> = new.keys().filter(|version| !old.contains_key(*version)).collect();
        let difference = new.values().sum::<i64>() - old.values().sum::<i64>();
        let mut items = Vec::new();
        if !removed.is_empty() || !added.is_empty() {
            items.push(format!("{} → {}", versions(&removed), versions(&added)));
        }
        if difference.abs() >= LEAST_DIFFERENCE {
            items.push(format!("{:+.1} KiB", difference as f64 / 1024.0));
        }
        if !items.is_empty() {
            text += &format!("{indent}{name}: {}\n", items.join(", "));
        }
    }
    text
}

fn versions(versions: &[&String]) -> String {
    if versions.is_empty() {
        return "∅".to_owned();
    }
    let shown = |version: &&String| if version.is_empty() { "ε".to_owned() } else { (*version).clone() };
    versions.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_compared() {
        let packages = |list: &[(&str, &str, i64)]| {
            let mut packages = Packages::new();
            for (name, version, size) in list {
                packages.entry((*name).into()).or_default().insert((*version).into(), *size);
            }
            packages
        };
        let before = packages(&[("a", "1", 10), ("b", "1", 100_000), ("c", "", 1), ("e", "1", 5)]);
        let after =
            packages(&[("a", "2", 10), ("b", "1", 10_000), ("d", "1", 20_000), ("d", "2", 1), ("e", "1", 6)]);
        assert_eq!(
            changes(&before, &after, ""),
            "a: 1 → 2\nb: -87.9 KiB\nc: ε → ∅\nd: ∅ → 1, 2, +19.5 KiB\n"
        );
        assert_eq!(without_output("1.0-dev"), "1.0");
        assert_eq!(without_output("1.0-lib64"), "1.0");
        assert_eq!(without_output("1.0-1"), "1.0-1");
    }
}
