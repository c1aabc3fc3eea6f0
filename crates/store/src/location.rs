//! Where the store is.
//!
//! A store has a *logical* directory, which paths in it and the database name
//! (`/nix/store`), and a *physical* one, where the files are. They differ in a
//! private store, which is seen at its logical place only inside mount namespaces.
//!
//! Choice, in this order: an explicit setting; `/nix` if its store and state
//! directories exist and can be written; a private store below the user's data
//! directory. No root, no set-up.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use saltire_store_model::{StoreDir, StorePath};

use crate::error::{Result, StoreError};

/// How many symbolic links a path may lead through (`MAXSYMLINKS` of Linux).
const MOST_LINKS: usize = 40;

/// The directories of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreLocation {
    /// The logical store directory.
    pub store_dir: StoreDir,
    /// Where the store's files are.
    pub physical_store: PathBuf,
    /// Where database, roots and locks are (physically).
    pub state_dir: PathBuf,
    /// Where build logs are (physically).
    pub log_dir: PathBuf,
    /// The directory that stands for `/`, unless the store is at its logical place.
    pub root: Option<PathBuf>,
}

/// What the choice of the store depends on, apart from the explicit setting.
#[derive(Clone, Debug, Default)]
pub struct LocationInputs {
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<OsString>,
    /// `HOME`.
    pub home: Option<OsString>,
    /// `NIX_STORE_DIR`, another logical store directory.
    pub nix_store_dir: Option<OsString>,
    /// `NIX_STATE_DIR`, another place for database, roots and locks.
    pub nix_state_dir: Option<OsString>,
    /// `NIX_LOG_DIR`, another place for logs.
    pub nix_log_dir: Option<OsString>,
    /// Whether the shared store exists and can be written.
    pub shared_is_writable: bool,
}

impl LocationInputs {
    /// Looks at the environment and at the shared store.
    pub fn probe() -> Self {
        let mut inputs = Self {
            xdg_data_home: std::env::var_os("XDG_DATA_HOME"),
            home: std::env::var_os("HOME"),
            nix_store_dir: std::env::var_os("NIX_STORE_DIR"),
            nix_state_dir: std::env::var_os("NIX_STATE_DIR"),
            nix_log_dir: std::env::var_os("NIX_LOG_DIR"),
            shared_is_writable: false,
        };
        inputs.shared_is_writable = inputs.shared().is_ok_and(|shared| {
            is_writable_directory(&shared.physical_store)
                && is_writable_directory(&shared.state_dir)
                && has_usable_database(&shared.state_dir)
        });
        inputs
    }

    fn shared(&self) -> Result<StoreLocation> {
        let store_dir = match &self.nix_store_dir {
            Some(path) => StoreDir::new(&path.to_string_lossy())?,
            None => StoreDir::default(),
        };
        let or = |setting: &Option<OsString>, default: &str| {
            setting.as_ref().map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        Ok(StoreLocation {
            physical_store: PathBuf::from(store_dir.as_str()),
            store_dir,
            state_dir: or(&self.nix_state_dir, "/nix/var/nix"),
            log_dir: or(&self.nix_log_dir, "/nix/var/log/nix"),
            root: None,
        })
    }

    fn private(&self) -> Result<StoreLocation> {
        let absolute =
            |path: &Option<OsString>| path.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        let data = match absolute(&self.xdg_data_home) {
            Some(data) => data,
            None => absolute(&self.home).ok_or(StoreError::NoHome)?.join(".local/share"),
        };
        Ok(StoreLocation::below(&data.join("saltire/root")))
    }
}

/// The path without symbolic links in what exists of it. A sandbox sees other things
/// than the machine where a link leads to, such as a temporary directory of its own.
fn without_links(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match found {
        Some((above, real)) => match path.strip_prefix(above) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => path.to_owned(),
        },
        None => path.to_owned(),
    }
}

