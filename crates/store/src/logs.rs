//! Build logs: `drvs/<first two characters>/<rest of the base name>.bz2` below the
//! log directory, as Nix keeps them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bzip2::Compression;
use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use saltire_store_model::StorePath;

use crate::error::{Context, Result};
use crate::{Store, create_directory};

/// A log being written. It gets its name when finished.
pub struct LogWriter {
    encoder: BzEncoder<File>,
    temporary: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl LogWriter {
    /// Ends the log and returns where it is.
    pub fn finish(mut self) -> Result<PathBuf> {
        self.encoder.try_finish().at("write", &self.temporary)?;
        std::fs::rename(&self.temporary, &self.path).at("create", &self.path)?;
        self.finished = true;
        Ok(self.path.clone())
    }
}

impl Write for LogWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.encoder.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // A build that was broken off has a log too, as far as it got.
        if !self.finished && self.encoder.try_finish().is_ok() {
            let _ = std::fs::rename(&self.temporary, &self.path);
        }
    }
}

impl Store {
    /// Where the log of a derivation is, without the suffix of a compressed one.
    fn log_path(&self, derivation: &StorePath) -> PathBuf {
        let (directory, file) = derivation.base_name().split_at(2);
        self.location.log_dir.join("drvs").join(directory).join(file)
    }

    /// Begins a new log of a derivation's build, which replaces an older one when finished.
    pub fn create_log(&self, derivation: &StorePath) -> Result<LogWriter> {
        let path = with_suffix(&self.log_path(derivation), ".bz2");
        if let Some(directory) = path.parent() {
            create_directory(directory)?;
        }
        let temporary = with_suffix(&path, &format!(".tmp-{}", std::process::id()));
        let file = File::create(&temporary).at("create", &temporary)?;
        let encoder = BzEncoder::new(file, Compression::best());
        Ok(LogWriter { encoder, temporary, path, finished: false })
    }

    /// Adds a log of a derivation's build that was told elsewhere, unless there is one.
    pub fn add_log(&self, derivation: &StorePath, text: &[u8]) -> Result<()> {
        if self.read_log(derivation)?.is_some() {
            return Ok(());
        }
        let mut writer = self.create_log(derivation)?;
        writer.write_all(text).at("write", &writer.temporary)?;
        writer.finish().map(drop)
    }

    /// The log of the last build of a derivation, if there is one; compressed or not.
    pub fn read_log(&self, derivation: &StorePath) -> Result<Option<Vec<u8>>> {
        let plain = self.log_path(derivation);
        let compressed = with_suffix(&plain, ".bz2");
        let mut text = Vec::new();
        match File::open(&compressed) {
            Ok(file) => {
                MultiBzDecoder::new(file).read_to_end(&mut text).at("read", &compressed)?;
                return Ok(Some(text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("open", &compressed),
        }
        match std::fs::read(&plain) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", &plain),
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    PathBuf::from(text)
}
