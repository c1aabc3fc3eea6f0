//! From what the user names to derivations.

use crate::attribute_path::find_along;
use crate::error::Error;
use crate::graph::Wanted;
use crate::machines::Machines;
use crate::packages::{Forgive, join, packages};
use crate::session::{EvaluationError, Session};
use saltire_diagnostics::{Origin, Pos};
use saltire_eval::{Attrs, ErrorKind, Evaluator, Symbol, Value, paths};
use saltire_plan::{Route, RouteChoice, RouteFacts, Via, routes};
use saltire_platforms::{Platform, can_execute};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Where packages come from.
#[derive(Clone, Debug, Default)]
pub enum Source {
    /// The embedded package set.
    #[default]
    Embedded,
    /// A file, or a name such as `<nixpkgs>`.
    File(String),
    /// A Nix expression.
    Expression(String),
    /// An expression from standard input.
    Standard,
}

/// A value that is given to functions on the way to a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A Nix expression.
    Expression(String),
    /// A string as it is.
    Text(String),
}

/// A package set, with the arguments for it.
#[derive(Clone, Debug, Default)]
pub struct PackageSet {
    /// Where it comes from.
    pub source: Source,
    /// Arguments by name.
    pub arguments: Vec<(String, Argument)>,
}

/// A package for a platform, ready to be planned and built.
#[derive(Clone, Debug)]
pub struct Target {
    /// What the user named.
    pub package: String,
    /// The platform that it runs on.
    pub platform: &'static Platform,
    /// Which variant was chosen, and why.
    pub route: RouteChoice,
    /// The derivation and the outputs to make.
    pub wanted: Wanted,
    /// The name of its main program.
    pub program: String,
}

impl Session {
    /// Evaluates a package for a platform, by the best way that evaluates. A store
    /// path stands for itself.
    pub fn target(
        self: &Arc<Self>,
        set: &PackageSet,
        package: &str,
        platform: &'static Platform,
        via: Via,
    ) -> Result<Target, Error> {
        let mut targets = self.targets(set, package, platform, via)?;
        match targets.pop() {
            Some(target) if targets.is_empty() => Ok(target),
            _ => Err(Error::NotADerivation(package.to_owned())),
        }
    }

    /// As [`Session::target`], for what may be a set as well: all derivations in it,
    /// at least one ([`packages`] says which).
    pub fn targets(
        self: &Arc<Self>,
        set: &PackageSet,
        package: &str,
        platform: &'static Platform,
        via: Via,
    ) -> Result<Vec<Target>, Error> {
        if let Some(target) = self.store_target(package, platform)? {
            return Ok(vec![target]);
        }
        let emulator = platform.emulator().map(|emulator| emulator.program());
        let facts = self.route_facts(platform, emulator.as_deref(), self.machines()?);
        let choices = routes(via, &facts).map_err(Error::NoRoute)?;
        let mut first_error = None;
        for route in choices {
            match self.targets_by(set, package, platform, route) {
                Ok(targets) => return Ok(targets),
                Err(error @ Error::Evaluation { .. }) => first_error = first_error.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(first_error.unwrap_or(Error::Interrupted))
    }

    fn route_facts<'a>(
        &self,
        platform: &'static Platform,
        emulator: Option<&'a str>,
        machines: &Machines,
    ) -> RouteFacts<'a> {
        RouteFacts {
            build: &self.platform.system,
            host: &platform.system,
            same: platform.name == self.platform.name,
            can_execute: can_execute(self.platform, platform),
            emulator: emulator.ok_or_else(|| "there is no emulator for it".to_owned()),
            native_set: platform.is_linux(),
            remote_host: machines.build_for(&platform.system),
            remote_build: machines.build_for(&self.platform.system),
        }
    }

