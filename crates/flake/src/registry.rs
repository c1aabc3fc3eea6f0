//! Registries: what the names of flakes mean.

use crate::reference::{FlakeRef, ReferenceError};
use saltire_fetch::input::{Attributes, Input, Kind, attributes};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What is wrong with a registry.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The file can't be read.
    #[error("can't read the flake registry {}: {source}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what a registry looks like.
    #[error("flake registry '{name}' is wrong: {problem}")]
    Format {
        /// Its path or address.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Names that stand for each other.
    #[error("cycle detected in flake registry for '{0}'")]
    Cycle(String),
    /// A name that none has.
    #[error("cannot find flake '{0}' in the flake registries")]
    Unknown(String),
    /// An entry's reference is wrong.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// Where a registry comes from; the first has the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistryKind {
    /// The command line (`--override-flake`, `--inputs-from`).
    Flag,
    /// The user's file.
    User,
    /// The machine's file.
    System,
    /// The one for everybody.
    Global,
}

impl RegistryKind {
    /// As `nix registry list` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flag => "flags",
            Self::User => "user",
            Self::System => "system",
            Self::Global => "global",
        }
    }
}

/// What one reference stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The reference.
    pub from: FlakeRef,
    /// What it stands for.
    pub to: FlakeRef,
    /// Whether a branch or commit in the reference makes it another one.
    pub exact: bool,
}

/// A list of names with what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Where it comes from.
    pub kind: RegistryKind,
    /// The entries, the first one that fits counts.
    pub entries: Vec<Entry>,
}

impl Registry {
    /// An empty one.
    pub fn new(kind: RegistryKind) -> Self {
        Self { kind, entries: Vec::new() }
    }

    /// Reads the text of a registry; `name` is for messages.
    pub fn parse(kind: RegistryKind, text: &str, name: &str) -> Result<Self, RegistryError> {
        let wrong = |problem: String| RegistryError::Format { name: name.to_owned(), problem };
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(2) => {}
            other => return Err(wrong(format!("unsupported version {}", other.unwrap_or_default()))),
        }
        let flakes = value.get("flakes").and_then(Value::as_array);
        let flakes = flakes.ok_or_else(|| wrong("it has no list 'flakes'".into()))?;
        let entry = |value: &Value| {
            let part = |part: &str| {
                let object = value.get(part).and_then(Value::as_object);
                let object = object.ok_or_else(|| wrong(format!("an entry has no '{part}'")))?;
                let attributes = attributes::from_json(object)
                    .map_err(|attribute| wrong(format!("attribute '{attribute}' has a strange value")))?;
                FlakeRef::from_attributes(attributes).map_err(|error| wrong(error.to_string()))
            };
            let exact = value.get("exact").and_then(Value::as_bool).unwrap_or(false);
            Ok(Entry { from: part("from")?, to: part("to")?, exact })
        };
        Ok(Self { kind, entries: flakes.iter().map(entry).collect::<Result<_, RegistryError>>()? })
    }

    /// Reads a registry's file; empty if there is none.
    pub fn load(kind: RegistryKind, path: &Path) -> Result<Self, RegistryError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(kind, &text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::new(kind)),
            Err(source) => Err(RegistryError::Read { path: path.to_owned(), source }),
        }
    }

    /// The text of the registry's file.
    pub fn to_text(&self) -> String {
        let part = |reference: &FlakeRef| attributes::to_json(&reference.to_attributes());
        let flakes = self.entries.iter().map(|entry| {
            let mut object = Map::new();
            if entry.exact {
                object.insert("exact".into(), true.into());
            }
            object.insert("from".into(), part(&entry.from));
            object.insert("to".into(), part(&entry.to));
            Value::Object(object)
        });
        let value = json!({ "flakes": flakes.collect::<Vec<_>>(), "version": 2 });
        format!("{value:#}\n")
    }

    /// Makes a reference stand for another one, and no longer for what it did.
    pub fn set(&mut self, from: FlakeRef, to: FlakeRef) {
        self.remove(&from);
        self.entries.push(Entry { from, to, exact: false });
    }

    /// Takes a reference's entry out; whether there was one.
    pub fn remove(&mut self, from: &FlakeRef) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.from != *from);
        self.entries.len() < before
    }
}

/// All registries, in the order in which they count.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// The registries.
    pub all: Vec<Registry>,
}

impl Registries {
    /// What a reference stands for in the end: something that can be fetched.
    pub fn resolve(&self, reference: &FlakeRef) -> Result<FlakeRef, RegistryError> {
        /// More steps than anybody needs.
        const STEPS: usize = 100;
        let mut current = reference.clone();
        for _ in 0..STEPS {
            match self
                .all
                .iter()
                .flat_map(|registry| &registry.entries)
                .find_map(|entry| entry.apply(&current))
            {
                Some(next) => current = next?,
                None if current.input.is_indirect() => {
                    return Err(RegistryError::Unknown(current.to_text()));
                }
                None => return Ok(current),
            }
        }
        Err(RegistryError::Cycle(reference.to_text()))
    }
}

