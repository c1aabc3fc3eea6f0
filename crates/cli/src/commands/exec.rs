//! `saltire exec`: becomes any foreign program, its children included.

use super::{Opened, open, platforms};
use crate::args::{ExecArgs, Global};
use saltire_driver::{Emulators, Launch, Session};
use saltire_terminal::Failure;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

/// The name that stands for every platform.
const ALL: &str = "all";

/// Runs the program: this process becomes it.
pub fn run(global: &Global, args: &ExecArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, None, None)?;
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::new("no program is named"))?;
    let program = find(program)?;
    let mut runnable = session.examine(&program).map_err(saltire_driver::Error::from)?;
    // What this machine's own program starts needs a C library, too.
    if let (None, [name]) = (runnable.emulator, args.platforms.as_slice())
        && name != ALL
    {
        runnable.libraries =
            Some(platforms::find(name)?).filter(|platform| session.lacks_libraries_of(platform));
    }
    let launch = session.launch(&program, arguments, runnable, &emulators(&session, &args.platforms)?)?;
    become_program(Opened { session, progress }, launch)
}

/// The emulators for the platforms that are named.
fn emulators(session: &Session, names: &[String]) -> Result<Emulators, Failure> {
    if names.iter().any(|name| name == ALL) {
        return Ok(Emulators::All);
    }
    let platforms = names.iter().map(|name| platforms::find(name)).collect::<Result<Vec<_>, _>>()?;
    let emulators = platforms.into_iter().filter_map(|platform| session.emulator_for(platform));
    Ok(Emulators::Only(emulators.collect()))
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
