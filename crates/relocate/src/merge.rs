//! One prefix out of `/` and `/usr`, and the choice of what stays in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::RelocateError;
use crate::files::{Kind, kind_of, names_in, normalise, read, relative, walk};

/// Moves everything of `usr` up into `root` itself, and leaves a link
/// `usr -> .`, so that `/usr/bin/x` and `/bin/x` are the same file.
///
/// Directories are merged. Of two names for one file (`/bin/x` and a link
/// `/usr/bin/x` to it, or two files of equal content) one stays; anything else
/// that collides is [`RelocateError::Conflict`]. Relative links keep meaning
/// what they meant. Calling it again changes nothing.
pub fn merge_usr(root: &Path) -> Result<(), RelocateError> {
    let usr = root.join("usr");
    match kind_of(&usr)? {
        None => {}
        Some(Kind::Link) => {
            let target = read_link(&usr)?;
            if target == Path::new(".") {
                return Ok(());
            }
            return Err(RelocateError::BadLink {
                link: format!("usr={}", target.display()),
                problem: "'usr' is a link to something else than the tree itself",
            });
        }
        Some(Kind::File { .. }) => {
            return Err(RelocateError::Conflict { first: root.to_owned(), second: usr });
        }
        Some(Kind::Directory) => {
            rewrite_links_below_usr(root)?;
            for name in names_in(&usr)? {
                let to = root.join(&name);
                if name == "usr" {
                    return Err(RelocateError::Conflict { first: usr.clone(), second: usr.join(name) });
                }
                merge_one(root, &usr.join(&name), &to)?;
            }
            fs::remove_dir(&usr).map_err(RelocateError::io("remove", &usr))?;
        }
    }
    symlink(".", &usr).map_err(RelocateError::io("make the link", &usr))
}

/// Adapts relative links to a place one directory higher.
fn rewrite_links_below_usr(root: &Path) -> Result<(), RelocateError> {
    let usr = root.join("usr");
    for entry in walk(&usr)? {
        if entry.kind != Kind::Link {
            continue;
        }
        let link = usr.join(&entry.path);
        let target = read_link(&link)?;
        if target.is_absolute() {
            continue;
        }
        let directory = parent(&entry.path);
        let meant = merged(&normalise(&Path::new("usr").join(directory), &target).0);
        let (moved, escaped) = normalise(directory, &target);
        if escaped || merged(&moved) != meant {
            replace_link(&link, &relative(directory, &meant))?;
        }
    }
    Ok(())
}

/// Moves `from` (below `usr`) to `to`, merging directories.
fn merge_one(root: &Path, from: &Path, to: &Path) -> Result<(), RelocateError> {
    let conflict = || RelocateError::Conflict { first: to.to_owned(), second: from.to_owned() };
    let remove = |path: &Path| fs::remove_file(path).map_err(RelocateError::io("remove", path));
    let Some(from_kind) = kind_of(from)? else {
        return Ok(());
    };
    let here = to.strip_prefix(root).unwrap_or(to).to_owned();
    let meant = |path: &Path| -> Result<PathBuf, RelocateError> {
        Ok(merged(&normalise(parent(&here), &read_link(path)?).0))
    };
    match (from_kind, kind_of(to)?) {
        (_, None) => {}
        (Kind::Directory, Some(Kind::Directory)) => {
            for name in names_in(from)? {
                merge_one(root, &from.join(&name), &to.join(&name))?;
            }
            return fs::remove_dir(from).map_err(RelocateError::io("remove", from));
        }
        (Kind::Link, Some(Kind::Link)) => {
            // Of a pair in which one leads to the other, the other one counts.
            let (target_from, target_to) = (meant(from)?, meant(to)?);
            if target_from == target_to || target_from == here {
                return remove(from);
            }
            if target_to != here {
                return Err(conflict());
            }
            remove(to)?;
        }
        (Kind::Link, Some(_)) => {
            if meant(from)? != here {
                return Err(conflict());
            }
            return remove(from);
        }
        (_, Some(Kind::Link)) => {
            if meant(to)? != here {
                return Err(conflict());
            }
            remove(to)?;
        }
        (Kind::File { .. }, Some(Kind::File { .. })) => {
            if read(from)? != read(to)? {
                return Err(conflict());
            }
            return remove(from);
        }
        (Kind::File { .. }, Some(Kind::Directory)) | (Kind::Directory, Some(Kind::File { .. })) => {
            return Err(conflict());
        }
    }
    fs::rename(from, to).map_err(RelocateError::io("move", from))
}

