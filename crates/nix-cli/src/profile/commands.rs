//! `nix profile …`.

use super::elements::{Element, Elements, FlakeSource, of_link};
use super::environment::USUAL_PRIORITY;
use super::{Profile, Unwanted, generation_path};
use crate::arguments::{Arguments, Word, text};
use crate::installable::{Installable, InstallableOptions, Outputs};
use crate::new::build::build_goals;
use crate::new::maintenance::closure_changes;
use crate::options::{Opened, Options};
use saltire_driver::Session;
use saltire_posix_regex::Regex;
use saltire_terminal::{Failure, print};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Text of `nix profile … --help`.
pub const HELP: &str = "\
Usage: nix profile add [--priority N] INSTALLABLE…
       nix profile list [--json]
       nix profile remove NAME… | --all
       nix profile upgrade NAME… | --all
       nix profile rollback [--to VERSION]
       nix profile history
       nix profile wipe-history [--older-than 30d] [--dry-run]
       nix profile diff-closures

Installs packages for a user, in versions that can be gone back to.

      --profile PATH     the profile (default: where ~/.nix-profile leads to)
      --regex            names are regular expressions
";

#[derive(Default)]
struct Request {
    profile: Option<String>,
    operands: Vec<String>,
    all: bool,
    regex: bool,
    json: bool,
    priority: Option<i64>,
    to: Option<u64>,
    older_than: Option<String>,
}

