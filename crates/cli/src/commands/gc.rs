//! `saltire gc`: deletes what nothing refers to.

use super::open;
use crate::args::{GcArgs, Global};
use saltire_driver::Error;
use saltire_store::GarbageOptions;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Collects and says what was freed.
pub fn run(global: &Global, args: &GcArgs) -> Result<ExitCode, Failure> {
    let session = open(global, None, None)?.session;
    let store = session.store();
    let options = GarbageOptions { dry_run: args.dry_run, ..GarbageOptions::default() };
    let collected = store.collect_garbage(&options).map_err(Error::from)?;
    let mut text = String::new();
    if args.dry_run {
        text.extend(collected.paths.iter().map(|path| format!("{}\n", store.display(path))));
    }
    let verb = if args.dry_run { "would be deleted" } else { "deleted" };
    let mebibytes = collected.freed as f64 / f64::from(1 << 20);
    text += &format!("{} paths {verb}, {mebibytes:.1} MiB\n", collected.paths.len());
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
