//! Builders that run inside our process.

use crate::environment::words;
use crate::error::BuildError;
use crate::events::{Event, Events, StepId};
use saltire_debian::{Unpack, UnpackError};
use saltire_fetch::{Download, Downloader, Observer};
use saltire_relocate::{Request, Tree, relocate_tree};
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
            b"builtin:unpack-deb" => self.unpack_deb(),
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

    /// `builtin:unpack-deb`: Debian packages as one tree that runs from its store path.
    ///
    /// Attributes: `debs`, `dependencies`, `subtree`, `keep`, `remove`, `links` and
    /// `shell`, which mean what they mean in [`saltire_relocate::Request`].
    fn unpack_deb(&self) -> Result<(), BuildError> {
        let physical = self.output()?;
        let logical = self.outputs.get("out").map(|path| self.store.display(path)).unwrap_or_default();
        let debs = self.trees("debs")?.into_iter().map(|(physical, _)| physical).collect::<Vec<_>>();
        let unpack = Unpack {
            debs: &debs,
            directory: &physical,
            is_wanted: &|_| true,
            on_done: &|_| {},
            cancelled: self.cancelled,
            limits: Default::default(),
        };
        unpack.run().map_err(|error| match error {
            UnpackError::Cancelled => BuildError::Interrupted,
            other => self.wrong(other.to_string()),
        })?;
        let dependencies = self.trees("dependencies")?;
        let shell = self.trees("shell")?;
        let trees: Vec<Tree<'_>> =
            dependencies.iter().map(|(physical, logical)| Tree { physical, logical }).collect();
        let subtree = Some(self.text("subtree")).filter(|text| !text.is_empty());
        let report = relocate_tree(&Request {
            output: Tree { physical: &physical, logical: logical.as_ref() },
            dependencies: &trees,
            subtree: subtree.as_deref(),
            keep: &self.list("keep"),
            remove: &self.list("remove"),
            links: &self.list("links"),
            shell: shell.first().map(|(physical, logical)| Tree { physical, logical }),
        });
        let report = report.map_err(|error| self.wrong(error.to_string()))?;
        for missing in &report.missing {
            let line =
                format!("{} needs {}, which is in none of the trees", missing.file.display(), missing.name);
            self.output_line(&line);
        }
        Ok(())
    }

    fn output_line(&self, line: &str) {
        let (step, name) = (self.step, self.derivation.name.as_str());
        self.events.event(Event::Output { step, name, line: line.as_bytes() });
    }

    /// The store paths that an attribute lists: where each is, and where it will be seen.
    fn trees(&self, attribute: &str) -> Result<Vec<(PathBuf, PathBuf)>, BuildError> {
        let tree = |text: String| {
            let path = self.store.store_dir().parse(&text);
            let path = path.map_err(|error| self.wrong(format!("'{attribute}': {error}")))?;
            Ok((self.store.physical_path(&path), PathBuf::from(text)))
        };
        self.list(attribute).into_iter().map(tree).collect()
    }
}

impl Observer for Run<'_> {
    fn received(&self, bytes: u64, total: Option<u64>) {
        self.events.event(Event::Received { step: self.step, bytes, total });
    }
}
