//! References to flakes, as users write them.

use saltire_fetch::input::url::{Url, is_scheme, percent_decode};
use saltire_fetch::input::{Attribute, Attributes, Input, InputError, is_reference_name, is_revision};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What is wrong with a reference to a flake.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// Its URL or attributes are wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It can't be read as any kind of reference.
    #[error("'{0}' is not a valid flake reference: {1}")]
    Syntax(String, String),
    /// A relative path with nothing that it is relative to.
    #[error("flake reference '{0}' is not an absolute path")]
    Relative(String),
    /// Neither the directory nor any above it in its repository is a flake.
    #[error("path '{}' is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)", .0.display())]
    NoFlake(PathBuf),
    /// Neither the directory nor any above it on its file system is a flake.
    #[error("unable to find a flake before encountering filesystem boundary at '{}'", .0.display())]
    Boundary(PathBuf),
    /// Neither the directory nor any above it is a flake, nor a repository.
    #[error("could not find a flake.nix file in '{}' or above it", .0.display())]
    NotFound(PathBuf),
    /// A path that is not there.
    #[error("path '{}' does not exist", .0.display())]
    Missing(PathBuf),
    /// A path that is no directory.
    #[error("path '{}' is not a flake (because it's not a directory)", .0.display())]
    NotADirectory(PathBuf),
    /// A reference to something in a directory, and the directory once more.
    #[error("flake URL '{0}' has an inconsistent 'dir' parameter")]
    Directory(String),
    /// `#…` where only the flake is to be named.
    #[error("unexpected fragment '{0}' in flake reference '{1}'")]
    Fragment(String, String),
}

/// A reference to a flake: a tree, and the directory in it that holds `flake.nix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakeRef {
    /// The tree.
    pub input: Input,
    /// The directory; empty for the tree's root.
    pub directory: String,
}

/// Which outputs of derivations are meant: `^out,dev`, `^*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OutputNames {
    /// What the package says.
    #[default]
    Usual,
    /// All.
    All,
    /// These.
    Named(Vec<String>),
}

/// Something in a flake: `REFERENCE#FRAGMENT^OUTPUTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The flake.
    pub flake: FlakeRef,
    /// The attribute path, as written.
    pub fragment: String,
    /// The outputs.
    pub outputs: OutputNames,
}

impl FlakeRef {
    /// Reads a reference without fragment. A path is relative to `base`, and means
    /// the flake around it; without `base` a relative path stays one.
    pub fn parse(text: &str, base: Option<&Path>) -> Result<Self, ReferenceError> {
        match Self::parse_with_fragment(text, base, true)? {
            (reference, fragment) if fragment.is_empty() => Ok(reference),
            (_, fragment) => Err(ReferenceError::Fragment(fragment, text.to_owned())),
        }
    }

    /// Reads the reference of a flake's input, which is not to be looked for: a
    /// relative path is relative to the flake that has the input.
    pub fn parse_input(text: &str, is_flake: bool) -> Result<Self, ReferenceError> {
        let (reference, fragment) = Self::parse_any(text, &Base::Input, is_flake)?;
        match fragment.is_empty() {
            true => Ok(reference),
            false => Err(ReferenceError::Fragment(fragment, text.to_owned())),
        }
    }

    fn parse_with_fragment(
        text: &str,
        base: Option<&Path>,
        is_flake: bool,
    ) -> Result<(Self, String), ReferenceError> {
        let base = base.map_or(Base::None, Base::Directory);
        Self::parse_any(text, &base, is_flake)
    }

