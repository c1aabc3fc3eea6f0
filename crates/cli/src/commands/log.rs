//! `saltire log`: the log of a build.

use super::{open, package_set, platforms_or_own};
use crate::args::{Global, LogArgs};
use saltire_driver::{Error, Session};
use saltire_store::Store;
use saltire_terminal::{Failure, print};
use std::process::ExitCode;
use std::sync::Arc;

/// Prints the log.
pub fn run(global: &Global, args: &LogArgs) -> Result<ExitCode, Failure> {
    let session = open(global, Some(&args.source), None)?.session;
    let store = Arc::clone(session.store());
    let derivations = derivations(&session, &store, args)?;
    for derivation in &derivations {
        if let Some(log) = store.read_log(derivation).map_err(Error::from)? {
            print(&String::from_utf8_lossy(&log))?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(Failure::new(format_args!("there is no log of '{}'", args.target))
        .hint("only what was built on this machine has one"))
}

/// The derivations that the target may mean: itself, those that made it, or the package's.
fn derivations(
    session: &Arc<Session>,
    store: &Store,
    args: &LogArgs,
) -> Result<Vec<saltire_driver::StorePath>, Failure> {
    if !args.target.starts_with('/') {
        let names: Vec<String> = args.platform.iter().cloned().collect();
        let platform = platforms_or_own(session, &names)?[0];
        let target = session.target(&package_set(&args.source), &args.target, platform, args.via)?;
        return Ok(vec![target.wanted.derivation]);
    }
    let path = session.parse(&args.target)?;
    if path.is_derivation() {
        return Ok(vec![path]);
    }
    let mut found: Vec<_> = store.query_valid_derivers(&path).map_err(Error::from)?.into_iter().collect();
    found.extend(store.query_path_info(&path).map_err(Error::from)?.and_then(|info| info.deriver));
    Ok(found)
}
