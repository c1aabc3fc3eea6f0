//! The derivations in a value: one, or those in sets and lists of them.

use crate::error::Error;
use crate::graph::Wanted;
use crate::session::{EvaluationError, Session};
use saltire_diagnostics::Pos;
use saltire_eval::{Attrs, ErrorKind, EvalError, Evaluator, Symbol, Value};
use std::collections::HashSet;

/// A derivation found in a value.
#[derive(Clone, Copy)]
pub struct Package {
    /// Its attributes.
    pub value: Value,
    /// Where it was found, as an attribute path; an interned text.
    pub path: Symbol,
}

/// Which errors in packages leave them out instead of ending the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgive {
    /// None.
    Nothing,
    /// `throw` and `assert`: what is not available on this platform, say.
    Assertions,
    /// All: broken packages, too.
    Errors,
}

impl Forgive {
    pub(crate) fn covers(self, error: &EvalError) -> bool {
        match self {
            Self::Nothing => false,
            Self::Assertions => error.is_catchable(),
            Self::Errors => error.kind != ErrorKind::Interrupted,
        }
    }
}

/// The derivations in a value, in the order of their attribute paths.
///
/// Sets are entered that ask for it with `recurseForDerivations = true`, and the
/// outermost one.
pub fn packages(
    evaluator: &mut Evaluator,
    value: Value,
    arguments: Attrs,
    forgive: Forgive,
) -> Result<Vec<Package>, EvaluationError> {
    let mut finder = Finder { evaluator, arguments, forgive, found: Vec::new(), done: HashSet::new() };
    finder.enter(value, "")?;
    Ok(finder.found)
}

struct Finder<'e> {
    evaluator: &'e mut Evaluator,
    arguments: Attrs,
    forgive: Forgive,
    found: Vec<Package>,
    /// Derivations that were found, so that each is listed once.
    done: HashSet<u64>,
}

impl Finder<'_> {
    fn enter(&mut self, value: Value, path: &str) -> Result<(), EvaluationError> {
        let value = self.evaluator.force(value)?;
        let value = self.evaluator.auto_call(value, self.arguments)?;
        let value = self.evaluator.force(value)?;
        if self.package(value, path)? {
            return Ok(());
        }
        if let Some(attrs) = value.as_attrs() {
            let combine = attrs.contains(Symbol::intern("_combineChannels"));
            for attr in attrs.sorted().into_iter().filter(|attr| is_package_name(attr.name.as_bytes())) {
                let path = join(path, &attr.name.to_string());
                if combine
                    || !self.package(attr.value, &path)? && wants_recursion(self.evaluator, attr.value)?
                {
                    self.enter(attr.value, &path)?;
                }
            }
            return Ok(());
        }
        if let Some(list) = value.as_list() {
            for (index, item) in list.iter().enumerate() {
                let path = join(path, &index.to_string());
                if !self.package(item, &path)? {
                    self.enter(item, &path)?;
                }
            }
            return Ok(());
        }
        let message = "expression does not evaluate to a derivation (or a set or list of those)";
        Err(EvalError::type_error(Pos::NONE, message).into())
    }

    /// Notes a derivation; false if it is something else.
    fn package(&mut self, value: Value, path: &str) -> Result<bool, EvaluationError> {
        let result = self.package_inner(value, path);
        match result {
            Err(error) if self.forgive.covers(&error) => Ok(true),
            other => Ok(other?),
        }
    }

    fn package_inner(&mut self, value: Value, path: &str) -> Result<bool, Box<EvalError>> {
        if package_value(self.evaluator, value)?.is_none() {
            return Ok(false);
        }
        if self.done.insert(value.resolve().identity()) {
            self.found.push(Package { value: value.resolve(), path: Symbol::intern(path) });
        }
        Ok(true)
    }
}

/// The name of the derivation that a value is, empty if it has none; `None` if it is
/// something else.
pub(crate) fn package_value(
    evaluator: &mut Evaluator,
    value: Value,
) -> Result<Option<Vec<u8>>, Box<EvalError>> {
    let value = evaluator.force(value)?;
    let Some(attrs) = value.as_attrs() else { return Ok(None) };
    if !evaluator.is_derivation(attrs)? {
        return Ok(None);
    }
    let Some(name) = attrs.get(Symbol::intern("name")) else { return Ok(Some(Vec::new())) };
    let what = "while evaluating the 'name' attribute of a derivation";
    Ok(Some(evaluator.string_value(name, Pos::NONE, what)?.as_bytes().to_vec()))
}

/// Whether a set, which was evaluated, has `recurseForDerivations = true`.
pub(crate) fn wants_recursion(evaluator: &mut Evaluator, value: Value) -> Result<bool, Box<EvalError>> {
    let attribute = value.resolve().as_attrs();
    let attribute = attribute.and_then(|attrs| attrs.get(Symbol::intern("recurseForDerivations")));
    let what = "while evaluating the attribute `recurseForDerivations`";
    match attribute {
        Some(value) => evaluator.bool_value(value, Pos::NONE, what),
        None => Ok(false),
    }
}

