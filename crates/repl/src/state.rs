//! The variables of a session, and evaluating among them.

use crate::Load;
use crate::command::{ENTRIES, Takes};
use crate::complete::{Completion, Scope, find};
use crate::editor::Names;
use crate::scan::KEYWORDS;
use saltire_diagnostics::{Origin, Style, render};
use saltire_driver::{EvaluationError, current_directory};
use saltire_eval::{
    Attrs, Evaluator, PrintOptions, Symbol, Value, Variables, attribute_name, builtins, set_interrupted,
    type_name,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// The variables of a session, and the evaluator.
pub(crate) struct State<'e> {
    evaluator: RefCell<&'e mut Evaluator>,
    scope: Cell<Option<Variables>>,
    variables: RefCell<BTreeMap<String, Value>>,
    /// What is loaded again by `:r`.
    pub loads: RefCell<Vec<Load>>,
    /// The variables that were loaded last.
    last_loaded: RefCell<Vec<String>>,
    /// Whether errors show their traces.
    pub show_trace: Cell<bool>,
    colour: bool,
}

impl<'e> State<'e> {
    pub fn new(evaluator: &'e mut Evaluator, colour: bool, show_trace: bool) -> Self {
        Self {
            evaluator: RefCell::new(evaluator),
            scope: Cell::new(None),
            variables: RefCell::default(),
            loads: RefCell::default(),
            last_loaded: RefCell::default(),
            show_trace: Cell::new(show_trace),
            colour,
        }
    }

    /// Works with the evaluator.
    pub fn with<T>(&self, work: impl FnOnce(&mut Evaluator) -> T) -> T {
        work(&mut self.evaluator.borrow_mut())
    }

    /// The value of a text among the variables, not evaluated yet.
    pub fn delayed(&self, text: &str) -> Result<Value, EvaluationError> {
        let scope = self.scope.get();
        let base = current_directory();
        Ok(self
            .with(|evaluator| evaluator.delayed_text(Origin::String, text.as_bytes().into(), &base, scope))?)
    }

    /// The value of a text among the variables.
    pub fn evaluate(&self, text: &str) -> Result<Value, EvaluationError> {
        let value = self.delayed(text)?;
        Ok(self.with(|evaluator| evaluator.force(value))?)
    }

    /// Binds variables.
    pub fn bind(&self, names: Vec<(Symbol, Value)>) {
        let mut variables = self.variables.borrow_mut();
        variables.extend(names.iter().map(|(name, value)| (name.to_string(), *value)));
        let below = self.scope.get();
        self.scope.set(Some(self.with(|evaluator| evaluator.variables(below, names))));
    }

    /// Makes the attributes of a set variables.
    pub fn add(&self, value: Value) -> Result<Attrs, EvaluationError> {
        let value = self.with(|evaluator| evaluator.force(value))?;
        let Some(attrs) = value.as_attrs() else {
            let message = format!("value is {} while a set was expected", type_name(value));
            return Err(saltire_driver::Error::Installable(message).into());
        };
        let sorted = attrs.sorted();
        *self.last_loaded.borrow_mut() = sorted.iter().map(|attr| attr.name.to_string()).collect();
        self.bind(sorted.iter().map(|attr| (attr.name, attr.value)).collect());
        Ok(attrs)
    }

    /// Takes other variables than those that there are.
    pub fn enter(&self, scope: Variables, names: &[(Symbol, Value)]) {
        self.scope.set(Some(scope));
        *self.variables.borrow_mut() = names.iter().map(|(name, value)| (name.to_string(), *value)).collect();
    }

    /// Forgets all variables and all files that were read.
    pub fn forget(&self) {
        self.variables.borrow_mut().clear();
        self.scope.set(None);
        self.with(Evaluator::forget_files);
    }

    /// The names that were loaded last; at most `limit` of them, and how many more there are.
    pub fn last_loaded(&self, limit: usize) -> String {
        let names = self.last_loaded.borrow();
        let shown: Vec<String> = names.iter().take(limit).map(|name| quoted(name)).collect();
        let mut text = shown.join(", ");
        if names.len() > limit {
            text += &format!("\n... and {} more; view with :ll", names.len() - limit);
        }
        text
    }

    /// A value as it is shown.
    pub fn print(&self, value: Value, whole: bool) -> Result<String, EvaluationError> {
        if let Some(text) = value.as_str().filter(|_| whole) {
            return Ok(String::from_utf8_lossy(text.as_bytes()).into_owned());
        }
        let max_depth = if whole { usize::MAX } else { PrintOptions::REPL.max_depth };
        let options = PrintOptions { max_depth, ..PrintOptions::REPL };
        let text = self.with(|evaluator| evaluator.without_debugger(|e| e.print_value(value, options)))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(if self.colour { crate::colour::printed(&text).into_owned() } else { text })
    }

    /// An error as it is shown, with "error:" in front.
    pub fn error_text(&self, error: &EvaluationError) -> String {
        match error {
            EvaluationError::Nix(error) => {
                let style = Style { colour: self.colour, show_trace: self.show_trace.get() };
                self.with(|evaluator| render(&error.to_diagnostic(), evaluator.sources(), style))
            }
            EvaluationError::Other(error) => {
                let hints: String = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
                let text = error.to_string();
                if text.starts_with("error:") { text + &hints } else { format!("error: {text}{hints}") }
            }
        }
    }

