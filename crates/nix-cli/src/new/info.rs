//! Commands of `nix` that say what is in the store: `why-depends`, `derivation show`.

use super::build::{build_goals, wanted_of};
use crate::arguments::{Arguments, Word, exactly, text};
use crate::installable::{Goal, InstallableOptions};
use crate::options::{Opened, Options};
use crate::store::failed;
use saltire_driver::{Session, StorePath};
use saltire_store_model::{ContentAddress, Derivation, DerivationOutput, Ingestion};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitCode;

/// Text of `nix store dump-path --help`.
pub const DUMP_HELP: &str =
    "Usage: nix store dump-path INSTALLABLE\n\nWrites the NAR of a store path to standard output.\n";
/// Text of `nix store path-from-hash-part --help`.
pub const HASH_PART_HELP: &str = "\
Usage: nix store path-from-hash-part HASH

Prints the store path whose name begins with a hash of 32 characters.
";
/// Text of `nix why-depends --help`.
pub const WHY_HELP: &str = "\
Usage: nix why-depends [--all] [--precise] INSTALLABLE DEPENDENCY

Shows how one store path comes to need another one; with --precise in which files.
";
/// Text of `nix derivation show --help`.
pub const SHOW_HELP: &str = "\
Usage: nix derivation show [-r] INSTALLABLE…

Prints derivations as JSON; with -r also those that they need.
";

