//! What a `flake.nix` says of itself, read from its text.
//!
//! Everything but `outputs` must be written out as literals, so that what a flake
//! needs is known without evaluating anything.

use crate::reference::{FlakeRef, ReferenceError};
use crate::registry::is_flake_id;
use bstr::{BStr, ByteSlice};
use bumpalo::Bump;
use saltire_diagnostics::{Origin, SourceMap, Span};
use saltire_fetch::input::{Attribute, Attributes};
use saltire_syntax::ast::{
    Attribute as Binding, AttributeValue, Bindings, Expr, ExprKind, PathBase, StringPart,
};
use saltire_syntax::{ParseOptions, parse};
use std::collections::BTreeMap;
use thiserror::Error;

/// What is wrong with a `flake.nix`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct MetadataError {
    /// What is wrong, and where.
    pub message: String,
    /// What to do.
    pub hint: Option<&'static str>,
}

/// What to do about values that are computed.
const WRITE_OUT: &str = "write it out: only 'outputs' is evaluated";

/// A value in `nixConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigValue {
    /// A string or path.
    Text(String),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A list of strings.
    List(Vec<String>),
}

/// An input as `flake.nix` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlakeInput {
    /// Where it comes from; none if it only follows or overrides.
    pub reference: Option<FlakeRef>,
    /// Whether it is a flake; else only a tree.
    pub is_flake: bool,
    /// The input that it is the same as: names from the flake itself on; empty for
    /// the flake.
    pub follows: Option<Vec<String>>,
    /// What it is to use for its own inputs.
    pub overrides: BTreeMap<String, FlakeInput>,
}

/// What a `flake.nix` says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The description.
    pub description: Option<String>,
    /// The inputs by name, those included that only `outputs` names.
    pub inputs: BTreeMap<String, FlakeInput>,
    /// Attributes of the flake's own tree (`inputs.self.submodules = true;`).
    pub self_attributes: Attributes,
    /// Settings that it asks for.
    pub config: BTreeMap<String, ConfigValue>,
}

type Result<T> = std::result::Result<T, MetadataError>;

impl Metadata {
    /// Reads the text of a `flake.nix`. `name` is the file's and `flake` the flake's,
    /// for messages.
    pub fn parse(text: &[u8], name: &str, flake: &str) -> Result<Self> {
        let arena = Bump::new();
        let reader = Reader { text, name, flake };
        let expression = parse(&arena, text, &ParseOptions::default())
            .map_err(|error| reader.error(error.span, &error.message))?;
        let ExprKind::AttrSet { bindings, .. } = expression.kind else {
            return Err(MetadataError {
                message: format!("file '{name}' must be an attribute set"),
                hint: None,
            });
        };
        reader.flake(bindings)
    }
}

struct Reader<'t> {
    text: &'t [u8],
    name: &'t str,
    flake: &'t str,
}

