//! The server's side of the worker protocol: `nix-daemon --stdio`.

use super::{Backend, BackendError, Speaker, Wanted, paths_reply, read_wanted, take_nar};
use crate::codec::{
    ResultParts, put_info, put_optional_path, put_path, put_paths, put_result, read_derivation, read_path,
    read_paths,
};
use crate::error::{RemoteError, malformed};
use crate::framed::FramedReader;
use crate::messages::{BuildMode, BuildOptions, tag, write_error};
use crate::wire::{WireRead, WireWrite};
use crate::worker::{
    CLIENT_MAGIC, NEWEST, OLDEST, SERVER_MAGIC, expect_magic, request, version, version_text,
};
use saltire_store_model::{Ingestion, StoreDir, StorePath};
use std::io::{self, BufRead};

/// What follows the messages.
enum Reply {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The NAR of a path.
    Nar(StorePath),
}

/// Why a request was not carried out.
enum Failure {
    /// The connection is of no more use.
    Connection(RemoteError),
    /// The store says why.
    Store(BackendError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.into())
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::Store(error)
    }
}

/// Serves a client until it goes away.
pub fn serve_worker(
    backend: &dyn Backend,
    input: &mut dyn BufRead,
    speaker: &Speaker,
) -> Result<(), RemoteError> {
    let version = greet(backend, input, speaker)?;
    let mut server = Server { backend, input, speaker, version };
    while !server.input.fill_buf()?.is_empty() {
        let number = server.input.number()?;
        speaker.listen();
        match server.request(number) {
            Ok(Reply::Bytes(bytes)) => speaker.reply(|output| {
                output.put_number(tag::LAST)?;
                output.write_all(&bytes)
            })?,
            Ok(Reply::Nar(path)) => server.send_nar(&path)?,
            Err(Failure::Store(error)) => {
                speaker.reply(|output| write_error(output, &error.to_string()))?;
            }
            // Nobody is there to be told.
            Err(Failure::Connection(error @ RemoteError::Closed)) => return Err(error),
            Err(Failure::Connection(error)) => {
                let _ = speaker.reply(|output| write_error(output, &error.to_string()));
                return Err(error);
            }
        }
    }
    Ok(())
}

fn greet(backend: &dyn Backend, input: &mut dyn BufRead, speaker: &Speaker) -> Result<u64, RemoteError> {
    expect_magic(input, CLIENT_MAGIC)?;
    speaker.reply(|output| {
        output.put_number(SERVER_MAGIC)?;
        output.put_number(NEWEST)
    })?;
    let other = input.number()?;
    if other < OLDEST {
        return Err(RemoteError::TooOld { has: version_text(other), wanted: version_text(OLDEST) });
    }
    let version = other.min(NEWEST);
    if version >= self::version(1, 38) {
        input.texts()?;
        speaker.reply(|output| output.put_number(0))?;
    }
    // Once a processor to run on, and room to reserve on the disk.
    if input.flag()? {
        input.number()?;
    }
    input.number()?;
    speaker.reply(|output| {
        output.put_text(backend.version())?;
        if version >= self::version(1, 35) {
            // Whoever may start the program may do what it may.
            output.put_number(1)?;
        }
        output.put_number(tag::LAST)
    })?;
    Ok(version)
}

struct Server<'a> {
    backend: &'a dyn Backend,
    input: &'a mut dyn BufRead,
    speaker: &'a Speaker,
    version: u64,
}

