//! `flake.lock`.
//!
//! A graph of nodes: the root is the flake itself, each other node a locked input.
//! An input is a node, or follows another input. Version 7 is written; 5 and 6,
//! which differ in little, are read.

use crate::reference::{FlakeRef, ReferenceError};
use saltire_fetch::input::{Kind, attributes};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use thiserror::Error;

/// Names of inputs, from the root on.
pub type InputPath = Vec<String>;

/// What is wrong with a lock file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LockFileError {
    /// No JSON.
    #[error("lock file '{file}' is not valid: {problem}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Written by a later program.
    #[error(
        "lock file '{file}' has unsupported version {version}; versions 5 to 7 are known: a newer Nix wrote it"
    )]
    Version {
        /// The file.
        file: String,
        /// The version.
        version: String,
    },
    /// A node that is named and not there.
    #[error("lock file '{file}' references missing node '{node}'")]
    MissingNode {
        /// The file.
        file: String,
        /// The node.
        node: String,
    },
    /// A part that is missing or strange.
    #[error("lock file '{file}': node '{node}' is not valid: {problem}")]
    Node {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A node whose content could change.
    #[error(
        "lock file '{file}' contains unlocked input '{input}'. Use '--allow-dirty-locks' to accept this lock file"
    )]
    Unlocked {
        /// The file.
        file: String,
        /// The input.
        input: String,
    },
    /// An input that follows one that is not there.
    #[error("input '{input}' follows a non-existent input '{target}'")]
    Follows {
        /// The input.
        input: String,
        /// What it follows.
        target: String,
    },
    /// Inputs that follow each other.
    #[error("follow cycle detected: [{0}]")]
    Cycle(String),
}

/// Where an input leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// An index into [`LockFile::nodes`].
    Node(usize),
    /// Another input, from the root on.
    Follows(InputPath),
}

/// What is locked at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedInput {
    /// The version.
    pub locked: FlakeRef,
    /// What `flake.nix` says.
    pub original: FlakeRef,
    /// Whether it is a flake.
    pub is_flake: bool,
    /// The input that a relative path is relative to.
    pub parent: Option<InputPath>,
}

/// A node of the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The inputs by name.
    pub inputs: BTreeMap<String, Edge>,
    /// What it is; nothing for the root.
    pub locked: Option<LockedInput>,
}

/// The contents of `flake.lock`.
#[derive(Clone, Debug)]
pub struct LockFile {
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
}

impl Default for LockFile {
    /// No inputs.
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl PartialEq for LockFile {
    /// Whether they are written the same.
    fn eq(&self, other: &Self) -> bool {
        self.to_text() == other.to_text()
    }
}

impl LockFile {
    /// Reads the text of a lock file; `file` is for messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, LockFileError> {
        let syntax = |problem: String| LockFileError::Syntax { file: file.to_owned(), problem };
        let value: Value = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let version = value.get("version").ok_or_else(|| syntax("it has no version".into()))?;
        if !matches!(version.as_u64(), Some(5..=7)) {
            return Err(LockFileError::Version { file: file.to_owned(), version: version.to_string() });
        }
        let root = value.get("root").and_then(Value::as_str);
        let root = root.ok_or_else(|| syntax("it has no root".into()))?;
        let nodes = value.get("nodes").and_then(Value::as_object);
        let nodes = nodes.ok_or_else(|| syntax("it has no nodes".into()))?;
        let mut reader = Reader { file, nodes, keys: HashMap::new(), lock: Self { nodes: Vec::new() } };
        reader.node(root)?;
        Ok(reader.lock)
    }

    /// The text of the lock file, byte for byte as Nix writes it.
    pub fn to_text(&self) -> String {
        format!("{:#}\n", self.to_json())
    }

    /// The lock file as JSON.
    pub fn to_json(&self) -> Value {
        let keys = self.keys();
        let mut nodes = BTreeMap::new();
        for (index, key) in &keys {
            nodes.insert(key.clone(), self.node_json(*index, &keys));
        }
        let mut object = Map::new();
        object.insert("nodes".into(), Value::Object(nodes.into_iter().collect()));
        object.insert("root".into(), keys.get(&0).cloned().unwrap_or_default().into());
        object.insert("version".into(), 7.into());
        Value::Object(object)
    }