/// Makes the directory `subtree` of a merged tree the whole tree.
pub(crate) fn hoist(root: &Path, subtree: &str) -> Result<(), RelocateError> {
    let subtree = merged(&inside(subtree)?);
    let chosen = root.join(&subtree);
    if !is_real_directory(root, &subtree)? {
        return Err(no_subtree(root, &subtree)?);
    }
    for entry in walk(&chosen)? {
        if entry.kind != Kind::Link {
            continue;
        }
        let link = chosen.join(&entry.path);
        let target = read_link(&link)?;
        let place = subtree.join(parent(&entry.path));
        let meant = merged(&normalise(&place, &target).0);
        match meant.strip_prefix(&subtree) {
            Ok(inner) => {
                let (moved, escaped) = normalise(parent(&entry.path), &target);
                if target.is_absolute() || escaped || moved != inner {
                    replace_link(&link, &relative(parent(&entry.path), inner))?;
                }
            }
            // What it means is not in the result: for the repair of links.
            Err(_) => replace_link(&link, &Path::new("/").join(meant))?,
        }
    }
    let aside = root.join(".saltire-subtree");
    fs::rename(&chosen, &aside).map_err(RelocateError::io("move", &chosen))?;
    for name in names_in(root)? {
        if name != ".saltire-subtree" {
            remove_all(&root.join(name))?;
        }
    }
    for name in names_in(&aside)? {
        let from = aside.join(&name);
        fs::rename(&from, root.join(&name)).map_err(RelocateError::io("move", &from))?;
    }
    fs::remove_dir(&aside).map_err(RelocateError::io("remove", &aside))
}

