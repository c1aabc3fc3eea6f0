//! Commands of `nix` that say what is in the store: `log`, `path-info`, `why-depends`,
//! `derivation show`, `config show`.

use super::build::{build_goals, wanted_of};
use crate::arguments::{Arguments, Word};
use crate::installable::{Goal, InstallableOptions};
use crate::options::{Opened, Options};
use crate::store::{failed, invalid, read_logs};
use saltire_driver::{Session, StorePath};
use saltire_store_model::{Derivation, DerivationOutput, PathInfo};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitCode;

/// Text of `nix log --help`.
pub const LOG_HELP: &str = "Usage: nix log INSTALLABLE…\n\nPrints the log of a build.\n";
/// Text of `nix path-info --help`.
pub const PATH_INFO_HELP: &str = "\
Usage: nix path-info [-r] [-s] [-S] [-h] [--json] [--derivation] INSTALLABLE…

Prints store paths, and with -s their sizes, with -S those of their closures.

  -r, --recursive        also what they need
  -h, --human-readable   sizes with units
      --json             all that is known, as JSON
      --derivation       of the derivations, not of what they make
";
/// Text of `nix why-depends --help`.
pub const WHY_HELP: &str = "\
Usage: nix why-depends [--all] INSTALLABLE DEPENDENCY

Shows how one store path comes to need another one.
";
/// Text of `nix derivation show --help`.
pub const SHOW_HELP: &str = "\
Usage: nix derivation show [-r] INSTALLABLE…

Prints derivations as JSON; with -r also those that they need.
";
/// Text of `nix config show --help`.
pub const CONFIG_HELP: &str = "Usage: nix config show [NAME] [--json]\n\nPrints Nix's settings.\n";

/// The store paths of installables: what they make, or the derivations.
fn paths(session: &Session, goals: &[Goal], derivations: bool) -> Result<Vec<StorePath>, Failure> {
    let mut paths = Vec::new();
    for goal in goals {
        match goal {
            Goal::Path(path) => paths.push(path.clone()),
            Goal::Built(wanted) if derivations => paths.push(wanted.derivation.clone()),
            Goal::Built(wanted) => {
                for output in &wanted.outputs {
                    paths.push(session.output(&wanted.derivation, output)?);
                }
            }
        }
    }
    Ok(paths)
}

fn goals(
    opened: &Opened,
    installables: &InstallableOptions,
    options: &mut Options,
) -> Result<Vec<Goal>, Failure> {
    let mut goals = Vec::new();
    for installable in installables.all(options, Some("."))? {
        goals.extend(installable.goals(&opened.session, options)?);
    }
    opened.progress.finish();
    Ok(goals)
}

/// Notes an option.
fn set(option: &mut bool) -> bool {
    *option = true;
    true
}

/// Words of a command that has options of its own.
fn parse(
    words: &mut Arguments,
    options: &mut Options,
    mut own: impl FnMut(&Word) -> bool,
) -> Result<InstallableOptions, Failure> {
    let mut installables = InstallableOptions::default();
    while let Some(word) = words.next()? {
        if !own(&word) && !installables.take(&word, words)? && !options.take(&word, words)? {
            return Err(words.unknown(&word));
        }
    }
    // An installable may need an impure file, which is known only now.
    options.impure |= installables.has_file();
    Ok(installables)
}

