//! `nix flake show` and `nix flake check`: the outputs of a flake.

use super::Request;
use crate::arguments::{Arguments, Word};
use crate::build::realise;
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{EvaluationError, LockedFlake, Package, Session, Wanted};
use saltire_eval::{Evaluator, Symbol, Value};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `nix flake show --help`.
pub const SHOW_HELP: &str = "\
Usage: nix flake show [FLAKE] [--all-systems] [--legacy] [--json]

Shows the outputs of a flake.
";
/// Text of `nix flake check --help`.
pub const CHECK_HELP: &str = "\
Usage: nix flake check [FLAKE] [--no-build] [--all-systems]

Evaluates the outputs of a flake and builds its checks.
";

/// What an output is.
enum Node {
    Set(Vec<(String, Node)>),
    /// Kind and name, such as `package` and `hello-2.10`; the description.
    Derivation(&'static str, String, Option<String>),
    /// Anything else that is known: text for people and the type in JSON.
    Leaf(String, Json),
    /// Left out, and the option that shows it.
    Omitted(&'static str),
}

struct Walker<'s> {
    session: &'s Arc<Session>,
    all_systems: bool,
    legacy: bool,
}

fn set(option: &mut bool) -> Result<bool, Failure> {
    *option = true;
    Ok(true)
}

/// Runs `nix flake show`.
pub fn show(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let (mut all_systems, mut legacy) = (false, false);
    let request = Request::parse(&mut words, &mut options, |word, _| match word {
        Word::Long(name) if name == "all-systems" => set(&mut all_systems),
        Word::Long(name) if name == "legacy" => set(&mut legacy),
        _ => Ok(false),
    })?;
    let Opened { session, progress } = options.open()?;
    let flake = request.lock(&session)?;
    let walker = Walker { session: &session, all_systems, legacy };
    let nodes = session.evaluate(|evaluator| {
        let outputs = outputs(&session, evaluator, &flake)?;
        walker.set(evaluator, outputs, &mut Vec::new())
    })?;
    progress.finish();
    if request.json {
        print(&format!("{}\n", as_json(&Node::Set(nodes))))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!("{}\n", flake.tree.locked.to_text());
    draw(&nodes, "", &mut text);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The value of a flake's outputs.
fn outputs(
    session: &Session,
    evaluator: &mut Evaluator,
    flake: &LockedFlake,
) -> Result<Value, EvaluationError> {
    let value = session.flake_value(evaluator, flake)?;
    let value = evaluator.force(value)?;
    let outputs = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("outputs")));
    Ok(evaluator.force(outputs.unwrap_or(value))?)
}

impl Walker<'_> {
    fn set(
        &self,
        evaluator: &mut Evaluator,
        value: Value,
        path: &mut Vec<String>,
    ) -> Result<Vec<(String, Node)>, EvaluationError> {
        let value = evaluator.force(value)?;
        let mut nodes = Vec::new();
        for attr in value.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
            path.push(attr.name.to_string());
            let node = self.node(evaluator, attr.value, path);
            let name = path.pop().unwrap_or_default();
            match node {
                Ok(node) => nodes.push((name, node)),
                // What fails is shown where it stands; the rest is of use.
                Err(EvaluationError::Nix(error)) => {
                    let text = format!("«error: {}»", error.message.lines().next().unwrap_or_default());
                    nodes.push((name, Node::Leaf(text, json!({ "error": error.message }))));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(nodes)
    }

    fn node(
        &self,
        evaluator: &mut Evaluator,
        value: Value,
        path: &mut Vec<String>,
    ) -> Result<Node, EvaluationError> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let foreign = |system: &str| !self.all_systems && system != self.session.system();
        let leaf = |text: &str, kind: &str| Node::Leaf(text.to_owned(), json!({ "type": kind }));
        match names.as_slice() {
            ["packages" | "checks" | "devShells" | "apps", system, _]
            | ["formatter" | "defaultPackage" | "devShell" | "defaultApp", system]
                if foreign(system) =>
            {
                Ok(Node::Omitted("--all-systems"))
            }
            [
                "packages"
                | "checks"
                | "devShells"
                | "apps"
                | "hydraJobs"
                | "templates"
                | "overlays"
                | "nixosModules"
                | "nixosConfigurations"
                | "formatter"
                | "defaultPackage"
                | "devShell"
                | "defaultApp"
                | "legacyPackages",
            ]
            | ["packages" | "checks" | "devShells" | "apps", _] => {
                Ok(Node::Set(self.set(evaluator, value, path)?))
            }
            ["packages", _, _] | ["defaultPackage" | "formatter", _] => {
                self.derivation(evaluator, value, "package")
            }
            ["checks", _, _] => self.derivation(evaluator, value, "derivation"),
            ["devShells", _, _] | ["devShell", _] => {
                self.derivation(evaluator, value, "development environment")
            }
            ["hydraJobs", ..] => {
                let forced = evaluator.force(value)?;
                match is_derivation(evaluator, forced)? {
                    true => self.derivation(evaluator, forced, "derivation"),
                    false => Ok(Node::Set(self.set(evaluator, forced, path)?)),
                }
            }
            ["apps", _, _] | ["defaultApp", _] => Ok(leaf("app", "app")),
            ["legacyPackages", _] if !self.legacy => Ok(Node::Omitted("--legacy")),
            ["legacyPackages", system, ..] if foreign(system) => Ok(Node::Omitted("--all-systems")),
            ["legacyPackages", _, ..] => {
                let forced = evaluator.force(value)?;
                match is_derivation(evaluator, forced)? {
                    true => self.derivation(evaluator, forced, "package"),
                    false if names.len() == 2 || recurses(evaluator, forced)? => {
                        Ok(Node::Set(self.set(evaluator, forced, path)?))
                    }
                    false => Ok(leaf("unknown", "unknown")),
                }
            }
            ["templates", _] | ["defaultTemplate"] => {
                let package = Package { value: evaluator.force(value)?, path: Symbol::intern("") };
                let description = package.text(evaluator, "description")?.unwrap_or_default();
                let json = json!({ "type": "template", "description": description });
                Ok(Node::Leaf(format!("template: {description}"), json))
            }
            ["overlays", _] | ["overlay"] => Ok(leaf("Nixpkgs overlay", "nixpkgs-overlay")),
            ["nixosModules", _] | ["nixosModule"] => Ok(leaf("NixOS module", "nixos-module")),
            ["nixosConfigurations", _] => Ok(leaf("NixOS configuration", "nixos-configuration")),
            _ => Ok(leaf("unknown", "unknown")),
        }
    }

    fn derivation(
        &self,
        evaluator: &mut Evaluator,
        value: Value,
        kind: &'static str,
    ) -> Result<Node, EvaluationError> {
        let value = evaluator.force(value)?;
        let package = Package { value, path: Symbol::intern("") };
        let name = package.text(evaluator, "name")?.unwrap_or_default();
        let meta = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
        let description = match meta {
            Some(meta) => {
                let value = evaluator.force(meta)?;
                Package { value, path: package.path }.text(evaluator, "description")?
            }
            None => None,
        };
        Ok(Node::Derivation(kind, name, description))
    }
}

fn is_derivation(evaluator: &mut Evaluator, value: Value) -> Result<bool, EvaluationError> {
    Ok(match value.as_attrs() {
        Some(attrs) => evaluator.is_derivation(attrs)?,
        None => false,
    })
}

fn recurses(evaluator: &mut Evaluator, value: Value) -> Result<bool, EvaluationError> {
    let attribute = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("recurseForDerivations")));
    Ok(match attribute {
        Some(value) => evaluator.bool_value(value, Pos::NONE, "")?,
        None => false,
    })
}