    fn node_json(&self, index: usize, keys: &BTreeMap<usize, String>) -> Value {
        let node = &self.nodes[index];
        // In alphabetical order, as all objects in the file.
        let mut object = Map::new();
        if node.locked.as_ref().is_some_and(|locked| !locked.is_flake) {
            object.insert("flake".into(), false.into());
        }
        if !node.inputs.is_empty() {
            let edge = |edge: &Edge| match edge {
                Edge::Node(index) => keys.get(index).cloned().unwrap_or_default().into(),
                Edge::Follows(path) => path.clone().into(),
            };
            let inputs = node.inputs.iter().map(|(name, target)| (name.clone(), edge(target)));
            object.insert("inputs".into(), Value::Object(inputs.collect()));
        }
        if let Some(locked) = &node.locked {
            object.insert("locked".into(), attributes::to_json(&locked.locked.to_attributes()));
            object.insert("original".into(), attributes::to_json(&locked.original.to_attributes()));
            if let Some(parent) = &locked.parent {
                object.insert("parent".into(), parent.clone().into());
            }
        }
        Value::Object(object)
    }

    /// The key of each node that can be reached: the name of the input that leads
    /// to it first, with a number if another node has that.
    pub fn keys(&self) -> BTreeMap<usize, String> {
        let mut keys = BTreeMap::new();
        let mut taken = BTreeSet::new();
        self.name_node("root", 0, &mut keys, &mut taken);
        keys
    }

    fn name_node(
        &self,
        name: &str,
        index: usize,
        keys: &mut BTreeMap<usize, String>,
        taken: &mut BTreeSet<String>,
    ) {
        if keys.contains_key(&index) {
            return;
        }
        let mut key = name.to_owned();
        let mut number = 2;
        while !taken.insert(key.clone()) {
            key = format!("{name}_{number}");
            number += 1;
        }
        keys.insert(index, key);
        for (name, edge) in &self.nodes[index].inputs {
            if let Edge::Node(target) = edge {
                self.name_node(name, *target, keys, taken);
            }
        }
    }

    /// The node that a path of inputs leads to; none if it leads nowhere.
    pub fn find(&self, path: &[String]) -> Result<Option<usize>, LockFileError> {
        self.find_on(path, &mut Vec::new())
    }

    fn find_on(&self, path: &[String], visited: &mut Vec<InputPath>) -> Result<Option<usize>, LockFileError> {
        if visited.iter().any(|known| known == path) {
            visited.push(path.to_vec());
            let names: Vec<String> = visited.iter().map(|path| path.join("/")).collect();
            return Err(LockFileError::Cycle(names.join(" -> ")));
        }
        visited.push(path.to_vec());
        let mut index = 0;
        for name in path {
            match self.nodes[index].inputs.get(name) {
                None => return Ok(None),
                Some(Edge::Node(target)) => index = *target,
                Some(Edge::Follows(target)) => match self.find_on(target, visited)? {
                    None => return Ok(None),
                    Some(target) => index = target,
                },
            }
        }
        visited.pop();
        Ok(Some(index))
    }

    /// All inputs by their paths, those that follow others included; each node's
    /// inputs once.
    pub fn all_inputs(&self) -> BTreeMap<InputPath, Edge> {
        let mut all = BTreeMap::new();
        let mut done = BTreeSet::new();
        let mut queue = vec![(InputPath::new(), 0)];
        while let Some((prefix, index)) = queue.pop() {
            if !done.insert(index) {
                continue;
            }
            for (name, edge) in &self.nodes[index].inputs {
                let path: InputPath = prefix.iter().cloned().chain([name.clone()]).collect();
                if let Edge::Node(target) = edge {
                    queue.push((path.clone(), *target));
                }
                all.insert(path, edge.clone());
            }
        }
        all
    }