impl Reader<'_> {
    fn place(&self, span: Span) -> String {
        let sources = SourceMap::new();
        let file = sources.add(Origin::File(self.name.into()), self.text);
        let (line, column) = file.map_or((0, 0), |file| file.line_column(span.start));
        format!("{}:{line}:{column}", self.name)
    }

    fn error(&self, span: Span, message: &str) -> MetadataError {
        MetadataError { message: format!("{message}, at {}", self.place(span)), hint: None }
    }

    /// `span`: where the attribute is.
    fn expected(&self, what: &str, found: &Expr<'_>, span: Span) -> MetadataError {
        let (kind, hint) = match found.kind {
            ExprKind::Int(_) => ("an integer", None),
            ExprKind::Float(_) => ("a float", None),
            ExprKind::String(_) => ("a string", None),
            ExprKind::Path(..) => ("a path", None),
            ExprKind::Lambda(_) => ("a function", None),
            ExprKind::AttrSet { .. } => ("a set", None),
            ExprKind::List(_) => ("a list", None),
            ExprKind::Var(_) if as_boolean(found).is_some() => ("a Boolean", None),
            _ => ("a thunk", Some(WRITE_OUT)),
        };
        MetadataError { message: format!("expected {what} but got {kind} at {}", self.place(span)), hint }
    }

    /// The attributes of a set with their names.
    fn attributes<'a>(&self, bindings: &Bindings<'a>) -> Result<Vec<(String, &'a Expr<'a>, Span)>> {
        if let Some(dynamic) = bindings.dynamic.first() {
            return Err(self.error(dynamic.span, "expected a name but got a thunk"));
        }
        let plain = |binding: &Binding<'a>| match binding.value {
            AttributeValue::Plain(value) => Ok((binding.name.text.to_string(), value, binding.name.span)),
            _ => Err(self.error(binding.name.span, "expected a value but got a thunk")),
        };
        bindings.attributes.iter().map(plain).collect()
    }

    fn set<'a>(&self, value: &Expr<'a>, span: Span) -> Result<Vec<(String, &'a Expr<'a>, Span)>> {
        match value.kind {
            ExprKind::AttrSet { bindings, .. } => self.attributes(bindings),
            _ => Err(self.expected("a set", value, span)),
        }
    }

    fn string(&self, value: &Expr<'_>, span: Span) -> Result<String> {
        match value.kind {
            ExprKind::String(text) => Ok(text.to_str_lossy().into_owned()),
            _ => Err(self.expected("a string", value, span)),
        }
    }

    fn boolean(&self, value: &Expr<'_>, span: Span) -> Result<bool> {
        as_boolean(value).ok_or_else(|| self.expected("a Boolean", value, span))
    }

    fn flake(&self, bindings: &Bindings<'_>) -> Result<Metadata> {
        let mut metadata = Metadata::default();
        let mut outputs = None;
        for (name, value, span) in self.attributes(bindings)? {
            match name.as_str() {
                "description" => metadata.description = Some(self.string(value, span)?),
                "inputs" => {
                    for (name, value, span) in self.set(value, span)? {
                        if name == "self" {
                            metadata.self_attributes = self.own(value, span)?;
                        } else {
                            let mut input = self.input(value, span)?;
                            if input.follows.is_none() && input.reference.is_none() {
                                input.reference = self.named(&name, span)?.reference;
                            }
                            metadata.inputs.insert(name, input);
                        }
                    }
                }
                "outputs" => outputs = Some((value, span)),
                "nixConfig" => metadata.config = self.config(value, span)?,
                _ => {
                    return Err(self.error(
                        span,
                        &format!("flake '{}' has an unsupported attribute '{name}'", self.flake),
                    ));
                }
            }
        }
        let (outputs, span) = outputs.ok_or_else(|| MetadataError {
            message: format!("flake '{}' lacks attribute 'outputs'", self.flake),
            hint: None,
        })?;
        let ExprKind::Lambda(lambda) = outputs.kind else {
            return Err(self.expected("a function", outputs, span));
        };
        for formal in lambda.formals.iter().flat_map(|formals| formals.formals) {
            let id = formal.name.text.to_string();
            if id != "self" && !metadata.inputs.contains_key(&id) {
                metadata.inputs.insert(id.clone(), self.named(&id, formal.name.span)?);
            }
        }
        Ok(metadata)
    }

    /// What a flake says of its own tree.
    fn own(&self, value: &Expr<'_>, span: Span) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        for (name, value, span) in self.set(value, span)? {
            if !matches!(name.as_str(), "submodules" | "lfs") {
                return Err(self.error(span, &format!("flake 'self' attribute '{name}' is not supported")));
            }
            attributes.insert(name, Attribute::Bool(self.boolean(value, span)?));
        }
        Ok(attributes)
    }

    /// The input that a registry knows by its name.
    fn named(&self, id: &str, span: Span) -> Result<FlakeInput> {
        if !is_flake_id(id) {
            return Err(self.error(span, &format!("'{id}' is not a valid name of an input: give its 'url'")));
        }
        let reference = FlakeRef::indirect(id).map_err(|error| self.error(span, &error.to_string()))?;
        Ok(FlakeInput { reference: Some(reference), is_flake: true, ..FlakeInput::default() })
    }

    fn inputs(&self, value: &Expr<'_>, span: Span) -> Result<BTreeMap<String, FlakeInput>> {
        let input = |(name, value, span): (String, &Expr<'_>, Span)| {
            self.input(value, span).map(|input| (name, input))
        };
        self.set(value, span)?.into_iter().map(input).collect()
    }

    fn input(&self, value: &Expr<'_>, span: Span) -> Result<FlakeInput> {
        let mut input = FlakeInput { is_flake: true, ..FlakeInput::default() };
        let mut url = None;
        let mut attributes = Attributes::new();
        for (name, value, span) in self.set(value, span)? {
            match name.as_str() {
                "url" => url = Some((self.url(value, span)?, span)),
                "flake" => input.is_flake = self.boolean(value, span)?,
                "inputs" => input.overrides = self.inputs(value, span)?,
                "follows" => {
                    let text = self.string(value, span)?;
                    let names = text.split('/').filter(|name| !name.is_empty());
                    input.follows = Some(names.map(str::to_owned).collect());
                    if let Some(name) = text.split('/').find(|name| !name.is_empty() && !is_flake_id(name)) {
                        return Err(self.error(span, &format!("invalid flake input path element '{name}'")));
                    }
                }
                _ => {
                    attributes.insert(name, self.attribute(value, span)?);
                }
            }
        }
        let wrong = |span: Span, error: &ReferenceError| self.error(span, &error.to_string());
        if attributes.contains_key("type") {
            let reference = FlakeRef::from_attributes(attributes).map_err(|error| wrong(span, &error))?;
            input.reference = Some(reference);
        } else if let Some(name) = attributes.keys().next() {
            return Err(self.error(span, &format!("unexpected flake input attribute '{name}'")));
        } else if let Some((url, span)) = url {
            let reference =
                FlakeRef::parse_input(&url, input.is_flake).map_err(|error| wrong(span, &error))?;
            input.reference = Some(reference);
        }
        Ok(input)
    }

    /// A string, or a path literal relative to the flake.
    fn url(&self, value: &Expr<'_>, span: Span) -> Result<String> {
        match value.kind {
            ExprKind::Path(PathBase::Relative, [StringPart::Literal(text, _)]) => {
                Ok(format!("path:{}", normal(&text.to_str_lossy())))
            }
            ExprKind::String(text) => Ok(text.to_str_lossy().into_owned()),
            _ => Err(self.expected("a string or a path", value, span)),
        }
    }

    fn attribute(&self, value: &Expr<'_>, span: Span) -> Result<Attribute> {
        match value.kind {
            ExprKind::Int(number) => match u64::try_from(number) {
                Ok(number) => Ok(Attribute::Int(number)),
                Err(_) => Err(self.expected("an integer that is not negative", value, span)),
            },
            _ => match as_boolean(value) {
                Some(value) => Ok(Attribute::Bool(value)),
                None => self.string(value, span).map(Attribute::String),
            },
        }
    }

    fn config(&self, value: &Expr<'_>, span: Span) -> Result<BTreeMap<String, ConfigValue>> {
        let mut config = BTreeMap::new();
        for (name, value, span) in self.set(value, span)? {
            let value = self.config_value(&name, value, span)?;
            config.insert(name, value);
        }
        Ok(config)
    }

    fn config_value(&self, name: &str, value: &Expr<'_>, span: Span) -> Result<ConfigValue> {
        Ok(match value.kind {
            ExprKind::Int(number) => ConfigValue::Int(number),
            ExprKind::String(text) => ConfigValue::Text(text.to_str_lossy().into_owned()),
            ExprKind::List(items) => {
                let items = items.iter().map(|item| self.string(item, span));
                ConfigValue::List(items.collect::<Result<_>>()?)
            }
            ExprKind::Path(_, [StringPart::Literal(text, _)]) => ConfigValue::Text(text.to_string()),
            ExprKind::AttrSet { .. } => {
                return Err(MetadataError {
                    message: format!("flake configuration setting '{name}' is a set"),
                    hint: None,
                });
            }
            _ => match as_boolean(value) {
                Some(value) => ConfigValue::Bool(value),
                None => return Err(self.expected("a string", value, span)),
            },
        })
    }
}

