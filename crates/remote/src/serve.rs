//! The client's side of the serve protocol, which `ssh://` stores speak.
//!
//! Simpler and older than the worker protocol: what a build writes goes to the other
//! side's standard error, and there are no messages in between.

use crate::codec::{
    ResultParts, parse_address, put_derivation, put_info, put_path, put_paths, read_optional_path,
    read_paths, read_result,
};
use crate::error::{RemoteError, malformed};
use crate::messages::{BuildMode, BuildOptions, BuildResult, BuildStatus};
use crate::peer::{Closure, Log, Peer, WriteNar};
use crate::stream::Stream;
use crate::wire::{WireRead, WireWrite};
use crate::worker::{derived_path, greet, version, version_text};
use saltire_store_model::{Derivation, Hash, HashAlgorithm, PathInfo, StoreDir, StorePath};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};

/// What the client says first.
pub(crate) const CLIENT_MAGIC: u64 = 0x390c_9deb;
/// What the server answers.
pub(crate) const SERVER_MAGIC: u64 = 0x5452_eecb;

/// The oldest version that is spoken: paths with hashes came with it.
pub(crate) const OLDEST: u64 = version(2, 5);
/// The newest version that is spoken.
pub(crate) const NEWEST: u64 = version(2, 7);

/// The numbers of the requests.
pub(crate) mod request {
    pub const QUERY_VALID: u64 = 1;
    pub const QUERY_INFOS: u64 = 2;
    pub const DUMP: u64 = 3;
    pub const BUILD_PATHS: u64 = 6;
    pub const QUERY_CLOSURE: u64 = 7;
    pub const BUILD_DERIVATION: u64 = 8;
    pub const ADD_NAR: u64 = 9;
}

/// A store that is spoken to by the serve protocol.
pub struct ServeClient {
    stream: Stream,
    store: StoreDir,
    version: u64,
    options: BuildOptions,
}

impl ServeClient {
    /// Greets the other side.
    pub fn connect(mut stream: Stream, store: StoreDir) -> Result<Self, RemoteError> {
        let version = greet(&mut stream, [CLIENT_MAGIC, SERVER_MAGIC], OLDEST..=NEWEST)?;
        Ok(Self { stream, store, version, options: BuildOptions::default() })
    }

    fn parts(&self) -> ResultParts {
        ResultParts { times: true, processor_time: false, outputs: self.version >= version(2, 6) }
    }

    fn unsupported<T>(&self) -> Result<T, RemoteError> {
        Err(RemoteError::Unsupported(self.protocol_version()))
    }

    fn put_options(&mut self) -> io::Result<()> {
        let BuildOptions { max_silence, timeout, keep_failed, .. } = self.options;
        let output = &mut self.stream.output;
        output.put_number(max_silence)?;
        output.put_number(timeout)?;
        output.put_number(0)?; // the longest log
        output.put_number(0)?; // how often to build again
        output.put_number(0)?; // whether a difference is an error
        match self.version >= version(2, 7) {
            true => output.put_flag(keep_failed),
            false => Ok(()),
        }
    }
}

impl Peer for ServeClient {
    fn trusts_us(&self) -> Option<bool> {
        None
    }

    fn program_version(&self) -> Option<&str> {
        None
    }

    fn protocol_version(&self) -> String {
        version_text(self.version)
    }

    fn newest_protocol_version(&self) -> String {
        version_text(NEWEST)
    }

    fn set_options(&mut self, options: &BuildOptions, _: Log<'_>) -> Result<(), RemoteError> {
        self.options = *options;
        Ok(())
    }

    fn query_valid(
        &mut self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
        _: Log<'_>,
    ) -> Result<BTreeSet<StorePath>, RemoteError> {
        let output = &mut self.stream.output;
        output.put_number(request::QUERY_VALID)?;
        output.put_flag(false)?; // keep them from the collector, which happens anyway
        output.put_flag(substitute)?;
        put_paths(output, &self.store, paths.iter())?;
        output.flush()?;
        Ok(read_paths(&mut self.stream.input, &self.store)?)
    }

