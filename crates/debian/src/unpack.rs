//! Unpacking of packages into a directory, several at once.
//!
//! What is written is what the packages hold, in their own layout (`usr/bin/…`),
//! with plain permissions. Nothing is written outside the directory, whatever the
//! packages say: files are only ever created anew, and all links are made after
//! all files, so that none is written through. Links may point anywhere; whoever
//! reads the result must not follow them blindly.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::archive::{Kind, Limits, Member};
use crate::deb::{DebError, read_data};

/// What to unpack, and how.
pub struct Unpack<'a> {
    /// The packages' files.
    pub debs: &'a [PathBuf],
    /// Where to: nothing may exist there, or an empty directory.
    pub directory: &'a Path,
    /// Which paths (as in the packages, without a leading `./`) are wanted. A hard
    /// link is only possible to a file that is wanted too.
    pub is_wanted: &'a (dyn Fn(&Path) -> bool + Sync),
    /// Called when a package is done, from any thread.
    pub on_done: &'a (dyn Fn(&Path) + Sync),
    /// Stops the work when set.
    pub cancelled: &'a AtomicBool,
    /// Bounds for each package.
    pub limits: Limits,
}

/// Why packages could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A package is broken or hostile.
    #[error("unpacking {0}")]
    Deb(#[from] DebError),
    /// Two packages have different things at the same path.
    #[error("'{path}' is in {first} and in {second}: these packages can't be in one tree", path = path.display(), first = first.display(), second = second.display())]
    Conflict {
        /// The path in the packages.
        path: PathBuf,
        /// A package.
        first: PathBuf,
        /// Another one, or the same.
        second: PathBuf,
    },
    /// A further name of a file that is not there.
    #[error("'{path}' is another name of '{target}', which is not unpacked: take both or neither", path = path.display(), target = target.display())]
    HardLink {
        /// The link.
        path: PathBuf,
        /// The file.
        target: PathBuf,
    },
    /// Writing failed.
    #[error("can't {action} {path}: {problem}{hint}", path = path.display(), hint = hint(problem))]
    Io {
        /// For example "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        problem: std::io::Error,
    },
    /// [`Unpack::cancelled`] was set.
    #[error("interrupted")]
    Cancelled,
}

fn hint(problem: &std::io::Error) -> &'static str {
    match problem.kind() {
        std::io::ErrorKind::StorageFull => "; free some space on that file system and try again",
        std::io::ErrorKind::PermissionDenied => "; check who owns the directory",
        _ => "",
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> UnpackError {
    let path = path.to_owned();
    move |problem| UnpackError::Io { action, path, problem }
}

impl Unpack<'_> {
    /// Unpacks everything, on all processors. If it fails, the directory is removed.
    pub fn run(&self) -> Result<(), UnpackError> {
        let directory = self.directory;
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists || !is_empty(directory) => {
                return Err(io_error("create", directory)(error));
            }
            _ => {}
        }
        let result = self.unpack_all();
        if result.is_err() {
            // The first error is the one to report.
            let _ = std::fs::remove_dir_all(directory);
        }
        result
    }

    fn unpack_all(&self) -> Result<(), UnpackError> {
        let claims = Claims { debs: self.debs, paths: Mutex::default() };
        // The largest first, so that no thread is left with it at the end.
        let mut order: Vec<usize> = (0..self.debs.len()).collect();
        let size = |index: &usize| std::fs::metadata(&self.debs[*index]).map_or(0, |metadata| metadata.len());
        order.sort_by_cached_key(|index| (std::cmp::Reverse(size(index)), *index));
        let next = AtomicUsize::new(0);
        let has_failed = AtomicBool::new(false);
        let worker = || {
            let mut links = Vec::new();
            while let Some(&deb) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                if has_failed.load(Ordering::Relaxed) {
                    break;
                }
                let result = self.unpack_one(deb, &claims, &mut links);
                if let Err(error) = result {
                    has_failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                (self.on_done)(&self.debs[deb]);
            }
            Ok(links)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(self.debs.len());
        let parts: Vec<Result<Vec<Link>, UnpackError>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
            let mut parts = vec![worker()];
            for other in others {
                parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            parts
        });
        let mut links = Vec::new();
        for part in parts {
            links.extend(part?);
        }
        self.make_links(links)
    }

    fn unpack_one(&self, deb: usize, claims: &Claims, links: &mut Vec<Link>) -> Result<(), UnpackError> {
        let mut failure = None;
        let result = read_data(&self.debs[deb], self.limits, |member, reader| {
            self.take_member(member, reader, deb, claims, links).map_err(|error| match error {
                // What the package's data made fail is the package's failure.
                UnpackError::Io { action: READ, problem, .. } => problem,
                error => {
                    failure = Some(error);
                    std::io::Error::other("stopped")
                }
            })
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    }

    fn take_member(
        &self,
        member: Member,
        reader: &mut dyn Read,
        deb: usize,
        claims: &Claims,
        links: &mut Vec<Link>,
    ) -> Result<(), UnpackError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(UnpackError::Cancelled);
        }
        let path = member.path;
        // Directories come into being with what is in them.
        if member.kind == Kind::Directory || !(self.is_wanted)(&path) {
            return Ok(());
        }
        match member.kind {
            Kind::Directory => {}
            Kind::Symlink(target) => {
                if claims.claim(&path, Claimed::Symlink(target.clone()), deb)? {
                    links.push(Link { path, target, is_hard: false });
                }
            }
            Kind::HardLink(target) => {
                claims.claim(&path, Claimed::File, deb)?;
                links.push(Link { path, target, is_hard: true });
            }
            Kind::File { executable } => {
                claims.claim(&path, Claimed::File, deb)?;
                write_file(&self.directory.join(&path), executable, reader)?;
            }
        }
        Ok(())
    }

    /// Makes the links: hard ones first, so that none leads through a symbolic one.
    fn make_links(&self, mut links: Vec<Link>) -> Result<(), UnpackError> {
        links.sort_by(|left, right| (!left.is_hard, &left.path).cmp(&(!right.is_hard, &right.path)));
        for link in links {
            let path = self.directory.join(&link.path);
            create_parent(&path)?;
            if link.is_hard {
                self.make_hard_link(link)?;
            } else {
                symlink(&link.target, &path).map_err(io_error("create the link", &path))?;
            }
        }
        Ok(())
    }

    /// Archives name the file itself, never another hard link of it.
    fn make_hard_link(&self, link: Link) -> Result<(), UnpackError> {
        let (from, path) = (self.directory.join(&link.target), self.directory.join(&link.path));
        if !std::fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_file()) {
            return Err(UnpackError::HardLink { path: link.path, target: link.target });
        }
        std::fs::hard_link(&from, &path).map_err(io_error("create the link", &path))
    }
}