    /// Checks that all that is followed is there.
    pub fn check(&self) -> Result<(), LockFileError> {
        for (path, edge) in self.all_inputs() {
            if let Edge::Follows(target) = edge
                && !target.is_empty()
                && self.find(&target)?.is_none()
            {
                return Err(LockFileError::Follows { input: path.join("/"), target: target.join("/") });
            }
        }
        Ok(())
    }

    /// An input whose content could change, if there is one.
    ///
    /// With `dirty`, one whose content is known by its hash does not count.
    pub fn unlocked(&self, dirty: bool) -> Option<&FlakeRef> {
        let locked = self.nodes.iter().filter_map(|node| node.locked.as_ref()).map(|locked| &locked.locked);
        locked
            .into_iter()
            .filter(|reference| !is_locked(reference))
            .find(|reference| !dirty || reference.input.text("narHash").is_none())
    }
}

fn is_locked(reference: &FlakeRef) -> bool {
    let input = &reference.input;
    // Whatever it is, its content is known by the hash.
    input.is_locked()
        || input.relative_path().is_some()
        || (input.text("narHash").is_some() && !matches!(input.kind(), Kind::Git | Kind::Mercurial))
}

struct Reader<'a> {
    file: &'a str,
    nodes: &'a Map<String, Value>,
    keys: HashMap<String, usize>,
    lock: LockFile,
}

impl Reader<'_> {
    fn node(&mut self, key: &str) -> Result<usize, LockFileError> {
        if let Some(index) = self.keys.get(key) {
            return Ok(*index);
        }
        let missing = || LockFileError::MissingNode { file: self.file.to_owned(), node: key.to_owned() };
        let value = self.nodes.get(key).ok_or_else(missing)?;
        let is_root = self.lock.nodes.is_empty();
        let locked = if is_root { None } else { Some(self.locked(key, value)?) };
        let index = self.lock.nodes.len();
        self.lock.nodes.push(Node { inputs: BTreeMap::new(), locked });
        // Before its inputs: they may lead back.
        self.keys.insert(key.to_owned(), index);
        let empty = Map::new();
        let inputs = match value.get("inputs") {
            None => &empty,
            Some(inputs) => inputs.as_object().ok_or_else(|| self.wrong(key, "its inputs are no object"))?,
        };
        for (name, target) in inputs {
            let edge = match target {
                Value::String(target) => Edge::Node(self.node(target)?),
                other => Edge::Follows(self.path(key, other)?),
            };
            self.lock.nodes[index].inputs.insert(name.clone(), edge);
        }
        Ok(index)
    }

    fn wrong(&self, node: &str, problem: &str) -> LockFileError {
        let (file, node, problem) = (self.file.to_owned(), node.to_owned(), problem.to_owned());
        LockFileError::Node { file, node, problem }
    }

    fn path(&self, key: &str, value: &Value) -> Result<InputPath, LockFileError> {
        let names = value.as_array().and_then(|names| {
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<InputPath>>()
        });
        names.ok_or_else(|| self.wrong(key, "an input is neither a node's key nor a list of names"))
    }

    fn locked(&self, key: &str, value: &Value) -> Result<LockedInput, LockFileError> {
        let reference = |name: &str, more: Option<&str>| {
            let object = value.get(name).and_then(Value::as_object);
            let mut object = object.ok_or_else(|| self.wrong(key, &format!("it has no '{name}'")))?.clone();
            if let Some(more) = more.and_then(|more| value.get(more)).and_then(Value::as_object) {
                object.extend(more.clone());
            }
            let attributes = attributes::from_json(&object).map_err(|attribute| {
                self.wrong(key, &format!("attribute '{attribute}' has a strange value"))
            })?;
            let wrong = |error: ReferenceError| self.wrong(key, &error.to_string());
            FlakeRef::from_attributes(attributes).map_err(wrong)
        };
        let parent = value.get("parent").map(|parent| self.path(key, parent)).transpose()?;
        let locked = LockedInput {
            // Version 6 and before: the hash is kept apart.
            locked: reference("locked", Some("info"))?,
            original: reference("original", None)?,
            is_flake: value.get("flake").and_then(Value::as_bool).unwrap_or(true),
            parent,
        };
        if !is_locked(&locked.locked) && locked.locked.input.text("narHash").is_none() {
            return Err(LockFileError::Unlocked {
                file: self.file.to_owned(),
                input: locked.locked.to_text(),
            });
        }
        Ok(locked)
    }
}

