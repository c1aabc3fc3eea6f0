//! What a file that is to be run is, found out before the kernel is asked: its
//! errors name no reason.

use crate::session::Session;
use saltire_platforms::{ElfError, ElfIdentity, Emulator, Platform, can_execute, identify_elf, machine_name};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How much of a file is read: program headers and the interpreter's name are
/// near its start.
const HEAD: u64 = 64 * 1024;

/// How many scripts may be each other's interpreters (`BINPRM_MAX_RECURSION`-like
/// limit of `exec_binprm` in the kernel's `fs/exec.c`).
const DEEPEST: usize = 5;

/// Longest first line of a script that the kernel looks at (`BINPRM_BUF_SIZE`).
const LONGEST_LINE: usize = 256;

/// Where QEMU's user-mode emulators look for a program's libraries first.
pub(crate) const EMULATOR_ROOT: &str = "QEMU_LD_PREFIX";

/// What runs a file.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// The emulator that it, or the interpreter of its script, needs.
    pub emulator: Option<&'static Emulator>,
    /// The platform whose C library it needs and this machine has not.
    pub libraries: Option<&'static Platform>,
}

/// Why a file can't be run.
#[derive(Debug, Error)]
#[error("can't run {}: {problem}", .path.display())]
pub struct ProgramError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: ProgramProblem,
}

/// What is wrong with a file that is to be run.
#[derive(Debug, Error)]
pub enum ProgramProblem {
    /// It can't be read.
    #[error("{0}")]
    Unreadable(io::Error),
    /// A directory, a device, ….
    #[error("it is not a regular file")]
    NotAFile,
    /// It has no permission to be executed.
    #[error("it is not executable")]
    NotExecutable,
    /// A broken ELF file, or something that no kernel runs.
    #[error("{0}")]
    Format(ElfError),
    /// An ELF file, but not a program.
    #[error("it is {0}, not a program")]
    NoProgram(&'static str),
    /// Part of it is missing.
    #[error("truncated ELF file: it has {have} of at least {need} bytes")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes that its headers speak of.
        need: u64,
    },
    /// No emulator is known for it.
    #[error("it is for a machine that can't be emulated: {name} (e_machine {machine})")]
    UnknownMachine {
        /// The machine's name.
        name: &'static str,
        /// Its number in ELF files.
        machine: u16,
    },
    /// Its dynamic linker is not on this machine.
    #[error("it needs the dynamic linker {0}, which is not here")]
    NoLinker(String),
    /// Its first line names something that can't be run.
    #[error("it is a script, and its interpreter {interpreter} can't be run: {problem}")]
    Interpreter {
        /// What the first line names.
        interpreter: String,
        /// Why not.
        problem: Box<ProgramProblem>,
    },
    /// A script without an interpreter, or with too many.
    #[error("it is a script whose first line {0}")]
    Script(&'static str),
}

impl ProgramProblem {
    /// What the user can do.
    pub fn hint(&self, path: &Path) -> Option<String> {
        match self {
            Self::NotExecutable => Some(format!("if it is a program: chmod +x {}", path.display())),
            Self::UnknownMachine { .. } => Some("'saltire platforms' lists what can be run here".into()),
            Self::Truncated { .. } | Self::Format(ElfError::Truncated { .. }) => {
                Some("copy, download or build it again".into())
            }
            Self::Format(ElfError::NotElf(None | Some("empty"))) => {
                Some("a script needs a first line such as '#!/bin/sh'".into())
            }
            Self::NoLinker(_) => Some(format!(
                "link it statically, build it with saltire, or set {EMULATOR_ROOT} to a directory \
                 that has its libraries"
            )),
            Self::Interpreter { problem, interpreter } => problem.hint(Path::new(interpreter)),
            _ => None,
        }
    }
}

impl Session {
    /// Looks at a file that is to be run.
    pub fn examine(&self, path: &Path) -> Result<Runnable, ProgramError> {
        self.examine_nested(path, 0).map_err(|problem| ProgramError { path: path.to_owned(), problem })
    }