fn draw(nodes: &[(String, Node)], indent: &str, text: &mut String) {
    for (index, (name, node)) in nodes.iter().enumerate() {
        let [first, rest] =
            if index + 1 == nodes.len() { ["└───", "    "] } else { ["├───", "│   "] };
        *text += &format!("{indent}{first}{name}");
        match node {
            Node::Set(inner) => {
                text.push('\n');
                draw(inner, &format!("{indent}{rest}"), text);
            }
            Node::Derivation(kind, name, _) => *text += &format!(": {kind} '{name}'\n"),
            Node::Leaf(shown, _) => *text += &format!(": {shown}\n"),
            Node::Omitted(option) => *text += &format!(" omitted (use '{option}' to show)\n"),
        }
    }
}

fn as_json(node: &Node) -> Json {
    match node {
        Node::Set(nodes) => {
            let object: Map<String, Json> =
                nodes.iter().map(|(name, node)| (name.clone(), as_json(node))).collect();
            Json::Object(object)
        }
        Node::Derivation(_, name, description) => {
            let description = description.as_deref().unwrap_or_default();
            json!({ "description": description, "name": name, "type": "derivation" })
        }
        Node::Leaf(_, json) => json.clone(),
        Node::Omitted(_) => json!({}),
    }
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
        let mut checked = Checked::default();
        for attr in outputs.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
            let name = attr.name.to_string();
            checked.output(&session, evaluator, &name, attr.value, all_systems)?;
        }
        Ok(checked)
    })?;
    for error in &checked.errors {
        eprintln!("{}", error.trim_end());
    }
    if !checked.omitted.is_empty() {
        eprintln!(
            "warning: these systems were left out: {}; '--all-systems' checks them too",
            checked.omitted.join(", ")
        );
    }
    if !checked.errors.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if !no_build {
        realise(&session, &progress, &checked.builds)?;
    }
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

