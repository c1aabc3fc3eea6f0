//! `builtins.fetchClosure`: a store path with all that it refers to, from a binary
//! cache.
//!
//! Source of the format: the Nix manual, "Serving a Nix store via HTTP". A cache is
//! not trusted: a path is taken if its name follows from its content, or if a
//! trusted key has signed it.

use crate::binary_cache::{Access, BinaryCache};
use crate::content_addressed::make_content_addressed;
use crate::inputs::Inputs;
use crate::other_store::{CopyOptions, OtherStore};
use saltire_eval::{FetchAttrs, FetchValue, Fetched, HostError, HostResult};
use saltire_store_model::{PublicKey, PublicKeys, StorePath};
use std::fmt::Display;
use std::sync::Arc;

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
        return rewritten(inputs, text("fromStore").unwrap_or_default(), &path, target).and_then(fetched);
    }
    if !store.is_valid(&path).map_err(wrong)? {
        copy_closure(inputs, text("fromStore").unwrap_or_default(), &path)?;
    }

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

/// The path that `toPath` must be, rewritten from the binary cache if it is not there.
fn rewritten(inputs: &Inputs, from: &str, path: &StorePath, target: &str) -> HostResult<StorePath> {
    let store = &inputs.store;
    let expected = match target {
        "" => None,
        text => Some(store.store_dir().parse(text).map_err(wrong)?),
    };
    if let Some(expected) = &expected
        && store.is_valid(expected).map_err(wrong)?
    {
        return Ok(expected.clone());
    }
    let (cache, keys) = open(inputs, from)?;
    let paths = std::slice::from_ref(path);
    let all = make_content_addressed(&cache, store, paths, Some(&keys), &|_, _| {}).map_err(wrong)?;
    let (shown, got) = (store.display(path), all.get(path).unwrap_or(path));
    match expected {
        Some(expected) if expected == *got => Ok(expected),
        Some(expected) => Err(wrong(format!(
            "rewriting '{shown}' to content-addressed form yielded '{}', while '{}' was expected",
            store.display(got),
            store.display(&expected)
        ))),
        None => Err(wrong(format!(
            "rewriting '{shown}' to content-addressed form yielded '{}'\nUse this value for the 'toPath' attribute passed to 'fetchClosure'",
            store.display(got)
        ))),
    }
}

/// A binary cache, and the keys whose signatures count.
fn open(inputs: &Inputs, from: &str) -> HostResult<(OtherStore, PublicKeys)> {
    let keys = inputs.settings.trusted_keys.iter().map(|key| PublicKey::parse(key));
    let keys = PublicKeys::new(keys.collect::<Result<Vec<_>, _>>().map_err(wrong)?);
    let access = Access {
        downloader: Arc::clone(&inputs.downloader),
        scratch: inputs.cache.join("inputs"),
        cancelled: Arc::clone(&inputs.cancelled),
    };
    let cache = BinaryCache::open(from, inputs.store.store_dir(), access).map_err(wrong)?;
    Ok((OtherStore::Cache(Box::new(cache)), keys))
}

/// Copies a path with what it refers to from a binary cache.
fn copy_closure(inputs: &Inputs, from: &str, path: &StorePath) -> HostResult<()> {
    let (from, keys) = open(inputs, from)?;
    let here = OtherStore::Local(Arc::clone(&inputs.store));
    let options = CopyOptions { keys: Some(&keys), before: &|_| {}, substitute: false };
    from.copy_to(&here, std::slice::from_ref(path), false, &options).map_err(wrong)?;
    Ok(())
}
