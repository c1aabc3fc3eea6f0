//! The whole work on a tree, step by step.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::elf::{Change, Elf, Machine, edit};
use crate::files::{
    Entry, Kind, in_parallel, make_directories_writable, normalise, read, read_start, replace,
    set_canonical_modes, walk,
};
use crate::index::{Index, resolve};
use crate::merge::{Selection, hoist, merge_usr, merged, parent, select};
use crate::text::{LINKER_SCRIPT, Shebang, bare_linker_script};
use crate::{Missing, RelocateError, Report, Request, Tree, links};

/// Strings of the run-time linker that would make it read the machine's files,
/// and what replaces them, of the same length: files that never exist.
const LOADER_STRINGS: [(&[u8], &[u8]); 2] =
    [(b"/etc/ld.so.cache\0", b"/nonexistent/lds\0"), (b"/etc/ld.so.preload\0", b"/nonexistent/lds.p\0")];

/// Makes a tree of unpacked packages work at its logical path; see the
/// description of this crate.
///
/// In order: `usr` is merged into the root, the subtree becomes the root, `keep`
/// and `remove` are applied, links made and mended; then every ELF file, linker
/// script and executable script is changed, and permissions are made canonical.
/// On error the tree is in an undefined state and is to be deleted.
pub fn relocate_tree(request: &Request<'_>) -> Result<Report, RelocateError> {
    let root = request.output.physical;
    let selection = Selection::new(request.subtree, request.keep, request.remove)?;
    make_directories_writable(root)?;
    merge_usr(root)?;
    if let Some(subtree) = request.subtree {
        hoist(root, subtree)?;
        merge_usr(root)?;
    }
    select(root, &selection)?;
    links::make(root, request.links)?;

    let mut report = Report::default();
    let dependencies =
        request.dependencies.iter().map(|tree| Index::new(*tree)).collect::<Result<Vec<_>, _>>()?;
    links::repair(&Index::new(request.output)?, &dependencies, &mut report)?;

    // Anew: mended links are names of libraries too.
    let mut indexes = vec![Index::new(request.output)?];
    indexes.extend(dependencies);
    let relocation = Relocation { indexes: &indexes, shell: request.shell };
    let entries = walk(root)?;
    let outcomes = in_parallel(&entries, |entry| relocation.process(entry))?;
    for outcome in outcomes {
        report.patched += usize::from(outcome.patched);
        report.scripts += usize::from(outcome.script);
        report.linker_scripts += usize::from(outcome.linker_script);
        report.missing.extend(outcome.missing);
    }
    set_canonical_modes(root)?;
    Ok(report)
}

/// What was done to one file.
#[derive(Default)]
struct Outcome {
    patched: bool,
    script: bool,
    linker_script: bool,
    missing: Vec<Missing>,
}

/// What all files are changed by.
struct Relocation<'a> {
    /// The tree itself, then the dependencies.
    indexes: &'a [Index<'a>],
    shell: Option<Tree<'a>>,
}