#[derive(Default)]
struct Checked {
    errors: Vec<String>,
    omitted: Vec<String>,
    builds: Vec<Wanted>,
}

impl Checked {
    fn output(
        &mut self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        name: &str,
        value: Value,
        all_systems: bool,
    ) -> Result<(), EvaluationError> {
        let by_system =
            matches!(name, "packages" | "checks" | "devShells" | "formatter" | "defaultPackage" | "devShell");
        let nested = matches!(name, "packages" | "checks" | "devShells");
        let result = (|| -> Result<(), EvaluationError> {
            let value = evaluator.force(value)?;
            if name == "nixosConfigurations" {
                for attr in value.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
                    let function = evaluator.eval_str("c: c.config.system.build.toplevel", b"/")?;
                    let top = evaluator.call(function, &[attr.value], Pos::NONE)?;
                    self.derivation(session, evaluator, top, &format!("{name}.{}", attr.name), false)?;
                }
            }
            for attr in value.as_attrs().filter(|_| by_system).map(|attrs| attrs.sorted()).unwrap_or_default()
            {
                let system = attr.name.to_string();
                if !all_systems && system != session.system() {
                    if !self.omitted.contains(&system) {
                        self.omitted.push(system);
                    }
                    continue;
                }
                if !nested {
                    self.derivation(session, evaluator, attr.value, &format!("{name}.{system}"), false)?;
                    continue;
                }
                let inner = evaluator.force(attr.value)?;
                for package in inner.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
                    let path = format!("{name}.{system}.{}", package.name);
                    let build = name == "checks" && system == session.system();
                    self.derivation(session, evaluator, package.value, &path, build)?;
                }
            }
            Ok(())
        })();
        if let Err(error) = result {
            self.errors.push(session.error_text(evaluator, error));
        }
        Ok(())
    }

    fn derivation(
        &mut self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        value: Value,
        path: &str,
        build: bool,
    ) -> Result<(), EvaluationError> {
        let package = Package { value: evaluator.force(value)?, path: Symbol::intern(path) };
        match package.wanted(session, evaluator) {
            Ok(wanted) if build => self.builds.push(wanted),
            Ok(_) => {}
            Err(error) => self.errors.push(session.error_text(evaluator, error)),
        }
        Ok(())
    }
}
