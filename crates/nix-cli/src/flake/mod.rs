//! `nix flake …`: flakes and their lock files.

mod check;
mod show;
mod template;

use crate::arguments::{Arguments, Word, text};
use crate::flake_installable::{FlakeOptions, input_path, parse_reference};
use crate::options::{Opened, Options};
use saltire_driver::{Error, FlakeRef, LockedFlake, Session, StorePath};
use saltire_fetch::input::Kind;
use saltire_flake::{Edge, LockFile};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

pub use check::{HELP as CHECK_HELP, check};
pub use show::{SHOW_HELP, show};
pub use template::{INIT_HELP, NEW_HELP, copy_tree, init, new};

/// Text of `nix flake lock --help`.
pub const LOCK_HELP: &str = "\
Usage: nix flake lock [FLAKE] [--update-input INPUT] [--override-input INPUT FLAKE]

Writes the lock file of a flake where it lacks inputs.
";
/// Text of `nix flake update --help`.
pub const UPDATE_HELP: &str = "\
Usage: nix flake update [INPUT…] [--flake FLAKE]

Looks inputs up anew (all, or those that are named) and writes the lock file.
";
/// Text of `nix flake metadata --help`.
pub const METADATA_HELP: &str = "\
Usage: nix flake metadata [FLAKE] [--json]

Shows what a flake is, where it comes from, and its inputs.
";
/// Text of `nix flake archive --help`.
pub const ARCHIVE_HELP: &str = "\
Usage: nix flake archive [FLAKE] [--json] [--dry-run] [--to STORE [--no-check-sigs]]

Copies a flake and all its inputs to the store, and from there to another one.
";
/// Text of `nix flake prefetch-inputs --help`.
pub const PREFETCH_INPUTS_HELP: &str = "\
Usage: nix flake prefetch-inputs [FLAKE]

Copies all inputs of a flake to the store.
";
/// Text of `nix flake prefetch --help`.
pub const PREFETCH_HELP: &str = "\
Usage: nix flake prefetch FLAKE [--json] [--out-link LINK]

Copies the tree that a flake reference means to the store.
";

/// What most commands are given: a flake, and whether JSON is wanted.
struct Request {
    flake: FlakeOptions,
    operands: Vec<String>,
    json: bool,
}

impl Request {
    fn parse(
        words: &mut Arguments,
        options: &mut Options,
        mut own: impl FnMut(&Word, &mut Arguments) -> Result<bool, Failure>,
    ) -> Result<Self, Failure> {
        let mut request = Self { flake: FlakeOptions::default(), operands: Vec::new(), json: false };
        while let Some(word) = words.next()? {
            if own(&word, words)? {
                continue;
            }
            match &word {
                Word::Plain(operand) => request.operands.push(text(operand.clone())?),
                Word::Long(name) if name == "json" => request.json = true,
                _ if request.flake.take(&word, words)? || options.take(&word, words)? => {}
                _ => return Err(words.unknown(&word)),
            }
        }
        Ok(request)
    }

    /// The flake that is named, or that of the working directory.
    fn reference(&self) -> Result<FlakeRef, Failure> {
        match self.operands.as_slice() {
            [] => parse_reference("."),
            [one] => parse_reference(one),
            _ => Err(Failure::new("only one flake may be named")),
        }
    }

    /// For commands whose purpose is the lock file: it is written whatever else is said,
    /// and what addresses meant before does not count.
    fn ask_anew(&mut self, options: &mut Options) -> Result<(), Failure> {
        self.flake.flags.write = true;
        options.set("tarball-ttl", "0")
    }

    fn lock(&self, session: &Session) -> Result<LockedFlake, Failure> {
        self.flake.prepare(session)?;
        Ok(session.lock_flake(&self.reference()?, &self.flake.flags(session))?)
    }
}

fn none(_: &Word, _: &mut Arguments) -> Result<bool, Failure> {
    Ok(false)
}