/// Runs `nix log`.
pub fn log(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let installables = parse(&mut words, &mut options, |_| false)?;
    let opened = options.open()?;
    let goals = goals(&opened, &installables, &mut options)?;
    let names: Vec<String> = paths(&opened.session, &goals, true)?
        .iter()
        .map(|path| opened.session.store().display(path))
        .collect();
    read_logs(&opened.session, &names)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix path-info`.
pub fn path_info(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let [mut recursive, mut size, mut closure, mut human, mut json, mut derivation] = [false; 6];
    let installables = parse(&mut words, &mut options, |word| {
        match word {
            Word::Short('r') => recursive = true,
            Word::Short('s') => size = true,
            Word::Short('S') => closure = true,
            Word::Short('h') => human = true,
            Word::Long(name) => match name.as_str() {
                "recursive" => recursive = true,
                "size" => size = true,
                "closure-size" => closure = true,
                "human-readable" => human = true,
                "json" => json = true,
                "derivation" => derivation = true,
                _ => return false,
            },
            _ => return false,
        }
        true
    })?;
    let opened = options.open()?;
    let store = opened.session.store();
    let goals = goals(&opened, &installables, &mut options)?;
    let mut paths = paths(&opened.session, &goals, derivation)?;
    if recursive {
        let all = store.query_closure(&paths).map_err(failed)?;
        paths = store.sort_references_first(&all).map_err(failed)?;
    }
    let mut output = String::new();
    let mut object = Map::new();
    for path in &paths {
        let info = store.query_path_info(path).map_err(failed)?.ok_or_else(|| invalid(store, path))?;
        let closure_size = match closure {
            true => Some(closure_size(&opened.session, path)?),
            false => None,
        };
        if json {
            object.insert(store.display(path), info_json(&opened.session, &info, closure_size));
            continue;
        }
        output += &store.display(path);
        for number in size.then_some(info.nar_size).into_iter().chain(closure_size) {
            let text = if human { human_size(number) } else { number.to_string() };
            output += &format!("\t{text:>11}");
        }
        output.push('\n');
    }
    if json {
        output = format!("{}\n", Json::Object(object));
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

fn closure_size(session: &Session, path: &StorePath) -> Result<u64, Failure> {
    let mut size = 0;
    for path in session.store().query_closure([path]).map_err(failed)? {
        size += session.store().path_info(&path).map_err(failed)?.nar_size;
    }
    Ok(size)
}

fn human_size(bytes: u64) -> String {
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit < 4 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", ["KiB", "MiB", "GiB", "TiB", "PiB"][unit])
}

fn info_json(session: &Session, info: &PathInfo, closure_size: Option<u64>) -> Json {
    let store = session.store();
    let references: Vec<String> = info.references.iter().map(|path| store.display(path)).collect();
    let mut object = json!({
        "ca": info.content_address.as_ref().map(ToString::to_string),
        "deriver": info.deriver.as_ref().map(|path| store.display(path)),
        "narHash": info.nar_hash.to_sri(),
        "narSize": info.nar_size,
        "references": references,
        "registrationTime": info.registration_time,
        "signatures": info.signatures,
        "ultimate": info.ultimate,
    });
    if let (Some(size), Some(object)) = (closure_size, object.as_object_mut()) {
        object.insert("closureSize".into(), json!(size));
    }
    object
}

/// Runs `nix why-depends`.
pub fn why_depends(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut all = false;
    let mut derivation = false;
    let installables = parse(&mut words, &mut options, |word| match word {
        Word::Short('a') => set(&mut all),
        Word::Long(name) if name == "all" => set(&mut all),
        Word::Long(name) if name == "derivation" => set(&mut derivation),
        Word::Long(name) => name == "precise",
        _ => false,
    })?;
    if installables.operands.len() != 2 {
        return Err(Failure::new("two installables are needed: what depends, and on what"));
    }
    let opened = options.open()?;
    let goals = goals(&opened, &installables, &mut options)?;
    if !derivation {
        build_goals(&opened.session, &opened.progress, &goals[..1])?;
    }
    let from = paths(&opened.session, &goals[..1], derivation)?.remove(0);
    let to = paths(&opened.session, &goals[1..], derivation)?.remove(0);
    let store = opened.session.store();
    let Some(chain) = shortest_chain(&opened.session, &from, &to)? else {
        eprintln!("'{}' does not depend on '{}'", store.display(&from), store.display(&to));
        return Ok(ExitCode::SUCCESS);
    };
    let mut output = String::new();
    if all {
        let users = store.query_referrers_closure([&to]).map_err(failed)?;
        all_chains(&opened.session, &from, &users, ["", ""], &mut BTreeSet::new(), &mut output)?;
    } else {
        for (depth, path) in chain.iter().enumerate() {
            let pad =
                if depth == 0 { String::new() } else { format!("{}└───", "    ".repeat(depth - 1)) };
            output += &format!("{pad}{}\n", store.display(path));
        }
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

fn shortest_chain(
    session: &Session,
    from: &StorePath,
    to: &StorePath,
) -> Result<Option<Vec<StorePath>>, Failure> {
    let mut before: BTreeMap<StorePath, Option<StorePath>> = BTreeMap::from([(from.clone(), None)]);
    let mut queue = VecDeque::from([from.clone()]);
    while let Some(path) = queue.pop_front() {
        if path == *to {
            let mut chain = vec![path.clone()];
            let mut at = path;
            while let Some(Some(previous)) = before.get(&at).cloned() {
                chain.push(previous.clone());
                at = previous;
            }
            chain.reverse();
            return Ok(Some(chain));
        }
        for reference in session.store().query_references(&path).map_err(failed)? {
            if !before.contains_key(&reference) {
                before.insert(reference.clone(), Some(path.clone()));
                queue.push_back(reference);
            }
        }
    }
    Ok(None)
}

/// All ways that lead to users of the dependency; each path once.
fn all_chains(
    session: &Session,
    path: &StorePath,
    users: &BTreeSet<StorePath>,
    [first, rest]: [&str; 2],
    done: &mut BTreeSet<StorePath>,
    output: &mut String,
) -> Result<(), Failure> {
    let again = !done.insert(path.clone());
    *output += &format!("{first}{}{}\n", session.store().display(path), if again { " [...]" } else { "" });
    if again {
        return Ok(());
    }
    let references = session.store().query_references(path).map_err(failed)?;
    let next: Vec<_> = references.iter().filter(|other| *other != path && users.contains(*other)).collect();
    for (index, reference) in next.iter().enumerate() {
        let pads =
            if index + 1 == next.len() { ["└───", "    "] } else { ["├───", "│   "] };
        let pads = pads.map(|pad| format!("{rest}{pad}"));
        all_chains(session, reference, users, [&pads[0], &pads[1]], done, output)?;
    }
    Ok(())
}

/// Runs `nix derivation show`.
pub fn show_derivation(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut recursive = false;
    let installables = parse(&mut words, &mut options, |word| match word {
        Word::Short('r') => set(&mut recursive),
        Word::Long(name) if name == "recursive" => set(&mut recursive),
        _ => false,
    })?;
    let opened = options.open()?;
    let goals = goals(&opened, &installables, &mut options)?;
    let store = opened.session.store();
    let mut derivations: BTreeSet<StorePath> =
        wanted_of(&goals).into_iter().map(|wanted| wanted.derivation).collect();
    for path in paths(&opened.session, &goals, true)? {
        if path.is_derivation() {
            derivations.insert(path);
        } else if let Some(deriver) = store.path_info(&path).map_err(failed)?.deriver {
            derivations.insert(deriver);
        }
    }
    if recursive {
        let closure = store.query_closure(&derivations).map_err(failed)?;
        derivations.extend(closure.into_iter().filter(StorePath::is_derivation));
    }
    let mut object = Map::new();
    for path in &derivations {
        let derivation = store.read_derivation(path).map_err(failed)?;
        object.insert(store.display(path), derivation_json(&opened.session, &derivation)?);
    }
    let text = serde_json::to_string_pretty(&Json::Object(object)).map_err(Failure::new)?;
    print(&format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn derivation_json(session: &Session, derivation: &Derivation) -> Result<Json, Failure> {
    let store = session.store();
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let mut outputs = Map::new();
    for (name, output) in &derivation.outputs {
        let path = output.path(store.store_dir(), &derivation.name, name).map_err(Failure::new)?;
        let mut entry = Map::new();
        if let DerivationOutput::Fixed(address) = output {
            entry.insert("hash".into(), json!(address.hash.to_base16()));
            let prefix = address.ingestion.prefix();
            entry.insert("hashAlgo".into(), json!(format!("{prefix}{}", address.hash.algorithm())));
        }
        if let Some(path) = path {
            entry.insert("path".into(), json!(store.display(&path)));
        }
        outputs.insert(name.clone(), Json::Object(entry));
    }
    let inputs: Map<String, Json> = derivation
        .input_derivations
        .iter()
        .map(|(path, outputs)| (store.display(path), json!({ "dynamicOutputs": {}, "outputs": outputs })))
        .collect();
    let environment: Map<String, Json> =
        derivation.environment.iter().map(|(name, value)| (lossy(name), json!(lossy(value)))).collect();
    let sources: Vec<String> = derivation.input_sources.iter().map(|path| store.display(path)).collect();
    let arguments: Vec<String> = derivation.arguments.iter().map(|argument| lossy(argument)).collect();
    Ok(json!({
        "args": arguments,
        "builder": lossy(&derivation.builder),
        "env": environment,
        "inputDrvs": inputs,
        "inputSrcs": sources,
        "name": derivation.name,
        "outputs": outputs,
        "system": lossy(&derivation.system),
    }))
}

/// Runs `nix config show`.
pub fn show_config(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut json = false;
    let mut wanted = None;
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "json" => json = true,
            Word::Plain(name) => wanted = Some(name.to_string_lossy().into_owned()),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let mut settings: BTreeMap<&str, String> =
        options.config.all().map(|(known, value)| (known.name, value.to_owned())).collect();
    settings.entry("system").and_modify(|value| {
        if value.is_empty() {
            *value = format!("{}-linux", std::env::consts::ARCH);
        }
    });
    let text = match wanted {
        Some(name) => match settings.get(name.as_str()) {
            Some(value) => format!("{value}\n"),
            None => return Err(Failure::new(format_args!("could not find setting '{name}'"))),
        },
        None if json => {
            let all: Map<String, Json> = settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!({ "value": value })))
                .collect();
            format!("{}\n", Json::Object(all))
        }
        None => settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect(),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