    fn targets_by(
        self: &Arc<Self>,
        set: &PackageSet,
        package: &str,
        platform: &'static Platform,
        route: RouteChoice,
    ) -> Result<Vec<Target>, Error> {
        let (path, local) = match route.route {
            Route::Native => (package.to_owned(), None),
            Route::Cross => (format!("pkgsCross.{}.{package}", platform.name), None),
            Route::Emulate => (package.to_owned(), Some(platform)),
        };
        let found = self.evaluate(|evaluator| {
            let value = self.select(evaluator, set, local, &path)?;
            if let Some(one) = describe(evaluator, value)? {
                return Ok(vec![(package.to_owned(), one)]);
            }
            let none = argument_set(evaluator, Vec::new());
            let inside = match evaluator.force(value)?.as_attrs() {
                Some(_) => packages(evaluator, value, none, Forgive::Nothing)?,
                None => Vec::new(),
            };
            let mut found = Vec::new();
            for one in inside {
                if let Some(described) = describe(evaluator, one.value)? {
                    found.push((join(package, &one.path.to_string()), described));
                }
            }
            Ok(found)
        })?;
        if found.is_empty() {
            return Err(Error::NotADerivation(package.to_owned()));
        }
        let target = |(package, described): (String, Described)| {
            let derivation = self.parse(&described.derivation)?;
            // A whole file or expression has no attribute path.
            let name = derivation.name();
            let name = if package.is_empty() { name.strip_suffix(".drv").unwrap_or(name) } else { &package };
            let package = name.to_owned();
            let wanted = Wanted { derivation, outputs: described.outputs };
            Ok(Target { package, platform, route: route.clone(), wanted, program: described.program })
        };
        found.into_iter().map(target).collect()
    }

    /// The value at an attribute path of a package set, for another build platform
    /// if one is given; a function there is called as well.
    pub fn select(
        &self,
        evaluator: &mut Evaluator,
        set: &PackageSet,
        local: Option<&Platform>,
        path: &str,
    ) -> Result<Value, EvaluationError> {
        let root = self.package_set_value(evaluator, &set.source)?;
        let mut arguments = arguments(evaluator, &set.arguments)?;
        if let Some(platform) = local {
            arguments.extend(for_build_platform(evaluator, root, platform)?);
        }
        let arguments = argument_set(evaluator, arguments);
        let value = find_along(evaluator, root, path, arguments)?;
        let value = evaluator.force(value)?;
        Ok(evaluator.auto_call(value, arguments)?)
    }

    /// As [`Session::package_set_value`], for commands whose one subject is `source`:
    /// the traces of errors do not say that it is the file that is being evaluated.
    pub fn main_value(&self, evaluator: &mut Evaluator, source: &Source) -> Result<Value, EvaluationError> {
        match source {
            Source::File(name) => {
                let path = file_argument(evaluator, name)?;
                Ok(evaluator.eval_main_file(&path)?)
            }
            other => self.package_set_value(evaluator, other),
        }
    }

    /// The value of a package set: often a function.
    pub fn package_set_value(
        &self,
        evaluator: &mut Evaluator,
        source: &Source,
    ) -> Result<Value, EvaluationError> {
        let base = current_directory();
        Ok(match source {
            Source::Embedded => evaluator.eval_file(self.package_set()?.as_os_str().as_bytes())?,
            Source::File(name) => {
                let path = file_argument(evaluator, name)?;
                evaluator.eval_file(&path)?
            }
            Source::Expression(text) => evaluator.eval_text(Origin::String, text.as_bytes().into(), &base)?,
            Source::Standard => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)
                    .map_err(|source| Error::File { action: "read", path: "-".into(), source })?;
                evaluator.eval_text(Origin::Stdin, text.into(), &base)?
            }
        })
    }
}

/// The directory that relative paths on the command line are relative to.
pub fn current_directory() -> Vec<u8> {
    std::env::current_dir().unwrap_or_default().as_os_str().as_bytes().to_vec()
}

