//! Installables: what the commands of `nix` work on.
//!
//! An attribute of a file (`-f FILE a.b`) or of an expression (`--expr EXPR a.b`), a
//! store path, or an output of a flake (`nixpkgs#hello`); each with outputs behind a
//! `^`.

use crate::arguments::{Arguments, Word, text};
use crate::flake_config::accepted;
use crate::flake_installable::{FlakeInstallable, FlakeOptions, Purpose};
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{
    Error, EvaluationError, FlakeAttribute, Forgive, LockedFlake, Package, Session, Source, StorePath,
    Wanted, argument_set, arguments, find_along, packages,
};
use saltire_eval::{Coerce, ContextElement, Evaluator, Kind as ValueKind, Symbol, Value as NixValue};
use saltire_terminal::Failure;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The options that say what installables are relative to, and the installables.
#[derive(Default)]
pub struct InstallableOptions {
    file: Option<String>,
    expression: Option<String>,
    /// The installables as they were written.
    pub operands: Vec<String>,
    /// Options of flakes.
    pub flake: FlakeOptions,
}

/// The outputs that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Those that the package wants to be installed.
    Default,
    /// `^*`
    All,
    /// `^out,dev`
    Named(BTreeSet<String>),
}

/// Something to work on.
#[derive(Clone, Debug)]
pub struct Installable {
    kind: Kind,
    outputs: Outputs,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
enum Kind {
    Attribute { source: Source, path: String },
    StorePath(String),
    Flake(FlakeInstallable),
}

/// What is to be built, or is there.
#[derive(Clone, Debug)]
pub enum Goal {
    /// A store path.
    Path(StorePath),
    /// Outputs of a derivation.
    Built(Wanted),
}

/// A goal with what commands that run something need to know.
pub struct Program {
    /// What is to be built.
    pub goal: Goal,
    /// The file to run; relative to the output unless it is absolute.
    pub file: String,
}

/// How answers are kept as text.
pub struct Form<T> {
    /// The text.
    pub print: fn(&Session, &T) -> Vec<u8>,
    /// The answer in a text; `None` if there is none.
    pub read: fn(&Session, &[u8]) -> Option<T>,
}

/// Text as it is.
pub const TEXT: Form<Vec<u8>> = Form { print: |_, text| text.clone(), read: |_, text| Some(text.to_owned()) };

const GOALS: Form<Vec<Goal>> = Form {
    print: |session, goals| {
        let goals: Vec<Json> = goals.iter().map(|goal| goal_json(session, goal)).collect();
        Json::from(goals).to_string().into_bytes()
    },
    read: |session, text| {
        let goals: Vec<Json> = serde_json::from_slice(text).ok()?;
        goals.iter().map(|goal| read_goal(session, goal)).collect()
    },
};

const PROGRAM: Form<Program> = Form {
    print: |session, program| {
        let value = json!({ "goal": goal_json(session, &program.goal), "file": program.file });
        value.to_string().into_bytes()
    },
    read: |session, text| {
        let value: Json = serde_json::from_slice(text).ok()?;
        let file = value.get("file")?.as_str()?.to_owned();
        Some(Program { goal: read_goal(session, value.get("goal")?)?, file })
    },
};

fn goal_json(session: &Session, goal: &Goal) -> Json {
    match goal {
        Goal::Path(path) => json!({ "path": session.store().display(path) }),
        Goal::Built(wanted) => {
            json!({ "derivation": session.store().display(&wanted.derivation), "outputs": wanted.outputs })
        }
    }
}

fn read_goal(session: &Session, value: &Json) -> Option<Goal> {
    let path = |name: &str| session.parse(value.get(name)?.as_str()?).ok();
    if let Some(path) = path("path") {
        return Some(Goal::Path(path));
    }
    let outputs = value.get("outputs")?.as_array()?.iter();
    let outputs = outputs.map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some(Goal::Built(Wanted { derivation: path("derivation")?, outputs }))
}

impl InstallableOptions {
    /// For a command that looks for something else than packages in flakes.
    pub fn for_purpose(purpose: Purpose) -> Self {
        let flake = FlakeOptions { purpose, ..FlakeOptions::default() };
        Self { flake, ..Self::default() }
    }

