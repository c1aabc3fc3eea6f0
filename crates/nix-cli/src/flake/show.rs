//! `nix flake show`: the outputs of a flake.

use super::Request;
use crate::arguments::{Arguments, Word};
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{EvaluationError, LockedFlake, Package, Session};
use saltire_eval::{Evaluator, Symbol, Value};
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `nix flake show --help`.
pub const SHOW_HELP: &str = "\
Usage: nix flake show [FLAKE] [--all-systems] [--legacy] [--json]

Shows the outputs of a flake.
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
    /// Not shown.
    Nothing,
}

struct Walker<'s> {
    session: &'s Arc<Session>,
    all_systems: bool,
    legacy: bool,
    /// Whether something could not be evaluated.
    failed: Cell<bool>,
}

/// Switches an option on.
pub(super) fn set(option: &mut bool) -> Result<bool, Failure> {
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
    let question = format!("flake show {} {all_systems} {legacy} {}", request.json, session.system());
    let answers = session.answers(&flake);
    let known = answers.as_ref().and_then(|answers| answers.get(&question));
    let (omitted, text) = match known.and_then(|text| read_answer(&text)) {
        Some(answer) => answer,
        None => {
            let (nodes, failed) = session.evaluate(|evaluator| {
                let walker = Walker { session: &session, all_systems, legacy, failed: Cell::new(false) };
                let outputs = outputs(&session, evaluator, &flake)?;
                let nodes = walker.set(evaluator, outputs, &mut Vec::new())?;
                Ok((nodes, walker.failed.get()))
            })?;
            let (mut omitted, mut text) = (Vec::new(), String::new());
            if request.json {
                omit(&nodes, "", &mut omitted);
                text = format!("{}\n", as_json(&Node::Set(nodes)));
            } else {
                text += &format!("{}\n", flake.tree.locked.to_text());
                draw(&nodes, "", &mut text);
            }
            if failed {
                progress.finish();
                tell(&omitted);
                print(&text)?;
                return Err(Failure::new("some outputs can't be evaluated")
                    .hint("'nix eval .#OUTPUT' shows the whole error"));
            }
            if let Some(answers) = answers {
                answers.put(&question, json!([omitted, text]).to_string().as_bytes());
            }
            (omitted, text)
        }
    };
    progress.finish();
    tell(&omitted);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// An answer that was kept: what was left out, and what is printed.
fn read_answer(text: &[u8]) -> Option<(Vec<String>, String)> {
    serde_json::from_slice(text).ok()
}

/// Says what is left out of the JSON, where nothing shows it.
fn tell(omitted: &[String]) {
    for what in omitted {
        eprintln!("warning: {what}");
    }
}

/// What is left out below a set.
fn omit(nodes: &[(String, Node)], prefix: &str, omitted: &mut Vec<String>) {
    for (name, node) in nodes {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match node {
            Node::Set(inner) => omit(inner, &path, omitted),
            Node::Omitted(option) => omitted.push(format!("{path} omitted (use '{option}' to show)")),
            Node::Derivation(..) | Node::Leaf(..) | Node::Nothing => {}
        }
    }
}

/// The value of a flake's outputs.
pub(super) fn outputs(
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
                // A set of nothing is of no use to anybody.
                Ok(Node::Set(inner)) if inner.is_empty() && hides_when_empty(path, &name) => {}
                Ok(node) => nodes.push((name, node)),
                Err(EvaluationError::Nix(_))
                    if path.first().is_some_and(|first| first == "legacyPackages") =>
                {
                    nodes.push((name, Node::Nothing));
                }
                // What fails is shown where it stands; the rest is of use.
                Err(EvaluationError::Nix(error)) => {
                    let text = format!("«error: {}»", error.message.lines().next().unwrap_or_default());
                    nodes.push((name, Node::Leaf(text, json!({ "error": error.message }))));
                    self.failed.set(true);
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
            ["apps", _, _] | ["defaultApp", _] => app(evaluator, value),
            ["legacyPackages", _] if !self.legacy => Ok(Node::Omitted("--legacy")),
            ["legacyPackages", system, ..] if foreign(system) => Ok(Node::Omitted("--all-systems")),
            ["legacyPackages", _, ..] => {
                let forced = evaluator.force(value)?;
                match is_derivation(evaluator, forced)? {
                    true => self.derivation(evaluator, forced, "package"),
                    false if names.len() == 2 => Ok(Node::Set(self.set(evaluator, forced, path)?)),
                    false => Ok(Node::Nothing),
                }
            }
            ["templates", _] | ["defaultTemplate"] => {
                let package = Package { value: evaluator.force(value)?, path: Symbol::intern("") };
                let description = package.text(evaluator, "description")?.unwrap_or_default();
                let json = json!({ "description": description, "type": "template" });
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
        if !is_derivation(evaluator, value)? {
            return Ok(Node::Nothing);
        }
        let package = Package { value, path: Symbol::intern("") };
        let name = package.text(evaluator, "name")?.unwrap_or_default();
        Ok(Node::Derivation(kind, name, description(evaluator, value)?))
    }
}

/// `meta.description`
fn description(evaluator: &mut Evaluator, value: Value) -> Result<Option<String>, EvaluationError> {
    let meta = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
    let Some(meta) = meta else { return Ok(None) };
    let value = evaluator.force(meta)?;
    Package { value, path: Symbol::intern("") }.text(evaluator, "description")
}

fn app(evaluator: &mut Evaluator, value: Value) -> Result<Node, EvaluationError> {
    let value = evaluator.force(value)?;
    let kind = Package { value, path: Symbol::intern("") }.text(evaluator, "type")?;
    if kind.as_deref() != Some("app") {
        return Err(saltire_eval::EvalError::other(Pos::NONE, "not an app definition").into());
    }
    let description = description(evaluator, value)?;
    let shown = format!("app: {}", description.as_deref().unwrap_or("no description"));
    let json = match description {
        Some(description) => json!({ "description": description, "type": "app" }),
        None => json!({ "type": "app" }),
    };
    Ok(Node::Leaf(shown, json))
}

/// Whether a set at this place is only shown if there is something in it.
fn hides_when_empty(path: &[String], name: &str) -> bool {
    match path.first() {
        None => matches!(
            name,
            "apps"
                | "checks"
                | "devShells"
                | "legacyPackages"
                | "packages"
                | "formatter"
                | "nixosConfigurations"
                | "nixosModules"
                | "overlays"
        ),
        Some(first) => {
            path.len() == 1
                && matches!(first.as_str(), "apps" | "checks" | "devShells" | "legacyPackages" | "packages")
        }
    }
}

fn is_derivation(evaluator: &mut Evaluator, value: Value) -> Result<bool, EvaluationError> {
    Ok(match value.as_attrs() {
        Some(attrs) => evaluator.is_derivation(attrs)?,
        None => false,
    })
}

fn draw(nodes: &[(String, Node)], indent: &str, text: &mut String) {
    let nodes: Vec<&(String, Node)> =
        nodes.iter().filter(|(_, node)| !matches!(node, Node::Nothing)).collect();
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
            Node::Nothing => {}
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
        Node::Omitted(_) | Node::Nothing => json!({}),
    }
}