impl Entry {
    /// What a reference stands for by this entry, if it is about it.
    fn apply(&self, reference: &FlakeRef) -> Option<Result<FlakeRef, RegistryError>> {
        let directory = match self.to.directory.as_str() {
            "" => &reference.directory,
            directory => directory,
        };
        let replaced = |input: Input| FlakeRef { input, directory: directory.to_owned() };
        if self.exact {
            return (self.from.input == reference.input).then(|| Ok(replaced(self.to.input.clone())));
        }
        if !contains(&self.from.input, &reference.input) {
            return None;
        }
        let wanted = |name: &str| match self.from.input.text(name) {
            None => reference.input.text(name),
            Some(_) => None,
        };
        let (branch, rev) = (wanted("ref"), wanted("rev"));
        Some(with_version(&self.to.input, branch, rev).map(replaced).map_err(RegistryError::from))
    }
}

/// Whether `other` is `input`, perhaps with a branch or commit in addition.
fn contains(input: &Input, other: &Input) -> bool {
    let without = |input: &Input, names: &[&str]| {
        let kept = |name: &String| !names.contains(&name.as_str());
        input.attributes().clone().into_iter().filter(|(name, _)| kept(name)).collect::<Attributes>()
    };
    let free: Vec<&str> = ["ref", "rev"].into_iter().filter(|name| input.text(name).is_none()).collect();
    input == other || *input.attributes() == without(other, &free)
}

/// An input at a branch or commit.
fn with_version(input: &Input, branch: Option<&str>, rev: Option<&str>) -> Result<Input, ReferenceError> {
    if branch.is_none() && rev.is_none() {
        return Ok(input.clone());
    }
    let mut attributes = input.attributes().clone();
    let is_forge = matches!(input.kind(), Kind::Forge(_));
    for (name, value) in [("ref", branch), ("rev", rev)] {
        if let Some(value) = value {
            attributes.insert(name.into(), value.into());
        }
    }
    if is_forge {
        // The commit says it all.
        let redundant = if rev.is_some() { "ref" } else { "rev" };
        attributes.remove(redundant);
    }
    Ok(Input::from_attributes(attributes)?)
}

/// Whether a text can name a flake, or an input.
pub(crate) fn is_flake_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"flakes":[
        {"from":{"id":"n","type":"indirect"},"to":{"owner":"o","ref":"main","repo":"r","type":"github"}},
        {"from":{"id":"d","type":"indirect"},"to":{"dir":"sub","id":"n","type":"indirect"}},
        {"exact":true,"from":{"id":"e","type":"indirect"},"to":{"path":"/e","type":"path"}},
        {"from":{"id":"x","type":"indirect"},"to":{"id":"y","type":"indirect"}},
        {"from":{"id":"y","type":"indirect"},"to":{"id":"x","type":"indirect"}}],"version":2}"#;

    fn check(reference: &str, expected: &str) {
        let registry = Registry::parse(RegistryKind::Global, TEXT, "test").unwrap();
        let registries = Registries { all: vec![Registry::new(RegistryKind::Flag), registry] };
        let found = registries.resolve(&FlakeRef::parse(reference, None).unwrap());
        assert_eq!(found.map_or_else(|error| error.to_string(), |found| found.to_text()), expected);
    }

    #[test]
    fn names_are_resolved() {
        check("n", "github:o/r/main");
        check("n/dev", "github:o/r/dev");
        check(
            "n/main/0123456789abcdef0123456789abcdef01234567",
            "github:o/r/0123456789abcdef0123456789abcdef01234567",
        );
        check("d", "github:o/r/main?dir=sub");
        check("e", "path:/e");
        check("e/main", "cannot find flake 'flake:e/main' in the flake registries");
        check("path:/p", "path:/p");
        check("unknown", "cannot find flake 'flake:unknown' in the flake registries");
        check("x", "cycle detected in flake registry for 'flake:x'");
    }

    #[test]
    fn files_are_written_as_they_were_read() {
        let mut registry = Registry::parse(RegistryKind::User, TEXT, "test").unwrap();
        assert_eq!(Registry::parse(RegistryKind::User, &registry.to_text(), "again").unwrap(), registry);
        let n = FlakeRef::indirect("n").unwrap();
        registry.set(n.clone(), FlakeRef::parse("path:/p", None).unwrap());
        assert_eq!(registry.entries.len(), 5);
        assert!(registry.remove(&n) && !registry.remove(&n));
        let error = Registry::parse(RegistryKind::User, r#"{"version":3}"#, "f").unwrap_err();
        assert_eq!(error.to_string(), "flake registry 'f' is wrong: unsupported version 3");
    }
}
