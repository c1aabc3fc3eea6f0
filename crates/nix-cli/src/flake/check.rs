//! `nix flake check`: the outputs of a flake are what they should be.

use super::Request;
use super::show::{outputs, set};
use crate::arguments::{Arguments, Word};
use crate::build::realise;
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{Error, EvaluationError, Package, Session, Wanted};
use saltire_eval::{ErrorKind, Evaluator, Kind, Symbol, Value};
use saltire_terminal::Failure;
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `nix flake check --help`.
pub const HELP: &str = "\
Usage: nix flake check [FLAKE] [--no-build] [--all-systems]

Evaluates the outputs of a flake and builds its checks. All that is wrong is said.
";

/// Outputs that have another name now, and that name.
const OLD_NAMES: [(&str, &str); 7] = [
    ("defaultPackage", "packages.<system>.default"),
    ("defaultApp", "apps.<system>.default"),
    ("defaultTemplate", "templates.default"),
    ("defaultBundler", "bundlers.<system>.default"),
    ("overlay", "overlays.default"),
    ("devShell", "devShells.<system>.default"),
    ("nixosModule", "nixosModules.default"),
];

/// Outputs that other programs know.
const OF_OTHERS: [&str; 10] = [
    "lib",
    "darwinConfigurations",
    "darwinModules",
    "flakeModule",
    "flakeModules",
    "herculesCI",
    "homeConfigurations",
    "homeModule",
    "homeModules",
    "nixopsConfigurations",
];

/// What an output has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Package,
    /// A package that is built.
    Check,
    App,
    Bundler,
    Overlay,
    Module,
    Configuration,
    Template,
    Jobs,
    /// Nothing is said of it.
    Anything,
}

/// How what is checked stands in an output: sets by system, by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Itself,
    Named,
    BySystem,
    BySystemAndName,
}

/// What an output of this name holds.
fn known(name: &str) -> Option<(What, Place)> {
    Some(match name {
        "checks" => (What::Check, Place::BySystemAndName),
        "packages" | "devShells" => (What::Package, Place::BySystemAndName),
        "formatter" | "defaultPackage" | "devShell" => (What::Package, Place::BySystem),
        "apps" => (What::App, Place::BySystemAndName),
        "defaultApp" => (What::App, Place::BySystem),
        "bundlers" => (What::Bundler, Place::BySystemAndName),
        "defaultBundler" => (What::Bundler, Place::BySystem),
        "legacyPackages" => (What::Anything, Place::BySystem),
        "overlays" => (What::Overlay, Place::Named),
        "overlay" => (What::Overlay, Place::Itself),
        "nixosModules" => (What::Module, Place::Named),
        "nixosModule" => (What::Module, Place::Itself),
        "nixosConfigurations" => (What::Configuration, Place::Named),
        "templates" => (What::Template, Place::Named),
        "defaultTemplate" => (What::Template, Place::Itself),
        "hydraJobs" => (What::Jobs, Place::Itself),
        name if OF_OTHERS.contains(&name) => (What::Anything, Place::Itself),
        _ => return None,
    })
}

