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
#[error("{message}\n       at {place}")]
pub struct MetadataError {
    /// What is wrong.
    pub message: String,
    /// File, line and column.
    pub place: String,
}

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
    /// Reads the text of a `flake.nix`. `name` is the file's, for messages.
    pub fn parse(text: &[u8], name: &str) -> Result<Self> {
        let arena = Bump::new();
        let reader = Reader { text, name };
        let expression = parse(&arena, text, &ParseOptions::default())
            .map_err(|error| reader.error(error.span, &error.message))?;
        let ExprKind::AttrSet { bindings, .. } = expression.kind else {
            return Err(reader.error(expression.span, &format!("file '{name}' must be an attribute set")));
        };
        reader.flake(expression, bindings)
    }
}

struct Reader<'t> {
    text: &'t [u8],
    name: &'t str,
}

impl Reader<'_> {
    fn error(&self, span: Span, message: &str) -> MetadataError {
        let sources = SourceMap::new();
        let file = sources.add(Origin::File(self.name.into()), self.text);
        let (line, column) = file.map_or((0, 0), |file| file.line_column(span.start));
        MetadataError { message: message.to_owned(), place: format!("{}:{line}:{column}", self.name) }
    }

    fn expected(&self, what: &str, found: &Expr<'_>) -> MetadataError {
        let kind = match found.kind {
            ExprKind::Int(_) => "an integer",
            ExprKind::Float(_) => "a float",
            ExprKind::String(_) => "a string",
            ExprKind::Path(..) => "a path",
            ExprKind::Lambda(_) => "a function",
            ExprKind::AttrSet { .. } => "a set",
            ExprKind::List(_) => "a list",
            _ => "a thunk",
        };
        self.error(
            found.span,
            &format!("expected {what} but got {kind}: it must be written out, nothing is evaluated here"),
        )
    }

    /// The attributes of a set with their names.
    fn attributes<'a>(&self, bindings: &Bindings<'a>) -> Result<Vec<(String, &'a Expr<'a>, Span)>> {
        if let Some(dynamic) = bindings.dynamic.first() {
            return Err(self.error(dynamic.span, "names of attributes must be written out here"));
        }
        let plain = |binding: &Binding<'a>| match binding.value {
            AttributeValue::Plain(value) => Ok((binding.name.text.to_string(), value, binding.name.span)),
            _ => Err(self.error(binding.name.span, "'inherit' is not possible here: nothing is evaluated")),
        };
        bindings.attributes.iter().map(plain).collect()
    }

    fn set<'a>(&self, value: &Expr<'a>) -> Result<Vec<(String, &'a Expr<'a>, Span)>> {
        match value.kind {
            ExprKind::AttrSet { bindings, .. } => self.attributes(bindings),
            _ => Err(self.expected("a set", value)),
        }
    }

    fn string(&self, value: &Expr<'_>) -> Result<String> {
        match value.kind {
            ExprKind::String(text) => Ok(text.to_str_lossy().into_owned()),
            _ => Err(self.expected("a string", value)),
        }
    }

    fn boolean(&self, value: &Expr<'_>) -> Result<bool> {
        as_boolean(value).ok_or_else(|| self.expected("a Boolean", value))
    }

    fn flake(&self, expression: &Expr<'_>, bindings: &Bindings<'_>) -> Result<Metadata> {
        let mut metadata = Metadata::default();
        let mut outputs = None;
        for (name, value, span) in self.attributes(bindings)? {
            match name.as_str() {
                "description" => metadata.description = Some(self.string(value)?),
                "inputs" => {
                    for (name, value, span) in self.set(value)? {
                        if name == "self" {
                            metadata.self_attributes = self.own(value)?;
                        } else {
                            let input = self.input(&name, value, span)?;
                            metadata.inputs.insert(name, input);
                        }
                    }
                }
                "outputs" => outputs = Some(value),
                "nixConfig" => metadata.config = self.config(value)?,
                _ => {
                    return Err(self.error(
                        span,
                        &format!("flake '{}' has an unsupported attribute '{name}'", self.name),
                    ));
                }
            }
        }
        let outputs = outputs.ok_or_else(|| {
            self.error(expression.span, &format!("flake '{}' lacks attribute 'outputs'", self.name))
        })?;
        let ExprKind::Lambda(lambda) = outputs.kind else {
            return Err(self.expected("a function", outputs));
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
    fn own(&self, value: &Expr<'_>) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        for (name, value, span) in self.set(value)? {
            if !matches!(name.as_str(), "submodules" | "lfs") {
                return Err(self.error(span, &format!("unexpected attribute '{name}' of the input 'self'")));
            }
            attributes.insert(name, Attribute::Bool(self.boolean(value)?));
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

    fn inputs(&self, value: &Expr<'_>) -> Result<BTreeMap<String, FlakeInput>> {
        let input = |(name, value, span): (String, &Expr<'_>, Span)| {
            self.input(&name, value, span).map(|input| (name, input))
        };
        self.set(value)?.into_iter().map(input).collect()
    }

    fn input(&self, id: &str, value: &Expr<'_>, span: Span) -> Result<FlakeInput> {
        let mut input = FlakeInput { is_flake: true, ..FlakeInput::default() };
        let mut url = None;
        let mut attributes = Attributes::new();
        for (name, value, span) in self.set(value)? {
            match name.as_str() {
                "url" => url = Some((self.url(value)?, span)),
                "flake" => input.is_flake = self.boolean(value)?,
                "inputs" => input.overrides = self.inputs(value)?,
                "follows" => {
                    let text = self.string(value)?;
                    let names = text.split('/').filter(|name| !name.is_empty());
                    input.follows = Some(names.map(str::to_owned).collect());
                    if let Some(name) = text.split('/').find(|name| !name.is_empty() && !is_flake_id(name)) {
                        return Err(self.error(span, &format!("invalid flake input path element '{name}'")));
                    }
                }
                _ => {
                    attributes.insert(name, self.attribute(value)?);
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
        if input.follows.is_none() && input.reference.is_none() && input.overrides.is_empty() {
            input.reference = self.named(id, span)?.reference;
        }
        Ok(input)
    }

    /// A string, or a path literal relative to the flake.
    fn url(&self, value: &Expr<'_>) -> Result<String> {
        match value.kind {
            ExprKind::Path(PathBase::Relative, [StringPart::Literal(text, _)]) => Ok(format!("path:{text}")),
            _ => self.string(value),
        }
    }

    fn attribute(&self, value: &Expr<'_>) -> Result<Attribute> {
        match value.kind {
            ExprKind::Int(number) => match u64::try_from(number) {
                Ok(number) => Ok(Attribute::Int(number)),
                Err(_) => Err(self.expected("an integer that is not negative", value)),
            },
            _ => match as_boolean(value) {
                Some(value) => Ok(Attribute::Bool(value)),
                None => self.string(value).map(Attribute::String),
            },
        }
    }

    fn config(&self, value: &Expr<'_>) -> Result<BTreeMap<String, ConfigValue>> {
        let mut config = BTreeMap::new();
        for (name, value, _) in self.set(value)? {
            config.insert(name, self.config_value(value)?);
        }
        Ok(config)
    }

    fn config_value(&self, value: &Expr<'_>) -> Result<ConfigValue> {
        Ok(match value.kind {
            ExprKind::Int(number) => ConfigValue::Int(number),
            ExprKind::List(items) => {
                ConfigValue::List(items.iter().map(|item| self.string(item)).collect::<Result<_>>()?)
            }
            ExprKind::Path(_, [StringPart::Literal(text, _)]) => ConfigValue::Text(text.to_string()),
            _ => match as_boolean(value) {
                Some(value) => ConfigValue::Bool(value),
                None => ConfigValue::Text(self.string(value)?),
            },
        })
    }
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
        let found = match Metadata::parse(text.as_bytes(), "f.nix") {
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
                "b = path:./b (no flake)",
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
        let error = Metadata::parse(text.as_bytes(), "f.nix").unwrap_err();
        assert!(error.message.starts_with("expected a string but got a set"), "{error}");
        let metadata = Metadata::parse(text.replace("c.d", "c").as_bytes(), "f.nix").unwrap();
        assert_eq!(metadata.description.as_deref(), Some("D"));
        assert_eq!(metadata.config["b"], ConfigValue::List(vec!["x".into()]));
        assert_eq!(metadata.config["a"], ConfigValue::Bool(true));
    }

    #[test]
    fn what_is_not_written_out_is_an_error() {
        let evaluated = "it must be written out, nothing is evaluated here\n       at f.nix";
        check("1", &["file 'f.nix' must be an attribute set\n       at f.nix:1:1"]);
        check("{ }", &["flake 'f.nix' lacks attribute 'outputs'\n       at f.nix:1:1"]);
        check(
            "{ x = 1; outputs = _: 1; }",
            &["flake 'f.nix' has an unsupported attribute 'x'\n       at f.nix:1:3"],
        );
        check("{ outputs = 1; }", &[&format!("expected a function but got an integer: {evaluated}:1:13")]);
        check(
            "{ inputs.a.url = \"a\" + \"b\"; outputs = _: 1; }",
            &[&format!("expected a string but got a thunk: {evaluated}:1:18")],
        );
        check(
            "{ inputs.a.foo = \"a\"; outputs = _: 1; }",
            &["unexpected flake input attribute 'foo'\n       at f.nix:1:3"],
        );
        check(
            "{ inputs.a.url = \"x:y\"; outputs = _: 1; }",
            &[
                "input 'x:y' is unsupported; the types of input are path, git, github, gitlab, sourcehut, tarball, file and indirect\n       at f.nix:1:3",
            ],
        );
        let error = Metadata::parse(b"{", "f.nix").unwrap_err();
        assert!(error.message.starts_with("syntax error, unexpected end of file"), "{error}");
    }
}
