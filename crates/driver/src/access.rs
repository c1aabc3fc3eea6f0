//! What evaluation may look at, in pure and in restricted evaluation.

use saltire_eval::{HostError, HostResult};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What evaluation may look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything.
    Full,
    /// The search path, what this evaluation put into the store, and URLs that begin
    /// in a certain way.
    Restricted {
        /// Files and directories.
        paths: Vec<PathBuf>,
        /// Beginnings of URLs.
        uris: Vec<String>,
    },
    /// Only what this evaluation put into the store.
    Pure {
        /// Files and directories outside of it.
        paths: Vec<PathBuf>,
    },
}

impl Access {
    /// Whether environment variables are seen.
    pub fn has_environment(&self) -> bool {
        *self == Self::Full
    }

    /// Whether evaluation may look at a path; `store` is the store directory, and
    /// `is_ours` says of names in it whether this evaluation put them there.
    pub fn check_path(&self, path: &[u8], store: &Path, is_ours: &dyn Fn(&OsStr) -> bool) -> HostResult<()> {
        let (paths, mode) = match self {
            Self::Full => return Ok(()),
            Self::Restricted { paths, .. } => (paths, "restricted mode"),
            Self::Pure { paths } => (paths, "pure evaluation mode (use '--impure' to override)"),
        };
        let asked = Path::new(OsStr::from_bytes(path));
        let allowed = |path: &Path| {
            let object = path.strip_prefix(store).ok().and_then(|path| path.iter().next());
            object.is_some_and(is_ours) || paths.iter().any(|base| path.starts_with(base))
        };
        // A link out of what is allowed leads nowhere.
        let resolved = std::fs::canonicalize(asked);
        if allowed(asked)
            && resolved.as_deref().map_or(true, |resolved| resolved == asked || allowed(resolved))
        {
            return Ok(());
        }
        Err(HostError::restricted(format!(
            "access to absolute path '{}' is forbidden in {mode}",
            asked.display()
        )))
    }

    /// Whether evaluation may fetch from a URL.
    pub fn check_uri(&self, uri: &str, store: &Path, is_ours: &dyn Fn(&OsStr) -> bool) -> HostResult<()> {
        let Self::Restricted { uris, .. } = self else { return Ok(()) };
        if uris.iter().any(|prefix| begins_with(uri, prefix)) {
            return Ok(());
        }
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        if path.starts_with('/') {
            return self.check_path(path.as_bytes(), store, is_ours);
        }
        Err(HostError::restricted(format!("access to URI '{uri}' is forbidden in restricted mode")))
    }
}

/// Whether a URL is below a prefix: equal, or longer by whole components.
fn begins_with(uri: &str, prefix: &str) -> bool {
    uri.strip_prefix(prefix).is_some_and(|rest| {
        let ends = prefix.ends_with(['/', ':']) || rest.is_empty() || rest.starts_with('/');
        !prefix.is_empty() && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restricted() -> Access {
        Access::Restricted {
            paths: vec!["/etc/hostname".into(), "/usr/lib".into()],
            uris: vec!["https://example.org/a".into(), "github:NixOS".into(), "git:".into()],
        }
    }

    fn is_ours(name: &OsStr) -> bool {
        name == "abc"
    }

    fn check_path(access: &Access, path: &str, allowed: bool) {
        let result = access.check_path(path.as_bytes(), Path::new("/nix/store"), &is_ours);
        assert_eq!(result.is_ok(), allowed, "{path}: {result:?}");
    }

    #[test]
    fn only_what_is_named_is_seen() {
        check_path(&Access::Full, "/etc/passwd", true);
        check_path(&restricted(), "/etc/hostname", true);
        check_path(&restricted(), "/etc/passwd", false);
        check_path(&restricted(), "/nix/store/abc/file", true);
        check_path(&restricted(), "/nix/store/abcd/file", false);
        check_path(&restricted(), "/nix/store", false);
        check_path(&Access::Pure { paths: Vec::new() }, "/nix/store/abc", true);
        check_path(&Access::Pure { paths: Vec::new() }, "/nix/store/abcd", false);
        check_path(&Access::Pure { paths: Vec::new() }, "/etc/hostname", false);
        let denied = restricted().check_path(b"/etc/passwd", Path::new("/nix/store"), &is_ours);
        let text = denied.unwrap_err().message;
        assert_eq!(text, "access to absolute path '/etc/passwd' is forbidden in restricted mode");
    }

    #[test]
    fn a_link_does_not_lead_out() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        std::os::unix::fs::symlink("/etc", base.join("link")).unwrap();
        let access = Access::Restricted { paths: vec![base.clone()], uris: Vec::new() };
        check_path(&access, base.join("new").to_str().unwrap(), true);
        check_path(&access, base.join("link/passwd").to_str().unwrap(), false);
    }

    #[test]
    fn urls_are_compared_by_component() {
        let check = |uri: &str, allowed: bool| {
            let checked = restricted().check_uri(uri, Path::new("/nix/store"), &is_ours);
            assert_eq!(checked.is_ok(), allowed, "{uri}");
        };
        check("https://example.org/a", true);
        check("https://example.org/a/b", true);
        check("https://example.org/ab", false);
        check("github:NixOS/nixpkgs", true);
        check("github:NixOSX/nixpkgs", false);
        check("git:anything", true);
        check("file:///usr/lib/x", true);
        check("file:///etc/passwd", false);
    }
}
