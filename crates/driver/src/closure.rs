//! `builtins.fetchClosure`: a store path with all that it refers to, from a binary
//! cache.
//!
//! Source of the format: the Nix manual, "Serving a Nix store via HTTP". A cache is
//! not trusted: a path is taken if its name follows from its content, or if a
//! trusted key has signed it.

use crate::inputs::Inputs;
use saltire_debian::archive::Compression;
use saltire_eval::{FetchAttrs, FetchValue, Fetched, HostError, HostResult};
use saltire_fetch::{FetchError, Reason, Unobserved, Unpinned};
use saltire_store_model::{NarInfo, PublicKey, PublicKeys, StorePath};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};

fn wrong(error: impl Display) -> HostError {
    HostError::new(error.to_string())
}

/// Makes `fromPath` and its closure valid, and checks how it is addressed.
pub(crate) fn fetch_closure(inputs: &Inputs, request: &FetchAttrs) -> HostResult<Fetched> {
    let text = |name: &str| match request.get(name) {
        Some(FetchValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let store = &inputs.store;
    let path = store.store_dir().parse(text("fromPath").unwrap_or_default()).map_err(wrong)?;
    let fetched = |path| Ok(Fetched { path, attributes: FetchAttrs::new() });
    if let Some(target) = text("toPath") {
        // What it would be is not worked out here; it may be there already.
        let target = store.store_dir().parse(target).map_err(|_| {
            wrong("'toPath' must say which path the rewritten closure has; it can't be worked out here")
        })?;
        return match store.is_valid(&target).map_err(wrong)? {
            true => fetched(target),
            false => Err(wrong(format!(
                "path '{}' is not in the store, and closures can't be rewritten here",
                store.display(&target)
            ))),
        };
    }
    let place = inputs.cache.join("inputs");
    std::fs::create_dir_all(&place).map_err(wrong)?;
    let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&place).map_err(wrong)?;
    let keys = inputs.settings.trusted_keys.iter().map(|key| PublicKey::parse(key));
    let keys = PublicKeys::new(keys.collect::<Result<Vec<_>, _>>().map_err(wrong)?);
    let root = text("fromStore").unwrap_or_default().trim_end_matches('/').to_owned();
    let cache = Cache { inputs, root, keys, scratch: scratch.path() };
    cache.copy_closure(&path)?;

    let is_by_content = store.path_info(&path).map_err(wrong)?.content_address.is_some();
    let wants_input = request.get("inputAddressed") == Some(&FetchValue::Bool(true));
    let shown = store.display(&path);
    match (is_by_content, wants_input) {
        (true, true) => Err(wrong(format!(
            "The store object referred to by 'fromPath' at '{shown}' is not input-addressed, but 'inputAddressed' is set to 'true'.\n\nRemove the 'inputAddressed' attribute (it defaults to 'false') to expect 'fromPath' to be content-addressed"
        ))),
        (false, false) => Err(wrong(format!(
            "The 'fromPath' value '{shown}' is input-addressed, but 'inputAddressed' is set to 'false' (default).\n\nIf you do intend to fetch an input-addressed store path, add\n\n    inputAddressed = true;\n\nto the 'fetchClosure' arguments."
        ))),
        _ => fetched(path),
    }
}

/// A binary cache.
struct Cache<'a> {
    inputs: &'a Inputs,
    /// Its address, without a slash at the end.
    root: String,
    keys: PublicKeys,
    scratch: &'a Path,
}

impl Cache<'_> {
    fn copy_closure(&self, path: &StorePath) -> HostResult<()> {
        let mut missing: BTreeMap<StorePath, NarInfo> = BTreeMap::new();
        let mut queue = vec![path.clone()];
        while let Some(path) = queue.pop() {
            self.inputs.store.add_temp_root(&path).map_err(wrong)?;
            // What is valid has its closure.
            if missing.contains_key(&path) || self.inputs.store.is_valid(&path).map_err(wrong)? {
                continue;
            }
            let info = self.info(&path)?;
            queue.extend(info.info.references.iter().cloned());
            missing.insert(path, info);
        }
        // What others refer to comes first.
        while !missing.is_empty() {
            let waits = |info: &NarInfo| {
                info.info
                    .references
                    .iter()
                    .any(|other| *other != info.info.path && missing.contains_key(other))
            };
            let ready: Vec<StorePath> =
                missing.iter().filter(|(_, info)| !waits(info)).map(|(path, _)| path.clone()).collect();
            if ready.is_empty() {
                return Err(wrong(format!(
                    "the binary cache '{}' has paths that refer to each other",
                    self.root
                )));
            }
            for info in ready.iter().filter_map(|path| missing.remove(path)) {
                self.add(&info)?;
            }
        }
        Ok(())
    }

    fn download(&self, file: &str, name: &str) -> Result<PathBuf, FetchError> {
        let url = format!("{}/{file}", self.root);
        let target = self.scratch.join(name);
        let request = Unpinned { name: url.clone(), urls: vec![url], ..Unpinned::default() };
        self.inputs.downloader.fetch_unpinned(&request, &target, &Unobserved, &self.inputs.cancelled)?;
        Ok(target)
    }

    /// What the cache says of a path, if that can be trusted.
    fn info(&self, path: &StorePath) -> HostResult<NarInfo> {
        let store = &self.inputs.store;
        let shown = store.display(path);
        let file = self.download(&format!("{}.narinfo", path.hash_part()), "info");
        let file = file.map_err(|error| match &error {
            FetchError::Unavailable { attempts, .. }
                if attempts.iter().all(|(_, reason)| matches!(reason, Reason::Status(403 | 404))) =>
            {
                wrong(format!("path '{shown}' does not exist in the store '{}'", self.root))
            }
            _ => wrong(error),
        })?;
        let text = std::fs::read_to_string(&file).map_err(wrong)?;
        let info = NarInfo::parse(store.store_dir(), &text);
        let info = info.map_err(|error| wrong(format!("what '{}' says of '{shown}': {error}", self.root)))?;
        if info.info.path != *path {
            return Err(wrong(format!("the binary cache '{}' has another path than '{shown}'", self.root)));
        }
        let by_content = info.info.has_right_content_address(store.store_dir()).map_err(wrong)?;
        if by_content != Some(true) && self.keys.count_valid(&info.info, store.store_dir()) == 0 {
            return Err(wrong(format!(
                "cannot add path '{shown}' because it lacks a signature by a trusted key"
            )));
        }
        Ok(info)
    }

    fn add(&self, info: &NarInfo) -> HostResult<()> {
        let compression = match info.compression.as_str() {
            "" | "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "bzip2" => Compression::Bzip2,
            "xz" => Compression::Xz,
            "zstd" => Compression::Zstd,
            other => return Err(wrong(format!("NARs compressed with '{other}' can't be read"))),
        };
        let file = self.download(&info.url, "nar").map_err(wrong)?;
        let mut reader = compression.decoder(File::open(&file).map_err(wrong)?).map_err(wrong)?;
        self.inputs.store.add_nar(&info.info, &mut reader).map_err(wrong)
    }
}