/// The action of an error that comes from the package, not from the disk.
const READ: &str = "read";

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn create_parent(path: &Path) -> Result<(), UnpackError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(io_error("create", parent))
}

/// Writes a new file.
fn write_file(path: &Path, executable: bool, reader: &mut dyn Read) -> Result<(), UnpackError> {
    create_parent(path)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(io_error("create", path))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => file.write_all(&buffer[..count]).map_err(io_error("write", path))?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(READ, path)(error)),
        }
    }
}

/// A link that is still to be made.
struct Link {
    path: PathBuf,
    target: PathBuf,
    is_hard: bool,
}

/// Which package has what path.
struct Claims<'a> {
    debs: &'a [PathBuf],
    paths: Mutex<HashMap<PathBuf, (usize, Claimed)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Claimed {
    Directory,
    File,
    Symlink(PathBuf),
}

impl Claims<'_> {
    /// Takes a path for a package, and its parents as directories; whether it is
    /// new. Links that are the same in both packages are no conflict.
    fn claim(&self, path: &Path, claimed: Claimed, deb: usize) -> Result<bool, UnpackError> {
        let mut paths = self.paths.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parents = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        let mut is_new = false;
        for (path, claimed) in parents.map(|path| (path, &Claimed::Directory)).chain([(path, &claimed)]) {
            match paths.get(path) {
                None => {
                    paths.insert(path.to_owned(), (deb, claimed.clone()));
                    is_new = true;
                }
                Some((_, known)) if known == claimed && *claimed != Claimed::File => is_new = false,
                Some((known, _)) => {
                    let (first, second) = (self.debs[*known].clone(), self.debs[deb].clone());
                    return Err(UnpackError::Conflict { path: path.to_owned(), first, second });
                }
            }
        }
        Ok(is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::tests::deb_of;
    use tar::EntryType::{self, Link as Hard, Regular, Symlink};

    type Members<'a> = &'a [(&'a str, EntryType, &'a str, &'a str)];

    /// Unpacks packages with these members; what is in the directory afterwards,
    /// and beside it.
    fn check(
        packages: &[Members],
        is_wanted: &(dyn Fn(&Path) -> bool + Sync),
    ) -> Result<Vec<String>, String> {
        let place = tempfile::tempdir().unwrap();
        let mut debs = Vec::new();
        for (index, members) in packages.iter().enumerate() {
            let path = place.path().join(format!("{index}.deb"));
            std::fs::write(&path, deb_of(members)).unwrap();
            debs.push(path);
        }
        let directory = place.path().join("out");
        let unpack = Unpack {
            debs: &debs,
            directory: &directory,
            is_wanted,
            on_done: &|_| {},
            cancelled: &AtomicBool::new(false),
            limits: Limits::default(),
        };
        let result = unpack.run();
        if result.is_err() {
            assert!(!directory.exists(), "nothing stays after a failure");
        }
        let here = format!("{}/", place.path().display());
        result.map_err(|error| error.to_string().replace(&here, ""))?;
        let mut found = Vec::new();
        list(&directory, &directory, &mut found);
        found.sort();
        Ok(found)
    }

    fn list(root: &Path, directory: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = std::fs::symlink_metadata(&path).unwrap();
            if kind.is_symlink() {
                found.push(format!("{name} -> {}", std::fs::read_link(&path).unwrap().display()));
            } else if kind.is_dir() {
                list(root, &path, found);
            } else {
                let mode = std::os::unix::fs::PermissionsExt::mode(&kind.permissions()) & 0o7777;
                found.push(format!("{name} {mode:o} {}", std::fs::read_to_string(&path).unwrap()));
            }
        }
    }

    #[test]
    fn two_packages() {
        let first: Members = &[
            ("./usr/bin/a", Regular, "", "A"),
            ("./usr/bin/b", Hard, "./usr/bin/a", ""),
            ("./lib/l", Symlink, "/x", ""),
        ];
        let second: Members = &[("./usr/bin/c~", Regular, "", "C"), ("./lib/l", Symlink, "/x", "")];
        assert_eq!(
            check(&[first, second], &|_| true).unwrap(),
            ["lib/l -> /x", "usr/bin/a 755 A", "usr/bin/b 755 A", "usr/bin/c~ 755 C"]
        );
        assert_eq!(check(&[first, second], &|path| path.starts_with("lib")).unwrap(), ["lib/l -> /x"]);
        assert_eq!(
            check(&[first], &|path| path.ends_with("b")).unwrap_err(),
            "'usr/bin/b' is another name of 'usr/bin/a', which is not unpacked: take both or neither"
        );
    }

    #[test]
    fn conflicts() {
        let file: Members = &[("a", Regular, "", "A")];
        let below: Members = &[("a/b", Regular, "", "B")];
        let expected =
            |path| format!("'{path}' is in 0.deb and in 1.deb: these packages can't be in one tree");
        // One of two threads is first, so either package may be named first.
        let normal = |text: String| text.replace("in 1.deb and in 0.deb", "in 0.deb and in 1.deb");
        for (second, path) in [(file, "a"), (below, "a")] {
            assert_eq!(normal(check(&[file, second], &|_| true).unwrap_err()), expected(path));
        }
    }

    #[test]
    fn hostile_packages() {
        // A link, and a file that would be written through it.
        let through: Members = &[("a", Symlink, "/tmp", ""), ("a/escaped", Regular, "", "x")];
        assert_eq!(
            check(&[through], &|_| true).unwrap_err(),
            "'a' is in 0.deb and in 0.deb: these packages can't be in one tree"
        );
        let twice: Members = &[("a", Symlink, "/tmp/x", ""), ("a", Regular, "", "x")];
        check(&[twice], &|_| true).unwrap_err();
        // A hard link to a link, which would be made a name of what it points to.
        let hard: Members = &[("a", Symlink, "/etc/passwd", ""), ("b", Hard, "a", "")];
        check(&[hard], &|_| true).unwrap_err();
        let outside: Members = &[("b", Hard, "../0.deb", "")];
        assert_eq!(
            check(&[outside], &|_| true).unwrap_err(),
            "unpacking 0.deb: the archive has a member with the unsafe name '../0.deb'"
        );
    }

    #[test]
    fn stops_when_cancelled() {
        let place = tempfile::tempdir().unwrap();
        let deb = place.path().join("x.deb");
        std::fs::write(&deb, deb_of(&[("a", Regular, "", "A")])).unwrap();
        let directory = place.path().join("out");
        let unpack = Unpack {
            debs: &[deb],
            directory: &directory,
            is_wanted: &|_| true,
            on_done: &|_| {},
            cancelled: &AtomicBool::new(true),
            limits: Limits::default(),
        };
        assert!(matches!(unpack.run(), Err(UnpackError::Cancelled)));
        assert!(!directory.exists());
    }

    #[test]
    #[ignore = "measures: DEB names a package, WANTED one of its files"]
    fn time_of_one_file() {
        let (Some(deb), Some(wanted)) = (std::env::var_os("DEB"), std::env::var_os("WANTED")) else {
            println!("skipped: DEB and WANTED are not set");
            return;
        };
        let run = |is_wanted: &(dyn Fn(&Path) -> bool + Sync)| {
            let place = tempfile::tempdir().unwrap();
            let start = std::time::Instant::now();
            let unpack = Unpack {
                debs: &[PathBuf::from(&deb)],
                directory: &place.path().join("out"),
                is_wanted,
                on_done: &|_| {},
                cancelled: &AtomicBool::new(false),
                limits: Limits::default(),
            };
            unpack.run().unwrap();
            start.elapsed().as_secs_f64()
        };
        let (all, one) = (run(&|_| true), run(&|path| path == Path::new(&wanted)));
        println!("all: {all:.2} s, one file: {one:.2} s");
    }
}
