//! Closures that a derivation asks to be told about (`exportReferencesGraph`).
//!
//! Source: the Nix reference manual, "Advanced attributes". Without structured
//! attributes the value is a list `name path …`, and each graph is a file of that
//! name in the build directory, in the format of `nix-store --register-validity`
//! without hashes. With them it is an object, and each graph an attribute.

use crate::environment::{Bytes, words};
use saltire_store::{Store, StoreError};
use saltire_store_model::{PathInfo, StorePath};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What a derivation can't be told.
#[derive(Debug, Error)]
pub(crate) enum GraphError {
    /// The attribute has another form.
    #[error("'exportReferencesGraph' has to be pairs of a file name and a store path, but is '{0}'")]
    Form(String),
    /// Something that the derivation does not depend on.
    #[error(
        "'exportReferencesGraph' names '{0}', which is not among its inputs: mention the path itself in an attribute, not as text without context"
    )]
    NotAnInput(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One closure under the name that the derivation gives it.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    /// Each path with the size of its own closure, in bytes of NAR.
    entries: Vec<(PathInfo, u64)>,
    store_directory: saltire_store_model::StoreDir,
}

impl Graph {
    /// The name of the file or attribute.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The format without structured attributes.
    pub(crate) fn text(&self) -> Bytes {
        let mut text = String::new();
        for (info, _) in &self.entries {
            text += &format!("{}\n\n{}\n", self.store_directory.display(&info.path), info.references.len());
            for reference in &info.references {
                text += &format!("{}\n", self.store_directory.display(reference));
            }
        }
        text.into()
    }

    /// The format with structured attributes.
    pub(crate) fn json(&self) -> serde_json::Value {
        let display = |path: &StorePath| self.store_directory.display(path).to_string();
        let entry = |(info, closure_size): &(PathInfo, u64)| {
            serde_json::json!({
                "closureSize": closure_size,
                "narHash": format!("sha256:{}", info.nar_hash.to_nix_base32()),
                "narSize": info.nar_size,
                "path": display(&info.path),
                "references": info.references.iter().map(display).collect::<Vec<_>>(),
            })
        };
        self.entries.iter().map(entry).collect()
    }
}

/// The graphs that a derivation with these variables asks for. `inputs` is the
/// closure of what it depends on.
pub(crate) fn graphs(
    store: &Store,
    variables: &BTreeMap<Bytes, Bytes>,
    inputs: &BTreeSet<StorePath>,
) -> Result<Vec<Graph>, GraphError> {
    let mut result = Vec::new();
    for (name, roots) in wanted(variables)? {
        let roots: Vec<StorePath> = roots
            .iter()
            .map(|root| {
                let path = store_path(store, root);
                path.filter(|path| inputs.contains(path)).ok_or_else(|| GraphError::NotAnInput(root.clone()))
            })
            .collect::<Result<_, _>>()?;
        let closure = store.query_closure(&roots)?;
        let infos: BTreeMap<StorePath, PathInfo> = closure
            .iter()
            .map(|path| Ok((path.clone(), store.path_info(path)?)))
            .collect::<Result<_, StoreError>>()?;
        let mut entries = Vec::with_capacity(infos.len());
        for (path, info) in &infos {
            let below = store.query_closure([path])?;
            let size = below.iter().filter_map(|path| infos.get(path)).map(|info| info.nar_size).sum();
            entries.push((info.clone(), size));
        }
        result.push(Graph { name, entries, store_directory: store.store_dir().clone() });
    }
    Ok(result)
}

/// The store path that a path is in.
fn store_path(store: &Store, text: &str) -> Option<StorePath> {
    let directory = store.store_dir();
    let relative = text.strip_prefix(directory.as_str())?.strip_prefix('/')?;
    let base = relative.split('/').next()?;
    directory.parse(format!("{}/{base}", directory.as_str())).ok()
}

/// Names, each with the paths whose closure is wanted.
fn wanted(variables: &BTreeMap<Bytes, Bytes>) -> Result<Vec<(String, Vec<String>)>, GraphError> {
    if let Some(json) = variables.get(b"__json".as_slice()) {
        let attributes: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
        let Some(graphs) = attributes.get("exportReferencesGraph") else { return Ok(Vec::new()) };
        let wrong = || GraphError::Form(graphs.to_string());
        let strings = |value: &serde_json::Value| match value {
            serde_json::Value::String(path) => Some(vec![path.clone()]),
            serde_json::Value::Array(paths) => {
                paths.iter().map(|path| path.as_str().map(str::to_owned)).collect()
            }
            _ => None,
        };
        let graphs = graphs.as_object().ok_or_else(wrong)?;
        return graphs
            .iter()
            .map(|(name, paths)| Ok((name.clone(), strings(paths).ok_or_else(wrong)?)))
            .collect();
    }
    let value = variables.get(b"exportReferencesGraph".as_slice());
    let words = words(value);
    let wrong = || GraphError::Form(words.join(" "));
    // A name is a file in the build directory, nothing else.
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    words
        .chunks(2)
        .map(|pair| match pair {
            [name, path] if is_name(name) => Ok((name.clone(), vec![path.clone()])),
            _ => Err(wrong()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: Result<&[(&str, &[&str])], &str>) {
        let variables = BTreeMap::from([(Bytes::from(name), Bytes::from(value))]);
        let found = wanted(&variables).map_err(|error| error.to_string());
        let expected = expected.map(|graphs| {
            let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
            graphs.iter().map(|(name, paths)| ((*name).to_owned(), owned(paths))).collect::<Vec<_>>()
        });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn pairs_of_names_and_paths() {
        check(
            "exportReferencesGraph",
            "a /nix/store/x b /y",
            Ok(&[("a", &["/nix/store/x"]), ("b", &["/y"])]),
        );
        check("other", "x", Ok(&[]));
    }

    #[test]
    fn structured_attributes_have_an_object() {
        let json = r#"{"exportReferencesGraph":{"a":"/x","b":["/y","/z"]}}"#;
        check("__json", json, Ok(&[("a", &["/x"]), ("b", &["/y", "/z"])]));
    }

    #[test]
    fn names_that_leave_the_build_directory_are_refused() {
        for value in ["../a /x", "a/b /x", "a", ".attrs.json /x"] {
            let message = format!(
                "'exportReferencesGraph' has to be pairs of a file name and a store path, but is '{value}'"
            );
            check("exportReferencesGraph", value, Err(&message));
        }
    }
}
