//! What the user set, and the directories that follow from the environment.

use crate::error::Error;
use std::path::PathBuf;

/// Settings, already merged from flags and environment variables.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store: `local`, `private` or a directory; `None` to find one.
    pub store: Option<String>,
    /// Debian mirrors to try first, as URLs of the directory that holds `dists` and `pool`.
    pub mirrors: Vec<String>,
    /// Use no network.
    pub offline: bool,
    /// Builds at the same time.
    pub jobs: usize,
    /// Cores that one build may use; 0 for all.
    pub cores: usize,
    /// Keep the build directory of a failed build.
    pub keep_failed: bool,
    /// Go on with what does not depend on a failed build.
    pub keep_going: bool,
    /// Entries of the search path for `<…>`, before those of `NIX_PATH`.
    pub search_path: Vec<String>,
    /// System features beyond those that every machine has.
    pub features: Vec<String>,
    /// Show every step of an evaluation error's trace.
    pub show_trace: bool,
    /// Colour errors.
    pub colour: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store: None,
            mirrors: Vec::new(),
            offline: false,
            jobs: 1,
            cores: 0,
            keep_failed: false,
            keep_going: false,
            search_path: Vec::new(),
            features: Vec::new(),
            show_trace: false,
            colour: false,
        }
    }
}

/// The user's directories (XDG Base Directory Specification).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// For what can be made again: `$XDG_CACHE_HOME/saltire`.
    pub cache: PathBuf,
    /// For what can't: `$XDG_DATA_HOME/saltire`.
    pub data: PathBuf,
}

impl Directories {
    /// From the environment.
    pub fn find() -> Result<Self, Error> {
        Self::from_lookup(&|name| std::env::var_os(name).map(PathBuf::from))
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<PathBuf>) -> Result<Self, Error> {
        let absolute = |name| lookup(name).filter(|path| path.is_absolute());
        let below = |name, default: &str| match absolute(name) {
            Some(base) => Ok(base.join("saltire")),
            None => match absolute("HOME") {
                Some(home) => Ok(home.join(default).join("saltire")),
                None => Err(Error::NoHome { variable: name }),
            },
        };
        Ok(Self { cache: below("XDG_CACHE_HOME", ".cache")?, data: below("XDG_DATA_HOME", ".local/share")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Result<(&str, &str), &str>) {
        let found = Directories::from_lookup(&|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
        });
        match (found, expected) {
            (Ok(found), Ok((cache, data))) => {
                assert_eq!((found.cache, found.data), (cache.into(), data.into()));
            }
            (Err(error), Err(text)) => assert_eq!(error.to_string(), text),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn directories_follow_the_specification() {
        check(&[("HOME", "/h")], Ok(("/h/.cache/saltire", "/h/.local/share/saltire")));
        check(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")], Ok(("/c/saltire", "/h/.local/share/saltire")));
        check(
            &[("HOME", "/h"), ("XDG_CACHE_HOME", "relative")],
            Ok(("/h/.cache/saltire", "/h/.local/share/saltire")),
        );
        check(&[], Err("neither XDG_CACHE_HOME nor HOME is set to an absolute path"));
    }
}
