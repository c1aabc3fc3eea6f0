//! `saltire shell`: becomes a shell with packages on PATH.

use super::build::targets;
use super::exec::become_program;
use super::plan::summary;
use super::{Opened, open};
use crate::args::{Global, ShellArgs};
use saltire_driver::{Emulators, Plan, Session, Target, Wanted};
use saltire_terminal::Failure;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What is run where nothing else is asked for and the user has no shell of their own.
const SHELL: &str = "/bin/sh";

/// Builds the packages; this process becomes the shell.
pub fn run(global: &Global, args: &ShellArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, Some(&args.selection.source), Some(&args.execution))?;
    let targets = targets(&session, &args.selection)?;
    let wanted: Vec<Wanted> = targets.iter().map(|target| target.wanted.clone()).collect();
    let announce = |plan: &Plan| progress.announce(&summary(&targets, plan));
    session.realise_as_planned(&wanted, args.selection.via, &announce)?;
    progress.finish();
    let mut path = directories(&session, &targets)?;
    let own = std::env::var_os("PATH").unwrap_or_default();
    path.extend(std::env::split_paths(&own));
    let usual = match args.command.is_empty() {
        true => vec![shell_of_user(&session)?],
        false => args.command.clone(),
    };
    let (program, arguments) = usual.split_first().ok_or_else(|| Failure::new("no command is named"))?;
    let program = find(&session, program, &path)?;
    let runnable = session.examine(&program).map_err(saltire_driver::Error::from)?;
    let mut emulators: Vec<_> =
        targets.iter().filter_map(|target| session.emulator_for(target.platform)).collect();
    emulators.dedup_by_key(|emulator| &emulator.name);
    let launch = session.launch(&program, arguments, runnable, &Emulators::Only(emulators))?;
    let path = std::env::join_paths(path).map_err(Failure::new)?;
    become_program(Opened { session, progress }, launch.with_variable("PATH", path))
}

/// `$SHELL`, else the machine's, else that of the embedded set.
fn shell_of_user(session: &Arc<Session>) -> Result<OsString, Failure> {
    match std::env::var_os("SHELL").filter(|shell| !shell.is_empty()) {
        Some(shell) => Ok(shell),
        None if Path::new(SHELL).exists() => Ok(SHELL.into()),
        None => Ok(session.bash()?.into()),
    }
}

/// The directories of the packages' programs, as they are seen inside.
fn directories(session: &Session, targets: &[Target]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for target in targets {
        for output in &target.wanted.outputs {
            let path = session.output(&target.wanted.derivation, output)?;
            all.push(Path::new(&session.store().display(&path)).join("bin"));
        }
    }
    Ok(all)
}

/// A program's path, looked for in the directories if it has no slash.
fn find(session: &Session, program: &OsStr, path: &[PathBuf]) -> Result<PathBuf, Failure> {
    if program.as_encoded_bytes().contains(&b'/') {
        return std::path::absolute(program).map_err(Failure::new);
    }
    let location = session.store().location();
    let mut files = path.iter().map(|directory| directory.join(program));
    files.find(|file| location.to_physical(file).exists()).ok_or_else(|| {
        Failure::new(format_args!("there is no program '{}' on PATH", program.to_string_lossy()))
            .hint("neither in the packages that are named nor on this machine")
    })
}
