//! The client's side of the worker protocol.
//!
//! Each request is a number and what belongs to it. The other side answers with what it
//! has to say while it works ([`read_messages`]), then with the result.

use crate::codec::{
    ResultParts, put_derivation, put_info, put_path, put_paths, read_info, read_paths, read_result,
};
use crate::error::RemoteError;
use crate::framed::FramedWriter;
use crate::messages::{BuildMode, BuildOptions, BuildResult, BuildStatus, read_messages};
use crate::peer::{Closure, Log, Peer, WriteNar};
use crate::stream::Stream;
use crate::wire::{WireRead, WireWrite};
use saltire_store_model::{Derivation, PathInfo, StoreDir, StorePath};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the client says first (`nixc`, or so).
pub(crate) const CLIENT_MAGIC: u64 = 0x6e69_7863;
/// What the server answers.
pub(crate) const SERVER_MAGIC: u64 = 0x6478_696f;

/// A version: the major number times 256, and the minor number.
pub(crate) const fn version(major: u64, minor: u64) -> u64 {
    major << 8 | minor
}

/// The text of a version.
pub(crate) fn version_text(version: u64) -> String {
    format!("{}.{}", version >> 8, version & 0xff)
}

/// The oldest version that is spoken: that of Nix 2.8.
pub(crate) const OLDEST: u64 = version(1, 34);
/// The newest version that is spoken: that of Nix 2.35.
pub(crate) const NEWEST: u64 = version(1, 38);

/// The numbers of the requests.
pub(crate) mod request {
    pub const IS_VALID: u64 = 1;
    pub const QUERY_REFERRERS: u64 = 6;
    pub const ADD_TO_STORE: u64 = 7;
    pub const BUILD_PATHS: u64 = 9;
    pub const ENSURE_PATH: u64 = 10;
    pub const ADD_TEMP_ROOT: u64 = 11;
    pub const SET_OPTIONS: u64 = 19;
    pub const QUERY_ALL: u64 = 23;
    pub const QUERY_PATH_INFO: u64 = 26;
    pub const QUERY_FROM_HASH_PART: u64 = 29;
    pub const QUERY_VALID: u64 = 31;
    pub const QUERY_SUBSTITUTABLE: u64 = 32;
    pub const QUERY_DERIVERS: u64 = 33;
    pub const BUILD_DERIVATION: u64 = 36;
    pub const ADD_SIGNATURES: u64 = 37;
    pub const NAR_FROM_PATH: u64 = 38;
    pub const ADD_NAR: u64 = 39;
    pub const QUERY_MISSING: u64 = 40;
    pub const QUERY_OUTPUTS: u64 = 41;
    pub const QUERY_REALISATION: u64 = 43;
    pub const ADD_MULTIPLE: u64 = 44;
    pub const ADD_BUILD_LOG: u64 = 45;
    pub const BUILD_WITH_RESULTS: u64 = 46;
}

/// A store that is spoken to by the worker protocol.
pub struct WorkerClient {
    stream: Stream,
    store: StoreDir,
    version: u64,
    program: Option<String>,
    trusts_us: Option<bool>,
}

impl WorkerClient {
    /// Greets the other side.
    pub fn connect(mut stream: Stream, store: StoreDir, log: Log<'_>) -> Result<Self, RemoteError> {
        let version = greet(&mut stream, [CLIENT_MAGIC, SERVER_MAGIC], OLDEST..=NEWEST)?;
        let Stream { input, output } = &mut stream;
        if version >= self::version(1, 38) {
            // No feature is needed here.
            output.put_number(0)?;
            output.flush()?;
            input.texts()?;
        }
        // Once a processor to run on, and room to reserve on the disk.
        output.put_number(0)?;
        output.put_number(0)?;
        output.flush()?;
        let program = Some(input.text()?);
        let trusts_us = match version >= self::version(1, 35) {
            true => match input.number()? {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            },
            false => None,
        };
        read_messages(input, log)?;
        Ok(Self { stream, store, version, program, trusts_us })
    }

    /// Sends a request, whose rest `write` writes, and waits until it was carried out.
    fn ask(
        &mut self,
        request: u64,
        log: Log<'_>,
        write: impl FnOnce(&mut dyn Write, &StoreDir) -> io::Result<()>,
    ) -> Result<(), RemoteError> {
        self.stream.output.put_number(request)?;
        write(&mut self.stream.output, &self.store)?;
        self.stream.output.flush()?;
        read_messages(&mut self.stream.input, log)
    }