impl Server<'_> {
    fn request(&mut self, number: u64) -> Result<Reply, Failure> {
        let store = self.backend.store_dir().clone();
        match number {
            request::SET_OPTIONS => self.set_options(),
            request::ADD_TO_STORE => self.add_content(&store),
            request::ADD_NAR => {
                let path = read_path(self.input, &store)?;
                let info = crate::codec::read_info(self.input, &store, path)?;
                let _repair = self.input.number()?;
                let check = !self.input.flag()?;
                let mut framed = FramedReader::new(self.input);
                let added = self.backend.add_nar(&info, check, &mut framed);
                framed.drain()?;
                Ok(done(added)?)
            }
            request::ADD_MULTIPLE => self.add_multiple(),
            request::ADD_BUILD_LOG => {
                let derivation = read_path(self.input, &store)?;
                let mut log = FramedReader::new(self.input);
                let result = self.backend.add_log(&derivation, &mut log);
                log.drain()?;
                result?;
                number_reply(1)
            }
            request::BUILD_PATHS | request::BUILD_WITH_RESULTS | request::BUILD_DERIVATION => {
                self.build(number, &store)
            }
            request::NAR_FROM_PATH => {
                let path = read_path(self.input, &store)?;
                match self.backend.path_info(&path)? {
                    Some(_) => Ok(Reply::Nar(path)),
                    None => Err(missing(&store, &path)),
                }
            }
            _ => self.question(number, &store),
        }
    }

    /// Requests that only ask, or change little.
    fn question(&mut self, number: u64, store: &StoreDir) -> Result<Reply, Failure> {
        let (backend, input) = (self.backend, &mut *self.input);
        let mut reply = Vec::new();
        match number {
            request::IS_VALID => {
                let path = read_path(input, store)?;
                return number_reply(u64::from(backend.path_info(&path)?.is_some()));
            }
            request::QUERY_VALID => {
                let paths = read_paths(input, store)?;
                let substitute = input.flag()?;
                reply = paths_reply(store, &backend.query_valid(&paths, substitute)?)?;
            }
            request::QUERY_PATH_INFO => {
                let path = read_path(input, store)?;
                let info = backend.path_info(&path)?;
                reply.put_flag(info.is_some())?;
                if let Some(info) = info {
                    put_info(&mut reply, store, &info)?;
                }
            }
            request::QUERY_ALL => reply = paths_reply(store, &backend.all_paths()?)?,
            request::QUERY_REFERRERS => {
                reply = paths_reply(store, &backend.referrers(&read_path(input, store)?)?)?;
            }
            request::QUERY_DERIVERS => {
                reply = paths_reply(store, &backend.derivers(&read_path(input, store)?)?)?;
            }
            request::QUERY_SUBSTITUTABLE => {
                reply = paths_reply(store, &backend.substitutable(&read_paths(input, store)?)?)?;
            }
            request::QUERY_FROM_HASH_PART => {
                let path = backend.path_from_hash_part(&input.text()?)?;
                put_optional_path(&mut reply, store, path.as_ref())?;
            }
            request::QUERY_OUTPUTS => {
                let outputs = backend.outputs(&read_path(input, store)?)?;
                reply.put_number(outputs.len() as u64)?;
                for (name, path) in &outputs {
                    reply.put_text(name)?;
                    put_path(&mut reply, store, path)?;
                }
            }
            request::QUERY_REALISATION => {
                // Outputs whose paths depend on their content can't be built here.
                input.text()?;
                reply.put_number(0)?;
            }
            request::QUERY_MISSING => {
                let missing = backend.missing(&self.wanted(store)?.1)?;
                for paths in [&missing.build, &missing.substitute, &missing.unknown] {
                    put_paths(&mut reply, store, paths.iter())?;
                }
                reply.put_number(missing.download_size)?;
                reply.put_number(missing.nar_size)?;
            }
            request::ADD_TEMP_ROOT => {
                return done(backend.add_temp_root(&read_path(input, store)?)).and(number_reply(1));
            }
            request::ENSURE_PATH => {
                let path = read_path(input, store)?;
                let result = backend.build(&Wanted::Path(path), BuildMode::Normal);
                if !result.status.is_success() {
                    return Err(Failure::Store(result.error.into()));
                }
                return number_reply(1);
            }
            request::ADD_SIGNATURES => {
                let path = read_path(input, store)?;
                let signatures = input.text_set()?;
                return done(backend.add_signatures(&path, &signatures)).and(number_reply(1));
            }
            other => {
                // What belongs to it is not known, so nothing can follow.
                let error = malformed(format_args!("request {other} is not supported"));
                return Err(Failure::Connection(error.into()));
            }
        }
        Ok(Reply::Bytes(reply))
    }

    fn set_options(&mut self) -> Result<Reply, Failure> {
        let input = &mut *self.input;
        let mut options =
            BuildOptions { keep_failed: input.flag()?, keep_going: input.flag()?, ..BuildOptions::default() };
        let (_fallback, _verbosity) = (input.number()?, input.number()?);
        options.jobs = input.number()?;
        options.max_silence = input.number()?;
        // Whether to use other machines, and how much to show: not for builds here.
        for _ in 0..4 {
            input.number()?;
        }
        options.cores = input.number()?;
        options.use_substitutes = input.flag()?;
        for _ in 0..input.length()? {
            let (name, value) = (input.text()?, input.text()?);
            if name == "timeout" || name == "build-timeout" {
                options.timeout = value.parse().unwrap_or(0);
            }
        }
        self.backend.set_options(&options);
        Ok(Reply::Bytes(Vec::new()))
    }

    fn add_content(&mut self, store: &StoreDir) -> Result<Reply, Failure> {
        let (name, method) = (self.input.text()?, self.input.text()?);
        let references = read_paths(self.input, store)?;
        let _repair = self.input.number()?;
        let mut framed = FramedReader::new(self.input);
        let method = match method.strip_prefix("fixed:") {
            Some(rest) => Ingestion::split_prefix(rest),
            None => Ingestion::split_prefix(&method),
        };
        let added = method.map_err(BackendError::from).and_then(|(ingestion, algorithm)| {
            self.backend.add_content(&name, ingestion, algorithm, &references, &mut framed)
        });
        framed.drain()?;
        let info = added?;
        let mut reply = Vec::new();
        put_path(&mut reply, store, &info.path)?;
        put_info(&mut reply, store, &info)?;
        Ok(Reply::Bytes(reply))
    }

    fn add_multiple(&mut self) -> Result<Reply, Failure> {
        let _repair = self.input.number()?;
        let check = !self.input.flag()?;
        let mut framed = FramedReader::new(self.input);
        let mut add = || -> Result<(), Failure> {
            for _ in 0..framed.number()? {
                take_nar(self.backend, &mut framed, Some(check))??;
            }
            Ok(())
        };
        let added = add();
        // Where it ends says the frame, whatever was in it.
        framed.drain()?;
        added.map_err(|failure| match failure {
            Failure::Connection(error @ RemoteError::Malformed(_)) => Failure::Store(error.into()),
            other => other,
        })?;
        Ok(Reply::Bytes(Vec::new()))
    }

    fn wanted(&mut self, store: &StoreDir) -> io::Result<(Vec<String>, Vec<Wanted>)> {
        let count = WireRead::length(self.input)?;
        let all: io::Result<Vec<_>> = (0..count).map(|_| read_wanted(self.input, store)).collect();
        Ok(all?.into_iter().unzip())
    }

    fn build(&mut self, number: u64, store: &StoreDir) -> Result<Reply, Failure> {
        let parts =
            ResultParts { times: true, processor_time: self.version >= version(1, 37), outputs: true };
        let mut reply = Vec::new();
        if number == request::BUILD_DERIVATION {
            let path = read_path(self.input, store)?;
            let name = path.derivation_name().unwrap_or_default().to_owned();
            let derivation = read_derivation(self.input, store, &name)?;
            let mode = BuildMode::from_number(self.input.number()?)?;
            put_result(&mut reply, &self.backend.build_derivation(&path, &derivation, mode), parts)?;
            return Ok(Reply::Bytes(reply));
        }
        let (names, wanted) = self.wanted(store)?;
        let mode = BuildMode::from_number(self.input.number()?)?;
        let results: Vec<_> = wanted.iter().map(|wanted| self.backend.build(wanted, mode)).collect();
        if number == request::BUILD_PATHS {
            return match results.into_iter().find(|result| !result.status.is_success()) {
                Some(result) => Err(Failure::Store(result.error.into())),
                None => number_reply(1),
            };
        }
        reply.put_number(results.len() as u64)?;
        for (name, result) in names.iter().zip(&results) {
            reply.put_text(name)?;
            put_result(&mut reply, result, parts)?;
        }
        Ok(Reply::Bytes(reply))
    }

    /// Sends a NAR. It can't be taken back: a failure ends the connection.
    fn send_nar(&self, path: &StorePath) -> Result<(), RemoteError> {
        self.speaker.reply(|output| {
            output.put_number(tag::LAST)?;
            self.backend.write_nar(path, output).map_err(io::Error::other)
        })?;
        Ok(())
    }
}

fn done(result: Result<(), BackendError>) -> Result<Reply, Failure> {
    result?;
    Ok(Reply::Bytes(Vec::new()))
}

fn number_reply(number: u64) -> Result<Reply, Failure> {
    Ok(Reply::Bytes(number.to_le_bytes().to_vec()))
}

fn missing(store: &StoreDir, path: &StorePath) -> Failure {
    Failure::Store(format!("path '{}' is not valid", store.display(path)).into())
}