/// Names that packages can have: what a command line can name without quotes.
pub(crate) fn is_package_name(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(byte))
}

/// An attribute path, one step longer.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Package {
    /// A string attribute; `None` if there is none, or something else.
    pub fn text(&self, evaluator: &mut Evaluator, name: &str) -> Result<Option<String>, EvaluationError> {
        let attribute = self.value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern(name)));
        let Some(value) = attribute else { return Ok(None) };
        let value = evaluator.force(value)?;
        Ok(value.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
    }

    /// The store path of the `.drv`.
    pub fn derivation(
        &self,
        session: &Session,
        evaluator: &mut Evaluator,
    ) -> Result<saltire_store_model::StorePath, EvaluationError> {
        let path = evaluator.derivation_path(self.value)?;
        let path = path.ok_or_else(|| Error::NotADerivation(self.path.to_string()))?;
        Ok(session.parse(&path)?)
    }

    /// The output that is meant by the value: `outputName`.
    pub fn output_name(&self, evaluator: &mut Evaluator) -> Result<String, EvaluationError> {
        let name = self.text(evaluator, "outputName")?.unwrap_or_default();
        if name.is_empty() {
            let path = evaluator.derivation_path(self.value)?.unwrap_or_default();
            let message = format!("derivation '{path}' lacks an 'outputName' attribute");
            return Err(EvalError::new(ErrorKind::MissingAttribute, Pos::NONE, message).into());
        }
        Ok(name)
    }

    /// The outputs that are meant when none are named: those that the package wants
    /// to be installed.
    pub fn default_outputs(&self, evaluator: &mut Evaluator) -> Result<Vec<String>, EvaluationError> {
        let attribute = |value: Value, name: &str| value.as_attrs()?.get(Symbol::intern(name));
        if let Some(value) = attribute(self.value, "outputSpecified")
            && evaluator.bool_value(value, Pos::NONE, "")?
        {
            return Ok(vec![self.output_name(evaluator)?]);
        }
        let mut outputs = Vec::new();
        if let Some(meta) = attribute(self.value, "meta") {
            let meta = evaluator.force(meta)?;
            if let Some(list) = attribute(meta, "outputsToInstall") {
                for item in evaluator.list_value(list, Pos::NONE, "")?.iter() {
                    let name = evaluator.string_value(item, Pos::NONE, "")?;
                    outputs.push(String::from_utf8_lossy(name.as_bytes()).into_owned());
                }
            }
        }
        if outputs.is_empty() {
            outputs.push("out".to_owned());
        }
        Ok(outputs)
    }

    /// The derivation with the output that is meant.
    pub fn wanted(&self, session: &Session, evaluator: &mut Evaluator) -> Result<Wanted, EvaluationError> {
        let derivation = self.derivation(session, evaluator)?;
        Ok(Wanted { derivation, outputs: vec![self.output_name(evaluator)?] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltire_eval::FsHost;
    use std::sync::Arc;

    /// Attribute paths of the packages in a value.
    fn check(text: &str, forgive: Forgive, expected: &[&str]) {
        let host = Arc::new(FsHost::new("x86_64-linux"));
        let mut evaluator = Evaluator::new(host, saltire_eval::Settings::default());
        let d = "let d = name: { type = \"derivation\"; inherit name; }; in ";
        let value = evaluator.eval_str(&format!("{d}{text}"), b"/").unwrap();
        let none = evaluator.new_attrs(Vec::new()).as_attrs().unwrap();
        let found = match packages(&mut evaluator, value, none, forgive) {
            Ok(found) => found.iter().map(|package| package.path.to_string()).collect(),
            Err(EvaluationError::Nix(error)) => vec![error.message],
            Err(EvaluationError::Other(error)) => vec![error.to_string()],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn sets_are_entered_where_they_ask_for_it() {
        check("d \"a\"", Forgive::Nothing, &[""]);
        check("{ b = d \"b\"; a = d \"a\"; n = 1; s.c = d \"c\"; }", Forgive::Nothing, &["a", "b"]);
        check("{ s = { recurseForDerivations = true; c = d \"c\"; }; }", Forgive::Nothing, &["s.c"]);
        check("{ \"a.b\" = d \"a\"; }", Forgive::Nothing, &[]);
        check("[ (d \"a\") { b = d \"b\"; } ]", Forgive::Nothing, &["0", "1.b"]);
        check("{ }: { a = d \"a\"; }", Forgive::Nothing, &["a"]);
        check(
            "1",
            Forgive::Nothing,
            &["expression does not evaluate to a derivation (or a set or list of those)"],
        );
    }

    #[test]
    fn what_fails_is_left_out_on_demand() {
        check("{ a = throw \"no\"; b = d (throw \"no\"); c = d \"c\"; }", Forgive::Assertions, &["c"]);
        check("{ a = throw \"no\"; }", Forgive::Nothing, &["no"]);
        check("{ a = 1 + null; c = d \"c\"; }", Forgive::Errors, &["c"]);
    }
}