    fn examine_nested(&self, path: &Path, depth: usize) -> Result<Runnable, ProgramProblem> {
        let (head, size) = self.read_head(path)?;
        if let Some(line) = head.strip_prefix(b"#!") {
            return self.examine_script(line, depth);
        }
        let identity = identify_elf(&head).map_err(ProgramProblem::Format)?;
        check_elf(&identity, size)?;
        let own = identity.platforms().into_iter().any(|platform| can_execute(self.platform, platform));
        if !own && identity.emulator.is_none() {
            let name = machine_name(identity.machine).unwrap_or("unknown");
            return Err(ProgramProblem::UnknownMachine { name, machine: identity.machine });
        }
        let emulator = if own { None } else { identity.emulator };
        let exists = |linker: &Path| self.store().location().resolve(linker).exists();
        // The emulator looks for it elsewhere if it is told to.
        let missing = identity
            .interpreter
            .as_deref()
            .filter(|linker| !exists(Path::new(linker)) && std::env::var_os(EMULATOR_ROOT).is_none());
        let Some(linker) = missing else { return Ok(Runnable { emulator, libraries: None }) };
        let with_linker = |platform: &&Platform| platform.dynamic_linker.as_deref() == Some(linker);
        let libraries = identity.platforms().into_iter().find(with_linker).filter(|_| emulator.is_some());
        match libraries {
            Some(_) => Ok(Runnable { emulator, libraries }),
            None => Err(ProgramProblem::NoLinker(linker.to_owned())),
        }
    }

    fn examine_script(&self, line: &[u8], depth: usize) -> Result<Runnable, ProgramProblem> {
        if depth == DEEPEST {
            return Err(ProgramProblem::Script("names a script, which names a script, and so on"));
        }
        let interpreter = interpreter(line).ok_or(ProgramProblem::Script("names no interpreter"))?;
        let path = std::path::absolute(interpreter).map_err(ProgramProblem::Unreadable)?;
        self.examine_nested(&path, depth + 1).map_err(|problem| match problem {
            nested @ (ProgramProblem::Interpreter { .. } | ProgramProblem::Script(_)) => nested,
            problem => ProgramProblem::Interpreter {
                interpreter: String::from_utf8_lossy(interpreter.as_bytes()).into_owned(),
                problem: Box::new(problem),
            },
        })
    }

    /// The start of a file that may be executed, and its size.
    fn read_head(&self, path: &Path) -> Result<(Vec<u8>, u64), ProgramProblem> {
        // The store's own paths are only seen at their place inside.
        let physical = self.store().location().resolve(path);
        let metadata = physical.metadata().map_err(ProgramProblem::Unreadable)?;
        if !metadata.is_file() {
            return Err(ProgramProblem::NotAFile);
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(ProgramProblem::NotExecutable);
        }
        let mut head = Vec::new();
        let read = File::open(&physical).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        read.map_err(ProgramProblem::Unreadable)?;
        Ok((head, metadata.len()))
    }
}

fn check_elf(identity: &ElfIdentity, size: u64) -> Result<(), ProgramProblem> {
    use saltire_platforms::ElfKind;
    match identity.kind {
        ElfKind::Executable | ElfKind::SharedObject => {}
        ElfKind::Relocatable => return Err(ProgramProblem::NoProgram("an object file")),
        ElfKind::Core => return Err(ProgramProblem::NoProgram("a memory dump")),
        ElfKind::Other(_) => return Err(ProgramProblem::NoProgram("an ELF file of an unknown kind")),
    }
    if size < identity.size {
        return Err(ProgramProblem::Truncated { have: size, need: identity.size });
    }
    Ok(())
}

/// The interpreter that the rest of a line after `#!` names, as the kernel reads it
/// (`fs/binfmt_script.c`): the first word.
fn interpreter(line: &[u8]) -> Option<&OsStr> {
    let line = &line[..line.len().min(LONGEST_LINE)];
    let line = line.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).find(|word| !word.is_empty())?;
    Some(OsStr::from_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_of_scripts() {
        let check = |line: &str, expected: Option<&str>| {
            assert_eq!(interpreter(line.as_bytes()), expected.map(OsStr::new), "{line:?}");
        };
        check("/bin/sh\necho", Some("/bin/sh"));
        check(" /usr/bin/env  python3 -x\n", Some("/usr/bin/env"));
        check("\t/bin/sh", Some("/bin/sh"));
        check("\n/bin/sh", None);
        check("  ", None);
        check("", None);
    }
}
