//! `nix flake check`: the outputs of a flake are what they should be.

use super::Request;
use super::show::{outputs, set};
use crate::arguments::{Arguments, Word};
use crate::build::realise;
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{Error, EvaluationError, Package, Session, Wanted};
use saltire_eval::{Attr, ErrorKind, EvalError, Evaluator, Kind, Symbol, Value, type_name};
use saltire_terminal::{Failure, Progress};
use std::io::IsTerminal;
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
        let done = Checked::default();
        let mut checker = Checker {
            session: &session,
            progress: &progress,
            all_systems,
            output: (Pos::NONE, String::new()),
            done,
        };
        checker.say("evaluating flake");
        let outputs = outputs(&session, evaluator, &flake)?;
        for attr in outputs.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
            let name = attr.name.to_string();
            checker.say(&format!("checking flake output '{name}'"));
            checker.output = (attr.pos, name.clone());
            checker.output(evaluator, &name, attr)?;
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
    progress: &'s Progress,
    all_systems: bool,
    /// Where the output is written that is being checked.
    output: (Pos, String),
    done: Checked,
}

/// Evaluation failed, or something is not what it should be.
type Outcome = Result<(), EvaluationError>;

fn wrong(message: String) -> EvaluationError {
    Error::Installable(message).into()
}

