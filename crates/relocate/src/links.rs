//! Symbolic links: those asked for, and repair of those that lead nowhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::elf::{Machine, identify};
use crate::files::{Kind, kind_of, names_in, normalise, read_start, relative, walk};
use crate::index::{Index, resolve};
use crate::merge::{inside, merged, parent, read_link, replace_link};
use crate::{RelocateError, Report};

const ET_REL: u64 = 1;
/// What a system provides while it runs; links to it are meant as they are.
const RUNTIME_DIRECTORIES: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Makes the links `path=target`, replacing files of that name.
pub(crate) fn make(root: &Path, links: &[String]) -> Result<(), RelocateError> {
    for link in links {
        let bad = |problem| RelocateError::BadLink { link: link.clone(), problem };
        let (path, target) = link.split_once('=').ok_or_else(|| bad("write it as path=target"))?;
        let path = inside(path)?;
        // The directory may itself be reached through links of the tree.
        let directory = match resolve(root, parent(&path))? {
            Some(directory) => directory,
            None => parent(&path).to_owned(),
        };
        let name = path.file_name().unwrap_or_default();
        let place = root.join(&directory).join(name);
        fs::create_dir_all(root.join(&directory))
            .map_err(RelocateError::io("make the directory", &root.join(&directory)))?;
        match kind_of(&place)? {
            None => {}
            Some(Kind::Directory) => return Err(bad("there is a directory of that name")),
            Some(_) => {
                fs::remove_file(&place).map_err(RelocateError::io("remove", &place))?;
            }
        }
        if target.is_empty() {
            return Err(bad("it has no target"));
        }
        symlink(target, &place).map_err(RelocateError::io("make the link", &place))?;
        if !target.starts_with('/') && resolve(root, &directory.join(name))?.is_none() {
            return Err(bad("its target is not in the tree"));
        }
    }
    Ok(())
}

/// Makes absolute links relative or lead to a dependency, mends those that lead
/// nowhere, and removes those that cannot be mended.
pub(crate) fn repair(
    own: &Index<'_>,
    dependencies: &[Index<'_>],
    report: &mut Report,
) -> Result<(), RelocateError> {
    let root = own.tree.physical;
    // Removing one link can leave another without a target.
    loop {
        let removed = report.removed_links.len();
        for entry in walk(root)? {
            if entry.kind != Kind::Link {
                continue;
            }
            let link = root.join(&entry.path);
            let target = read_link(&link)?;
            match mend(own, dependencies, &entry.path, &target)? {
                Verdict::Right => {}
                Verdict::Becomes(target) => {
                    replace_link(&link, &target)?;
                    report.retargeted_links += 1;
                }
                Verdict::Hopeless => {
                    fs::remove_file(&link).map_err(RelocateError::io("remove", &link))?;
                    report.removed_links.push(entry.path);
                }
            }
        }
        if report.removed_links.len() == removed {
            return Ok(());
        }
    }
}

/// What is to be done with a link.
enum Verdict {
    Right,
    Becomes(PathBuf),
    Hopeless,
}

fn mend(
    own: &Index<'_>,
    dependencies: &[Index<'_>],
    link: &Path,
    target: &Path,
) -> Result<Verdict, RelocateError> {
    let root = own.tree.physical;
    let directory = parent(link);
    if RUNTIME_DIRECTORIES.iter().any(|d| target.starts_with(d)) {
        return Ok(Verdict::Right);
    }
    if let Ok(inner) = target.strip_prefix(own.tree.logical)
        && resolve(root, inner)?.is_some()
    {
        return Ok(Verdict::Becomes(relative(directory, inner)));
    }
    for dependency in dependencies {
        if let Ok(inner) = target.strip_prefix(dependency.tree.logical)
            && dependency.find(inner)?.is_some()
        {
            return Ok(Verdict::Right);
        }
    }
    let (path, escapes) = normalise(directory, target);
    let path = merged(&path);
    if resolve(root, &path)?.is_some() {
        return Ok(if target.is_absolute() || escapes {
            Verdict::Becomes(relative(directory, &path))
        } else {
            Verdict::Right
        });
    }
    for dependency in dependencies {
        if let Some(found) = dependency.find(&path)? {
            return Ok(Verdict::Becomes(dependency.tree.logical.join(found)));
        }
    }
    find_by_name(own, dependencies, link, &path)
}

/// A library or program of the same name as the missing `target`.
fn find_by_name(
    own: &Index<'_>,
    dependencies: &[Index<'_>],
    link: &Path,
    target: &Path,
) -> Result<Verdict, RelocateError> {
    let Some(name) = target.file_name() else {
        return Ok(Verdict::Hopeless);
    };
    let directory = parent(link);
    let machine = machine_of_neighbours(&own.tree.physical.join(directory))?;
    for place in own.directories(name, machine) {
        let found = place.join(name);
        if found != link {
            return Ok(Verdict::Becomes(relative(directory, &found)));
        }
    }
    for dependency in dependencies {
        if let Some(place) = dependency.directories(name, machine).next() {
            let found = dependency.tree.logical.join(place).join(name);
            return Ok(Verdict::Becomes(found));
        }
    }
    if directory.ends_with("bin") || directory.ends_with("sbin") {
        for dependency in dependencies {
            if let Some(found) = dependency.find(&Path::new("bin").join(name))? {
                return Ok(Verdict::Becomes(dependency.tree.logical.join(found)));
            }
        }
    }
    Ok(Verdict::Hopeless)
}

/// Machine of the files beside a link, which tells the libraries of a
/// cross compiler's target from those it runs with. Object files say it best: a
/// compiler's directory holds its own programs and plugins as well.
fn machine_of_neighbours(directory: &Path) -> Result<Option<Machine>, RelocateError> {
    let mut libraries = None;
    for name in names_in(directory)? {
        let path = directory.join(&name);
        if !matches!(kind_of(&path)?, Some(Kind::File { .. })) {
            continue;
        }
        let name = name.to_string_lossy();
        if !name.ends_with(".o") && !name.contains(".so") {
            continue;
        }
        match identify(&read_start(&path, 64)?) {
            Some((machine, ET_REL)) => return Ok(Some(machine)),
            Some((machine, _)) if libraries.is_none() => libraries = Some(machine),
            _ => {}
        }
    }
    Ok(libraries)
}