    /// The names of the attributes of an expression that is being typed.
    fn attributes(&self, text: &str) -> Vec<String> {
        let evaluate = || {
            let value = self.delayed(text)?;
            Ok::<_, EvaluationError>(self.with(|e| e.without_debugger(|e| e.force(value)))?)
        };
        let Ok(value) = interruptible(evaluate) else { return Vec::new() };
        let names = |attrs: Attrs| attrs.iter().map(|attr| attr.name.to_string()).collect();
        value.as_attrs().map(names).unwrap_or_default()
    }

    fn variable_names(&self, scope: &Scope) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.variables.borrow().keys().cloned().collect();
        names.extend(scope.names.iter().cloned());
        names.extend(scope.withs.iter().flat_map(|set| self.attributes(set)));
        names.extend(
            builtins::tables().filter(|builtin| builtin.global).map(|builtin| builtin.name.to_owned()),
        );
        names.extend(
            builtins::tables().filter(|builtin| !builtin.global).map(|builtin| format!("__{}", builtin.name)),
        );
        names.extend(["builtins", "derivation", "false", "null", "true"].map(str::to_owned));
        names.extend(KEYWORDS.map(str::to_owned));
        names
    }
}

/// An attribute's name as it has to be written.
fn quoted(name: &str) -> String {
    let mut text = Vec::new();
    attribute_name(&mut text, name.as_bytes());
    String::from_utf8_lossy(&text).into_owned()
}

/// Does some work during which Ctrl-C is a signal, though the terminal is in the line
/// editor's mode.
fn interruptible<T>(work: impl FnOnce() -> T) -> T {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let input = std::io::stdin();
    let before = tcgetattr(&input).ok();
    if let Some(mut modes) = before.clone() {
        modes.local_modes |= LocalModes::ISIG;
        let _ = tcsetattr(&input, OptionalActions::Now, &modes);
    }
    let result = work();
    if let Some(before) = before {
        let _ = tcsetattr(&input, OptionalActions::Now, &before);
    }
    set_interrupted(false);
    result
}

/// File names that a prefix can be completed to: shown and put in.
fn files(prefix: &str) -> Vec<(String, String)> {
    let (directory, name) =
        prefix.rsplit_once('/').map_or(("", prefix), |(directory, name)| (directory, name));
    let place = match (directory, prefix.contains('/')) {
        ("", true) => "/".to_owned(),
        ("", false) => ".".to_owned(),
        (directory, _) => match directory.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", std::env::var("HOME").unwrap_or_default()),
            None => directory.to_owned(),
        },
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let Ok(file) = entry.file_name().into_string() else { continue };
        if !file.starts_with(name) || file.starts_with('.') && !name.starts_with('.') {
            continue;
        }
        let slash = if entry.path().is_dir() { "/" } else { "" };
        let shown = format!("{file}{slash}");
        let whole = if prefix.contains('/') { format!("{directory}/{shown}") } else { shown.clone() };
        found.push((shown, whole));
    }
    found.sort();
    found
}

impl Names for State<'_> {
    fn complete(&self, line: &str) -> (usize, Vec<(String, String)>) {
        let takes_path =
            |name: &str| crate::command::find(name).is_some_and(|entry| entry.takes == Takes::Path);
        let same = |name: &str| (name.to_owned(), name.to_owned());
        match find(line, &takes_path) {
            None => (line.len(), Vec::new()),
            Some(Completion::Command { start, prefix }) => {
                let names = ENTRIES.iter().flat_map(|entry| entry.names);
                (start, names.filter(|name| name.starts_with(&prefix)).map(|name| same(name)).collect())
            }
            Some(Completion::Path { start, prefix }) => (start, files(&prefix)),
            Some(Completion::SearchPath { start, prefix }) => {
                let entries = self.with(|evaluator| evaluator.host().search_path());
                let names =
                    entries.iter().filter(|(name, _)| !name.is_empty()).map(|(name, _)| format!("<{name}>"));
                (start, names.filter(|name| name.starts_with(&prefix)).map(|name| same(&name)).collect())
            }
            Some(Completion::Variable { start, prefix, scope }) => {
                let names = self.variable_names(&scope);
                (
                    start,
                    names.iter().filter(|name| name.starts_with(&prefix)).map(|name| same(name)).collect(),
                )
            }
            Some(Completion::Attribute { start, base, prefix, scope }) => {
                let wanted = prefix.trim_start_matches('"');
                let mut names = self.attributes(&format!("{}{base}", scope.prefix));
                names.retain(|name| name.starts_with(wanted));
                names.sort();
                let candidate = |name: &String| {
                    let name = if prefix.starts_with('"') { format!("\"{name}\"") } else { quoted(name) };
                    (format!("{base}.{name}"), name)
                };
                (start, names.iter().map(candidate).collect())
            }
        }
    }
}
