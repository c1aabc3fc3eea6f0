//! `nix-env`: installing, upgrading, removing and listing packages of a profile, and
//! its generations. What is listed is in [`super::query`].

use super::manifest::{Item, installed_in, item, make_environment, priority};
use super::{Profile, Unwanted, file_failed};
use crate::arguments::{Arguments, Word, text};
use crate::build::realise;
use crate::installable::package_name;
use crate::options::{Opened, Options};
use saltire_driver::{
    Error, EvaluationError, Forgive, Session, Source, StorePath, Wanted, argument_set, arguments, find_along,
    packages,
};
use saltire_posix_regex::Regex;
use saltire_terminal::{Failure, print};
use serde_json::{Map, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::unix::fs::symlink;
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-env -i NAME… | -iA PATH… | -u [NAME…] | -e NAME… | -q [NAME…]
       nix-env -qa [OPTION]… [NAME]…
       nix-env --list-generations | --rollback | --switch-generation N
       nix-env --delete-generations old | 30d | +5 | N…
       nix-env --set PATH | --set-flag NAME VALUE PACKAGE… | -S PROFILE

Installs, upgrades, removes and lists the packages of a profile, and goes back to what
it was; lists the packages of a package set (default: <nixpkgs>).

  -p, --profile PATH     the profile (default: where ~/.nix-profile leads to)
  -f FILE, -A PATH       which package set, and which part of it
  -E                     the arguments are functions of the package set
      --from-profile PATH  packages of another profile
  -P, --preserve-installed, -r, --remove-all, --dry-run
      --lt, --leq, --eq, --always  which versions -u may lead to
  -s, --status           (-q) print whether packages are installed (I), in the store
                         (P), in a binary cache (S)
  -P, --attr-path        (-qa) print attribute paths
  -c, --compare-versions (-q) print how versions compare with what is available, or
                         with what is installed
  -b, --prebuilt-only    (-q) only what need not be built
      --drv-path, --out-path, --system, --description, --no-name  what to print
      --json, --xml      print as JSON, as XML; --meta adds what packages say of themselves
      --arg NAME EXPR, --argstr NAME TEXT, -I PATH, --option NAME VALUE
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Install,
    Upgrade,
    Uninstall,
    Query,
    Set,
    SetFlag,
    SwitchProfile,
    SwitchGeneration,
    Rollback,
    ListGenerations,
    DeleteGenerations,
}

#[derive(Default)]
struct Request {
    operation: Option<Operation>,
    profile: Option<String>,
    file: Option<String>,
    attributes: bool,
    expressions: bool,
    from_profile: Option<String>,
    preserve: bool,
    remove_all: bool,
    upgrade_to: UpgradeTo,
    operands: Vec<String>,
}

/// Which versions an upgrade may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UpgradeTo {
    #[default]
    Newer,
    SameOrNewer,
    Same,
    Any,
}

/// Runs `nix-env`.
pub fn run(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    let mut look = words.copy();
    let mut request = Request::default();
    // What is listed is not installed: that is another command in all but its name.
    while let Ok(Some(word)) = look.next() {
        let _ = request.take(&word, &mut look);
    }
    match request.operation {
        Some(Operation::Query) => super::query::run(words, options),
        None => Err(Failure::new("no operation specified").hint("'nix-env --help' lists them")),
        Some(_) => run_operation(words, options),
    }
}