    fn parse_any(text: &str, base: &Base<'_>, is_flake: bool) -> Result<(Self, String), ReferenceError> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let syntax = |problem: &str| ReferenceError::Syntax(text.to_owned(), problem.to_owned());
        let fragment =
            percent_decode(fragment).ok_or_else(|| syntax("a '%' is not followed by two digits"))?;
        let scheme = rest.split_once(':').map(|(scheme, _)| scheme);
        if scheme.is_some_and(is_scheme) {
            let mut url = Url::parse(rest).map_err(InputError::Url)?;
            if let Base::Directory(base) = base {
                make_absolute(&mut url, base);
            }
            return Ok((Self::from_url(url, is_flake)?, fragment));
        }
        if let Some(input) = indirect(rest) {
            return Ok((Self { input: input?, directory: String::new() }, fragment));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = Url::parse(&format!("path:/?{query}")).map_err(|problem| syntax(&problem))?.query;
        let path = percent_decode(path).unwrap_or_else(|| path.to_owned());
        Ok((Self::from_path(text, &path, query, base)?, fragment))
    }

    fn from_url(mut url: Url, is_flake: bool) -> Result<Self, ReferenceError> {
        let directory = url.query.remove("dir").unwrap_or_default();
        Ok(Self { input: Input::from_url(&url, is_flake)?, directory })
    }

    fn from_path(
        text: &str,
        path: &str,
        mut query: BTreeMap<String, String>,
        base: &Base<'_>,
    ) -> Result<Self, ReferenceError> {
        let directory = query.get("dir").cloned().unwrap_or_default();
        let path = match base {
            Base::Directory(base) => {
                let asked = normal(&base.join(path));
                let flake = flake_around(&asked)?;
                if let Some(root) = flake.ancestors().find(|above| above.join(".git").exists()) {
                    return Self::in_repository(text, root, &flake, query);
                }
                flake
            }
            Base::Input => PathBuf::from(if path.is_empty() { "." } else { path }),
            Base::None if path.starts_with('/') => normal(Path::new(path)),
            Base::None => return Err(ReferenceError::Relative(text.to_owned())),
        };
        query.remove("dir");
        let mut url = Url::new("path", None, &path.to_string_lossy());
        url.query = query;
        Ok(Self { input: Input::from_url(&url, true)?, directory })
    }

    /// A flake in a Git repository: only what Git tracks belongs to it.
    fn in_repository(
        text: &str,
        root: &Path,
        flake: &Path,
        mut query: BTreeMap<String, String>,
    ) -> Result<Self, ReferenceError> {
        let inside = flake.strip_prefix(root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        if !inside.is_empty() {
            match query.insert("dir".into(), inside.clone()) {
                Some(asked) if asked != inside => return Err(ReferenceError::Directory(text.to_owned())),
                _ => {}
            }
        }
        if root.join(".git/shallow").exists() {
            query.insert("shallow".into(), "1".into());
        }
        let mut url = Url::new("git+file", Some(""), &root.to_string_lossy());
        url.query = query;
        Self::from_url(url, true)
    }

    /// From attributes, `dir` among them.
    pub fn from_attributes(mut attributes: Attributes) -> Result<Self, ReferenceError> {
        let directory = match attributes.remove("dir") {
            None => String::new(),
            Some(Attribute::String(directory)) => directory,
            Some(_) => {
                let problem = "it is not a string".to_owned();
                return Err(InputError::Value { attribute: "dir".into(), problem }.into());
            }
        };
        Ok(Self { input: Input::from_attributes(attributes)?, directory })
    }

    /// As attributes, `dir` among them unless it is empty.
    pub fn to_attributes(&self) -> Attributes {
        let mut attributes = self.input.attributes().clone();
        if !self.directory.is_empty() {
            attributes.insert("dir".into(), self.directory.as_str().into());
        }
        attributes
    }

    /// The name `id`, which a registry gives a meaning.
    pub fn indirect(id: &str) -> Result<Self, ReferenceError> {
        let attributes = [("type".to_owned(), "indirect".into()), ("id".to_owned(), id.into())];
        Self::from_attributes(attributes.into())
    }

    /// The reference without the directory in the address of its tree, where
    /// programs before Nix 2.20 left it in lock files.
    pub(crate) fn canonical(&self) -> Self {
        let url = self.input.text("url").and_then(|url| Url::parse(url).ok());
        match url {
            Some(mut url) if url.query.get("dir").is_some_and(|directory| *directory == self.directory) => {
                url.query.remove("dir");
                let mut canonical = self.clone();
                canonical.input.set("url", url.to_string());
                canonical
            }
            _ => self.clone(),
        }
    }

    /// The text for messages: a URL.
    pub fn to_text(&self) -> String {
        let mut url = self.input.to_url();
        if !self.directory.is_empty() {
            url.query.insert("dir".into(), self.directory.clone());
        }
        url.to_string()
    }
}

impl std::fmt::Display for FlakeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl Target {
    /// Reads what a command is given. Paths are relative to `base`, an absolute
    /// directory, and mean the flake around them.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ReferenceError> {
        let (text, outputs) = split_outputs(text);
        let text =
            if text.is_empty() || text.starts_with('#') { format!(".{text}") } else { text.to_owned() };
        let (flake, fragment) = FlakeRef::parse_with_fragment(&text, Some(base), true)?;
        Ok(Self { flake, fragment, outputs })
    }
}

/// Takes `^out,dev` off the end.
fn split_outputs(text: &str) -> (&str, OutputNames) {
    let Some((rest, names)) = text.rsplit_once('^') else { return (text, OutputNames::Usual) };
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._?=".contains(c))
    };
    match names {
        "*" => (rest, OutputNames::All),
        _ if names.split(',').all(is_name) => {
            (rest, OutputNames::Named(names.split(',').map(str::to_owned).collect()))
        }
        _ => (text, OutputNames::Usual),
    }
}

/// What paths are relative to.
enum Base<'a> {
    /// Nothing.
    None,
    /// The flake whose input it is.
    Input,
    /// A directory; the flake is in it or above.
    Directory(&'a Path),
}

/// Paths in the URLs of a command line are relative to its directory.
fn make_absolute(url: &mut Url, base: &Path) {
    let path = url.path();
    if matches!(url.scheme.as_str(), "path" | "git+file") && !path.starts_with('/') {
        let authority = (url.scheme != "path").then_some("");
        let absolute = Url::new(&url.scheme, authority, &normal(&base.join(path)).to_string_lossy());
        (url.authority, url.raw_path) = (absolute.authority, absolute.raw_path);
    }
}

