//! Builders that run inside our process.

use crate::environment::words;
use crate::error::BuildError;
use crate::events::{Event, Events, StepId};
use saltire_fetch::{Download, Downloader, Observer};
use saltire_store::Store;
use saltire_store_model::{Derivation, Ingestion, StorePath};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// One run of a builtin builder.
pub(crate) struct Run<'a> {
    pub store: &'a Store,
    pub downloader: &'a Downloader,
    pub events: &'a dyn Events,
    pub cancelled: &'a AtomicBool,
    pub step: StepId,
    pub derivation: &'a Derivation,
    pub outputs: &'a BTreeMap<String, StorePath>,
    /// The directory in which each output is made, under its base name.
    pub place: PathBuf,
}

impl Run<'_> {
    pub fn run(&self) -> Result<(), BuildError> {
        match self.derivation.builder.as_slice() {
            b"builtin:fetchurl" => self.fetchurl(),
            other => Err(self.wrong(format!("there is no builder '{}'", String::from_utf8_lossy(other)))),
        }
    }

    fn wrong(&self, reason: String) -> BuildError {
        BuildError::Derivation { name: self.derivation.name.clone(), reason }
    }

    fn text(&self, attribute: &str) -> String {
        let value = self.derivation.environment.get(attribute.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    fn list(&self, attribute: &str) -> Vec<String> {
        words(self.derivation.environment.get(attribute.as_bytes()))
    }

    fn output(&self) -> Result<PathBuf, BuildError> {
        let path = self.outputs.get("out").ok_or_else(|| self.wrong("it has no output 'out'".into()))?;
        Ok(self.place.join(path.base_name()))
    }

    /// `builtin:fetchurl`: a file whose SHA-256 (or other hash) is known.
    fn fetchurl(&self) -> Result<(), BuildError> {
        let fixed = self.derivation.fixed_output();
        let address = fixed.ok_or_else(|| self.wrong("'builtin:fetchurl' needs 'outputHash'".into()))?;
        if address.ingestion != Ingestion::Flat
            || self.text("unpack") == "1"
            || self.text("executable") == "1"
        {
            return Err(
                self.wrong("'builtin:fetchurl' fetches plain files only (outputHashMode = \"flat\")".into())
            );
        }
        let mut urls = self.list("urls");
        urls.splice(0..0, self.list("url"));
        let download = Download { name: self.derivation.name.clone(), urls, hash: address.hash };
        self.downloader.fetch(&download, &self.output()?, self, self.cancelled)?;
        Ok(())
    }
}

impl Observer for Run<'_> {
    fn received(&self, bytes: u64, total: Option<u64>) {
        self.events.event(Event::Received { step: self.step, bytes, total });
    }
}