    /// Takes an option or an installable; false if it is something else.
    pub fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        match word {
            Word::Short('f') => self.file = Some(words.value(word)?),
            Word::Long(name) if name == "file" => self.file = Some(words.value(word)?),
            Word::Long(name) if name == "expr" => self.expression = Some(words.value(word)?),
            Word::Plain(operand) => self.operands.push(text(operand.clone())?),
            _ => return self.flake.take(word, words),
        }
        Ok(true)
    }

    /// Other installables, relative to the same.
    pub fn others<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
        options: &mut Options,
    ) -> Result<Vec<Installable>, Failure> {
        let operands = names.map(str::to_owned).collect();
        let (file, expression) = (self.file.clone(), self.expression.clone());
        Self { file, expression, operands, flake: self.flake.clone() }.all(options, None)
    }

    /// Whether installables are attributes of a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The installables; the one that is meant without any is `default`.
    pub fn all(&self, options: &mut Options, default: Option<&str>) -> Result<Vec<Installable>, Failure> {
        if self.file.is_some() && self.expression.is_some() {
            return Err(Failure::new("'--file' and '--expr' are exclusive"));
        }
        let source = match (&self.file, &self.expression) {
            (Some(file), _) => Some(if file == "-" { Source::Standard } else { Source::File(file.clone()) }),
            (None, Some(text)) => Some(Source::Expression(text.clone())),
            (None, None) => None,
        };
        // A file is not an input that pure evaluation would know.
        options.impure |= self.file.is_some();
        let mut operands = self.operands.clone();
        if operands.is_empty() {
            match (&source, default) {
                (Some(_), _) => operands.push(String::new()),
                (None, Some(default)) => operands.push(default.to_owned()),
                (None, None) => {}
            }
        }
        operands.iter().map(|operand| self.parse(source.as_ref(), operand)).collect()
    }

    /// Opens a session, with the settings that the installables' flakes ask for as far
    /// as the user lets them, and gives the installables.
    pub fn open(&self, options: &mut Options) -> Result<(Opened, Vec<Installable>), Failure> {
        let all = self.all(options, Some("."))?;
        let mut opened = options.open()?;
        let mut settings = Vec::new();
        for installable in &all {
            if let Kind::Flake(flake) = &installable.kind {
                let config = &flake.lock(&opened.session)?.metadata.config;
                settings.extend(accepted(config, options.config.is_on("accept-flake-config"))?);
            }
        }
        if !settings.is_empty() {
            for (name, value) in &settings {
                options.set(name, value)?;
            }
            opened.session = options.session(&opened.progress)?;
        }
        Ok((opened, all))
    }

    /// [`Self::open`] for the one installable that there may be.
    pub fn open_single(&self, options: &mut Options) -> Result<(Opened, Installable), Failure> {
        if let Some(more) = self.operands.get(1) {
            return Err(Failure::new(format_args!("unexpected argument '{more}'")));
        }
        let (opened, mut all) = self.open(options)?;
        match all.len() {
            1 => Ok((opened, all.remove(0))),
            _ => Err(Failure::new(format_args!("only one installable is allowed, not {}", all.len()))),
        }
    }

    /// Files that are named as older versions of Nix took them: `<nixpkgs>`, or a path
    /// that is no flake.
    pub fn plain_files(&self) -> Vec<String> {
        let is_file = |name: &String| {
            let path = std::path::Path::new(name);
            name.starts_with('<')
                || path.is_file()
                || path.join("default.nix").exists() && !path.join("flake.nix").exists()
        };
        match self.file.is_none() && self.expression.is_none() && self.operands.iter().all(is_file) {
            true => self.operands.clone(),
            false => Vec::new(),
        }
    }

    fn parse(&self, source: Option<&Source>, operand: &str) -> Result<Installable, Failure> {
        let (name, outputs) = split_outputs(operand);
        let in_store = if source.is_none() { path_in_store(name) } else { None };
        if source.is_none() && in_store.is_none() {
            let flake = FlakeInstallable::parse(operand, &self.flake)?;
            let outputs = flake.outputs();
            return Ok(Installable { kind: Kind::Flake(flake), outputs });
        }
        let kind = match source {
            Some(source) => {
                Kind::Attribute { source: source.clone(), path: name.trim_start_matches('.').to_owned() }
            }
            None => Kind::StorePath(in_store.unwrap_or_else(|| name.to_owned())),
        };
        Ok(Installable { kind, outputs })
    }
}