/// Runs `nix flake lock`.
pub fn lock(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::parse(&mut words, &mut options, none)?;
    request.ask_anew(&mut options)?;
    request.flake.flags.must_write = true;
    let Opened { session, progress } = options.open()?;
    request.lock(&session)?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix flake update`.
pub fn update(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut flake = None;
    let mut request = Request::parse(&mut words, &mut options, |word, words| {
        let takes = matches!(word, Word::Long(name) if name == "flake");
        if takes {
            flake = Some(words.value(word)?);
        }
        Ok(takes)
    })?;
    let inputs = std::mem::take(&mut request.operands);
    request.operands.extend(flake);
    request.flake.flags.recreate = inputs.is_empty();
    for input in &inputs {
        let path = input_path(input).map_err(|error| {
            error.hint(format_args!("to update a flake: nix flake update --flake {input}"))
        })?;
        if !request.flake.flags.updates.insert(path) {
            eprintln!(
                "warning: Input '{input}' was specified multiple times. You may have done this by accident."
            );
        }
    }
    request.ask_anew(&mut options)?;
    let Opened { session, progress } = options.open()?;
    request.lock(&session)?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix flake info`.
pub fn info(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    eprintln!("warning: 'nix flake info' is a deprecated alias for 'nix flake metadata'");
    metadata(words, options)
}

/// Runs `nix flake metadata`.
pub fn metadata(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, none)?;
    let Opened { session, progress } = options.open()?;
    let flake = request.lock(&session)?;
    progress.finish();
    let attributes = as_json(&flake.tree.locked);
    let text = |name: &str| attributes.get(name).and_then(Json::as_str).map(str::to_owned);
    let number = |name: &str| attributes.get(name).and_then(Json::as_u64);
    let fingerprint = fingerprint(&flake);
    if request.json {
        let mut locked = json!({ "__final": true });
        if let (Json::Object(all), Json::Object(known)) = (&mut locked, &attributes) {
            all.extend(known.clone());
        }
        let object = json!({
            "description": flake.metadata.description,
            "dirtyRevision": text("dirtyRev"),
            "fingerprint": fingerprint,
            "lastModified": number("lastModified"),
            "locked": locked,
            "locks": flake.lock.to_json(),
            "original": as_json(&flake.original),
            "originalUrl": flake.original.to_text(),
            "path": flake.tree.store_path,
            "resolved": as_json(&flake.resolved),
            "resolvedUrl": flake.resolved.to_text(),
            "revCount": number("revCount"),
            "revision": text("rev"),
            "url": flake.tree.locked.to_text(),
        });
        let object: Map<String, Json> = object
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        print(&format!("{}\n", Json::Object(object)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut output = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            output += &format!("{:15}{value}\n", format!("{name}:"));
        }
    };
    line("Resolved URL", Some(flake.resolved.to_text()));
    line("Locked URL", is_locked(&flake.tree.locked.input).then(|| flake.tree.locked.to_text()));
    line("Description", flake.metadata.description.clone());
    line("Path", Some(flake.tree.store_path.clone()));
    line("Revision", text("rev").or(text("dirtyRev")));
    line("Revisions", number("revCount").map(|count| count.to_string()));
    line("Last modified", number("lastModified").map(date));
    line("Fingerprint", fingerprint);
    if !flake.lock.nodes[0].inputs.is_empty() {
        output += "Inputs:\n";
        inputs(&flake.lock, 0, "", &mut vec![0], &mut output);
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether an input that was fetched can't become something else.
fn is_locked(input: &saltire_fetch::input::Input) -> bool {
    match input.kind() {
        Kind::Git | Kind::Mercurial | Kind::Forge(_) => input.text("rev").is_some(),
        _ => true,
    }
}

/// The inputs of a node as a tree.
fn inputs(lock: &LockFile, node: usize, indent: &str, seen: &mut Vec<usize>, output: &mut String) {
    let count = lock.nodes[node].inputs.len();
    for (index, (name, edge)) in lock.nodes[node].inputs.iter().enumerate() {
        let [first, rest] =
            if index + 1 == count { ["└───", "    "] } else { ["├───", "│   "] };
        match edge {
            Edge::Follows(path) => {
                *output += &format!("{indent}{first}{name} follows input '{}'\n", path.join("/"));
            }
            Edge::Node(target) => {
                let locked = lock.nodes[*target].locked.as_ref();
                let shown = locked.map(|locked| locked.locked.to_text()).unwrap_or_default();
                let time = locked.and_then(|locked| locked.locked.input.int("lastModified"));
                let time = time.map(|time| format!(" ({})", date(time))).unwrap_or_default();
                *output += &format!("{indent}{first}{name}: {shown}{time}\n");
                // What is known already is not shown again.
                if !seen.contains(target) {
                    seen.push(*target);
                    inputs(lock, *target, &format!("{indent}{rest}"), seen, output);
                }
            }
        }
    }
}

/// What the results of evaluating a flake follow from, as the reference numbers it;
/// none where that is not known or can change.
fn fingerprint(flake: &LockedFlake) -> Option<String> {
    if flake.lock.unlocked(false).is_some() {
        return None;
    }
    let FlakeRef { input, directory } = &flake.tree.locked;
    let mut changes = None;
    let mut text = match input.kind() {
        Kind::Path => format!("path:{}", input.text("narHash")?),
        Kind::Tarball | Kind::File => input.text("narHash").or(input.text("rev"))?.to_owned(),
        Kind::Git if input.text("rev").is_none() => {
            changes = Some(saltire_fetch::input::git_changes(input)?);
            let head = input.text("dirtyRev").and_then(|rev| rev.strip_suffix("-dirty"));
            head.map_or_else(|| "0".repeat(40), str::to_owned)
        }
        _ => input.text("rev")?.to_owned(),
    };
    for (flag, mark) in [("submodules", ";s"), ("exportIgnore", ";e"), ("lfs", ";l")] {
        text += if input.flag(flag) { mark } else { "" };
    }
    text.extend(changes.map(|changes| format!(";d={changes}")));
    text += &format!(";{directory};{}", flake.lock.to_text().trim_end());
    match (input.int("revCount"), input.kind()) {
        (Some(_), Kind::Git) => text += ";hasRevCount",
        (Some(count), _) => text += &format!(";revCount={count}"),
        (None, _) => {}
    }
    if let Some(time) = input.int("lastModified") {
        text += &format!(";lastModified={time}");
    }
    Some(saltire_store_model::Hash::sha256(text).to_base16())
}

/// A reference's attributes.
fn as_json(reference: &FlakeRef) -> Json {
    let attributes = reference.to_attributes();
    let value = |attribute: &saltire_fetch::input::Attribute| match attribute {
        saltire_fetch::input::Attribute::String(text) => json!(text),
        saltire_fetch::input::Attribute::Int(number) => json!(number),
        saltire_fetch::input::Attribute::Bool(value) => json!(value),
    };
    Json::Object(attributes.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect())
}

/// Seconds since 1970 as a date and time in UTC.
pub fn date(seconds: u64) -> String {
    let days = seconds / 86_400;
    // Days of the proleptic Gregorian calendar, in eras of 400 years from March of year 0.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let rest = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// Runs `nix flake archive`.
pub fn archive(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut to, mut check_signatures) = (None, true);
    let request = Request::parse(&mut words, &mut options, |word, words| {
        match word {
            Word::Long(name) if name == "to" => to = Some(words.value(word)?),
            Word::Long(name) if name == "no-check-sigs" => check_signatures = false,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Opened { session, progress } = options.open()?;
    let flake = request.lock(&session)?;
    let inputs = archive_inputs(&session, &flake.lock, 0, &mut vec![0], options.dry_run)?;
    progress.finish();
    if let Some(to) = to.filter(|_| !options.dry_run) {
        let mut paths = BTreeSet::from([session.parse(&flake.tree.store_path)?]);
        archived(&session, &inputs, &mut paths)?;
        let paths: Vec<StorePath> = paths.into_iter().collect();
        crate::new::copy::send(&session, &to, &paths, check_signatures)?;
    }
    let object = json!({ "inputs": inputs, "path": flake.tree.store_path });
    if request.json {
        print(&format!("{object}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn archive_inputs(
    session: &Session,
    lock: &LockFile,
    node: usize,
    above: &mut Vec<usize>,
    dry_run: bool,
) -> Result<Map<String, Json>, Failure> {
    let mut object = Map::new();
    for (name, edge) in &lock.nodes[node].inputs {
        let Edge::Node(target) = edge else { continue };
        let Some(locked) = lock.nodes[*target].locked.as_ref().filter(|_| !above.contains(target)) else {
            continue;
        };
        let mut entry = Map::new();
        // A relative path is a part of a tree that is copied anyway.
        let path = match locked.parent {
            Some(_) => None,
            None if dry_run => session.inputs().path_of(&locked.locked.input),
            None => Some(session.inputs().fetch(&locked.locked.input).map_err(Failure::new)?.path),
        };
        above.push(*target);
        let inner = archive_inputs(session, lock, *target, above, dry_run)?;
        above.pop();
        entry.insert("inputs".into(), Json::Object(inner));
        entry.extend(path.map(|path| ("path".to_owned(), json!(session.store().display(&path)))));
        object.insert(name.clone(), Json::Object(entry));
    }
    Ok(object)
}

/// The store paths of inputs and of theirs.
fn archived(
    session: &Session,
    inputs: &Map<String, Json>,
    paths: &mut BTreeSet<StorePath>,
) -> Result<(), Failure> {
    for input in inputs.values() {
        if let Some(path) = input.get("path").and_then(Json::as_str) {
            paths.insert(session.parse(path)?);
        }
        if let Some(inner) = input.get("inputs").and_then(Json::as_object) {
            archived(session, inner, paths)?;
        }
    }
    Ok(())
}

/// Runs `nix flake prefetch-inputs`.
pub fn prefetch_inputs(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options, none)?;
    let Opened { session, progress } = options.open()?;
    let flake = request.lock(&session)?;
    let mut failed = false;
    for locked in flake.lock.nodes.iter().filter_map(|node| node.locked.as_ref()) {
        // A relative path is a part of a tree that is there.
        if locked.parent.is_none()
            && let Err(error) = session.inputs().fetch(&locked.locked.input)
        {
            eprintln!("error: {error}");
            failed = true;
        }
    }
    progress.finish();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs `nix flake prefetch`.
pub fn prefetch(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut link = None;
    let request = Request::parse(&mut words, &mut options, |word, words| {
        let takes =
            matches!(word, Word::Short('o')) || matches!(word, Word::Long(name) if name == "out-link");
        if takes {
            link = Some(words.value(word)?);
        }
        Ok(takes)
    })?;
    let Opened { session, progress } = options.open()?;
    request.flake.prepare(&session)?;
    let reference = request.reference()?;
    let registries = session.flakes().registries().map_err(Error::from)?;
    let resolved = registries.resolve(&reference).map_err(Failure::new)?;
    let stored = session.inputs().fetch(&resolved.input).map_err(Failure::new)?;
    progress.finish();
    let path = session.store().display(&stored.path);
    let mut locked = FlakeRef { input: stored.input, directory: resolved.directory.clone() };
    let hash = locked.input.text("narHash").unwrap_or_default().to_owned();
    // Other kinds are known by something else.
    if !matches!(locked.input.kind(), Kind::Tarball | Kind::File) {
        locked.input.remove("narHash");
    }
    let attributes = as_json(&locked);
    if let Some(link) = link {
        crate::options::add_root(&session, &link, 1, &stored.path)?;
    }
    if request.json {
        let object = json!({
            "hash": hash, "locked": attributes, "original": as_json(&reference), "storePath": path,
        });
        print(&format!("{object}\n"))?;
    } else {
        eprintln!("Downloaded '{}' to '{path}' (hash '{hash}').", locked.to_text());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn seconds_are_dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(date(1_701_743_694), "2023-12-05 02:34:54");
    }
}