/// `id`, `id/ref`, `id/rev`, `id/ref/rev`.
fn indirect(text: &str) -> Option<Result<Input, InputError>> {
    let parts: Vec<&str> = text.split('/').collect();
    let is_id = parts[0].starts_with(|c: char| c.is_ascii_alphabetic())
        && parts[0].chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let is_indirect = is_id
        && match parts[1..] {
            [] => true,
            [version] => is_revision(version) || is_reference_name(version),
            [reference, rev] => is_reference_name(reference) && is_revision(rev),
            _ => false,
        };
    is_indirect.then(|| Input::parse(&format!("flake:{text}"), true))
}

/// Without `.`, `..` and doubled slashes; links are not looked at.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => clean.push(name),
            std::path::Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

/// The directory with `flake.nix`: this one or the nearest above it, on the same
/// file system and in the same repository.
fn flake_around(path: &Path) -> Result<PathBuf, ReferenceError> {
    let Ok(metadata) = path.metadata() else { return Err(ReferenceError::Missing(path.to_owned())) };
    if !metadata.is_dir() {
        return Err(ReferenceError::NotADirectory(path.to_owned()));
    }
    for above in path.ancestors() {
        if above.join("flake.nix").exists() {
            return Ok(above.to_owned());
        }
        if above.join(".git").exists() {
            return Err(ReferenceError::NoFlake(above.to_owned()));
        }
        if above.metadata().is_ok_and(|found| found.dev() != metadata.dev()) {
            return Err(ReferenceError::Boundary(above.to_owned()));
        }
    }
    Err(ReferenceError::NotFound(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match Target::parse(text, Path::new("/nowhere")) {
            Ok(target) => {
                let outputs = match target.outputs {
                    OutputNames::Usual => String::new(),
                    OutputNames::All => " ^*".into(),
                    OutputNames::Named(names) => format!(" ^{}", names.join(",")),
                };
                format!("{} [{}]{outputs}", target.flake, target.fragment)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn urls_and_names() {
        check("nixpkgs", "flake:nixpkgs []");
        check("nixpkgs/nixos-23.11#hello", "flake:nixpkgs/nixos-23.11 [hello]");
        check("github:o/r?dir=sub#a.b^out,dev", "github:o/r?dir=sub [a.b] ^out,dev");
        check("git+file:///a?ref=x#y^*", "git+file:///a?ref=x [y] ^*");
        check("path:/a#x%20y", "path:/a [x y]");
        check("https://h/a.tar.gz", "https://h/a.tar.gz []");
        check("https://h/a", "https://h/a []");
        check("x:y", "input 'x:y' is unsupported");
        check("/nowhere/else#x", "path '/nowhere/else' does not exist");
    }

    #[test]
    fn paths_mean_the_flake_around_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("f/sub/deep")).unwrap();
        std::fs::write(root.join("f/flake.nix"), "").unwrap();
        let check = |text: &str, base: &str, expected: &str| {
            let found = match Target::parse(text, &root.join(base)) {
                Ok(target) => format!("{} [{}]", target.flake, target.fragment),
                Err(error) => error.to_string(),
            };
            assert_eq!(found.replace(root.to_str().unwrap(), "R"), expected);
        };
        check(".#a", "f", "path:R/f [a]");
        check("#a", "f/sub/deep", "path:R/f [a]");
        check("./f/sub", "", "path:R/f []");
        check("path:f", "", "path:R/f []");
        check("git+file:.?ref=x#a", "f", "git+file://R/f?ref=x [a]");
        // Above it there may be a repository, or another file system.
        let error = Target::parse(".", &root).unwrap_err().to_string();
        assert!(error.contains("flake"), "{error}");
        std::fs::create_dir_all(root.join("g/.git")).unwrap();
        check(
            ".",
            "g",
            "path 'R/g' is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)",
        );
        check("./f/flake.nix", "", "path 'R/f/flake.nix' is not a flake (because it's not a directory)");
        std::fs::create_dir(root.join(".git")).unwrap();
        check(".#a", "f/sub", "git+file://R?dir=f [a]");
        check(".?dir=x", "f", "flake URL '.?dir=x' has an inconsistent 'dir' parameter");
        std::fs::write(root.join("flake.nix"), "").unwrap();
        check("?dir=f", "", "git+file://R?dir=f []");
    }

    #[test]
    fn inputs_stay_as_written() {
        let check = |text: &str, expected: &str| {
            let found = FlakeRef::parse_input(text, true).map(|reference| reference.to_text());
            assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected);
        };
        check("./sub", "path:./sub");
        check("path:../x?dir=y", "path:../x?dir=y");
        check("nixpkgs", "flake:nixpkgs");
        check("nixpkgs#x", "unexpected fragment 'x' in flake reference 'nixpkgs#x'");
    }
}