    fn path_info(&mut self, path: &StorePath, _: Log<'_>) -> Result<Option<PathInfo>, RemoteError> {
        let Stream { input, output } = &mut self.stream;
        output.put_number(request::QUERY_INFOS)?;
        put_paths(output, &self.store, [path].into_iter())?;
        output.flush()?;
        let mut found = None;
        while let Some(path) = read_optional_path(input, &self.store)? {
            let deriver = read_optional_path(input, &self.store)?;
            let references = read_paths(input, &self.store)?;
            let (_download_size, size) = (input.number()?, input.number()?);
            let hash = Hash::parse(&input.text()?, Some(HashAlgorithm::Sha256)).map_err(malformed)?;
            let mut info = PathInfo::new(path, hash, size);
            (info.deriver, info.references) = (deriver, references);
            info.content_address = parse_address(&input.text()?)?;
            info.signatures = input.text_set()?;
            found = Some(info);
        }
        Ok(found.filter(|info| info.path == *path))
    }

    fn all_paths(&mut self, _: Log<'_>) -> Result<BTreeSet<StorePath>, RemoteError> {
        self.unsupported()
    }

    /// The other side decides about signatures: it takes what its own users may add.
    fn add(
        &mut self,
        paths: &Closure,
        _check_signatures: bool,
        nar: WriteNar<'_>,
        _: Log<'_>,
    ) -> Result<(), RemoteError> {
        for info in paths {
            let Stream { input, output } = &mut self.stream;
            output.put_number(request::ADD_NAR)?;
            put_path(output, &self.store, &info.path)?;
            put_info(output, &self.store, info)?;
            let failed = |source| RemoteError::Source { path: self.store.display(&info.path), source };
            nar(info, output).map_err(failed)?;
            output.flush()?;
            if input.number()? != 1 {
                let path = self.store.display(&info.path);
                return Err(RemoteError::Refused(format!("failed to add path '{path}'")));
            }
        }
        Ok(())
    }

    fn with_nar(
        &mut self,
        path: &StorePath,
        _: Log<'_>,
        read: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
    ) -> Result<(), RemoteError> {
        let Stream { input, output } = &mut self.stream;
        output.put_number(request::DUMP)?;
        put_path(output, &self.store, path)?;
        output.flush()?;
        Ok(read(input)?)
    }

    fn build_derivation(
        &mut self,
        path: &StorePath,
        derivation: &Derivation,
        inputs: &BTreeSet<StorePath>,
        mode: BuildMode,
        _: Log<'_>,
    ) -> Result<BuildResult, RemoteError> {
        if mode != BuildMode::Normal {
            return self.unsupported();
        }
        let output = &mut self.stream.output;
        output.put_number(request::BUILD_DERIVATION)?;
        put_path(output, &self.store, path)?;
        put_derivation(output, &self.store, derivation, inputs)?;
        self.put_options()?;
        self.stream.output.flush()?;
        let parts = self.parts();
        Ok(read_result(&mut self.stream.input, parts)?)
    }

    fn build_path(
        &mut self,
        derivation: &StorePath,
        outputs: &[String],
        mode: BuildMode,
        _: Log<'_>,
    ) -> Result<BuildResult, RemoteError> {
        if mode != BuildMode::Normal {
            return self.unsupported();
        }
        let wanted = derived_path(&self.store, derivation, outputs);
        let output = &mut self.stream.output;
        output.put_number(request::BUILD_PATHS)?;
        output.put_texts([wanted].iter())?;
        self.put_options()?;
        self.stream.output.flush()?;
        let input = &mut self.stream.input;
        let status = BuildStatus::from_number(input.number()?);
        let error = if status.is_success() { String::new() } else { input.text()? };
        Ok(BuildResult::new(status, error))
    }

    fn add_signatures(&mut self, _: &StorePath, _: &BTreeSet<String>, _: Log<'_>) -> Result<(), RemoteError> {
        self.unsupported()
    }

    fn add_log(&mut self, _: &StorePath, _: &[u8], _: Log<'_>) -> Result<(), RemoteError> {
        self.unsupported()
    }
}
