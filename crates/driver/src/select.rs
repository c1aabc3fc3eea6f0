//! From what the user names to derivations.

use crate::error::Error;
use crate::graph::Wanted;
use crate::session::{EvaluationError, Session};
use saltire_eval::{ErrorKind, Evaluator, Symbol, Value};
use saltire_plan::{Route, RouteChoice, RouteFacts, Via, routes};
use saltire_platforms::{Platform, can_execute};
use std::fmt::Write as _;
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
}

/// A package set, with the arguments for it.
#[derive(Clone, Debug, Default)]
pub struct PackageSet {
    /// Where it comes from.
    pub source: Source,
    /// Arguments by name, each a Nix expression.
    pub arguments: Vec<(String, String)>,
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
    /// Evaluates a package for a platform, by the best way that evaluates.
    pub fn target(
        self: &Arc<Self>,
        set: &PackageSet,
        package: &str,
        platform: &'static Platform,
        via: Via,
    ) -> Result<Target, Error> {
        let emulator = platform.emulator().map(|emulator| emulator.program());
        let choices =
            routes(via, &self.route_facts(platform, emulator.as_deref())).map_err(Error::NoRoute)?;
        let mut first_error = None;
        for route in choices {
            match self.target_by(set, package, platform, route) {
                Ok(target) => return Ok(target),
                Err(error @ Error::Evaluation(_)) => first_error = first_error.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(first_error.unwrap_or(Error::Interrupted))
    }

    fn route_facts<'a>(&self, platform: &'static Platform, emulator: Option<&'a str>) -> RouteFacts<'a> {
        RouteFacts {
            build: &self.platform.system,
            host: &platform.system,
            same: platform.name == self.platform.name,
            can_execute: can_execute(self.platform, platform),
            emulator: emulator.ok_or_else(|| "there is no emulator for it".to_owned()),
            native_set: platform.is_linux(),
        }
    }

    fn target_by(
        self: &Arc<Self>,
        set: &PackageSet,
        package: &str,
        platform: &'static Platform,
        route: RouteChoice,
    ) -> Result<Target, Error> {
        let (path, local) = match route.route {
            Route::Native => (package.to_owned(), None),
            Route::Cross => (format!("pkgsCross.{}.{package}", platform.name), None),
            Route::Emulate => (package.to_owned(), Some(platform)),
        };
        let text = self.expression(set, local)?;
        let found = self.evaluate(|evaluator| {
            let base = std::env::current_dir().unwrap_or_default();
            let value = evaluator.eval_str(&text, base.as_os_str().as_encoded_bytes())?;
            let value = evaluator.select_path_text(value, &path)?;
            describe(evaluator, value, package)
        })?;
        let derivation = self.parse(&found.derivation)?;
        let wanted = Wanted { derivation, outputs: found.outputs };
        Ok(Target { package: package.to_owned(), platform, route, wanted, program: found.program })
    }

    /// The Nix expression of a package set, for another build platform if one is given.
    pub fn expression(&self, set: &PackageSet, local: Option<&Platform>) -> Result<String, Error> {
        let root = match &set.source {
            Source::Embedded => format!("import {}", quote(&self.package_set()?.to_string_lossy())),
            Source::File(name) if name.starts_with('<') => format!("import {name}"),
            Source::File(name) => {
                let path = std::path::absolute(name).map_err(|source| Error::File {
                    action: "find",
                    path: name.into(),
                    source,
                })?;
                format!("import (/. + {})", quote(&path.to_string_lossy()))
            }
            Source::Expression(text) => format!("({text}\n)"),
        };
        let mut arguments = String::new();
        for (name, value) in &set.arguments {
            let _ = write!(arguments, "{} = ({value}\n); ", quote(name));
        }
        let local = match local {
            None => "{ }".to_owned(),
            Some(platform) => format!(
                "(if (builtins.functionArgs set) ? localSystem then {{ localSystem.system = {0}; }} else {{ system = {0}; }})",
                quote(&platform.system)
            ),
        };
        Ok(format!(
            "let set = {root}; in if builtins.isFunction set \
             then set (builtins.intersectAttrs (builtins.functionArgs set) ({local} // {{ {arguments}}})) else set"
        ))
    }
}

/// What the commands need to know of a derivation.
struct Described {
    derivation: String,
    outputs: Vec<String>,
    program: String,
}

fn describe(evaluator: &mut Evaluator, value: Value, package: &str) -> Result<Described, EvaluationError> {
    let Some(derivation) = evaluator.derivation_path(value)? else {
        return Err(Error::NotADerivation(package.to_owned()).into());
    };
    let outputs = strings(evaluator, value, &["meta", "outputsToInstall"])?;
    let output = strings(evaluator, value, &["outputName"])?;
    let mut program = Vec::new();
    for path in [&["meta", "mainProgram"][..], &["pname"], &["name"]] {
        program.extend(strings(evaluator, value, path)?);
    }
    let outputs = if outputs.is_empty() { output } else { outputs };
    Ok(Described { derivation, outputs, program: program.into_iter().next().unwrap_or_default() })
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

/// A Nix string literal.
pub fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    format!("\"{escaped}\"")
}