impl Relocation<'_> {
    fn process(&self, entry: &Entry) -> Result<Outcome, RelocateError> {
        let mut outcome = Outcome::default();
        let Kind::File { executable } = entry.kind else {
            return Ok(outcome);
        };
        let path = self.indexes[0].tree.physical.join(&entry.path);
        let start = read_start(&path, 64)?;
        let new = if start.starts_with(b"\x7fELF") {
            let new = self.process_elf(&path, entry, &mut outcome)?;
            outcome.patched = new.is_some();
            new
        } else if start.starts_with(LINKER_SCRIPT) && is_library_name(&entry.path) {
            let new = bare_linker_script(&read(&path)?);
            outcome.linker_script = new.is_some();
            new
        } else if executable && start.starts_with(b"#!") {
            let new = self.process_script(&read(&path)?)?;
            outcome.script = new.is_some();
            new
        } else {
            None
        };
        if let Some(content) = new {
            replace(&path, &content, executable)?;
        }
        Ok(outcome)
    }

    fn process_elf(
        &self,
        path: &Path,
        entry: &Entry,
        outcome: &mut Outcome,
    ) -> Result<Option<Vec<u8>>, RelocateError> {
        let failure = |problem| RelocateError::Elf { path: path.to_owned(), problem };
        let data = read(path)?;
        if is_loader(entry.path.file_name().unwrap_or_default()) {
            return Ok(without_loader_strings(data));
        }
        let Some(elf) = Elf::parse(&data).map_err(failure)? else {
            return Ok(None);
        };
        // The C library itself needs nothing but the run-time linker, which
        // has loaded it.
        if !elf.is_dynamic() || elf.soname.as_deref().is_some_and(is_libc) {
            return Ok(None);
        }
        let change = self.change_for(&elf, &entry.path, &mut outcome.missing);
        if change == Change::default() {
            return Ok(None);
        }
        edit(&data, &elf, &change).map(Some).map_err(failure)
    }

    /// What has to change in a dynamic file.
    fn change_for(&self, elf: &Elf, file: &Path, missing: &mut Vec<Missing>) -> Change {
        let mut change = Change::default();
        if let Some(interpreter) = &elf.interpreter {
            match self.find_interpreter(interpreter, elf.machine) {
                Some(found) => {
                    let found = found.into_os_string().into_encoded_bytes();
                    change.interpreter = (found != *interpreter).then_some(found);
                }
                None => missing.push(missing_of(file, interpreter)),
            }
        }
        let runpath = self.runpath_for(elf, file, missing);
        let current = elf.runpath.as_deref().unwrap_or_default();
        if runpath != current || elf.has_rpath {
            change.runpath = Some(runpath);
        }
        change
    }

    /// The interpreter by its file name, preferably at its conventional place.
    fn find_interpreter(&self, path: &[u8], machine: Machine) -> Option<PathBuf> {
        let path = Path::new(OsStr::from_bytes(path));
        let name = path.file_name()?;
        let usual = merged(path.strip_prefix("/").unwrap_or(path));
        self.indexes.iter().find_map(|index| {
            let mut directories = index.directories(name, Some(machine));
            let first = directories.next()?;
            let directory =
                if directories.any(|directory| directory == parent(&usual)) { parent(&usual) } else { first };
            Some(index.tree.logical.join(directory).join(name))
        })
    }

    /// The directories in which this file's own needs are, own tree first.
    /// Directories relative to the file itself stay if they hold libraries.
    fn runpath_for(&self, elf: &Elf, file: &Path, missing: &mut Vec<Missing>) -> Vec<u8> {
        let own = &self.indexes[0];
        let here = parent(file);
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut chosen: Vec<(usize, PathBuf)> = Vec::new();
        let old = elf.runpath.as_deref().unwrap_or_default();
        for part in old.split(|byte| *byte == b':') {
            if let Some(directory) = relative_to_origin(part, here)
                && own.has_libraries(&directory, elf.machine)
                && !chosen.contains(&(0, directory.clone()))
            {
                parts.push(part.to_owned());
                chosen.push((0, directory));
            }
        }
        let mut needed: Vec<&OsStr> = elf
            .needed
            .iter()
            .map(|name| OsStr::from_bytes(name))
            // Loaded already, as it does the loading.
            .filter(|name| !is_loader(name))
            .collect();
        for (number, index) in self.indexes.iter().enumerate() {
            needed.retain(|name| {
                let places = || index.directories(name, Some(elf.machine));
                if places().any(|place| chosen.iter().any(|(n, c)| *n == number && c == place)) {
                    return false;
                }
                let beside = places().find(|place| number == 0 && *place == here);
                let Some(place) = beside.or_else(|| places().next()) else {
                    return true;
                };
                let logical = index.tree.logical.join(place);
                parts.push(logical.into_os_string().into_encoded_bytes());
                chosen.push((number, place.to_owned()));
                false
            });
        }
        missing.extend(needed.iter().map(|name| missing_of(file, name.as_bytes())));
        parts.join(&b':')
    }

    /// The script with an interpreter of one of the trees, if they have it.
    fn process_script(&self, script: &[u8]) -> Result<Option<Vec<u8>>, RelocateError> {
        let Some(shebang) = Shebang::parse(script) else {
            return Ok(None);
        };
        let trees = self.indexes.iter().map(|index| index.tree);
        for tree in self.shell.into_iter().chain(trees) {
            if let Some(found) = find_program(tree, &shebang.program)? {
                let new = shebang.replace(script, &tree.logical.join(found));
                return Ok((new != script).then_some(new));
            }
        }
        Ok(None)
    }
}

