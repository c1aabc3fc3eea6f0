//! The servers' side of both protocols, on whatever store there is.

mod backend;
mod serve;
mod speaker;
mod worker;

pub use backend::{Backend, BackendError, Missing, Wanted};
pub use serve::serve_serve;
pub use speaker::Speaker;
pub use worker::serve_worker;

use crate::codec::{put_paths, read_info, read_path};
use crate::error::malformed;
use crate::wire::WireRead;
use saltire_store_model::{StoreDir, StorePath};
use std::collections::BTreeSet;
use std::io::{self, Read};

/// Takes a path whose information and NAR follow.
fn take_nar(
    backend: &dyn Backend,
    input: &mut dyn Read,
    check_signatures: Option<bool>,
) -> Result<Result<(), BackendError>, io::Error> {
    let store = backend.store_dir();
    let path = read_path(input, store)?;
    let info = read_info(input, store, path)?;
    let check = match check_signatures {
        Some(check) => check,
        None => {
            let _repair = input.number()?;
            !input.flag()?
        }
    };
    let mut nar = Read::take(&mut *input, info.nar_size);
    let added = backend.add_nar(&info, check, &mut nar);
    // Nothing of it was read if the path is there already.
    io::copy(&mut nar, &mut io::sink())?;
    Ok(added)
}

/// Reads `….drv!out,dev`, `….drv!*` or a path that is to be there.
fn read_wanted(input: &mut dyn Read, store: &StoreDir) -> io::Result<(String, Wanted)> {
    let text = input.text()?;
    let (path, outputs) = match text.split_once('!') {
        None => (text.as_str(), None),
        Some((path, "*")) => (path, Some(Vec::new())),
        Some((path, names)) => (path, Some(names.split(',').map(str::to_owned).collect())),
    };
    let path = store.parse(path).map_err(malformed)?;
    let wanted = match outputs {
        Some(outputs) => Wanted::Outputs(path, outputs),
        // As old clients name all outputs.
        None if path.is_derivation() => Wanted::Outputs(path, Vec::new()),
        None => Wanted::Path(path),
    };
    Ok((text, wanted))
}

fn paths_reply(store: &StoreDir, paths: &BTreeSet<StorePath>) -> io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    put_paths(&mut reply, store, paths.iter())?;
    Ok(reply)
}