/// The path in the store that a file or link of this name is or leads to. Links to what
/// is in a private store lead to where that is on disk.
fn path_in_store(name: &str) -> Option<String> {
    const STORE: &str = "/nix/store/";
    if name.contains('#') || !name.contains('/') {
        return None;
    }
    if name.starts_with(STORE) {
        return Some(name.to_owned());
    }
    let path = std::fs::canonicalize(name).ok()?;
    let path = path.to_str()?;
    Some(path[path.find(STORE)?..].to_owned())
}

/// Splits `a^out,dev`.
fn split_outputs(operand: &str) -> (&str, Outputs) {
    match operand.rsplit_once('^') {
        Some((name, "*")) => (name, Outputs::All),
        Some((name, outputs)) if !outputs.is_empty() && !outputs.contains(['/', '#', '"', '$', ' ']) => {
            (name, Outputs::Named(outputs.split(',').map(str::to_owned).collect()))
        }
        _ => (operand, Outputs::Default),
    }
}

/// What a profile's manifest says of a package.
#[derive(Default)]
pub struct Facts {
    /// The flake as it was named, its version, and the attribute path.
    pub flake: Option<(String, String, String)>,
    /// `meta.priority`
    pub priority: Option<i64>,
}

impl Installable {
    /// The outputs that are meant.
    pub fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// An output of a flake, `REFERENCE#ATTRIBUTE`, whose lock file is not written.
    pub fn of_flake(text: &str) -> Result<Self, Failure> {
        let mut options = FlakeOptions::default();
        options.flags.write = false;
        let flake = FlakeInstallable::parse(text, &options)?;
        let outputs = flake.outputs();
        Ok(Self { kind: Kind::Flake(flake), outputs })
    }

    /// Its flake, locked.
    pub fn locked(&self, session: &Session) -> Result<Option<&LockedFlake>, Error> {
        match &self.kind {
            Kind::Flake(flake) => flake.lock(session).map(Some),
            Kind::Attribute { .. } | Kind::StorePath(_) => Ok(None),
        }
    }

    /// The directory that its flake is in, if that is one of this machine.
    pub fn local_directory(&self, session: &Session) -> Result<Option<PathBuf>, Error> {
        let Kind::Flake(flake) = &self.kind else { return Ok(None) };
        Ok(flake.lock(session)?.resolved.input.local_directory())
    }

