//! `saltire exec`: becomes any foreign program, its children included.

use super::{Opened, open};
use crate::args::{ExecArgs, Global};
use saltire_driver::Launch;
use saltire_terminal::Failure;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the program: this process becomes it.
pub fn run(global: &Global, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, None, None)?;
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::new("no program is named"))?;
    let program = find(program)?;
    let runnable = session.examine(&program).map_err(saltire_driver::Error::from)?;
    let launch = session.launch(&program, arguments, runnable.emulator, &[])?;
    become_program(Opened { session, progress }, launch)
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

/// Becomes a program, once nothing else is left of the session.
pub fn become_program(opened: Opened, launch: Launch) -> Result<ExitCode, Failure> {
    opened.progress.finish();
    drop(opened);
    Err(launch.exec().into())
}
