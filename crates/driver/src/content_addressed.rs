//! Rewriting store paths so that they are addressed by their content.
//!
//! A path's references to others are replaced by those to their rewritten forms, then
//! its new name follows from its NAR, hashed without its references to itself.

use crate::binary_cache::CopyError;
use crate::other_store::{Known, OtherStore};
use saltire_store::{Store, StoreError};
use saltire_store_model::{
    ContentAddress, Hash, HashAlgorithm, Ingestion, ModuloSelfHasher, PathInfo, PublicKeys, References,
    StorePath,
};
use std::collections::BTreeMap;
use std::io::Write as _;

/// Adds the rewritten forms of paths, with all that they refer to, to a store; what each
/// path became.
pub fn make_content_addressed(
    from: &OtherStore,
    to: &Store,
    paths: &[StorePath],
    keys: Option<&PublicKeys>,
    done: &dyn Fn(&StorePath, &StorePath),
) -> Result<BTreeMap<StorePath, StorePath>, CopyError> {
    let mut rewritten = BTreeMap::new();
    for known in from.closure(paths, &|_| Ok(false))? {
        let path = known.info().path.clone();
        if let (Some(keys), OtherStore::Cache(cache), Known::Cache(info)) = (keys, from, &known)
            && !cache.vouched(info, keys)
        {
            return Err(CopyError::Untrusted(to.display(&path)));
        }
        let new = rewrite(from, to, &known, &rewritten)?;
        done(&path, &new);
        rewritten.insert(path, new);
    }
    Ok(rewritten)
}

fn rewrite(
    from: &OtherStore,
    to: &Store,
    known: &Known,
    rewritten: &BTreeMap<StorePath, StorePath>,
) -> Result<StorePath, CopyError> {
    let info = known.info();
    let mut nar = Vec::new();
    from.with_nar(known, |reader| {
        reader.read_to_end(&mut nar).map(drop).map_err(|source| CopyError::File {
            action: "read",
            path: info.path.base_name().into(),
            source,
        })
    })?;
    let own = info.path.hash_part();
    let mut references = References::default();
    let mut changes: BTreeMap<&str, String> = BTreeMap::new();
    for reference in &info.references {
        if *reference == info.path {
            references.to_self = true;
        } else if let Some(new) = rewritten.get(reference) {
            changes.insert(reference.hash_part(), new.hash_part().to_owned());
            references.others.insert(new.clone());
        }
    }
    replace(&mut nar, &changes);
    let failed = |source| CopyError::File { action: "hash", path: info.path.base_name().into(), source };
    let mut hasher = ModuloSelfHasher::new(HashAlgorithm::Sha256, &info.path);
    hasher.write_all(&nar).map_err(failed)?;
    let (hash, _) = hasher.finish().map_err(failed)?;
    let address = ContentAddress { ingestion: Ingestion::Nar, hash };
    let path = to.store_dir().make_content_addressed_path(info.path.name(), &address, &references);
    let path = path.map_err(StoreError::from)?;
    replace(&mut nar, &BTreeMap::from([(own, path.hash_part().to_owned())]));
    let mut new = PathInfo::new(path.clone(), Hash::sha256(&nar), nar.len() as u64);
    new.references = references.others;
    if references.to_self {
        new.references.insert(path.clone());
    }
    new.content_address = Some(address);
    to.add_nar(&new, &mut nar.as_slice())?;
    Ok(path)
}

/// Replaces hash parts, all of which have the same length.
fn replace(nar: &mut [u8], changes: &BTreeMap<&str, String>) {
    for (from, to) in changes {
        let places: Vec<usize> = bstr::ByteSlice::find_iter(&*nar, from.as_bytes()).collect();
        for at in places {
            nar[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
}
