//! Builders that run inside our process.

use crate::environment::words;
use crate::error::BuildError;
use crate::events::{Event, Events, StepId};
use saltire_debian::{Unpack, UnpackError};
use saltire_fetch::{Download, Downloader, Observer, Unpinned, unpack_archive};
use saltire_relocate::{RelocateError, Report, Request, Selection, Tree, relocate_tree};
use saltire_store::Store;
use saltire_store_model::{Derivation, Ingestion, StorePath};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use thiserror::Error;

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

    /// `builtin:fetchurl`: a file whose hash is known; with `unpack` what the archive
    /// (NAR, tar or zip) holds, with `executable` a program.
    fn fetchurl(&self) -> Result<(), BuildError> {
        let fixed = self.derivation.fixed_output();
        let address = fixed.ok_or_else(|| self.wrong("'builtin:fetchurl' needs 'outputHash'".into()))?;
        let name = self.derivation.name.clone();
        let mut urls = self.list("urls");
        urls.splice(0..0, self.list("url"));
        let (unpack, executable) = (self.text("unpack") == "1", self.text("executable") == "1");
        let output = self.output()?;
        if address.ingestion == Ingestion::Flat {
            if unpack || executable {
                let with = if unpack { "unpack" } else { "executable" };
                return Err(self.wrong(format!("'{with}' needs outputHashMode = \"recursive\"")));
            }
            let download = Download { name, urls, hash: address.hash };
            self.downloader.fetch(&download, &output, self, self.cancelled)?;
            return Ok(());
        }
        // The hash is that of the output's NAR; the store checks it.
        let mut archive = output.clone().into_os_string();
        archive.push(".download");
        let file = if unpack { PathBuf::from(archive) } else { output.clone() };
        let request = Unpinned { name, urls, ..Unpinned::default() };
        self.downloader.fetch_unpinned(&request, &file, self, self.cancelled)?;
        if unpack {
            unpack_archive(&file, &output, self.cancelled).map_err(|error| match error {
                saltire_fetch::UnpackError::Interrupted => BuildError::Interrupted,
                other => self.wrong(other.to_string()),
            })?;
        }
        if executable {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&output, mode).map_err(|source| BuildError::File {
                action: "make executable",
                path: output,
                source,
            })?;
        }
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
        let subtree = Some(self.text("subtree")).filter(|text| !text.is_empty());
        let (keep, remove) = (self.list("keep"), self.list("remove"));
        let selection = Selection::new(subtree.as_deref(), &keep, &remove);
        let selection = selection.map_err(|error| self.wrong(error.to_string()))?;
        let dependencies = self.trees("dependencies")?;
        let shell = self.trees("shell")?;
        let trees: Vec<Tree<'_>> =
            dependencies.iter().map(|(physical, logical)| Tree { physical, logical }).collect();
        let request = Request {
            output: Tree { physical: &physical, logical: logical.as_ref() },
            dependencies: &trees,
            subtree: subtree.as_deref(),
            keep: &keep,
            remove: &remove,
            links: &self.list("links"),
            shell: shell.first().map(|(physical, logical)| Tree { physical, logical }),
        };
        let mut report = self.unpack_and_relocate(&debs, &|path| selection.wants(path), &request);
        if report.as_ref().is_err_and(Unusable::may_need_more) {
            // A wanted file is a further name of an unwanted one, or the message has
            // to say what the packages hold: take everything.
            saltire_store::remove_tree(&physical)?;
            report = self.unpack_and_relocate(&debs, &|_| true, &request);
        }
        let report = report.map_err(|error| match error {
            Unusable::Unpack(UnpackError::Cancelled) => BuildError::Interrupted,
            Unusable::Unpack(source) => BuildError::Package { name: self.derivation.name.clone(), source },
            other => self.wrong(other.to_string()),
        })?;
        for missing in &report.missing {
            let line =
                format!("{} needs {}, which is in none of the trees", missing.file.display(), missing.name);
            self.output_line(&line);
        }
        Ok(())
    }

    fn unpack_and_relocate(
        &self,
        debs: &[PathBuf],
        is_wanted: &(dyn Fn(&Path) -> bool + Sync),
        request: &Request<'_>,
    ) -> Result<Report, Unusable> {
        let directory = request.output.physical;
        let unpack = Unpack {
            debs,
            directory,
            is_wanted,
            on_done: &|_| {},
            cancelled: self.cancelled,
            limits: Default::default(),
        };
        unpack.run()?;
        Ok(relocate_tree(request)?)
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

/// Why packages did not become a tree.
#[derive(Debug, Error)]
enum Unusable {
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Relocate(#[from] RelocateError),
}

impl Unusable {
    /// Whether it may be because not everything was unpacked.
    fn may_need_more(&self) -> bool {
        matches!(
            self,
            Self::Unpack(UnpackError::HardLink { .. }) | Self::Relocate(RelocateError::NoSubtree { .. })
        )
    }
}

impl Observer for Run<'_> {
    fn received(&self, bytes: u64, total: Option<u64>) {
        self.events.event(Event::Received { step: self.step, bytes, total });
    }
}
