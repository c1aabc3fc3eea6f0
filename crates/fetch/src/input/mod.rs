//! Inputs: what `fetchTree`, `fetchGit` and flakes fetch.
//!
//! An [`Input`] is a checked set of attributes with a `type`. It has two forms
//! that say the same: attributes (as in lock files) and a URL (as users write).
//! Source: the Nix reference manual, "nix flake" and `builtins.fetchTree`.

pub mod attributes;
mod forge;
pub(crate) mod git;
pub(crate) mod mercurial;
mod program;
mod schemes;
pub mod url;

#[cfg(test)]
mod tests;

pub use attributes::{Attribute, Attributes};
pub use forge::Forge;
pub use git::changes as git_changes;

use thiserror::Error;
use url::Url;

/// The kinds of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A directory of this machine.
    Path,
    /// A Git repository.
    Git,
    /// A Mercurial repository.
    Mercurial,
    /// A repository of a forge, fetched as an archive.
    Forge(Forge),
    /// An archive at a URL.
    Tarball,
    /// A file at a URL.
    File,
    /// A name that a registry gives a meaning.
    Indirect,
}

impl Kind {
    /// As the attribute `type` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Git => "git",
            Self::Mercurial => "hg",
            Self::Forge(forge) => forge.name(),
            Self::Tarball => "tarball",
            Self::File => "file",
            Self::Indirect => "indirect",
        }
    }

    /// By the attribute `type`.
    fn from_name(name: &str) -> Option<Self> {
        let forges = Forge::ALL.into_iter().map(Self::Forge);
        let others = [Self::Path, Self::Git, Self::Mercurial, Self::Tarball, Self::File, Self::Indirect];
        others.into_iter().chain(forges).find(|kind| kind.name() == name)
    }

    /// The attributes that an input of this kind may have, `type` aside.
    fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::Path => &["path", "rev", "revCount", "lastModified", "narHash"],
            Self::Git => &[
                "url",
                "ref",
                "rev",
                "shallow",
                "submodules",
                "lfs",
                "exportIgnore",
                "lastModified",
                "revCount",
                "narHash",
                "allRefs",
                "name",
                "dirtyRev",
                "dirtyShortRev",
            ],
            Self::Mercurial => &["url", "ref", "rev", "revCount", "narHash", "name"],
            Self::Forge(_) => &["owner", "repo", "ref", "rev", "narHash", "lastModified", "host", "treeHash"],
            Self::Tarball | Self::File => {
                &["url", "narHash", "name", "unpack", "rev", "revCount", "lastModified"]
            }
            Self::Indirect => &["id", "ref", "rev", "narHash"],
        }
    }

    /// The attributes that it must have.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Path => &["path"],
            Self::Git | Self::Mercurial | Self::Tarball | Self::File => &["url"],
            Self::Forge(_) => &["owner", "repo"],
            Self::Indirect => &["id"],
        }
    }
}

/// What is wrong with a description of an input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InputError {
    /// A URL that can't be one.
    #[error("{0}")]
    Url(String),
    /// No kind of input has this scheme or type.
    #[error("input '{0}' is unsupported")]
    Unsupported(String),
    /// No kind of input has this `type`.
    #[error("cannot show unsupported input '{0}'")]
    UnsupportedType(String),
    /// The attribute `type` is missing.
    #[error("'type' attribute to specify input scheme is required but not provided")]
    NoType,
    /// An attribute that this kind of input does not have.
    #[error("input attribute '{attribute}' not supported by scheme '{kind}'")]
    Attribute {
        /// The attribute.
        attribute: String,
        /// The type.
        kind: &'static str,
    },
    /// An attribute is missing.
    #[error("input attribute '{attribute}' is missing")]
    Missing {
        /// The attribute.
        attribute: &'static str,
        /// The type.
        kind: &'static str,
    },
    /// A commit's hash of another length than commits have.
    #[error("hash '{0}' has wrong length for hash algorithm 'sha1'")]
    Revision(String),
    /// An attribute has a wrong value.
    #[error("input attribute '{attribute}' is wrong: {problem}")]
    Value {
        /// The attribute.
        attribute: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A checked description of something to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    kind: Kind,
    attributes: Attributes,
}

impl Input {
    /// Checks attributes, `type` among them.
    pub fn from_attributes(attributes: Attributes) -> Result<Self, InputError> {
        let Some(Attribute::String(name)) = attributes.get("type") else {
            return Err(InputError::NoType);
        };
        let unsupported = || InputError::UnsupportedType(attributes::to_json(&attributes).to_string());
        let kind = Kind::from_name(name).ok_or_else(unsupported)?;
        let input = Self { kind, attributes };
        input.check()?;
        Ok(input)
    }

    /// An input of this kind with these attributes, without `type`.
    pub(crate) fn of(kind: Kind, mut attributes: Attributes) -> Result<Self, InputError> {
        attributes.insert("type".into(), kind.name().into());
        Self::from_attributes(attributes)
    }

    /// Reads a URL. If `is_tree`, an address without a known ending is that of an
    /// archive, else that of a file.
    pub fn from_url(url: &Url, is_tree: bool) -> Result<Self, InputError> {
        schemes::from_url(url, is_tree)
    }

    /// Reads the text of a URL; see [`Input::from_url`].
    pub fn parse(text: &str, is_tree: bool) -> Result<Self, InputError> {
        Self::from_url(&Url::parse(text).map_err(InputError::Url)?, is_tree)
    }

