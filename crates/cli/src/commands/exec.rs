//! `saltire exec`: runs any foreign program, its children included.

use super::{Opened, exit_code, open};
use crate::args::{ExecArgs, Global};
use crate::failure::Failure;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How much of a program is read to find out what it is.
const HEAD: u64 = 64 * 1024;

/// Runs the program; its exit code is ours.
pub fn run(global: &Global, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, None, None)?;
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::new("no program is named"))?;
    let program = find(program)?;
    // The store's own paths are only seen at their place inside.
    let physical = session.store().location().to_physical(&program);
    let mut head = Vec::new();
    let read = std::fs::File::open(&physical).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.map_err(|error| Failure::new(format_args!("can't read {}: {error}", program.display())))?;
    let mut emulators = Vec::new();
    if head.starts_with(b"\x7fELF") {
        let identity = saltire_platforms::identify_elf(&head);
        let identity =
            identity.map_err(|error| Failure::new(format_args!("{}: {error}", program.display())))?;
        match session.emulator_of(&head) {
            Some(emulator) => emulators.push(session.emulator_entry(emulator)?),
            None if identity.emulator.is_none() && identity.platforms().is_empty() => {
                return Err(unknown(&program, identity.machine));
            }
            None => {}
        }
    }
    progress.finish();
    Ok(exit_code(session.run(&program, arguments, emulators)?))
}

fn unknown(program: &Path, machine: u16) -> Failure {
    let name = saltire_platforms::machine_name(machine).unwrap_or("unknown");
    let message = format!(
        "{} is for a machine that can't be emulated: {name} (e_machine {machine})",
        program.display()
    );
    Failure::new(message).hint("'saltire platforms' lists what can be run here")
}

/// The absolute path of a program, looked for on PATH if it has no slash.
fn find(program: &OsStr) -> Result<PathBuf, Failure> {
    let missing = || Failure::new(format_args!("there is no program {}", program.to_string_lossy()));
    if program.as_encoded_bytes().contains(&b'/') {
        return std::path::absolute(program).map_err(|_| missing());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| missing().hint("name a file as ./program"))
}
