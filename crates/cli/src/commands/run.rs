//! `saltire run`: builds a package and becomes its program.

use super::exec::become_program;
use super::plan::summary;
use super::{Opened, open, package_set, platforms_or_own};
use crate::args::{Global, RunArgs};
use saltire_driver::Plan;
use saltire_driver::{Emulators, Runnable};
use saltire_terminal::Failure;
use std::process::ExitCode;

/// Builds and runs: this process becomes the program.
pub fn run(global: &Global, args: &RunArgs) -> Result<ExitCode, Failure> {
    let Opened { session, progress } = open(global, Some(&args.source), Some(&args.execution))?;
    let names: Vec<String> = args.platform.iter().cloned().collect();
    let platform = platforms_or_own(&session, &names)?[0];
    let target = session.target(&package_set(&args.source), &args.package, platform, args.via)?;
    let announce = |plan: &Plan| progress.announce(&summary(std::slice::from_ref(&target), plan));
    let emulator = session.emulator_for(platform);
    let mut wanted = vec![target.wanted.clone()];
    if let Some(emulator) = emulator {
        wanted.push(session.emulator_wanted(emulator)?);
    }
    session.realise_as_planned(&wanted, args.via, &announce)?;
    let program = session.program(&target, args.program.as_deref())?;
    let launch = session.launch(
        &program,
        &args.arguments,
        Runnable { emulator, libraries: None },
        &Emulators::Only(Vec::new()),
    )?;
    become_program(Opened { session, progress }, launch)
}