/// The path of a file that is named as `FILE` or as `<name>` on the command line.
pub fn file_argument(evaluator: &mut Evaluator, name: &str) -> Result<Vec<u8>, EvaluationError> {
    let in_search_path = name.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
    if let Some(name) = in_search_path {
        let entries = evaluator.host().search_path();
        return Ok(evaluator.find_file(&entries, name.as_bytes(), Pos::NONE)?);
    }
    let joined = if name.starts_with('/') {
        name.as_bytes().to_vec()
    } else {
        [&*current_directory(), b"/", name.as_bytes()].concat()
    };
    Ok(paths::normalise(&joined))
}

/// The values of arguments that are given by name, not evaluated yet.
pub fn arguments(
    evaluator: &mut Evaluator,
    given: &[(String, Argument)],
) -> Result<Vec<(Symbol, Value)>, EvaluationError> {
    let mut values = Vec::new();
    for (name, argument) in given {
        let value = match argument {
            Argument::Text(text) => evaluator.new_string(text.as_bytes()),
            Argument::Expression(text) => {
                evaluator.delayed_text(Origin::String, text.as_bytes().into(), &current_directory(), None)?
            }
        };
        values.push((Symbol::intern(name), value));
    }
    Ok(values)
}

/// Arguments as a set; of a name that is given twice, the last value counts.
pub fn argument_set(evaluator: &mut Evaluator, arguments: Vec<(Symbol, Value)>) -> Attrs {
    let mut latest = std::collections::BTreeMap::new();
    latest.extend(arguments);
    let set = evaluator.new_attrs(latest.into_iter().collect());
    set.as_attrs().expect("a set that was just made")
}

/// The arguments that make a package set build on another platform.
fn for_build_platform(
    evaluator: &mut Evaluator,
    set: Value,
    platform: &Platform,
) -> Result<Option<(Symbol, Value)>, EvaluationError> {
    let set = evaluator.force(set)?;
    if !set.is_function() {
        return Ok(None);
    }
    let arguments_of = evaluator.eval_str("builtins.functionArgs", b"/")?;
    let formals = evaluator.call(arguments_of, &[set], Pos::NONE)?;
    let formals = evaluator.force(formals)?;
    let [local, system] = ["localSystem", "system"].map(Symbol::intern);
    let name = evaluator.new_string(platform.system.as_bytes());
    Ok(Some(match formals.as_attrs().is_some_and(|formals| formals.contains(local)) {
        true => (local, evaluator.new_attrs(vec![(system, name)])),
        false => (system, name),
    }))
}

/// What the commands need to know of a derivation.
struct Described {
    derivation: String,
    outputs: Vec<String>,
    program: String,
}

/// That, of a derivation.
fn describe(evaluator: &mut Evaluator, value: Value) -> Result<Option<Described>, EvaluationError> {
    let Some(derivation) = evaluator.derivation_path(value)? else { return Ok(None) };
    let outputs = strings(evaluator, value, &["meta", "outputsToInstall"])?;
    let output = strings(evaluator, value, &["outputName"])?;
    let mut program = Vec::new();
    for path in [&["meta", "mainProgram"][..], &["pname"], &["name"]] {
        program.extend(strings(evaluator, value, path)?);
    }
    let outputs = if outputs.is_empty() { output } else { outputs };
    Ok(Some(Described { derivation, outputs, program: program.into_iter().next().unwrap_or_default() }))
}

/// The string, or the strings of the list, at a path; empty if there is none.
fn strings(evaluator: &mut Evaluator, value: Value, path: &[&str]) -> Result<Vec<String>, EvaluationError> {
    let mut value = value;
    for name in path {
        let forced = evaluator.force(value)?;
        match forced.as_attrs().and_then(|attrs| attrs.get(Symbol::intern(name))) {
            Some(found) => value = found,
            None => return Ok(Vec::new()),
        }
    }
    let value = match evaluator.force(value) {
        Ok(value) => value,
        Err(error) if error.kind == ErrorKind::Throw => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let items: Vec<Value> = value.as_list().map_or_else(|| vec![value], |list| list.iter().collect());
    let mut found = Vec::new();
    for item in items {
        let item = evaluator.force(item)?;
        found.extend(item.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()));
    }
    Ok(found)
}