/// Names of inputs as they are written for people.
pub(crate) fn path_text(path: &[String]) -> String {
    let mut text = String::new();
    for name in path {
        let _ = write!(text, "{}{name}", if text.is_empty() { "" } else { "/" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "nodes": {
    "a": {
      "inputs": {
        "n": "n_2",
        "o": []
      },
      "locked": {
        "lastModified": 1,
        "narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "path": "/a",
        "type": "path"
      },
      "original": {
        "dir": "sub",
        "path": "/a",
        "type": "path"
      }
    },
    "n": {
      "flake": false,
      "locked": {
        "path": "./n",
        "type": "path"
      },
      "original": {
        "path": "./n",
        "type": "path"
      },
      "parent": []
    },
    "n_2": {
      "inputs": {
        "up": [
          "a"
        ]
      },
      "locked": {
        "path": "./n",
        "type": "path"
      },
      "original": {
        "path": "./n",
        "type": "path"
      },
      "parent": [
        "a"
      ]
    },
    "root": {
      "inputs": {
        "a": "a",
        "z": "n"
      }
    }
  },
  "root": "root",
  "version": 7
}
"#;

    #[test]
    fn what_was_read_is_written() {
        // Keys are given by the order of inputs: "n" is first seen below "a".
        let lock = LockFile::parse(TEXT, "f").unwrap();
        let text = lock.to_text();
        assert_eq!(LockFile::parse(&text, "f").unwrap().to_text(), text);
        let expected = TEXT.replace("\"n_2\": {", "\"X\": {").replace("\"n\": \"n_2\"", "\"n\": \"X\"");
        assert_ne!(text, expected);
        assert!(text.contains("\"z\": \"z\"") && text.contains("\"n\": \"n\""), "{text}");
        assert_eq!(
            LockFile::default().to_text(),
            "{\n  \"nodes\": {\n    \"root\": {}\n  },\n  \"root\": \"root\",\n  \"version\": 7\n}\n"
        );
    }

    #[test]
    fn inputs_are_found() {
        let lock = LockFile::parse(TEXT, "f").unwrap();
        let find = |path: &str| lock.find(&path.split('/').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        assert_eq!(find("a/n/up"), find("a"));
        assert_eq!(find("a/n/up/n"), find("a/n"));
        assert_eq!(find("b"), None);
        lock.check().unwrap();
    }

    #[test]
    fn damaged_files_are_errors() {
        let check = |from: &str, to: &str, expected: &str| {
            let error = LockFile::parse(&TEXT.replacen(from, to, 1), "f").unwrap_err().to_string();
            assert_eq!(error, expected);
        };
        check(
            "\"version\": 7",
            "\"version\": 8",
            "lock file 'f' has unsupported version 8; versions 5 to 7 are known: a newer Nix wrote it",
        );
        check("\"n\": \"n_2\"", "\"n\": \"m\"", "lock file 'f' references missing node 'm'");
        check("\"original\"", "\"orig\"", "lock file 'f': node 'a' is not valid: it has no 'original'");
        check(
            "\"narHash\": \"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\",",
            "",
            "lock file 'f' contains unlocked input 'path:/a?lastModified=1'. Use '--allow-dirty-locks' to accept this lock file",
        );
        let cycle = TEXT.replace("\"z\": \"n\"", "\"z\": [\"y\"], \"y\": [\"z\"]");
        let error = LockFile::parse(&cycle, "f").unwrap().check().unwrap_err().to_string();
        assert!(error.starts_with("follow cycle detected: ["), "{error}");
    }
}