/// A relative path without `.`, and without `..` where there is something before it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

fn as_boolean(value: &Expr<'_>) -> Option<bool> {
    match value.kind {
        ExprKind::Var(name) if name == BStr::new("true") => Some(true),
        ExprKind::Var(name) if name == BStr::new("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a flake: its inputs, a line each, or the error.
    fn check(text: &str, expected: &[&str]) {
        let found = match Metadata::parse(text.as_bytes(), "f.nix", "path:f") {
            Ok(metadata) => metadata.inputs.iter().flat_map(|(name, input)| lines(name, input)).collect(),
            Err(error) => vec![error.to_string()],
        };
        assert_eq!(found, expected);
    }

    fn lines(name: &str, input: &FlakeInput) -> Vec<String> {
        let mut line = name.to_owned();
        if let Some(reference) = &input.reference {
            line += &format!(" = {reference}");
        }
        if let Some(follows) = &input.follows {
            line += &format!(" -> {}", follows.join("/"));
        }
        if !input.is_flake {
            line += " (no flake)";
        }
        let below =
            input.overrides.iter().flat_map(|(below, input)| lines(&format!("{name}/{below}"), input));
        std::iter::once(line).chain(below).collect()
    }

    #[test]
    fn inputs_are_read() {
        check(
            "{ inputs.a.url = \"github:o/r\"; inputs.b = { url = ./b; flake = false; }; \
             inputs.a.inputs.n.follows = \"n\"; inputs.c = { type = \"path\"; path = \"/c\"; dir = \"d\"; }; \
             inputs.d.follows = \"a/x\"; inputs.e = { }; outputs = { self, n, ... }: { }; }",
            &[
                "a = github:o/r",
                "a/n -> n",
                "b = path:b (no flake)",
                "c = path:/c?dir=d",
                "d -> a/x",
                "e = flake:e",
                "n = flake:n",
            ],
        );
    }

    #[test]
    fn settings_and_description() {
        let text =
            "{ description = \"D\"; nixConfig = { a = true; b = [ \"x\" ]; c.d = 1; }; outputs = _: { }; }";
        let error = Metadata::parse(text.as_bytes(), "f.nix", "path:f").unwrap_err();
        assert_eq!(error.message, "flake configuration setting 'c' is a set");
        let metadata = Metadata::parse(text.replace("c.d", "c").as_bytes(), "f.nix", "path:f").unwrap();
        assert_eq!(metadata.description.as_deref(), Some("D"));
        assert_eq!(metadata.config["b"], ConfigValue::List(vec!["x".into()]));
        assert_eq!(metadata.config["a"], ConfigValue::Bool(true));
    }

    #[test]
    fn what_is_not_written_out_is_an_error() {
        check("1", &["file 'f.nix' must be an attribute set"]);
        check("{ }", &["flake 'path:f' lacks attribute 'outputs'"]);
        let unsupported = "flake 'path:f' has an unsupported attribute 'x', at f.nix:1:3";
        check("{ x = 1; outputs = _: 1; }", &[unsupported]);
        check("{ outputs = 1; }", &["expected a function but got an integer at f.nix:1:3"]);
        let thunk = "expected a string or a path but got a thunk at f.nix:1:3";
        check("{ inputs.a.url = \"a\" + \"b\"; outputs = _: 1; }", &[thunk]);
        let unexpected = "unexpected flake input attribute 'foo', at f.nix:1:3";
        check("{ inputs.a.foo = \"a\"; outputs = _: 1; }", &[unexpected]);
        check("{ inputs.a.url = \"x:y\"; outputs = _: 1; }", &["input 'x:y' is unsupported, at f.nix:1:3"]);
        check(
            "{ inputs.self.x = 1; outputs = _: 1; }",
            &["flake 'self' attribute 'x' is not supported, at f.nix:1:3"],
        );
        let error = Metadata::parse(b"{", "f.nix", "path:f").unwrap_err();
        assert!(error.message.starts_with("syntax error, unexpected end of file"), "{error}");
    }
}