    /// Sends a request with a stream behind it, which `write` writes on another thread:
    /// the other side may say something before it has read all.
    fn send(
        &mut self,
        log: Log<'_>,
        write: impl FnOnce(&mut dyn Write) -> Result<(), RemoteError> + Send,
    ) -> Result<(), RemoteError> {
        let Stream { input, output } = &mut self.stream;
        let unwanted = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut framed = FramedWriter::new(output, &unwanted);
                match write(&mut framed) {
                    Ok(()) => framed.finish().map_err(RemoteError::from),
                    Err(error) => {
                        framed.abandon()?;
                        Err(error)
                    }
                }
            });
            let answer = read_messages(input, log);
            unwanted.store(true, Ordering::Relaxed);
            let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (answer, sent) {
                // What could not be read here is why the other side complains.
                (_, Err(error @ RemoteError::Source { .. })) => Err(error),
                (answer, _) => answer,
            }
        })
    }

    fn result_parts(&self) -> ResultParts {
        ResultParts { times: true, processor_time: self.version >= version(1, 37), outputs: true }
    }
}

/// Greets the other side of either protocol with the client's magic number; gives the
/// version to speak. The second number is the server's.
pub(crate) fn greet(
    stream: &mut Stream,
    [ours, theirs]: [u64; 2],
    versions: RangeInclusive<u64>,
) -> Result<u64, RemoteError> {
    let (oldest, newest) = versions.into_inner();
    let Stream { input, output } = stream;
    output.put_number(ours)?;
    output.put_number(newest)?;
    output.flush()?;
    expect_magic(input, theirs)?;
    let other = input.number()?;
    if other < oldest || other >> 8 != newest >> 8 {
        return Err(RemoteError::TooOld { has: version_text(other), wanted: version_text(oldest) });
    }
    Ok(other.min(newest))
}

/// Checks the first number that the other side sends.
pub(crate) fn expect_magic(input: &mut (impl Read + ?Sized), magic: u64) -> Result<(), RemoteError> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    if u64::from_le_bytes(bytes) == magic {
        return Ok(());
    }
    // Most likely a text, of which a little more helps.
    let mut said = bytes.to_vec();
    let mut more = [0; 64];
    let count = input.read(&mut more).unwrap_or(0);
    said.extend_from_slice(&more[..count]);
    let said = crate::messages::without_colours(&String::from_utf8_lossy(&said));
    Err(RemoteError::NotNix(said.lines().next().unwrap_or_default().trim().to_owned()))
}

/// The text by which the protocol names outputs of a derivation.
pub(crate) fn derived_path(store: &StoreDir, derivation: &StorePath, outputs: &[String]) -> String {
    let outputs = if outputs.is_empty() { "*".to_owned() } else { outputs.join(",") };
    format!("{}!{outputs}", store.display(derivation))
}

impl Peer for WorkerClient {
    fn trusts_us(&self) -> Option<bool> {
        self.trusts_us
    }

    fn program_version(&self) -> Option<&str> {
        self.program.as_deref()
    }

    fn protocol_version(&self) -> String {
        version_text(self.version)
    }

    fn newest_protocol_version(&self) -> String {
        version_text(NEWEST)
    }

    fn set_options(&mut self, options: &BuildOptions, log: Log<'_>) -> Result<(), RemoteError> {
        // As a user who sees warnings and builds sets it.
        const VERBOSITY: u64 = 3;
        self.ask(request::SET_OPTIONS, log, |output, _| {
            output.put_flag(options.keep_failed)?;
            output.put_flag(options.keep_going)?;
            output.put_flag(false)?; // build what no cache has after all
            output.put_number(VERBOSITY)?;
            output.put_number(options.jobs)?;
            output.put_number(options.max_silence)?;
            output.put_flag(true)?; // once: whether to use other machines
            output.put_number(0)?; // show the output of builders
            output.put_number(0)?; // once: the kind of log
            output.put_number(0)?; // once: whether to print traces of builds
            output.put_number(options.cores)?;
            output.put_flag(options.use_substitutes)?;
            let others = [("timeout", options.timeout)];
            output.put_number(others.len() as u64)?;
            others.iter().try_for_each(|(name, value)| {
                output.put_text(name)?;
                output.put_text(&value.to_string())
            })
        })
    }