/// A program of a tree: at its conventional place, else by name in `bin`.
fn find_program(tree: Tree<'_>, path: &Path) -> Result<Option<PathBuf>, RelocateError> {
    let usual = merged(&normalise(Path::new(""), path).0);
    let name = path.file_name().unwrap_or_default();
    for place in [usual, Path::new("bin").join(name)] {
        if resolve(tree.physical, &place)?.is_some() {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn missing_of(file: &Path, name: &[u8]) -> Missing {
    Missing { file: file.to_owned(), name: String::from_utf8_lossy(name).into_owned() }
}

/// Directory, relative to the tree, that a library path relative to the file in
/// directory `here` means; `None` for other paths and those out of the tree.
fn relative_to_origin(part: &[u8], here: &Path) -> Option<PathBuf> {
    let rest = part.strip_prefix(b"$ORIGIN").or_else(|| part.strip_prefix(b"${ORIGIN}"))?;
    let rest = match rest {
        [] => rest,
        [b'/', rest @ ..] => rest,
        _ => return None,
    };
    let (directory, escapes) = normalise(here, Path::new(OsStr::from_bytes(rest)));
    (!escapes).then_some(directory)
}

/// Whether this is a run-time linker's name: `ld-linux.so.2`, `ld.so.1`,
/// `ld64.so.2`, `ld-2.31.so`, `ld-musl-x86_64.so.1`.
fn is_loader(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let Some(rest) = name.strip_prefix(b"ld") else {
        return false;
    };
    let rest = rest.strip_prefix(b"64").unwrap_or(rest);
    rest.starts_with(b".so") || (rest.starts_with(b"-") && rest.windows(3).any(|p| p == b".so"))
}

fn is_libc(soname: &[u8]) -> bool {
    soname.starts_with(b"libc.so")
}

fn is_library_name(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "so" || end == "a")
}

/// The run-time linker with the strings of [`LOADER_STRINGS`] replaced.
fn without_loader_strings(mut data: Vec<u8>) -> Option<Vec<u8>> {
    let mut changed = false;
    for (old, new) in LOADER_STRINGS {
        let mut at = 0;
        while let Some(found) = data[at..].windows(old.len()).position(|part| part == old) {
            data[at + found..][..new.len()].copy_from_slice(new);
            at += found + new.len();
            changed = true;
        }
    }
    changed.then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_relative_to_the_file() {
        let check = |part: &str, expected: Option<&str>| {
            let found = relative_to_origin(part.as_bytes(), Path::new("lib/x/y"));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{part}");
        };
        check("$ORIGIN", Some("lib/x/y"));
        check("${ORIGIN}/../private", Some("lib/x/private"));
        check("$ORIGIN/../../..", Some(""));
        check("$ORIGIN/../../../../lib", None);
        check("$ORIGINAL", None);
        check("/usr/lib", None);
        check("", None);
    }

    #[test]
    fn names_of_run_time_linkers() {
        for name in ["ld-linux.so.2", "ld.so.1", "ld64.so.2", "ld-2.31.so", "ld-musl-arm.so.1"] {
            assert!(is_loader(name.as_ref()), "{name}");
        }
        for name in ["ld", "ld.bfd", "libld.so", "ldap.so", "ld-x", "libc.so.6"] {
            assert!(!is_loader(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn the_machines_cache_is_not_read() {
        let old = b"x\0/etc/ld.so.cache\0/a/etc/ld.so.cache\0/etc/ld.so.preload\0/etc/ld.so.cachet";
        let new = b"x\0/nonexistent/lds\0/a/nonexistent/lds\0/nonexistent/lds.p\0/etc/ld.so.cachet";
        assert_eq!(without_loader_strings(old.to_vec()).as_deref(), Some(&new[..]));
        assert_eq!(without_loader_strings(new.to_vec()), None);
    }
}
