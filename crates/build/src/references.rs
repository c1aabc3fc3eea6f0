//! What a derivation says its outputs may refer to.
//!
//! Source: the Nix reference manual, "Advanced attributes": `allowedReferences`,
//! `allowedRequisites`, `disallowedReferences`, `disallowedRequisites`.

use saltire_store_model::StorePath;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// An output refers to what it must not refer to.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// A path that is not allowed, with what has it.
    #[error("output '{output}' is not allowed to {relation} '{path}' (set by '{attribute}')")]
    Forbidden {
        /// The output's name.
        output: String,
        /// "refer to" or "need at run time".
        relation: &'static str,
        /// The path's base name.
        path: String,
        /// The attribute of the derivation.
        attribute: &'static str,
    },
    /// An attribute names something that is neither an output nor a store path.
    #[error("'{attribute}' names '{word}', which is neither an output of the derivation nor a store path")]
    Unknown {
        /// The attribute of the derivation.
        attribute: &'static str,
        /// What it names.
        word: String,
    },
}

/// What to check.
pub struct ReferenceCheck<'a> {
    /// The words of each restricting attribute that the derivation has.
    pub attribute: &'a dyn Fn(&'static str) -> Option<Vec<String>>,
    /// Output names with their paths.
    pub outputs: &'a BTreeMap<String, StorePath>,
    /// What each output refers to, itself included if so.
    pub references: &'a BTreeMap<String, BTreeSet<StorePath>>,
    /// Parses an absolute store path.
    pub parse: &'a dyn Fn(&str) -> Option<StorePath>,
    /// All that a path needs, itself included.
    pub closure: &'a dyn Fn(&StorePath) -> BTreeSet<StorePath>,
}

/// Checks all outputs against all restrictions.
pub fn check_references(check: &ReferenceCheck<'_>) -> Result<(), ReferenceError> {
    let restrictions = [
        ("allowedReferences", true, false),
        ("allowedRequisites", true, true),
        ("disallowedReferences", false, false),
        ("disallowedRequisites", false, true),
    ];
    for (attribute, allow, recursive) in restrictions {
        let Some(words) = (check.attribute)(attribute) else { continue };
        let listed = listed_paths(check, attribute, &words)?;
        for (output, path) in check.outputs {
            let direct = check.references.get(output).cloned().unwrap_or_default();
            let found = if recursive { requisites(check, path, direct) } else { direct };
            // An output may always need itself at run time; a direct reference to itself must be allowed.
            let bad = found.iter().find(|p| (listed.contains(*p) != allow) && !(recursive && *p == path));
            if let Some(bad) = bad {
                let relation = if recursive { "need at run time" } else { "refer to" };
                let path = bad.base_name().to_owned();
                return Err(ReferenceError::Forbidden { output: output.clone(), relation, path, attribute });
            }
        }
    }
    Ok(())
}

fn listed_paths(
    check: &ReferenceCheck<'_>,
    attribute: &'static str,
    words: &[String],
) -> Result<BTreeSet<StorePath>, ReferenceError> {
    let path = |word: &String| {
        let found = check.outputs.get(word).cloned().or_else(|| (check.parse)(word));
        found.ok_or_else(|| ReferenceError::Unknown { attribute, word: word.clone() })
    };
    words.iter().map(path).collect()
}

/// The closure of what an output refers to, through its sibling outputs too,
/// which are not registered yet.
fn requisites(
    check: &ReferenceCheck<'_>,
    own: &StorePath,
    direct: BTreeSet<StorePath>,
) -> BTreeSet<StorePath> {
    let siblings: BTreeMap<&StorePath, &String> =
        check.outputs.iter().map(|(name, path)| (path, name)).collect();
    let mut found = BTreeSet::from([own.clone()]);
    let mut queue: Vec<StorePath> = direct.into_iter().collect();
    while let Some(path) = queue.pop() {
        if !found.insert(path.clone()) {
            continue;
        }
        match siblings.get(&path) {
            Some(name) => queue.extend(check.references.get(*name).cloned().unwrap_or_default()),
            None => found.extend((check.closure)(&path)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::from_parts(&[7; 20], name).unwrap()
    }

    /// Output `out` refers to `lib`, which needs `libc`; output `dev` to `out`.
    fn check(attribute: &'static str, words: &[&str]) -> Result<(), String> {
        let outputs: BTreeMap<_, _> = ["out", "dev"].map(|n| (n.to_owned(), path(n))).into();
        let references: BTreeMap<_, _> =
            [("out", ["lib"]), ("dev", ["out"])].map(|(n, r)| (n.to_owned(), r.map(path).into())).into();
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        check_references(&ReferenceCheck {
            attribute: &|name| (name == attribute).then(|| words.clone()),
            outputs: &outputs,
            references: &references,
            parse: &|word| word.strip_prefix("/s/").map(path),
            closure: &|p| {
                if *p == path("lib") { [path("lib"), path("libc")].into() } else { [p.clone()].into() }
            },
        })
        .map_err(|error| error.to_string().replace(path("x").hash_part(), "h"))
    }

    #[test]
    fn direct_references() {
        assert_eq!(check("allowedReferences", &["out", "/s/lib"]), Ok(()));
        assert_eq!(
            check("allowedReferences", &["out"]).unwrap_err(),
            "output 'out' is not allowed to refer to 'h-lib' (set by 'allowedReferences')"
        );
        assert_eq!(check("disallowedReferences", &["/s/libc"]), Ok(()));
    }

    #[test]
    fn requisites_follow_sibling_outputs() {
        assert_eq!(check("allowedRequisites", &["out", "/s/lib", "/s/libc"]), Ok(()));
        assert_eq!(
            check("disallowedRequisites", &["/s/libc"]).unwrap_err(),
            "output 'dev' is not allowed to need at run time 'h-libc' (set by 'disallowedRequisites')"
        );
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        assert_eq!(
            check("allowedReferences", &["doc"]).unwrap_err(),
            "'allowedReferences' names 'doc', which is neither an output of the derivation nor a store path"
        );
    }
}