    fn query_valid(
        &mut self,
        paths: &BTreeSet<StorePath>,
        substitute: bool,
        log: Log<'_>,
    ) -> Result<BTreeSet<StorePath>, RemoteError> {
        self.ask(request::QUERY_VALID, log, |output, store| {
            put_paths(output, store, paths.iter())?;
            output.put_flag(substitute)
        })?;
        Ok(read_paths(&mut self.stream.input, &self.store)?)
    }

    fn path_info(&mut self, path: &StorePath, log: Log<'_>) -> Result<Option<PathInfo>, RemoteError> {
        self.ask(request::QUERY_PATH_INFO, log, |output, store| put_path(output, store, path))?;
        match self.stream.input.flag()? {
            true => Ok(Some(read_info(&mut self.stream.input, &self.store, path.clone())?)),
            false => Ok(None),
        }
    }

    fn all_paths(&mut self, log: Log<'_>) -> Result<BTreeSet<StorePath>, RemoteError> {
        self.ask(request::QUERY_ALL, log, |_, _| Ok(()))?;
        Ok(read_paths(&mut self.stream.input, &self.store)?)
    }

    fn add(
        &mut self,
        paths: &Closure,
        check_signatures: bool,
        nar: WriteNar<'_>,
        log: Log<'_>,
    ) -> Result<(), RemoteError> {
        let store = self.store.clone();
        let output = &mut self.stream.output;
        output.put_number(request::ADD_MULTIPLE)?;
        output.put_flag(false)?; // repair
        output.put_flag(!check_signatures)?;
        output.flush()?;
        self.send(log, |mut output| {
            output.put_number(paths.len() as u64)?;
            for info in paths {
                put_path(&mut output, &store, &info.path)?;
                put_info(&mut output, &store, info)?;
                nar(info, output)
                    .map_err(|source| RemoteError::Source { path: store.display(&info.path), source })?;
            }
            Ok(())
        })
    }

    fn with_nar(
        &mut self,
        path: &StorePath,
        log: Log<'_>,
        read: &mut dyn FnMut(&mut dyn Read) -> io::Result<()>,
    ) -> Result<(), RemoteError> {
        self.ask(request::NAR_FROM_PATH, log, |output, store| put_path(output, store, path))?;
        Ok(read(&mut self.stream.input)?)
    }

    fn build_derivation(
        &mut self,
        path: &StorePath,
        derivation: &Derivation,
        inputs: &BTreeSet<StorePath>,
        mode: BuildMode,
        log: Log<'_>,
    ) -> Result<BuildResult, RemoteError> {
        self.ask(request::BUILD_DERIVATION, log, |output, store| {
            put_path(output, store, path)?;
            put_derivation(output, store, derivation, inputs)?;
            output.put_number(mode.number())
        })?;
        let parts = self.result_parts();
        Ok(read_result(&mut self.stream.input, parts)?)
    }

    fn build_path(
        &mut self,
        derivation: &StorePath,
        outputs: &[String],
        mode: BuildMode,
        log: Log<'_>,
    ) -> Result<BuildResult, RemoteError> {
        self.ask(request::BUILD_WITH_RESULTS, log, |output, store| {
            output.put_texts([derived_path(store, derivation, outputs)].iter())?;
            output.put_number(mode.number())
        })?;
        let parts = self.result_parts();
        let mut found = BuildResult::new(BuildStatus::AlreadyValid, "");
        for _ in 0..self.stream.input.length()? {
            self.stream.input.text()?;
            let result = read_result(&mut self.stream.input, parts)?;
            if found.status.is_success() {
                found = result;
            }
        }
        Ok(found)
    }

    fn add_signatures(
        &mut self,
        path: &StorePath,
        signatures: &BTreeSet<String>,
        log: Log<'_>,
    ) -> Result<(), RemoteError> {
        self.ask(request::ADD_SIGNATURES, log, |output, store| {
            put_path(output, store, path)?;
            output.put_texts(signatures.iter())
        })?;
        self.stream.input.number()?;
        Ok(())
    }

    fn add_log(&mut self, derivation: &StorePath, text: &[u8], log: Log<'_>) -> Result<(), RemoteError> {
        let output = &mut self.stream.output;
        output.put_number(request::ADD_BUILD_LOG)?;
        put_path(output, &self.store, derivation)?;
        output.flush()?;
        self.send(log, |output| Ok(output.write_all(text)?))?;
        self.stream.input.number()?;
        Ok(())
    }
}