fn run_operation(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        if request.take(&word, &mut words)? || options.take(&word, &mut words)? {
            continue;
        }
        match word {
            Word::Plain(operand) => request.operands.push(text(operand)?),
            word => return Err(words.unknown(&word)),
        }
    }
    let Some(operation) = request.operation else { return Err(Failure::new("no operation specified")) };
    let opened = options.open()?;
    if operation == Operation::SwitchProfile {
        return switch_profile(&request);
    }
    let profile = Profile::open(&opened.session, request.profile.as_deref())?;
    let change = Change { opened: &opened, options: &options, request: &request, profile: &profile };
    match operation {
        Operation::Install => change.install()?,
        Operation::Upgrade => change.upgrade()?,
        Operation::Uninstall => change.uninstall()?,
        Operation::SetFlag => change.set_flag()?,
        Operation::Set => change.set()?,
        Operation::SwitchGeneration => {
            let [number] = request.operands.as_slice() else {
                return Err(Failure::new("exactly one argument expected"));
            };
            let number = number
                .parse()
                .map_err(|_| Failure::new(format_args!("invalid generation number '{number}'")))?;
            profile.go_to(Some(number), options.dry_run)?;
        }
        Operation::Rollback => profile.go_to(None, options.dry_run)?,
        Operation::ListGenerations => list_generations(&profile)?,
        Operation::DeleteGenerations => {
            profile.delete(&Unwanted::parse(&request.operands)?, options.dry_run)?
        }
        Operation::SwitchProfile | Operation::Query => {}
    }
    opened.progress.finish();
    Ok(ExitCode::SUCCESS)
}

