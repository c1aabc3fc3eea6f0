//! Becoming a program.

use crate::options::Opened;
use saltire_terminal::Failure;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Becomes a program, foreign or not, with more environment variables; nothing is
/// left of the session then.
pub fn become_program(
    opened: Opened,
    program: &Path,
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
) -> Result<ExitCode, Failure> {
    let runnable = opened.session.examine(program).map_err(saltire_driver::Error::from)?;
    let mut launch =
        opened.session.launch(program, arguments, runnable, &saltire_driver::Emulators::Only(Vec::new()))?;
    for (name, value) in variables {
        launch = launch.with_variable(name, value);
    }
    opened.progress.finish();
    drop(opened);
    Err(launch.exec().into())
}