impl Checker<'_> {
    /// Says what is being done, where people don't see it go by.
    fn say(&self, text: &str) {
        if !std::io::stderr().is_terminal() {
            self.progress.announce(&format!("{text}..."));
        }
    }

    fn output(&mut self, evaluator: &mut Evaluator, name: &str, attr: Attr) -> Outcome {
        if let Some((_, new)) = OLD_NAMES.iter().find(|(old, _)| *old == name) {
            eprintln!("warning: flake output attribute '{name}' is deprecated; use '{new}' instead");
        }
        let Some((what, place)) = known(name) else {
            eprintln!("warning: unknown flake output '{name}'");
            return self.note(evaluator, None, |_, evaluator| Ok(evaluator.force(attr.value).map(drop)?));
        };
        match place {
            Place::Itself => self.one(evaluator, name, attr, what),
            Place::Named => self.each(evaluator, name, attr, &mut |checker, evaluator, path, attr| {
                checker.one(evaluator, path, attr, what)
            }),
            Place::BySystem | Place::BySystemAndName => {
                self.each(evaluator, name, attr, &mut |checker, evaluator, path, attr| {
                    let system = path.rsplit('.').next().unwrap_or_default();
                    if !checker.takes(system) {
                        return Ok(());
                    }
                    match place {
                        Place::BySystem => checker.one(evaluator, path, attr, what),
                        _ => checker.each(evaluator, path, attr, &mut |checker, evaluator, path, attr| {
                            checker.one(evaluator, path, attr, what)
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
        attr: Attr,
        work: &mut dyn FnMut(&mut Self, &mut Evaluator, &str, Attr) -> Outcome,
    ) -> Outcome {
        let mut found = Vec::new();
        self.note(evaluator, None, |_, evaluator| {
            found = evaluator.attrs_value(attr.value, Pos::NONE, "")?.sorted();
            Ok(())
        })?;
        for attr in found {
            work(self, evaluator, &format!("{path}.{}", attr.name), attr)?;
        }
        Ok(())
    }

    /// Does something; what is wrong is noted, with the steps that lead to it. Fails when
    /// evaluation was ended.
    fn note(
        &mut self,
        evaluator: &mut Evaluator,
        step: Option<(Pos, String)>,
        work: impl FnOnce(&mut Self, &mut Evaluator) -> Outcome,
    ) -> Outcome {
        let error = match work(self, evaluator) {
            Ok(()) => return Ok(()),
            Err(EvaluationError::Nix(error)) if error.kind == ErrorKind::Interrupted => {
                return Err(EvaluationError::Nix(error));
            }
            Err(EvaluationError::Other(Error::Interrupted)) => return Err(Error::Interrupted.into()),
            Err(EvaluationError::Nix(error)) => error,
            Err(EvaluationError::Other(error)) => EvalError::other(Pos::NONE, error.to_string()),
        };
        let error = match step {
            Some((pos, text)) => error.traced(pos, text),
            None => error,
        };
        let (pos, output) = &self.output;
        let error = error.traced(*pos, format!("while checking flake output '{output}'"));
        let text = self.session.error_text(evaluator, EvaluationError::Nix(error));
        self.done.errors.push(text);
        Ok(())
    }

    fn one(&mut self, evaluator: &mut Evaluator, path: &str, attr: Attr, what: What) -> Outcome {
        let value = attr.value;
        if let Some(doing) = what.doing(path) {
            self.say(&doing);
        }
        let step = what.step(path).map(|text| (attr.pos, text));
        self.note(evaluator, step, |checker, evaluator| match what {
            What::Package | What::Check => checker.package(evaluator, path, value, what == What::Check),
            What::App => app(evaluator, path, value),
            What::Bundler => match evaluator.force(value)?.kind() {
                Kind::Lambda(_) => Ok(()),
                _ => Err(wrong("bundler must be a function".to_owned())),
            },
            What::Overlay => overlay(evaluator, value),
            What::Module | What::Anything => Ok(evaluator.force(value).map(drop)?),
            What::Configuration => {
                let function = evaluator.eval_str("c: c.config.system.build.toplevel", b"/")?;
                let top = evaluator.call(function, &[value], Pos::NONE)?;
                match is_derivation(evaluator, top)? {
                    true => Ok(()),
                    false => {
                        Err(wrong("attribute 'config.system.build.toplevel' is not a derivation".to_owned()))
                    }
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
        if !std::io::stderr().is_terminal() {
            let derivation = self.session.store().display(&wanted.derivation);
            self.progress.announce(&format!("derivation evaluated to {derivation}"));
        }
        // Of another system it is only evaluated.
        if build && path.split('.').nth(1) == Some(self.session.system()) {
            self.done.builds.push(wanted);
        }
        Ok(())
    }

    fn jobs(&mut self, evaluator: &mut Evaluator, path: &str, value: Value) -> Outcome {
        if is_derivation(evaluator, value)? {
            return Err(wrong("jobset should not be a derivation at top-level".to_owned()));
        }
        let found = evaluator.attrs_value(value, Pos::NONE, "")?.sorted();
        for attr in found {
            let path = format!("{path}.{}", attr.name);
            self.say(&format!("checking Hydra job '{path}'"));
            let step = (attr.pos, format!("while checking the Hydra jobset '{path}'"));
            self.note(evaluator, Some(step), |checker, evaluator| {
                match is_derivation(evaluator, attr.value)? {
                    true => checker.package(evaluator, &path, attr.value, false),
                    false => checker.jobs(evaluator, &path, attr.value),
                }
            })?;
        }
        Ok(())
    }
}

impl What {
    /// What checking it is called.
    fn doing(self, path: &str) -> Option<String> {
        Some(match self {
            Self::Package | Self::Check => format!("checking derivation {path}"),
            Self::App => format!("checking app '{path}'"),
            Self::Bundler => format!("checking bundler '{path}'"),
            Self::Overlay => format!("checking overlay '{path}'"),
            Self::Module => format!("checking NixOS module '{path}'"),
            Self::Configuration => format!("checking NixOS configuration '{path}'"),
            Self::Template => format!("checking template '{path}'"),
            Self::Jobs => format!("checking Hydra job '{path}'"),
            Self::Anything => return None,
        })
    }

    /// The step of a trace that leads to it.
    fn step(self, path: &str) -> Option<String> {
        let what = match self {
            Self::Package | Self::Check => "derivation",
            Self::App => "app definition",
            Self::Overlay => "overlay",
            Self::Module => "NixOS module",
            Self::Configuration => "NixOS configuration",
            Self::Template => "template",
            Self::Bundler => "bundler",
            Self::Jobs => "Hydra jobset",
            Self::Anything => return None,
        };
        Some(format!("while checking the {what} '{path}'"))
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

fn overlay(evaluator: &mut Evaluator, value: Value) -> Outcome {
    let value = evaluator.force(value)?;
    let Kind::Lambda(function) = value.kind() else {
        let found = type_name(value);
        return Err(wrong(format!("overlay is not a function, but {found} instead")));
    };
    let name = function.argument().map(|name| name.to_string()).unwrap_or_default();
    match name.strip_prefix('_').unwrap_or(&name) {
        "final" => Ok(()),
        "" if name == "_" => Ok(()),
        _ => Err(wrong("overlay does not take an argument named 'final'".to_owned())),
    }
}
