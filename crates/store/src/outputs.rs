//! From a builder's finished outputs to registered paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use saltire_store_model::nar::{keep_all, measure_tree, write_tree};
use saltire_store_model::{ContentAddress, Hash, Hasher, Ingestion, PathInfo, ScanningHasher, StorePath};

use crate::add::check_hash;
use crate::error::{Context, Result, StoreError};
use crate::temporary::rename_object;
use crate::{Registration, Store, canonicalise, remove_tree};

/// An output that a builder made.
#[derive(Clone, Debug)]
pub struct OutputToFinish {
    /// The store path that it is to become.
    pub path: StorePath,
    /// Where the builder put it, physically: the path's own place, or any
    /// other on the store's file system.
    pub place: PathBuf,
    /// What its content has to be.
    pub fixed: Option<ContentAddress>,
    /// Whether it was built here, rather than on another machine.
    pub built_here: bool,
}

/// An output that is registered.
#[derive(Clone, Debug)]
pub struct FinishedOutput {
    /// What the store knows about it.
    pub info: PathInfo,
}

impl Store {
    /// Makes the outputs of one build valid: gives them canonical metadata, checks
    /// fixed content, hashes, looks for references to `candidates` and to each other,
    /// moves them to their places, and registers all in one transaction.
    ///
    /// The builder's processes have to be gone, and the paths to be locked.
    /// On an error nothing is registered; files stay where they are for the caller to
    /// keep or remove.
    pub fn finish_outputs(
        &self,
        outputs: &[OutputToFinish],
        candidates: &BTreeSet<StorePath>,
        deriver: Option<&StorePath>,
    ) -> Result<Vec<FinishedOutput>> {
        let mut all_candidates = candidates.clone();
        all_candidates.extend(outputs.iter().map(|output| output.path.clone()));
        let mut finished = Vec::with_capacity(outputs.len());
        for output in outputs {
            match output.place.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::MissingOutput(self.display(&output.path)));
                }
                other => other.at("examine", &output.place)?,
            };
            canonicalise(&output.place)?;
            let scanner = ScanningHasher::new(all_candidates.iter().cloned());
            let scanned = write_tree(&output.place, scanner, &mut keep_all)?;
            let (nar_hash, nar_size, references) = scanned.finish().at("hash", &output.place)?;
            let mut info = PathInfo::new(output.path.clone(), nar_hash, nar_size);
            info.references = references;
            info.deriver = deriver.cloned();
            info.ultimate = output.built_here;
            if let Some(address) = &output.fixed {
                self.check_fixed(output, address, &info, deriver)?;
                info.content_address = Some(*address);
            }
            finished.push(info);
        }
        for output in outputs {
            let destination = self.physical_path(&output.path);
            if output.place != destination {
                remove_tree(&destination)?;
                rename_object(&output.place, &destination)?;
            }
        }
        self.sync()?;
        let registrations: Vec<_> = finished
            .into_iter()
            .map(|info| Registration { info, derivation_outputs: BTreeMap::new() })
            .collect();
        self.register(&registrations)?;
        Ok(registrations.into_iter().map(|registration| FinishedOutput { info: registration.info }).collect())
    }

    fn check_fixed(
        &self,
        output: &OutputToFinish,
        address: &ContentAddress,
        info: &PathInfo,
        deriver: Option<&StorePath>,
    ) -> Result<()> {
        let path = self.display(&output.path);
        let got = content_hash(&output.place, address, &path)?;
        let shown = match deriver {
            Some(deriver) => {
                format!("fixed-output derivation '{}'", self.display(deriver))
            }
            None => format!("path '{path}'"),
        };
        check_hash(shown, &address.hash, &got)?;
        if info.references.is_empty() {
            return Ok(());
        }
        let references = crate::error::list(&info.references);
        Err(StoreError::FixedReferences { path, references })
    }
}

/// Hashes the object at `place` as `address` was. `path` is for messages.
pub(crate) fn content_hash(place: &Path, address: &ContentAddress, path: &str) -> Result<Hash> {
    let algorithm = address.hash.algorithm();
    if address.ingestion == Ingestion::Nar {
        return Ok(measure_tree(place, algorithm, &mut keep_all)?.0);
    }
    let metadata = place.symlink_metadata().at("examine", place)?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 != 0 {
        return Err(StoreError::NotFlat(path.to_owned()));
    }
    let mut file = File::open(place).at("open", place)?;
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = match io::Read::read(&mut file, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.at("read", place)?,
        };
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
    }
}
