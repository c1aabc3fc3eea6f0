//! The server's side of the serve protocol: `nix-store --serve`.

use super::{Backend, BackendError, Speaker, paths_reply, read_wanted, take_nar};
use crate::codec::{
    ResultParts, address_text, put_optional_path, put_path, put_paths, put_result, read_derivation,
    read_path, read_paths,
};
use crate::error::RemoteError;
use crate::messages::{BuildMode, BuildOptions};
use crate::serve::{CLIENT_MAGIC, NEWEST, OLDEST, SERVER_MAGIC, request};
use crate::wire::{WireRead, WireWrite};
use crate::worker::{expect_magic, version, version_text};
use saltire_store_model::{StoreDir, StorePath};
use std::collections::BTreeSet;
use std::io::{self, BufRead};

/// Serves a client until it goes away; without `write` it may only look.
///
/// The protocol has no messages for errors: one ends the connection, and the caller says
/// it on standard error, from where the client has it.
pub fn serve_serve(
    backend: &dyn Backend,
    input: &mut dyn BufRead,
    speaker: &Speaker,
    write: bool,
) -> Result<(), BackendError> {
    expect_magic(input, CLIENT_MAGIC)?;
    speaker.reply(|output| {
        output.put_number(SERVER_MAGIC)?;
        output.put_number(NEWEST)
    })?;
    let other = input.number()?;
    if other < OLDEST {
        return Err(RemoteError::TooOld { has: version_text(other), wanted: version_text(OLDEST) }.into());
    }
    let mut server = Server { backend, input, speaker, version: other.min(NEWEST), write };
    while !server.input.fill_buf()?.is_empty() {
        let number = server.input.number()?;
        server.request(number)?;
    }
    Ok(())
}

struct Server<'a> {
    backend: &'a dyn Backend,
    input: &'a mut dyn BufRead,
    speaker: &'a Speaker,
    version: u64,
    write: bool,
}

impl Server<'_> {
    fn request(&mut self, number: u64) -> Result<(), BackendError> {
        let store = self.backend.store_dir().clone();
        let changes = matches!(number, request::ADD_NAR | request::BUILD_PATHS | request::BUILD_DERIVATION);
        if changes && !self.write {
            return Err("writing to this store is not allowed ('--write' allows it)".into());
        }
        let reply = match number {
            request::QUERY_VALID => {
                let _lock = self.input.number()?;
                let substitute = self.input.flag()? && self.write;
                let paths = read_paths(self.input, &store)?;
                paths_reply(&store, &self.backend.query_valid(&paths, substitute)?)?
            }
            request::QUERY_INFOS => {
                let paths = read_paths(self.input, &store)?;
                self.infos(&store, &paths)?
            }
            request::DUMP => {
                let path = read_path(self.input, &store)?;
                return self.dump(&path);
            }
            request::QUERY_CLOSURE => {
                let _include_outputs = self.input.number()?;
                let paths = read_paths(self.input, &store)?;
                paths_reply(&store, &self.backend.closure(&paths)?)?
            }
            request::ADD_NAR => {
                take_nar(self.backend, self.input, Some(false))??;
                1u64.to_le_bytes().to_vec()
            }
            request::BUILD_PATHS => self.build_paths(&store)?,
            request::BUILD_DERIVATION => self.build_derivation(&store)?,
            other => return Err(format!("request {other} is not supported").into()),
        };
        Ok(self.speaker.reply(|output| output.write_all(&reply))?)
    }

    fn infos(&self, store: &StoreDir, paths: &BTreeSet<StorePath>) -> Result<Vec<u8>, BackendError> {
        let mut reply = Vec::new();
        for path in paths {
            let Some(info) = self.backend.path_info(path)? else { continue };
            put_path(&mut reply, store, path)?;
            put_optional_path(&mut reply, store, info.deriver.as_ref())?;
            put_paths(&mut reply, store, info.references.iter())?;
            reply.put_number(info.nar_size)?; // bytes to download
            reply.put_number(info.nar_size)?;
            reply.put_text(&info.nar_hash.to_string())?;
            reply.put_text(&address_text(info.content_address.as_ref()))?;
            reply.put_texts(info.signatures.iter())?;
        }
        reply.put_text("")?;
        Ok(reply)
    }

    fn dump(&self, path: &StorePath) -> Result<(), BackendError> {
        if self.backend.path_info(path)?.is_none() {
            return Err(format!("path '{}' is not valid", self.backend.store_dir().display(path)).into());
        }
        let write = |output: &mut dyn io::Write| self.backend.write_nar(path, output);
        Ok(self.speaker.reply(|output| write(output).map_err(io::Error::other))?)
    }

    /// Takes how to build.
    fn options(&mut self) -> Result<(), BackendError> {
        let max_silence = self.input.number()?;
        let timeout = self.input.number()?;
        // The longest log, how often to build again, whether a difference is an error.
        for _ in 0..3 {
            self.input.number()?;
        }
        let keep_failed = self.version >= version(2, 7) && self.input.flag()?;
        let options = BuildOptions { max_silence, timeout, keep_failed, ..BuildOptions::default() };
        self.backend.set_options(&options);
        Ok(())
    }

    fn build_paths(&mut self, store: &StoreDir) -> Result<Vec<u8>, BackendError> {
        let count = WireRead::length(self.input)?;
        let wanted: io::Result<Vec<_>> = (0..count).map(|_| read_wanted(self.input, store)).collect();
        let wanted = wanted?;
        self.options()?;
        let results = wanted.iter().map(|(_, wanted)| self.backend.build(wanted, BuildMode::Normal));
        let mut reply = Vec::new();
        match results.into_iter().find(|result| !result.status.is_success()) {
            Some(result) => {
                reply.put_number(result.status.number())?;
                reply.put_text(&result.error)?;
            }
            None => reply.put_number(0)?,
        }
        Ok(reply)
    }

    fn build_derivation(&mut self, store: &StoreDir) -> Result<Vec<u8>, BackendError> {
        let path = read_path(self.input, store)?;
        let name = path.derivation_name().unwrap_or_default().to_owned();
        let derivation = read_derivation(self.input, store, &name)?;
        self.options()?;
        let result = self.backend.build_derivation(&path, &derivation, BuildMode::Normal);
        let parts =
            ResultParts { times: true, processor_time: false, outputs: self.version >= version(2, 6) };
        let mut reply = Vec::new();
        put_result(&mut reply, &result, parts)?;
        Ok(reply)
    }
}
