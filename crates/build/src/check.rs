//! Building again what is there, to see whether it comes out the same.

use crate::builder::{BuildRequest, Builder, Scratch};
use crate::error::BuildError;
use saltire_store::{Wait, canonicalise};
use saltire_store_model::StorePath;
use saltire_store_model::nar::{keep_all, summarize_tree};

impl Builder<'_> {
    /// Builds a derivation again whose outputs are valid, and compares. Nothing of it is
    /// kept but, with `keep_failed`, what differs: beside the output, as `….check`.
    pub fn check(&self, request: &BuildRequest<'_>) -> Result<(), BuildError> {
        let derivation = request.derivation;
        let outputs = self.output_paths(derivation)?;
        let shown = self.store.display(request.path);
        self.store.add_temp_roots(outputs.values())?;
        let _locks = self.store.lock_paths(outputs.values(), Wait::Block, &mut |_| ())?;
        if self.store.query_valid(outputs.values())?.len() < outputs.len() {
            return Err(BuildError::NothingToCheck(shown));
        }
        let mut scratch = Scratch::create(self.store.temporary_path()?)?;
        if derivation.is_builtin() {
            self.run_builtin(request, &outputs, &scratch)?;
        } else {
            let inputs = self.input_closure(derivation)?;
            self.run_program(request, &outputs, &inputs, &mut scratch)?;
        }
        for path in outputs.values() {
            let place = scratch.store().join(path.base_name());
            if !place.exists() && place.symlink_metadata().is_err() {
                return Err(saltire_store::StoreError::MissingOutput(self.store.display(path)).into());
            }
            canonicalise(&place)?;
            let found = summarize_tree(&place, &mut keep_all).map_err(saltire_store::StoreError::from)?;
            if found.hash != self.store.path_info(path)?.nar_hash {
                return Err(self.difference(shown, path, &place));
            }
        }
        Ok(())
    }

    fn difference(&self, derivation: String, path: &StorePath, place: &std::path::Path) -> BuildError {
        let kept = self.keep_failed.then(|| {
            let beside = self.store.physical_path(path).with_file_name(format!("{}.check", path.base_name()));
            // What is left of another check is of no more use.
            let _ = saltire_store::remove_tree(&beside);
            std::fs::rename(place, &beside).is_ok().then_some(beside)
        });
        let path = self.store.display(path);
        BuildError::NotDeterministic { derivation, path, kept: kept.flatten() }
    }
}