impl Request {
    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let number = |text: String| {
            text.parse::<i64>().map_err(|_| Failure::new(format_args!("'{text}' is not a number")))
        };
        match word {
            Word::Long(name) => match name.as_str() {
                "profile" => self.profile = Some(words.value(word)?),
                "all" => self.all = true,
                "regex" => self.regex = true,
                "json" => self.json = true,
                "priority" => self.priority = Some(number(words.value(word)?)?),
                "to" => self.to = Some(u64::try_from(number(words.value(word)?)?).unwrap_or(0)),
                "older-than" => self.older_than = Some(words.value(word)?),
                _ => return Ok(false),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// For commands whose operands are no installables.
    fn parse(words: &mut Arguments, options: &mut Options) -> Result<Self, Failure> {
        let mut request = Self::default();
        while let Some(word) = words.next()? {
            if request.take(&word, words)? || options.take(&word, words)? {
                continue;
            }
            match word {
                Word::Plain(operand) => request.operands.push(text(operand)?),
                word => return Err(words.unknown(&word)),
            }
        }
        Ok(request)
    }

    fn open(&self, opened: &Opened) -> Result<Profile, Failure> {
        Profile::open(&opened.session, self.profile.as_deref())
    }

    /// The names of the elements that are meant.
    fn matches(&self, session: &Session, elements: &Elements) -> Result<BTreeSet<String>, Failure> {
        if self.all {
            return Ok(elements.0.keys().cloned().collect());
        }
        if self.operands.is_empty() {
            return Err(Failure::new("No packages specified.").hint("name them, or say '--all'"));
        }
        let mut found = BTreeSet::new();
        for operand in &self.operands {
            let regex = match self.regex {
                true => Some(Regex::new(format!("^({operand})$").as_bytes()).map_err(|error| {
                    Failure::new(format_args!("'{operand}' is not a regular expression: {error}"))
                })?),
                false => None,
            };
            let fits = |name: &str, element: &Element| match &regex {
                Some(regex) => regex.find_iter(name.as_bytes()).next().is_some(),
                None => {
                    let paths = element.paths.iter().map(|path| session.store().display(path));
                    name == operand || paths.into_iter().any(|path| path == *operand)
                }
            };
            let names = elements.0.iter().filter(|(name, element)| fits(name, element));
            let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
            if names.is_empty() {
                eprintln!("warning: Package name '{operand}' does not match any packages in the profile.");
            }
            found.extend(names);
        }
        if elements.0.is_empty() {
            eprintln!("warning: There are no packages in the profile.");
        }
        Ok(found)
    }
}

/// Runs `nix profile add`.
pub fn add(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    let mut installables = InstallableOptions::default();
    while let Some(word) = words.next()? {
        let known = request.take(&word, &mut words)?
            || installables.take(&word, &mut words)?
            || options.take(&word, &mut words)?;
        if !known {
            return Err(words.unknown(&word));
        }
    }
    let (opened, all) = installables.open(&mut options)?;
    let profile = request.open(&opened)?;
    let mut elements = Elements::read(&opened.session, &profile)?;
    for installable in &all {
        let mut element = element_of(&opened, &options, installable)?;
        element.priority = request.priority.unwrap_or(element.priority);
        let is_same = |old: &Element| {
            let source =
                |element: &Element| element.source.clone().map(|source| (source.original, source.attribute));
            old.paths == element.paths && source(old) == source(&element)
        };
        if let Some((name, _)) = elements.0.iter().find(|(_, old)| is_same(old)) {
            eprintln!("warning: '{name}' is already added");
            continue;
        }
        elements.add(element.usual_name(), element);
    }
    finish(&opened, &profile, &elements)
}

/// Builds an installable and says what a manifest holds of it.
fn element_of(opened: &Opened, options: &Options, installable: &Installable) -> Result<Element, Failure> {
    let session = &opened.session;
    let goals = installable.goals(session, options)?;
    let facts = installable.facts(session, options)?;
    let built = build_goals(session, &opened.progress, &goals)?;
    let paths = built.into_iter().flat_map(|one| one.outputs).map(|(_, path)| path).collect();
    let outputs = match installable.outputs() {
        Outputs::Default => None,
        Outputs::All => Some(vec!["*".to_owned()]),
        Outputs::Named(names) => Some(names.iter().cloned().collect()),
    };
    let source =
        facts.flake.map(|(original, locked, attribute)| FlakeSource { original, locked, attribute, outputs });
    Ok(Element { paths, source, active: true, priority: facts.priority.unwrap_or(USUAL_PRIORITY) })
}

fn finish(opened: &Opened, profile: &Profile, elements: &Elements) -> Result<ExitCode, Failure> {
    let path = elements.build(&opened.session)?;
    profile.set(&opened.session, &path)?;
    opened.progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix profile remove`.
pub fn remove(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let profile = request.open(&opened)?;
    let mut elements = Elements::read(&opened.session, &profile)?;
    let names = request.matches(&opened.session, &elements)?;
    if names.is_empty() {
        eprintln!("warning: No packages to remove. Use 'nix profile list' to see the current profile.");
        return Ok(ExitCode::SUCCESS);
    }
    for name in &names {
        eprintln!("removing '{name}'");
        elements.0.remove(name);
    }
    eprintln!("removed {} packages, kept {} packages", names.len(), elements.0.len());
    finish(&opened, &profile, &elements)
}

/// Runs `nix profile upgrade`.
pub fn upgrade(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let profile = request.open(&opened)?;
    let mut elements = Elements::read(&opened.session, &profile)?;
    let mut upgraded = 0;
    for name in request.matches(&opened.session, &elements)? {
        let Some(element) = elements.0.get(&name).cloned() else { continue };
        let Some(source) = &element.source else {
            eprintln!(
                "warning: Found package '{name}', but it was not added from a flake, so it can't be checked for upgrades!"
            );
            continue;
        };
        let outputs = match &source.outputs {
            None => String::new(),
            Some(names) => format!("^{}", names.join(",")),
        };
        let mut wanted = InstallableOptions::default();
        wanted.operands.push(format!("{}#.{}{outputs}", source.original, source.attribute));
        let installable = wanted.all(&mut options, None)?.remove(0);
        let mut new = element_of(&opened, &options, &installable)?;
        let locked = new.source.as_ref().map(|source| source.locked.clone()).unwrap_or_default();
        if locked == source.locked && new.paths == element.paths {
            continue;
        }
        eprintln!("upgrading '{}' from flake '{}' to '{locked}'", source.attribute, source.locked);
        new.priority = element.priority;
        elements.0.insert(name, new);
        upgraded += 1;
    }
    if upgraded == 0 {
        eprintln!("warning: No packages to upgrade. Use 'nix profile list' to see the current profile.");
        return Ok(ExitCode::SUCCESS);
    }
    finish(&opened, &profile, &elements)
}

/// Runs `nix profile list`.
pub fn list(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let elements = Elements::read(&opened.session, &request.open(&opened)?)?;
    if request.json {
        print(&format!("{}\n", elements.to_json(&opened.session)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut blocks = Vec::new();
    for (name, element) in &elements.0 {
        let hidden = if element.active { "" } else { " (inactive)" };
        let mut block = format!("Name:               {}{hidden}\n", bold(name));
        if let Some(source) = &element.source {
            let outputs =
                source.outputs.as_ref().map(|names| format!("^{}", names.join(","))).unwrap_or_default();
            block += &format!("Flake attribute:    {}{outputs}\n", source.attribute);
            block += &format!("Original flake URL: {}\n", source.original);
            block += &format!("Locked flake URL:   {}\n", source.locked);
        }
        let paths = element.paths.iter().map(|path| opened.session.store().display(path));
        block += &format!("Store paths:        {}\n", paths.collect::<Vec<_>>().join(" "));
        blocks.push(block);
    }
    print(&blocks.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// Runs `nix profile history`.
pub fn history(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let profile = request.open(&opened)?;
    let mut before: Option<(u64, Elements)> = None;
    let mut blocks = Vec::new();
    for generation in profile.generations()? {
        let elements = of_link(&opened.session, &generation.link)?;
        let seconds = generation.created.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let day = crate::flake::date(seconds);
        let day = day.split(' ').next().unwrap_or_default();
        let follows = before.as_ref().map(|(number, _)| format!(" <- {number}")).unwrap_or_default();
        let mut block = format!("Version {} ({day}){follows}:\n", bold(&generation.number.to_string()));
        let none = Elements::default();
        let changes = changes(before.as_ref().map_or(&none, |(_, elements)| elements), &elements);
        block += if changes.is_empty() { "  No changes.\n" } else { &changes };
        blocks.push(block);
        before = Some((generation.number, elements));
    }
    print(&blocks.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What differs between two lists, a line for each package.
fn changes(before: &Elements, after: &Elements) -> String {
    let names: BTreeSet<&String> = before.0.keys().chain(after.0.keys()).collect();
    let identifier = |element: &Element| match &element.source {
        Some(source) => format!("{}#{}", source.original, source.attribute),
        None => element.usual_name(),
    };
    let mut text = String::new();
    for name in names {
        text += &match (before.0.get(name), after.0.get(name)) {
            (None, Some(new)) => format!("  {}: ∅ -> {}\n", identifier(new), new.versions()),
            (Some(old), None) => format!("  {}: {} -> ∅\n", identifier(old), old.versions()),
            (Some(old), Some(new)) if old.paths != new.paths => {
                format!("  {}: {} -> {}\n", identifier(new), old.versions(), new.versions())
            }
            _ => String::new(),
        };
    }
    text
}

/// Runs `nix profile rollback`.
pub fn rollback(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    request.open(&opened)?.go_to(request.to, options.dry_run)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix profile wipe-history`.
pub fn wipe(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let unwanted = match &request.older_than {
        Some(age) => Unwanted::older_than(age)?,
        None => Unwanted::Old,
    };
    let opened = options.open()?;
    request.open(&opened)?.delete(&unwanted, options.dry_run)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `nix profile diff-closures`.
pub fn diff(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let request = Request::parse(&mut words, &mut options)?;
    let opened = options.open()?;
    let session: &Arc<Session> = &opened.session;
    let generations = request.open(&opened)?.generations()?;
    let mut blocks = Vec::new();
    for pair in generations.windows(2) {
        let [before, after] = pair else { continue };
        let (Some(old), Some(new)) = (generation_path(session, before), generation_path(session, after))
        else {
            continue;
        };
        let changes = closure_changes(session, &[old], &[new], "  ")?;
        blocks.push(format!("Version {} -> {}:\n{changes}", before.number, after.number));
    }
    print(&blocks.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