/// Whether `path` and each directory above it are directories, not links.
fn is_real_directory(root: &Path, path: &Path) -> Result<bool, RelocateError> {
    let mut current = root.to_owned();
    for component in path.components() {
        current.push(component);
        if kind_of(&current)? != Some(Kind::Directory) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn no_subtree(root: &Path, subtree: &Path) -> Result<RelocateError, RelocateError> {
    let present: Vec<String> =
        names_in(root)?.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
    Ok(RelocateError::NoSubtree { subtree: subtree.display().to_string(), present: present.join(" ") })
}

/// What stays in a tree, as a [`Request`](crate::Request) says it.
///
/// A pattern that matches a directory stands for all below it; `*` does not cross
/// a `/`, `**` does.
#[derive(Debug, Clone)]
pub struct Selection {
    subtree: Option<PathBuf>,
    keeps_all: bool,
    keep: GlobSet,
    remove: GlobSet,
}

impl Selection {
    /// Checks the subtree's path and the patterns.
    pub fn new(subtree: Option<&str>, keep: &[String], remove: &[String]) -> Result<Self, RelocateError> {
        let subtree = subtree.map(|subtree| Ok(merged(&inside(subtree)?))).transpose()?;
        Ok(Self { subtree, keeps_all: keep.is_empty(), keep: patterns(keep)?, remove: patterns(remove)? })
    }

    /// Whether a file may be in the result that has this path in a package (with
    /// or without `usr` in front). What is left out need not be unpacked.
    pub fn wants(&self, path: &Path) -> bool {
        let path = merged(path);
        match &self.subtree {
            None => self.keeps(&path),
            Some(subtree) => path.strip_prefix(subtree).is_ok_and(|path| self.keeps(&merged(path))),
        }
    }

    /// Whether a file with this path in the result stays.
    fn keeps(&self, path: &Path) -> bool {
        (self.keeps_all || matches(&self.keep, path)) && !matches(&self.remove, path)
    }
}

fn matches(set: &GlobSet, path: &Path) -> bool {
    path.ancestors().any(|part| !part.as_os_str().is_empty() && set.is_match(part))
}

/// Removes what the selection leaves out, and directories that become empty by it.
pub(crate) fn select(root: &Path, selection: &Selection) -> Result<(), RelocateError> {
    // Children first, so that directories are empty when their turn comes.
    for entry in walk(root)?.into_iter().rev() {
        if selection.keeps(&entry.path) {
            continue;
        }
        let path = root.join(&entry.path);
        if entry.kind != Kind::Directory {
            fs::remove_file(&path).map_err(RelocateError::io("remove", &path))?;
        } else if names_in(&path)?.is_empty() {
            fs::remove_dir(&path).map_err(RelocateError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn patterns(list: &[String]) -> Result<GlobSet, RelocateError> {
    let mut set = GlobSetBuilder::new();
    let bad = |pattern: &str, error: &globset::Error| RelocateError::BadPattern {
        pattern: pattern.to_owned(),
        problem: error.kind().to_string(),
    };
    for pattern in list {
        let glob = GlobBuilder::new(pattern.trim_end_matches('/'))
            .literal_separator(true)
            .build()
            .map_err(|error| bad(pattern, &error))?;
        set.add(glob);
    }
    set.build().map_err(|error| bad(&list.join(" "), &error))
}

/// A path of the request, checked to be relative and without `..`.
pub(crate) fn inside(path: &str) -> Result<PathBuf, RelocateError> {
    let bad = || RelocateError::BadPath { path: path.to_owned() };
    let mut clean = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            _ => return Err(bad()),
        }
    }
    if clean.as_os_str().is_empty() {
        return Err(bad());
    }
    Ok(clean)
}

/// A path of the machine's layout in the merged one: without a leading `usr`.
pub(crate) fn merged(path: &Path) -> PathBuf {
    path.strip_prefix("usr").unwrap_or(path).to_owned()
}

/// The directory that a relative path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Target of a symbolic link.
pub(crate) fn read_link(path: &Path) -> Result<PathBuf, RelocateError> {
    fs::read_link(path).map_err(RelocateError::io("read the link", path))
}

/// Makes an existing symbolic link lead to `target`.
pub(crate) fn replace_link(path: &Path, target: &Path) -> Result<(), RelocateError> {
    fs::remove_file(path)
        .and_then(|()| symlink(target, path))
        .map_err(RelocateError::io("change the link", path))
}

fn remove_all(path: &Path) -> Result<(), RelocateError> {
    let result = match kind_of(path)? {
        Some(Kind::Directory) => fs::remove_dir_all(path),
        Some(_) => fs::remove_file(path),
        None => Ok(()),
    };
    result.map_err(RelocateError::io("remove", path))
}

#[cfg(test)]
mod tests {
    use super::Selection;
    use std::path::Path;

    #[test]
    fn what_is_not_in_the_result_is_not_wanted() {
        let list = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let check = |subtree, keep: &[&str], remove: &[&str], path: &str, expected| {
            let selection = Selection::new(subtree, &list(keep), &list(remove)).unwrap();
            assert_eq!(selection.wants(Path::new(path)), expected, "{path}");
        };
        check(None, &[], &[], "usr/bin/x", true);
        check(None, &["bin/x"], &[], "usr/bin/x", true);
        check(None, &["bin/x"], &[], "bin/y", false);
        check(None, &["share"], &["share/doc"], "usr/share/a/b", true);
        check(None, &["share"], &["share/doc"], "usr/share/doc/b", false);
        check(Some("t"), &[], &[], "usr/t/lib/x", true);
        check(Some("t"), &[], &[], "usr/bin/x", false);
        check(Some("usr/t"), &["lib/*"], &[], "usr/t/usr/lib/x", true);
        assert!(Selection::new(Some(".."), &[], &[]).is_err());
        assert!(Selection::new(None, &list(&["["]), &[]).is_err());
    }
}