/// The store paths of installables: what they make, or the derivations.
pub(crate) fn paths(session: &Session, goals: &[Goal], derivations: bool) -> Result<Vec<StorePath>, Failure> {
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

pub(crate) fn goals(
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
pub(crate) fn set(option: &mut bool) -> bool {
    *option = true;
    true
}

/// Words of a command that has options of its own.
pub(crate) fn parse(
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

/// Runs `nix store dump-path`.
pub fn dump(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let installables = parse(&mut words, &mut options, |_| false)?;
    let opened = options.open()?;
    let goals = goals(&opened, &installables, &mut options)?;
    let built = super::build::build_goals(&opened.session, &opened.progress, &goals)?;
    let paths: Vec<&StorePath> = built.iter().flat_map(|one| &one.outputs).map(|(_, path)| path).collect();
    let [path] = paths.as_slice() else {
        return Err(Failure::new("this command requires exactly one store path"));
    };
    crate::store::dump_tree(&opened.session.store().physical_path(path))
}

pub(crate) fn human_size(bytes: u64) -> String {
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit < 4 {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", ["KiB", "MiB", "GiB", "TiB", "PiB"][unit])
}

/// Runs `nix store path-from-hash-part`.
pub fn path_from_hash_part(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut parts = Vec::new();
    while let Some(word) = words.next()? {
        match &word {
            Word::Plain(part) => parts.push(text(part.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let [part] = exactly(parts)?;
    if part.len() != 32 {
        return Err(Failure::new("invalid hash part"));
    }
    let opened = options.open()?;
    let store = opened.session.store();
    match store.query_path_from_hash_part(&part).map_err(failed)? {
        Some(path) => print(&format!("{}\n", store.display(&path)))?,
        None => {
            return Err(Failure::new(format_args!("there is no store path corresponding to '{part}'")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix why-depends`.
pub fn why_depends(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut all = false;
    let mut derivation = false;
    let mut precise = false;
    let installables = parse(&mut words, &mut options, |word| match word {
        Word::Short('a') => set(&mut all),
        Word::Long(name) if name == "all" => set(&mut all),
        Word::Long(name) if name == "derivation" => set(&mut derivation),
        Word::Long(name) if name == "precise" => set(&mut precise),
        _ => false,
    })?;
    exactly::<2>(installables.operands.clone())?;
    let opened = options.open()?;
    let goals = goals(&opened, &installables, &mut options)?;
    if !derivation {
        build_goals(&opened.session, &opened.progress, &goals[..1])?;
    }
    let from = paths(&opened.session, &goals[..1], derivation)?.remove(0);
    let to = paths(&opened.session, &goals[1..], derivation)?.remove(0);
    let store = opened.session.store();
    if !store.query_closure([&from]).map_err(failed)?.contains(&to) {
        let [from, to] = installables.operands.as_slice() else { return Ok(ExitCode::SUCCESS) };
        eprintln!("'{from}' does not depend on '{to}'");
        return Ok(ExitCode::SUCCESS);
    }
    let mut ways = Ways::new(&opened.session, &to, !all, precise)?;
    ways.write(&from, "", "")?;
    print(&ways.output)?;
    Ok(ExitCode::SUCCESS)
}

/// The ways from a path to what it is asked for.
struct Ways<'a> {
    session: &'a Session,
    /// How far it is from each path that leads there.
    distances: BTreeMap<StorePath, usize>,
    target: StorePath,
    /// Only the first of the shortest ones.
    only_first: bool,
    /// Where in files the references are.
    precise: bool,
    visited: BTreeSet<StorePath>,
    output: String,
}

impl<'a> Ways<'a> {
    fn new(
        session: &'a Session,
        target: &StorePath,
        only_first: bool,
        precise: bool,
    ) -> Result<Self, Failure> {
        let mut distances = BTreeMap::from([(target.clone(), 0)]);
        let mut queue = VecDeque::from([target.clone()]);
        while let Some(path) = queue.pop_front() {
            let next = distances.get(&path).copied().unwrap_or(0) + 1;
            for user in session.store().query_referrers(&path).map_err(failed)? {
                if !distances.contains_key(&user) {
                    distances.insert(user.clone(), next);
                    queue.push_back(user);
                }
            }
        }
        let (target, visited, output) = (target.clone(), BTreeSet::new(), String::new());
        Ok(Self { session, distances, target, only_first, precise, visited, output })
    }

    /// Writes a path and what of it leads on; whether that is all that is wanted.
    fn write(&mut self, path: &StorePath, first: &str, rest: &str) -> Result<bool, Failure> {
        let arrow = if self.precise && !first.is_empty() { "→ " } else { "" };
        self.output += &format!("{first}{arrow}{}\n", self.session.store().display(path));
        if *path == self.target {
            return Ok(self.only_first);
        }
        if self.precise && !self.visited.insert(path.clone()) {
            return Ok(false);
        }
        let references = self.session.store().query_references(path).map_err(failed)?;
        let mut next: Vec<(usize, StorePath)> = references
            .into_iter()
            .filter(|other| other != path)
            .filter_map(|other| Some((*self.distances.get(&other)?, other)))
            .collect();
        next.sort();
        let count = next.len();
        for (index, (_, reference)) in next.iter().enumerate() {
            let is_last = self.only_first || index + 1 == count;
            let pads = if is_last { ["└───", "    "] } else { ["├───", "│   "] };
            let [first, below] = pads.map(|pad| format!("{rest}{pad}"));
            let done = match self.precise {
                false => self.write(reference, &first, &below)?,
                true => {
                    self.write_places(path, reference, &first, &below)?;
                    self.write(reference, &below, &below)?
                }
            };
            if done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes where in the files of a path a reference is.
    fn write_places(
        &mut self,
        path: &StorePath,
        reference: &StorePath,
        first: &str,
        rest: &str,
    ) -> Result<(), Failure> {
        let root = self.session.store().physical_path(path);
        let places = mentions(&root, reference.hash_part().as_bytes(), !self.only_first)
            .map_err(|error| Failure::new(format_args!("can't read {}: {error}", root.display())))?;
        for (index, place) in places.iter().enumerate() {
            self.output += &format!("{}{place}\n", if index == 0 { first } else { rest });
        }
        Ok(())
    }
}

/// Bytes that are shown before and behind a mention.
const MARGIN: usize = 32;

/// The files and links below `root` with a text in them, and what is around it.
fn mentions(root: &std::path::Path, text: &[u8], all: bool) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let kind = path.symlink_metadata()?;
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if kind.is_dir() {
            let entries: std::io::Result<Vec<_>> = std::fs::read_dir(&path)?.collect();
            let mut entries: Vec<_> = entries?.iter().map(std::fs::DirEntry::path).collect();
            entries.sort();
            pending.extend(entries.into_iter().rev());
            continue;
        }
        let (bytes, arrow) = match kind.is_symlink() {
            true => (std::fs::read_link(&path)?.into_os_string().into_encoded_bytes(), " -> "),
            false => (std::fs::read(&path)?, ": "),
        };
        let Some(at) = bytes.windows(text.len()).position(|window| window == text) else { continue };
        let (start, end) = (at.saturating_sub(MARGIN), bytes.len().min(at + text.len() + MARGIN));
        let clean = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let around: String = bytes[start..end].iter().map(clean).collect();
        found.push(match kind.is_symlink() {
            true => format!("/{shown}{arrow}{}", String::from_utf8_lossy(&bytes)),
            false => format!("/{shown}{arrow}…{around}…"),
        });
        if !all {
            break;
        }
    }
    Ok(found)
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
            continue;
        }
        let unknown =
            || Failure::new(format_args!("'{}' does not have a known deriver", store.display(&path)));
        derivations.insert(store.path_info(&path).map_err(failed)?.deriver.ok_or_else(unknown)?);
    }
    if recursive {
        let closure = store.query_closure(&derivations).map_err(failed)?;
        derivations.extend(closure.into_iter().filter(StorePath::is_derivation));
    }
    let mut object = Map::new();
    for path in &derivations {
        let derivation = store.read_derivation(path).map_err(failed)?;
        object.insert(path.base_name().to_owned(), derivation_json(&opened.session, &derivation)?);
    }
    print_json(&json!({ "derivations": object, "version": DERIVATION_VERSION }))?;
    Ok(ExitCode::SUCCESS)
}

/// Version of the form in which derivations are JSON.
const DERIVATION_VERSION: u64 = 4;

/// Prints JSON, over several lines for people.
pub(super) fn print_json(value: &Json) -> Result<(), Failure> {
    let text = match std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        true => serde_json::to_string_pretty(value).map_err(Failure::new)?,
        false => value.to_string(),
    };
    print(&format!("{text}\n"))
}

/// A content address as an object.
pub(super) fn content_address_json(address: &ContentAddress) -> Json {
    let method = match address.ingestion {
        Ingestion::Nar => "nar",
        Ingestion::Flat => "flat",
        Ingestion::Text => "text",
    };
    json!({ "hash": address.hash.to_sri(), "method": method })
}

fn derivation_json(session: &Session, derivation: &Derivation) -> Result<Json, Failure> {
    let store = session.store();
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let mut outputs = Map::new();
    for (name, output) in &derivation.outputs {
        let entry = match output {
            DerivationOutput::Fixed(address) => content_address_json(address),
            _ => {
                let path = output.path(store.store_dir(), &derivation.name, name).map_err(Failure::new)?;
                path.map_or_else(|| json!({}), |path| json!({ "path": path.base_name() }))
            }
        };
        outputs.insert(name.clone(), entry);
    }
    let input = |(path, outputs): (&StorePath, &BTreeSet<String>)| {
        (path.base_name().to_owned(), json!({ "dynamicOutputs": {}, "outputs": outputs }))
    };
    let inputs: Map<String, Json> = derivation.input_derivations.iter().map(input).collect();
    let environment: Map<String, Json> =
        derivation.environment.iter().map(|(name, value)| (lossy(name), json!(lossy(value)))).collect();
    let sources: Vec<&str> = derivation.input_sources.iter().map(StorePath::base_name).collect();
    let arguments: Vec<String> = derivation.arguments.iter().map(|argument| lossy(argument)).collect();
    Ok(json!({
        "args": arguments,
        "builder": lossy(&derivation.builder),
        "env": environment,
        "inputs": { "drvs": inputs, "srcs": sources },
        "name": derivation.name,
        "outputs": outputs,
        "system": lossy(&derivation.system),
        "version": DERIVATION_VERSION,
    }))
}

/// Text of `nix derivation add --help`.
pub const ADD_HELP: &str = "\
Usage: nix derivation add

Adds a derivation, which standard input holds as JSON in the form that 'nix derivation
show' prints one, to the store and prints its path.
";

/// Runs `nix derivation add`.
pub fn add_derivation(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    while let Some(word) = words.next()? {
        if !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::stdin(), &mut text);
    read.map_err(|error| Failure::new(format_args!("can't read standard input: {error}")))?;
    let value: Json = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format_args!("the derivation is no JSON: {error}")))?;
    let opened = options.open()?;
    let derivation = parse_derivation(&opened.session, &value)?;
    let path = opened.session.store().add_derivation(&derivation).map_err(failed)?;
    print(&format!("{}\n", opened.session.store().display(&path)))?;
    Ok(ExitCode::SUCCESS)
}

fn parse_derivation(session: &Session, value: &Json) -> Result<Derivation, Failure> {
    let lacks =
        |key: &str| Failure::new(format_args!("the derivation lacks '{key}', or it is of the wrong kind"));
    let text = |key: &str| value.get(key).and_then(Json::as_str).ok_or_else(|| lacks(key));
    if value.get("version").and_then(Json::as_u64) != Some(DERIVATION_VERSION) {
        let found = value.get("version").unwrap_or(&Json::Null);
        return Err(Failure::new(format_args!(
            "Unsupported derivation JSON format version {found}, only format version {DERIVATION_VERSION} is currently supported."
        )));
    }
    let object =
        |value: Option<&Json>, key: &str| value.and_then(Json::as_object).cloned().ok_or_else(|| lacks(key));
    let path = |name: &str| StorePath::from_base_name(name.as_bytes()).map_err(Failure::new);
    let mut derivation = Derivation {
        name: text("name")?.to_owned(),
        system: text("system")?.into(),
        builder: text("builder")?.into(),
        ..Derivation::default()
    };
    for argument in value.get("args").and_then(Json::as_array).ok_or_else(|| lacks("args"))? {
        derivation.arguments.push(argument.as_str().ok_or_else(|| lacks("args"))?.into());
    }
    for (name, value) in object(value.get("env"), "env")? {
        let value = value.as_str().ok_or_else(|| lacks("env"))?;
        derivation.environment.insert(name.into(), value.into());
    }
    let inputs = object(value.get("inputs"), "inputs")?;
    for (name, input) in object(inputs.get("drvs"), "inputs.drvs")? {
        let outputs = input.get("outputs").and_then(Json::as_array).ok_or_else(|| lacks("outputs"))?;
        let outputs = outputs.iter().filter_map(|output| output.as_str().map(str::to_owned)).collect();
        derivation.input_derivations.insert(path(&name)?, outputs);
    }
    for source in inputs.get("srcs").and_then(Json::as_array).ok_or_else(|| lacks("inputs.srcs"))? {
        derivation.input_sources.insert(path(source.as_str().ok_or_else(|| lacks("inputs.srcs"))?)?);
    }
    for (name, output) in object(value.get("outputs"), "outputs")? {
        let of = |key: &str| output.get(key).and_then(Json::as_str);
        let parsed = match (of("hash"), of("path")) {
            (Some(hash), _) => {
                let ingestion = match of("method") {
                    Some("flat") => Ingestion::Flat,
                    Some("text") => Ingestion::Text,
                    _ => Ingestion::Nar,
                };
                let hash = saltire_store_model::Hash::parse(hash, None).map_err(Failure::new)?;
                DerivationOutput::Fixed(ContentAddress { ingestion, hash })
            }
            (None, Some(name)) => DerivationOutput::InputAddressed { path: path(name)? },
            (None, None) => DerivationOutput::Deferred,
        };
        derivation.outputs.insert(name, parsed);
    }
    // What it says of its outputs must be true.
    let mut again = derivation.clone();
    let store = session.store();
    again
        .finish(store.store_dir(), store.modulo_cache(), |input| store.read_derivation(input))
        .map_err(|error| Failure::new(format_args!("the derivation is wrong: {error}")))?;
    for (name, output) in &derivation.outputs {
        let path = |output: &DerivationOutput| output.path(store.store_dir(), &derivation.name, name);
        let [said, right] =
            [Some(output), again.outputs.get(name)].map(|output| path(output?).ok().flatten());
        if let (Some(said), Some(right)) = (&said, &right)
            && said != right
        {
            let [said, right] = [said, right].map(|path| store.display(path));
            return Err(Failure::new(format_args!(
                "derivation has incorrect output '{said}', should be '{right}'"
            )));
        }
    }
    Ok(again)
}