fn is_writable_directory(path: &Path) -> bool {
    path.is_dir() && rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether the database, if there is one, may be written.
fn has_usable_database(state_dir: &Path) -> bool {
    let directory = state_dir.join("db");
    let database = directory.join("db.sqlite");
    let writable = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
    match (directory.exists(), database.exists()) {
        (false, _) => true,
        (true, false) => writable(&directory),
        (true, true) => writable(&directory) && writable(&database),
    }
}

impl StoreLocation {
    /// A store whose files are below `root`, and which is `/nix/store` logically.
    pub fn below(root: &Path) -> Self {
        Self {
            store_dir: StoreDir::default(),
            physical_store: root.join("nix/store"),
            state_dir: root.join("nix/var/nix"),
            log_dir: root.join("nix/var/log/nix"),
            root: Some(root.to_owned()),
        }
    }

    /// Chooses the store. `setting` is what the user asked for (`--store`,
    /// `NIX_REMOTE`): `auto` (which `daemon` means as well), `local` (the shared one),
    /// `private`, an absolute path or `local?root=<path>`.
    pub fn choose(setting: Option<&str>, inputs: &LocationInputs) -> Result<Self> {
        let setting = setting.unwrap_or("auto");
        if let Some(root) = setting.strip_prefix("local?root=") {
            return Self::at_root(setting, root);
        }
        match setting {
            "" | "auto" | "daemon" if inputs.shared_is_writable => inputs.shared(),
            "" | "auto" | "daemon" | "private" => inputs.private(),
            "local" => inputs.shared(),
            path => Self::at_root(setting, path),
        }
    }

    fn at_root(setting: &str, root: &str) -> Result<Self> {
        if root.starts_with('/') {
            return Ok(Self::below(Path::new(root)));
        }
        Err(StoreError::UnknownStore(setting.to_owned()))
    }

    /// Chooses the store by the setting, the environment and what exists.
    /// Without a setting, `NIX_REMOTE` is asked.
    pub fn discover(setting: Option<&str>) -> Result<Self> {
        let remote = std::env::var("NIX_REMOTE").ok();
        let location = Self::choose(setting.or(remote.as_deref()), &LocationInputs::probe())?;
        Ok(match &location.root {
            Some(root) => Self::below(&without_links(root)),
            None => location,
        })
    }

    /// Whether the files are elsewhere than their logical paths say.
    pub fn is_private(&self) -> bool {
        self.physical_store != Path::new(self.store_dir.as_str())
    }

    /// Where a store path's files are.
    pub fn physical_path(&self, path: &StorePath) -> PathBuf {
        self.physical_store.join(path.base_name())
    }

    /// Where the file with this logical path is. Paths outside the store are
    /// the same in both views. Links are not followed.
    pub fn to_physical(&self, logical: &Path) -> PathBuf {
        match logical.strip_prefix(self.store_dir.as_str()) {
            Ok(below) if below.as_os_str().is_empty() => self.physical_store.clone(),
            Ok(below) => self.physical_store.join(below),
            Err(_) => logical.to_owned(),
        }
    }

    /// The physical path of a logical one, with symbolic links followed as they are
    /// where the store is seen at its place: an absolute one leads to a logical path.
    /// What does not exist, or is a link of too many, stays as it is named.
    pub fn resolve(&self, logical: &Path) -> PathBuf {
        let physical = self.to_physical(logical);
        if physical.exists() {
            return physical;
        }
        let mut known = PathBuf::new();
        // What is still to be looked at, the next part last.
        let parts = |path: &Path| path.iter().rev().map(ToOwned::to_owned).collect::<Vec<_>>();
        let mut rest = parts(logical);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                known.pop();
                continue;
            }
            let next = known.join(&part);
            match std::fs::read_link(self.to_physical(&next)) {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    rest.extend(parts(&target));
                }
                _ => known = next,
            }
        }
        self.to_physical(&known)
    }

    /// The logical path of a physical one.
    pub fn to_logical(&self, physical: &Path) -> PathBuf {
        match physical.strip_prefix(&self.physical_store) {
            Ok(below) => Path::new(self.store_dir.as_str()).join(below),
            Err(_) => physical.to_owned(),
        }
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("db/db.sqlite")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(xdg: Option<&str>, home: Option<&str>, writable: bool) -> LocationInputs {
        LocationInputs {
            xdg_data_home: xdg.map(Into::into),
            home: home.map(Into::into),
            shared_is_writable: writable,
            ..LocationInputs::default()
        }
    }

    #[track_caller]
    fn check(setting: Option<&str>, inputs: &LocationInputs, expected: &str) {
        let found = match StoreLocation::choose(setting, inputs) {
            Ok(location) => location.physical_store.display().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn choice() {
        let home = inputs(None, Some("/home/u"), false);
        check(None, &home, "/home/u/.local/share/saltire/root/nix/store");
        check(Some("daemon"), &home, "/home/u/.local/share/saltire/root/nix/store");
        check(Some("local"), &home, "/nix/store");
        check(Some("/r"), &home, "/r/nix/store");
        check(Some("local?root=/r"), &home, "/r/nix/store");
        check(
            Some("unix:///socket"),
            &home,
            "store 'unix:///socket' is not supported; expected 'auto', 'local', 'private' or an absolute path",
        );
        let xdg = inputs(Some("/data"), Some("/home/u"), false);
        check(Some("auto"), &xdg, "/data/saltire/root/nix/store");
        let shared = inputs(Some("/data"), None, true);
        check(None, &shared, "/nix/store");
        check(Some("private"), &shared, "/data/saltire/root/nix/store");
        check(
            None,
            &inputs(Some("relative"), None, false),
            "no place for the private store: neither XDG_DATA_HOME nor HOME is set; \
             set one of them or give '--store /some/directory'",
        );
    }

    #[test]
    fn nix_directories_move_the_shared_store() {
        let inputs = LocationInputs {
            nix_store_dir: Some("/a/store".into()),
            nix_state_dir: Some("/a/state".into()),
            nix_log_dir: Some("/a/log".into()),
            shared_is_writable: true,
            ..LocationInputs::default()
        };
        let location = StoreLocation::choose(None, &inputs).unwrap();
        assert_eq!(location.database(), Path::new("/a/state/db/db.sqlite"));
        assert_eq!(location.store_dir.as_str(), "/a/store");
        assert!(!location.is_private());
    }

    #[test]
    fn logical_and_physical() {
        let location = StoreLocation::below(Path::new("/r"));
        let both = [("/nix/store/x/y", "/r/nix/store/x/y"), ("/nix/store", "/r/nix/store")];
        for (logical, physical) in both {
            assert_eq!(location.to_physical(Path::new(logical)), Path::new(physical));
            assert_eq!(location.to_logical(Path::new(physical)), Path::new(logical));
        }
        assert_eq!(location.to_physical(Path::new("/etc")), Path::new("/etc"));
    }

    #[test]
    fn links_are_followed_as_they_are_seen_inside() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("nix/store");
        std::fs::create_dir_all(store.join("tree/bin")).unwrap();
        std::fs::write(store.join("tree/bin/program"), "").unwrap();
        let link = |target: &str, place: &str| std::os::unix::fs::symlink(target, store.join(place)).unwrap();
        link("/nix/store/tree/bin", "absolute");
        link("../store/tree", "relative");
        link("/nix/store/relative/bin", "twice");
        link("loop", "loop");
        let location = StoreLocation::below(root.path());
        let check = |logical: &str, expected: &str| {
            assert_eq!(location.resolve(Path::new(logical)), store.join(expected), "{logical}");
        };
        check("/nix/store/tree/bin/program", "tree/bin/program");
        check("/nix/store/absolute/program", "tree/bin/program");
        check("/nix/store/relative/bin/program", "relative/bin/program");
        check("/nix/store/twice/program", "tree/bin/program");
        check("/nix/store/missing/program", "missing/program");
        check("/nix/store/loop", "loop");
    }

    #[test]
    fn links_on_the_way_to_a_store_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap().join("real");
        let link = directory.path().join("link");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(without_links(&link), real);
        assert_eq!(without_links(&link.join("a/b")), real.join("a/b"));
        let setting = link.join("root").to_str().unwrap().to_owned();
        assert_eq!(
            StoreLocation::discover(Some(&setting)).unwrap(),
            StoreLocation::below(&real.join("root"))
        );
    }
}