/// Runs `nix flake check`.
pub fn check(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut no_build, mut all_systems) = (false, false);
    let request = Request::parse(&mut words, &mut options, |word, _| match word {
        Word::Long(name) if name == "no-build" => set(&mut no_build),
        Word::Long(name) if name == "all-systems" => set(&mut all_systems),
        _ => Ok(false),
    })?;
    let Opened { session, progress } = options.open()?;
    let flake = request.lock(&session)?;
    let checked = session.evaluate(|evaluator| {
        let outputs = outputs(&session, evaluator, &flake)?;
        let mut checker = Checker { session: &session, all_systems, done: Checked::default() };
        for attr in outputs.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
            checker.output(evaluator, &attr.name.to_string(), attr.value)?;
        }
        Ok(checker.done)
    })?;
    for error in &checked.errors {
        eprintln!("{}", error.trim_end());
    }
    if !checked.errors.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if !no_build {
        realise(&session, &progress, &checked.builds)?;
    }
    progress.finish();
    progress.announce("all checks passed!");
    if !checked.omitted.is_empty() {
        eprintln!(
            "warning: The check omitted these incompatible systems: {}\nUse '--all-systems' to check all.",
            checked.omitted.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Checked {
    errors: Vec<String>,
    omitted: Vec<String>,
    builds: Vec<Wanted>,
}

struct Checker<'s> {
    session: &'s Arc<Session>,
    all_systems: bool,
    done: Checked,
}

/// Evaluation failed, or something is not what it should be.
type Outcome = Result<(), EvaluationError>;

fn wrong(message: String) -> EvaluationError {
    Error::Installable(message).into()
}

impl Checker<'_> {
    fn output(&mut self, evaluator: &mut Evaluator, name: &str, value: Value) -> Outcome {
        if let Some((_, new)) = OLD_NAMES.iter().find(|(old, _)| *old == name) {
            eprintln!("warning: flake output attribute '{name}' is deprecated; use '{new}' instead");
        }
        let Some((what, place)) = known(name) else {
            eprintln!("warning: unknown flake output '{name}'");
            return self.note(evaluator, name, |_, evaluator| Ok(evaluator.force(value).map(drop)?));
        };
        match place {
            Place::Itself => self.one(evaluator, name, value, what),
            Place::Named => self.each(evaluator, name, value, &mut |checker, evaluator, path, value| {
                checker.one(evaluator, path, value, what)
            }),
            Place::BySystem | Place::BySystemAndName => {
                self.each(evaluator, name, value, &mut |checker, evaluator, path, value| {
                    let system = path.rsplit('.').next().unwrap_or_default();
                    if !checker.takes(system) {
                        return Ok(());
                    }
                    match place {
                        Place::BySystem => checker.one(evaluator, path, value, what),
                        _ => checker.each(evaluator, path, value, &mut |checker, evaluator, path, value| {
                            checker.one(evaluator, path, value, what)
                        }),
                    }
                })
            }
        }
    }

    /// Whether the outputs for a system are checked.
    fn takes(&mut self, system: &str) -> bool {
        if !system.contains('-') {
            self.done.errors.push(format!("error: '{system}' is not a valid system type"));
        }
        let takes = self.all_systems || system == self.session.system();
        if !takes && !self.done.omitted.iter().any(|one| one == system) {
            self.done.omitted.push(system.to_owned());
        }
        takes
    }

    /// Does something with each attribute of a set and its path.
    fn each(
        &mut self,
        evaluator: &mut Evaluator,
        path: &str,
        value: Value,
        work: &mut dyn FnMut(&mut Self, &mut Evaluator, &str, Value) -> Outcome,
    ) -> Outcome {
        let mut found = Vec::new();
        self.note(evaluator, path, |_, evaluator| {
            found = evaluator.attrs_value(value, Pos::NONE, "")?.sorted();
            Ok(())
        })?;
        for attr in found {
            work(self, evaluator, &format!("{path}.{}", attr.name), attr.value)?;
        }
        Ok(())
    }

    /// Does something; what is wrong is noted. Fails when evaluation was ended.
    fn note(
        &mut self,
        evaluator: &mut Evaluator,
        path: &str,
        work: impl FnOnce(&mut Self, &mut Evaluator) -> Outcome,
    ) -> Outcome {
        match work(self, evaluator) {
            Err(EvaluationError::Nix(error)) if error.kind == ErrorKind::Interrupted => {
                Err(EvaluationError::Nix(error))
            }
            Err(EvaluationError::Nix(error)) => {
                let text = self.session.error_text(evaluator, EvaluationError::Nix(error));
                self.done.errors.push(format!("{}\nwhile checking '{path}'", text.trim_end()));
                Ok(())
            }
            Err(EvaluationError::Other(Error::Interrupted)) => Err(Error::Interrupted.into()),
            Err(EvaluationError::Other(error)) => {
                self.done.errors.push(format!("error: {error}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn one(&mut self, evaluator: &mut Evaluator, path: &str, value: Value, what: What) -> Outcome {
        self.note(evaluator, path, |checker, evaluator| match what {
            What::Package | What::Check => checker.package(evaluator, path, value, what == What::Check),
            What::App => app(evaluator, path, value),
            What::Bundler => match evaluator.force(value)?.kind() {
                Kind::Lambda(_) => Ok(()),
                _ => Err(wrong(format!("bundler '{path}' must be a function"))),
            },
            What::Overlay => overlay(evaluator, path, value),
            What::Module | What::Anything => Ok(evaluator.force(value).map(drop)?),
            What::Configuration => {
                let function = evaluator.eval_str("c: c.config.system.build.toplevel", b"/")?;
                let top = evaluator.call(function, &[value], Pos::NONE)?;
                match is_derivation(evaluator, top)? {
                    true => Ok(()),
                    false => Err(wrong(format!(
                        "attribute 'config.system.build.toplevel' of '{path}' is not a derivation"
                    ))),
                }
            }
            What::Template => template(evaluator, path, value),
            What::Jobs => checker.jobs(evaluator, path, value),
        })
    }

    fn package(&mut self, evaluator: &mut Evaluator, path: &str, value: Value, build: bool) -> Outcome {
        if !is_derivation(evaluator, value)? {
            return Err(wrong(format!("flake attribute '{path}' is not a derivation")));
        }
        let package = Package { value: evaluator.force(value)?, path: Symbol::intern(path) };
        let wanted = package.wanted(self.session, evaluator)?;
        // Of another system it is only evaluated.
        if build && path.split('.').nth(1) == Some(self.session.system()) {
            self.done.builds.push(wanted);
        }
        Ok(())
    }

    fn jobs(&mut self, evaluator: &mut Evaluator, path: &str, value: Value) -> Outcome {
        if is_derivation(evaluator, value)? {
            return Err(wrong(format!("jobset '{path}' should not be a derivation at top-level")));
        }
        self.each(evaluator, path, value, &mut |checker, evaluator, path, value| {
            checker.note(evaluator, path, |checker, evaluator| match is_derivation(evaluator, value)? {
                true => checker.package(evaluator, path, value, false),
                false => checker.jobs(evaluator, path, value),
            })
        })
    }
}

fn is_derivation(evaluator: &mut Evaluator, value: Value) -> Result<bool, EvaluationError> {
    let value = evaluator.force(value)?;
    Ok(match value.as_attrs() {
        Some(attrs) => evaluator.is_derivation(attrs)?,
        None => false,
    })
}

fn app(evaluator: &mut Evaluator, path: &str, value: Value) -> Outcome {
    let attrs = evaluator.attrs_value(value, Pos::NONE, "")?;
    let get = |name: &str| attrs.get(Symbol::intern(name));
    let lacks = |name: &str| wrong(format!("app '{path}' lacks attribute '{name}'"));
    evaluator.plain_string(get("type").ok_or_else(|| lacks("type"))?, Pos::NONE, "")?;
    evaluator.string_value(get("program").ok_or_else(|| lacks("program"))?, Pos::NONE, "")?;
    match get("meta") {
        Some(meta) => {
            let meta = evaluator.attrs_value(meta, Pos::NONE, "")?;
            match meta.get(Symbol::intern("description")) {
                Some(description) => drop(evaluator.plain_string(description, Pos::NONE, "")?),
                None => eprintln!("warning: app '{path}' lacks attribute 'meta.description'"),
            }
        }
        None => eprintln!("warning: app '{path}' lacks attribute 'meta'"),
    }
    only(&attrs.sorted(), "app", path, &["type", "program", "meta"])
}

fn template(evaluator: &mut Evaluator, path: &str, value: Value) -> Outcome {
    let attrs = evaluator.attrs_value(value, Pos::NONE, "")?;
    let get = |name: &str| attrs.get(Symbol::intern(name));
    let lacks = |name: &str| wrong(format!("template '{path}' lacks attribute '{name}'"));
    let (files, _) = evaluator.path_value(get("path").ok_or_else(|| lacks("path"))?, Pos::NONE, "")?;
    if !evaluator.host().file_type(&files).is_ok_and(|kind| kind.is_some()) {
        let files = String::from_utf8_lossy(&files);
        return Err(wrong(format!("template '{path}' refers to a non-existent path '{files}'")));
    }
    evaluator.plain_string(get("description").ok_or_else(|| lacks("description"))?, Pos::NONE, "")?;
    only(&attrs.sorted(), "template", path, &["path", "description", "welcomeText"])
}

/// Checks that there are no other attributes.
fn only(attrs: &[saltire_eval::Attr], what: &str, path: &str, names: &[&str]) -> Outcome {
    match attrs.iter().map(|attr| attr.name.to_string()).find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(wrong(format!("{what} '{path}' has unsupported attribute '{name}'"))),
        None => Ok(()),
    }
}

fn overlay(evaluator: &mut Evaluator, path: &str, value: Value) -> Outcome {
    let Kind::Lambda(function) = evaluator.force(value)?.kind() else {
        return Err(wrong(format!("overlay '{path}' is not a function")));
    };
    let name = function.argument().map(|name| name.to_string()).unwrap_or_default();
    match name.strip_prefix('_').unwrap_or(&name) {
        "final" => Ok(()),
        "" if name == "_" => Ok(()),
        _ => Err(wrong(format!("overlay '{path}' does not take an argument named 'final'"))),
    }
}