    /// Its value, and the attribute path in a flake that that was found at.
    pub fn find(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<FlakeAttribute, EvaluationError> {
        match &self.kind {
            Kind::Flake(flake) => flake.find(session, evaluator),
            _ => {
                let value = self.value(session, evaluator, options)?;
                Ok(FlakeAttribute { value, path: String::new() })
            }
        }
    }

    /// All its values, and the attribute paths in a flake that they were found at.
    pub fn find_all(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<Vec<FlakeAttribute>, EvaluationError> {
        match &self.kind {
            Kind::Flake(flake) => flake.find_all(session, evaluator),
            _ => Ok(vec![self.find(session, evaluator, options)?]),
        }
    }

    /// Whether it is an output of a flake.
    pub fn is_flake(&self) -> bool {
        matches!(self.kind, Kind::Flake(_))
    }

    /// What a profile's manifest says of it.
    pub fn facts(&self, session: &Arc<Session>, options: &Options) -> Result<Facts, Error> {
        if matches!(self.kind, Kind::StorePath(_)) {
            return Ok(Facts::default());
        }
        session.evaluate(|evaluator| {
            let mut facts = Facts::default();
            if let Kind::Flake(flake) = &self.kind {
                let locked = flake.lock(session)?;
                let found = flake.find(session, evaluator)?;
                facts.flake = Some((locked.original.to_text(), locked.tree.locked.to_text(), found.path));
            }
            let attribute = |value: NixValue, name: &str| value.as_attrs()?.get(Symbol::intern(name));
            if let [package] = self.derivations(session, evaluator, options)?.as_slice()
                && let Some(meta) = attribute(package.value, "meta")
            {
                let meta = evaluator.force(meta)?;
                if let Some(priority) = attribute(meta, "priority") {
                    facts.priority = evaluator.force(priority)?.as_int();
                }
            }
            Ok(facts)
        })
    }

    /// Its value.
    pub fn value(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<NixValue, EvaluationError> {
        match &self.kind {
            Kind::StorePath(path) => {
                let message = format!("installable '{path}' cannot evaluate to a Nix language value");
                Err(Error::Installable(message).into())
            }
            Kind::Attribute { source, path } => {
                let given = arguments(evaluator, &options.arguments)?;
                let given = argument_set(evaluator, given);
                let root = session.package_set_value(evaluator, source)?;
                Ok(find_along(evaluator, root, path, given)?)
            }
            Kind::Flake(flake) => flake.value(session, evaluator),
        }
    }

    /// What to build for it.
    pub fn goals(&self, session: &Arc<Session>, options: &Options) -> Result<Vec<Goal>, Error> {
        match &self.kind {
            Kind::StorePath(path) => Ok(vec![self.store_goal(session, path)?]),
            _ => self.remembered(session, options, "goals", &GOALS, || {
                session.evaluate(|evaluator| {
                    if let Some(goal) = self.path_goal(session, evaluator, options)? {
                        return Ok(vec![goal]);
                    }
                    let found = self.derivations(session, evaluator, options)?;
                    found.iter().map(|package| self.goal(session, evaluator, package)).collect()
                })
            }),
        }
    }

    /// The answer to `question` about the installable: that of an earlier evaluation of
    /// the same locked flake, if there was one, else that of `work`.
    pub fn remembered<T>(
        &self,
        session: &Arc<Session>,
        options: &Options,
        question: &str,
        form: &Form<T>,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Kind::Flake(flake) = &self.kind else { return work() };
        let work = || work().map_err(|error| flake.explain(error));
        let answers = session.answers(flake.lock(session)?).filter(|_| options.arguments.is_empty());
        let Some(answers) = answers else { return work() };
        let question = format!("{question} {}", flake.question(session));
        if let Some(answer) = answers.get(&question).and_then(|text| (form.read)(session, &text)) {
            return Ok(answer);
        }
        let answer = work()?;
        answers.put(&question, &(form.print)(session, &answer));
        Ok(answer)
    }

    /// What to run for it.
    pub fn program(&self, session: &Arc<Session>, options: &Options) -> Result<Program, Error> {
        if let Kind::StorePath(path) = &self.kind {
            return Err(Error::Installable(format!("installable '{path}' has no program to run")));
        }
        self.remembered(session, options, "program", &PROGRAM, || {
            session.evaluate(|evaluator| {
                if let Some(app) = self.app(session, evaluator, options)? {
                    return Ok(app);
                }
                let found = self.derivations(session, evaluator, options)?;
                if found.is_empty() {
                    return Err(self.no_app(session, evaluator, options)?);
                }
                let package =
                    found.first().ok_or_else(|| Error::Installable(format!("'{self}' is no package")))?;
                let goal = self.goal(session, evaluator, package)?;
                Ok(Program { goal, file: format!("bin/{}", main_program(evaluator, package)?) })
            })
        })
    }

    /// The error for what is neither an app nor a package.
    fn no_app(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<EvaluationError, EvaluationError> {
        let found = self.find(session, evaluator, options)?;
        let attrs = evaluator.force(found.value)?.as_attrs();
        let has_type = attrs.is_some_and(|attrs| attrs.get(Symbol::intern("type")).is_some());
        let path = if found.path.is_empty() { self.to_string() } else { found.path };
        let message = match has_type {
            true => format!("attribute '{path}' should have type 'app'"),
            false => format!("attribute '{path}.type' does not exist"),
        };
        Ok(Error::Installable(message).into())
    }

    /// `{ type = "app"; program = …; }`
    fn app(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<Option<Program>, EvaluationError> {
        let value = self.value(session, evaluator, options)?;
        let value = evaluator.force(value)?;
        let package = Package { value, path: Symbol::intern("") };
        if value.as_attrs().is_none() || package.text(evaluator, "type")?.as_deref() != Some("app") {
            return Ok(None);
        }
        let attribute = value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("program")));
        let Some(program) = attribute else {
            return Err(Error::Installable(format!("app '{self}' has no attribute 'program'")).into());
        };
        let program = evaluator.string_value(program, saltire_diagnostics::Pos::NONE, "")?;
        let file = String::from_utf8_lossy(program.as_bytes()).into_owned();
        let derivation = program.context().iter().find_map(|element| match element {
            saltire_eval::ContextElement::Output { derivation, output } => {
                Some(Wanted { derivation: derivation.clone(), outputs: vec![output.to_string()] })
            }
            _ => None,
        });
        let goal =
            match derivation {
                Some(wanted) => Goal::Built(wanted),
                None => Goal::Path(store_path_of(session, &file).map_err(|_| {
                    Error::Installable(format!("app program '{file}' is not in the Nix store"))
                })?),
            };
        Ok(Some(Program { goal, file }))
    }

    /// What a value that is a path, or a string that names one, stands for. A flake's
    /// output has to be that or a derivation.
    fn path_goal(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<Option<Goal>, EvaluationError> {
        let found = self.find(session, evaluator, options)?;
        let value = evaluator.force(found.value)?;
        if !matches!(value.kind(), ValueKind::Path(_) | ValueKind::String(_)) {
            let package = Package { value, path: Symbol::intern("") };
            let is_derivation = value.as_attrs().is_some()
                && package.text(evaluator, "type")?.as_deref() == Some("derivation");
            if self.is_flake() && !is_derivation {
                return Err(Error::Installable(format!(
                    "expected flake output attribute '{}' to be a derivation or path but found {}",
                    found.path,
                    evaluator.describe(value)
                ))
                .into());
            }
            return Ok(None);
        }
        let text = evaluator.coerce(value, Coerce::INTERPOLATION, Pos::NONE, "")?;
        let elements: Vec<&ContextElement> = text.context().iter().collect();
        match elements.as_slice() {
            [ContextElement::Opaque(path) | ContextElement::DerivationDeep(path)] => {
                Ok(Some(Goal::Path(path.clone())))
            }
            [ContextElement::Output { derivation, output }] => Ok(Some(Goal::Built(Wanted {
                derivation: derivation.clone(),
                outputs: vec![output.to_string()],
            }))),
            _ => Err(Error::Installable(format!(
                "string '{}' has {} entries in its context. It should only have exactly one entry",
                String::from_utf8_lossy(text.as_bytes()),
                elements.len()
            ))
            .into()),
        }
    }

    /// The derivations in the value.
    pub fn derivations(
        &self,
        session: &Arc<Session>,
        evaluator: &mut Evaluator,
        options: &Options,
    ) -> Result<Vec<Package>, EvaluationError> {
        let given = arguments(evaluator, &options.arguments)?;
        let given = argument_set(evaluator, given);
        let value = self.value(session, evaluator, options)?;
        packages(evaluator, value, given, Forgive::Nothing)
    }

    fn goal(
        &self,
        session: &Session,
        evaluator: &mut Evaluator,
        package: &Package,
    ) -> Result<Goal, EvaluationError> {
        let derivation = package.derivation(session, evaluator)?;
        let outputs = match &self.outputs {
            Outputs::All => Vec::new(),
            Outputs::Named(names) => names.iter().cloned().collect(),
            Outputs::Default => package.default_outputs(evaluator)?,
        };
        Ok(Goal::Built(Wanted { derivation, outputs }))
    }

    fn store_goal(&self, session: &Session, path: &str) -> Result<Goal, Error> {
        let store_path = store_path_of(session, path)?;
        Ok(match &self.outputs {
            Outputs::Default => Goal::Path(store_path),
            Outputs::All => Goal::Built(Wanted { derivation: store_path, outputs: Vec::new() }),
            Outputs::Named(names) => {
                Goal::Built(Wanted { derivation: store_path, outputs: names.iter().cloned().collect() })
            }
        })
    }
}

/// The name of a package's main program.
fn main_program(evaluator: &mut Evaluator, package: &Package) -> Result<String, EvaluationError> {
    let meta = package.value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
    if let Some(meta) = meta {
        let value = evaluator.force(meta)?;
        if let Some(name) = (Package { value, path: package.path }).text(evaluator, "mainProgram")? {
            return Ok(name);
        }
    }
    if let Some(name) = package.text(evaluator, "pname")? {
        return Ok(name);
    }
    let name = package.text(evaluator, "name")?.unwrap_or_default();
    Ok(package_name(&name).0.to_owned())
}

/// Splits a derivation's name into package and version, as `nix-env` does: the version
/// begins behind the first dash that is followed by anything but a letter.
pub fn package_name(name: &str) -> (&str, &str) {
    let bytes = name.as_bytes();
    let dash = (0..bytes.len().saturating_sub(1))
        .find(|&index| bytes[index] == b'-' && !bytes[index + 1].is_ascii_alphabetic());
    dash.map_or((name, ""), |dash| (&name[..dash], &name[dash + 1..]))
}

/// The store path that a path below the store belongs to.
pub fn store_path_of(session: &Session, path: &str) -> Result<StorePath, Error> {
    let store = session.store().store_dir().as_str();
    let rest = path.strip_prefix(store).and_then(|rest| rest.strip_prefix('/'));
    let Some(rest) = rest else {
        return Err(Error::Installable(format!("path '{path}' is not in the Nix store")));
    };
    session.parse(&format!("{store}/{}", rest.split('/').next().unwrap_or_default()))
}

impl std::fmt::Display for Installable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Attribute { path, .. } => f.write_str(path),
            Kind::StorePath(path) => f.write_str(path),
            Kind::Flake(flake) => flake.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_stand_behind_a_caret() {
        let named = |names: &[&str]| Outputs::Named(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(split_outputs("a"), ("a", Outputs::Default));
        assert_eq!(split_outputs("a^*"), ("a", Outputs::All));
        assert_eq!(split_outputs(".#a^dev,out"), (".#a", named(&["out", "dev"])));
        assert_eq!(split_outputs("a^"), ("a^", Outputs::Default));
    }

    #[test]
    fn versions_begin_behind_a_dash_without_a_letter() {
        let check = |name, expected| assert_eq!(package_name(name), expected);
        check("hello-2.10", ("hello", "2.10"));
        check("apache-httpd-2.0.48", ("apache-httpd", "2.0.48"));
        check("perl5-x", ("perl5-x", ""));
        check("a-", ("a-", ""));
    }
}