impl Request {
    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let operation = match word {
            Word::Short('i') => Operation::Install,
            Word::Short('u') => Operation::Upgrade,
            Word::Short('e') => Operation::Uninstall,
            Word::Short('q') => Operation::Query,
            Word::Short('S') => Operation::SwitchProfile,
            Word::Short('G') => Operation::SwitchGeneration,
            Word::Long(name) => match name.as_str() {
                "install" => Operation::Install,
                "upgrade" => Operation::Upgrade,
                "uninstall" => Operation::Uninstall,
                "query" => Operation::Query,
                "set" => Operation::Set,
                "set-flag" => Operation::SetFlag,
                "switch-profile" => Operation::SwitchProfile,
                "switch-generation" => Operation::SwitchGeneration,
                "rollback" => Operation::Rollback,
                "list-generations" => Operation::ListGenerations,
                "delete-generations" => Operation::DeleteGenerations,
                _ => return self.take_option(name, word, words),
            },
            Word::Short(letter) => return self.take_letter(*letter, word, words),
            Word::Plain(_) => return Ok(false),
        };
        if self.operation.replace(operation).is_some_and(|before| before != operation) {
            return Err(Failure::new("only one operation may be specified"));
        }
        Ok(true)
    }

    fn take_letter(&mut self, letter: char, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        match letter {
            'p' => self.profile = Some(words.value(word)?),
            'f' => self.file = Some(words.value(word)?),
            'A' => self.attributes = true,
            'E' => self.expressions = true,
            'P' => self.preserve = true,
            'r' => self.remove_all = true,
            'b' => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_option(&mut self, name: &str, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        match name {
            "prebuilt-only" => {}
            "profile" => self.profile = Some(words.value(word)?),
            "file" => self.file = Some(words.value(word)?),
            "attr" => self.attributes = true,
            "from-expression" => self.expressions = true,
            "from-profile" => self.from_profile = Some(words.value(word)?),
            "preserve-installed" => self.preserve = true,
            "remove-all" => self.remove_all = true,
            "lt" => self.upgrade_to = UpgradeTo::Newer,
            "leq" => self.upgrade_to = UpgradeTo::SameOrNewer,
            "eq" => self.upgrade_to = UpgradeTo::Same,
            "always" => self.upgrade_to = UpgradeTo::Any,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A name with or without a version, as a regular expression.
pub(super) struct Selector {
    text: String,
    name: Option<Regex>,
    version: Option<String>,
    hits: usize,
}

impl Selector {
    fn new(text: &str) -> Result<Self, Failure> {
        let (name, version) = package_name(text);
        let regex = match name {
            "*" => None,
            name => Some(Regex::new(format!("^({name})$").as_bytes()).map_err(|error| {
                Failure::new(format_args!("'{text}' is not a regular expression: {error}"))
            })?),
        };
        let version = Some(version.to_owned()).filter(|version| !version.is_empty());
        Ok(Self { text: text.to_owned(), name: regex, version, hits: 0 })
    }

    /// Whether it was given as one that all packages fit.
    pub(super) fn is_any(&self) -> bool {
        self.text == "*"
    }

    /// What the names begin with that may have been meant.
    pub(super) fn prefix(&self) -> &str {
        package_name(&self.text).0
    }

    /// Whether a package of this name, with its version, is meant.
    pub(super) fn fits(&self, whole: &str) -> bool {
        let (name, version) = package_name(whole);
        let fits = |regex: &Regex| regex.find_iter(name.as_bytes()).next().is_some();
        self.name.as_ref().is_none_or(fits) && self.version.as_ref().is_none_or(|wanted| wanted == version)
    }
}

pub(super) fn selectors(names: &[String]) -> Result<Vec<Selector>, Failure> {
    names.iter().map(|name| Selector::new(name)).collect()
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Change<'a> {
    opened: &'a Opened,
    options: &'a Options,
    request: &'a Request,
    profile: &'a Profile,
}

impl Change<'_> {
    fn session(&self) -> &Arc<Session> {
        &self.opened.session
    }

    fn installed(&self) -> Result<Vec<Item>, Failure> {
        installed_in(self.session(), self.profile)
    }

    fn install(&self) -> Result<(), Failure> {
        let new = self.wanted_items()?;
        let names: BTreeSet<&str> = new.iter().map(|item| package_name(&item.name).0).collect();
        let mut items = new.clone();
        if !self.request.remove_all {
            for old in self.installed()? {
                let replaced = names.contains(package_name(&old.name).0);
                if !replaced || self.request.preserve {
                    items.push(old);
                } else if new.iter().all(|item| item.name != old.name) {
                    eprintln!("replacing old '{}'", old.name);
                }
            }
        }
        for item in &new {
            eprintln!("installing '{}'", item.name);
        }
        self.finish(items)
    }

    fn upgrade(&self) -> Result<(), Failure> {
        let mut wanted = selectors(&self.request.operands)?;
        let available = self.available()?;
        let mut items = Vec::new();
        for old in self.installed()? {
            let hit = wanted.iter_mut().find(|selector| selector.fits(&old.name));
            if !self.request.operands.is_empty() && hit.is_none() {
                items.push(old);
                continue;
            }
            hit.into_iter().for_each(|selector| selector.hits += 1);
            let (name, version) = package_name(&old.name);
            let fits = |item: &&Item| {
                let (other, new) = package_name(&item.name);
                let order = compare(version, new);
                let wanted = match self.request.upgrade_to {
                    UpgradeTo::Newer => order == Ordering::Less,
                    UpgradeTo::SameOrNewer => order != Ordering::Greater,
                    UpgradeTo::Same => order == Ordering::Equal,
                    UpgradeTo::Any => true,
                };
                other == name && wanted
            };
            let best = available.iter().filter(fits).max_by(|a, b| {
                let versions = compare(package_name(&a.name).1, package_name(&b.name).1);
                priority(b).cmp(&priority(a)).then(versions)
            });
            match best {
                Some(new) if new.outputs != old.outputs => {
                    let verb = match compare(version, package_name(&new.name).1) {
                        Ordering::Greater => "downgrading",
                        _ => "upgrading",
                    };
                    eprintln!("{verb} '{}' to '{}'", old.name, new.name);
                    items.push(new.clone());
                }
                _ => items.push(old),
            }
        }
        if let Some(selector) = wanted.iter().find(|selector| selector.hits == 0) {
            return Err(Failure::new(format_args!("selector '{}' matches no derivations", selector.text)));
        }
        self.finish(items)
    }

    fn uninstall(&self) -> Result<(), Failure> {
        let mut wanted = selectors(&self.request.operands)?;
        let mut items = Vec::new();
        for item in self.installed()? {
            let is_path =
                self.request.operands.iter().any(|name| item.outputs.iter().any(|(_, path)| path == name));
            let hit = wanted.iter_mut().find(|selector| selector.fits(&item.name));
            if hit.is_none() && !is_path {
                items.push(item);
                continue;
            }
            hit.into_iter().for_each(|selector| selector.hits += 1);
            eprintln!("uninstalling '{}'", item.name);
        }
        for selector in wanted.iter().filter(|one| one.hits == 0 && !one.text.starts_with('/')) {
            eprintln!("warning: selector '{}' matched no installed derivations", selector.text);
        }
        self.finish(items)
    }

    fn set_flag(&self) -> Result<(), Failure> {
        let [flag, value, names @ ..] = self.request.operands.as_slice() else {
            return Err(Failure::new("not enough arguments to '--set-flag'"));
        };
        let mut wanted = selectors(names)?;
        let mut items = self.installed()?;
        for item in &mut items {
            if let Some(selector) = wanted.iter_mut().find(|selector| selector.fits(&item.name)) {
                eprintln!("setting flag on '{}'", item.name);
                item.meta.insert(flag.clone(), json!(value));
                selector.hits += 1;
            }
        }
        if let Some(selector) = wanted.iter().find(|selector| selector.hits == 0) {
            return Err(Failure::new(format_args!(
                "selector '{}' matched no installed derivations",
                selector.text
            )));
        }
        self.finish(items)
    }

    fn set(&self) -> Result<(), Failure> {
        let items = self.wanted_items()?;
        let [item] = items.as_slice() else {
            return Err(Failure::new(format_args!(
                "--set requires exactly one derivation, not {}",
                items.len()
            )));
        };
        self.build(&items)?;
        let path = item.outputs.first().map(|(_, path)| self.session().parse(path)).transpose()?;
        match path {
            Some(path) if !self.options.dry_run => self.profile.set(self.session(), &path),
            _ => Ok(()),
        }
    }

    fn build(&self, items: &[Item]) -> Result<(), Failure> {
        let wanted: Vec<Wanted> = items.iter().filter_map(|item| item.wanted.clone()).collect();
        realise(self.session(), &self.opened.progress, &wanted)
    }

    fn finish(&self, mut items: Vec<Item>) -> Result<(), Failure> {
        if self.options.dry_run {
            eprintln!("(dry run; not doing anything)");
            return Ok(());
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        self.build(&items)?;
        let path = make_environment(self.session(), &items)?;
        self.profile.set(self.session(), &path)
    }

    /// What the operands name.
    fn wanted_items(&self) -> Result<Vec<Item>, Failure> {
        let request = self.request;
        if let Some(other) = &request.from_profile {
            let other = Profile::open(self.session(), Some(other))?;
            return select(installed_in(self.session(), &other)?, &request.operands);
        }
        let (paths, names): (Vec<&String>, Vec<&String>) = request
            .operands
            .iter()
            .partition(|name| name.starts_with('/') && !request.attributes && !request.expressions);
        let mut items =
            paths.into_iter().map(|path| self.of_store_path(path)).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Ok(items);
        }
        let names: Vec<String> = names.into_iter().cloned().collect();
        if request.attributes || request.expressions {
            for name in &names {
                items.extend(self.evaluate(Some(name))?);
            }
        } else {
            items.extend(select(self.available()?, &names)?);
        }
        Ok(items)
    }

    fn of_store_path(&self, name: &str) -> Result<Item, Failure> {
        let session = self.session();
        let path = session.parse(name)?;
        let name = package_file_name(&path);
        let (outputs, wanted) = match path.is_derivation() {
            true => {
                let all = session.store().query_derivation_outputs(&path).map_err(Error::from)?;
                let outputs = all.iter().map(|(name, path)| (name.clone(), session.store().display(path)));
                let wanted = Wanted { derivation: path.clone(), outputs: all.keys().cloned().collect() };
                (outputs.collect(), Some(wanted))
            }
            false if session.store().is_valid(&path).map_err(Error::from)? => {
                (vec![("out".to_owned(), session.store().display(&path))], None)
            }
            false => return Err(crate::store::invalid(session.store(), &path)),
        };
        Ok(Item { name, system: "unknown".to_owned(), outputs, meta: Map::new(), wanted })
    }

    /// All packages of the package set.
    fn available(&self) -> Result<Vec<Item>, Failure> {
        self.evaluate(None)
    }

    /// The packages of the package set, or of an attribute or expression.
    fn evaluate(&self, name: Option<&str>) -> Result<Vec<Item>, Failure> {
        let (session, request) = (self.session(), self.request);
        let source = Source::File(request.file.clone().unwrap_or_else(|| "<nixpkgs>".to_owned()));
        let found = session.evaluate(|evaluator| {
            let given = arguments(evaluator, &self.options.arguments)?;
            let given = argument_set(evaluator, given);
            let root = session.package_set_value(evaluator, &source)?;
            let value = match name {
                Some(text) if request.expressions => {
                    let function =
                        session.package_set_value(evaluator, &Source::Expression(text.to_owned()))?;
                    evaluator.call(function, &[root], saltire_diagnostics::Pos::NONE)?
                }
                path => find_along(evaluator, root, path.unwrap_or_default(), given)?,
            };
            let forgive = if name.is_some() { Forgive::Nothing } else { Forgive::Assertions };
            let mut items = Vec::new();
            for package in packages(evaluator, value, given, forgive)? {
                match item(session, evaluator, &package) {
                    Ok(item) => items.push(item),
                    Err(EvaluationError::Nix(error)) if name.is_none() && error.is_catchable() => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(items)
        })?;
        Ok(found)
    }
}

/// The best of the packages that fit each name.
fn select(all: Vec<Item>, names: &[String]) -> Result<Vec<Item>, Failure> {
    let mut chosen: BTreeMap<String, Item> = BTreeMap::new();
    for name in names {
        let selector = Selector::new(name)?;
        let mut best: BTreeMap<String, &Item> = BTreeMap::new();
        for item in all.iter().filter(|item| selector.fits(&item.name)) {
            let better = |old: &&Item| {
                let versions = compare(package_name(&item.name).1, package_name(&old.name).1);
                priority(old).cmp(&priority(item)).then(versions) == Ordering::Greater
            };
            let key = package_name(&item.name).0.to_owned();
            if best.get(&key).is_none_or(better) {
                best.insert(key, item);
            }
        }
        if best.is_empty() {
            return Err(Failure::new(format_args!("selector '{name}' matches no derivations")));
        }
        chosen.extend(best.into_iter().map(|(key, item)| (key, item.clone())));
    }
    Ok(chosen.into_values().collect())
}

/// Compares versions.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    saltire_eval::builtins::compare_versions(left.as_bytes(), right.as_bytes())
}

/// A store path's name without the ending of derivations.
fn package_file_name(path: &StorePath) -> String {
    path.derivation_name().unwrap_or(path.name()).to_owned()
}

fn list_generations(profile: &Profile) -> Result<(), Failure> {
    let current = profile.current();
    let mut output = String::new();
    for generation in profile.generations()? {
        let seconds =
            generation.created.duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mark = if current == Some(generation.number) { "(current)" } else { "" };
        output += &format!("{:>4}   {}   {mark}\n", generation.number, crate::flake::date(seconds));
    }
    print(&output)
}

/// Makes another profile the user's own.
fn switch_profile(request: &Request) -> Result<ExitCode, Failure> {
    let [profile] = request.operands.as_slice() else {
        return Err(Failure::new("exactly one argument expected"));
    };
    let profile = std::path::absolute(profile).map_err(file_failed("find", profile.as_ref()))?;
    let home = super::absolute_variable("HOME")
        .ok_or_else(|| Failure::new("HOME is not set to an absolute path"))?;
    let link = home.join(".nix-profile");
    let temporary = home.join(format!(".nix-profile.{}", std::process::id()));
    symlink(&profile, &temporary).map_err(file_failed("create", &temporary))?;
    std::fs::rename(&temporary, &link).map_err(file_failed("replace", &link))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::example;
    use super::*;

    #[test]
    fn the_best_package_is_selected() {
        let all = || {
            vec![
                example("a-1", json!({})),
                example("a-2", json!({})),
                example("a-3", json!({ "priority": "9" })),
                example("ab-1", json!({})),
            ]
        };
        let check = |names: &[&str], expected: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let found = select(all(), &names).map_or_else(
                |failure| vec![failure.message],
                |items| items.into_iter().map(|item| item.name).collect(),
            );
            assert_eq!(found, expected);
        };
        check(&["a"], &["a-2"]);
        check(&["a-1"], &["a-1"]);
        check(&["a.*"], &["a-2", "ab-1"]);
        check(&["b"], &["selector 'b' matches no derivations"]);
    }
}