    /// The URL that says the same.
    pub fn to_url(&self) -> Url {
        schemes::to_url(self)
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// All attributes, `type` among them.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// A string attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::String(text)) => Some(text),
            _ => None,
        }
    }

    /// An integer attribute.
    pub fn int(&self, name: &str) -> Option<u64> {
        match self.attributes.get(name) {
            Some(Attribute::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// A boolean attribute; false if it is missing.
    pub fn flag(&self, name: &str) -> bool {
        self.attributes.get(name) == Some(&Attribute::Bool(true))
    }

    /// Sets an attribute that this kind has.
    pub fn set(&mut self, name: &str, value: impl Into<Attribute>) {
        debug_assert!(self.kind.allowed().contains(&name), "{name}");
        self.attributes.insert(name.to_owned(), value.into());
    }

    /// Removes an attribute.
    pub fn remove(&mut self, name: &str) {
        self.attributes.remove(name);
    }

    /// Whether a registry has to say what it means.
    pub fn is_indirect(&self) -> bool {
        self.kind == Kind::Indirect
    }

    /// Whether it names one version for ever.
    pub fn is_locked(&self) -> bool {
        match self.kind {
            Kind::Git => self.text("rev").is_some() && self.text("dirtyRev").is_none(),
            Kind::Forge(_) | Kind::Mercurial => self.text("rev").is_some(),
            Kind::Path | Kind::Tarball | Kind::File => self.text("narHash").is_some(),
            Kind::Indirect => false,
        }
    }

    /// The path of a `path` input that is relative to the flake that names it.
    pub fn relative_path(&self) -> Option<&str> {
        self.text("path").filter(|path| self.kind == Kind::Path && !path.starts_with('/'))
    }

    /// Where the tree is on this machine and can be changed, if it is.
    pub fn local_directory(&self) -> Option<std::path::PathBuf> {
        match self.kind {
            Kind::Path => self.text("path").filter(|path| path.starts_with('/')).map(Into::into),
            Kind::Git | Kind::Mercurial if self.text("ref").is_none() && self.text("rev").is_none() => {
                git::local_repository(self)
            }
            _ => None,
        }
    }

    /// Whether what it means can be seen on this machine at any time: a directory, or a
    /// repository.
    pub fn is_here(&self) -> bool {
        self.local_directory().is_some() || self.kind == Kind::Git && git::local_repository(self).is_some()
    }

    /// The name of the store path.
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or("source")
    }

    fn check(&self) -> Result<(), InputError> {
        let kind = self.kind.name();
        for (attribute, value) in &self.attributes {
            if attribute != "type" && !self.kind.allowed().contains(&attribute.as_str()) {
                return Err(InputError::Attribute { attribute: attribute.clone(), kind });
            }
            let wrong = |problem: &str| {
                Err(InputError::Value { attribute: attribute.clone(), problem: problem.to_owned() })
            };
            let is_flag = matches!(
                attribute.as_str(),
                "shallow" | "submodules" | "lfs" | "exportIgnore" | "allRefs" | "unpack"
            );
            match (attribute.as_str(), value) {
                ("lastModified" | "revCount", Attribute::Int(_)) => {}
                ("lastModified" | "revCount", _) => return wrong("it is not an integer"),
                (_, Attribute::Bool(_)) if is_flag => {}
                (_, Attribute::String(_)) if !is_flag => {}
                _ if is_flag => return wrong("it is not a Boolean"),
                _ => return wrong("it is not a string"),
            }
        }
        for attribute in self.kind.required() {
            if self.text(attribute).is_none_or(str::is_empty) {
                return Err(InputError::Missing { attribute, kind });
            }
        }
        self.check_texts()
    }

    fn check_texts(&self) -> Result<(), InputError> {
        let wrong =
            |attribute: &str, problem: String| InputError::Value { attribute: attribute.into(), problem };
        if let Some(rev) = self.text("rev").filter(|rev| self.kind != Kind::Path && !is_revision(rev)) {
            return Err(match rev.len() {
                40 | 64 => wrong("rev", format!("'{rev}' is not a commit hash (hexadecimal digits)")),
                _ => InputError::Revision(rev.to_owned()),
            });
        }
        if let Some(reference) = self.text("ref").filter(|reference| !is_reference_name(reference)) {
            let kind = if self.kind == Kind::Mercurial { "Mercurial" } else { "Git" };
            return Err(wrong("ref", format!("invalid {kind} branch/tag name '{reference}'")));
        }
        if let Some(hash) = self.text("narHash")
            && let Err(error) =
                saltire_store_model::Hash::parse(hash, Some(saltire_store_model::HashAlgorithm::Sha256))
        {
            return Err(wrong("narHash", error.to_string()));
        }
        match (self.kind, self.text("ref"), self.text("rev")) {
            (Kind::Forge(_), Some(reference), Some(rev)) => Err(InputError::Url(format!(
                "input '{}' has both a commit hash ('{rev}') and a branch/tag name ('{reference}')",
                self.to_url()
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether a text is a Git commit's hash.
pub fn is_revision(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text can be the name of a branch or tag (git-check-ref-format(1)).
pub fn is_reference_name(text: &str) -> bool {
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let bad_char = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    text != "@"
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && !text.contains(bad_char)
        && !text.split('/').any(bad_part)
}
