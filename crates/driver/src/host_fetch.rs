//! What the evaluator's fetching builtins ask for, as inputs.

use crate::closure;
use crate::error::WRONG_HASH;
use crate::flake::Flakes;
use crate::inputs::{InputStoreError, Inputs, StoredInput};
use saltire_eval::{FetchAttrs, FetchKind, FetchValue, Fetched, HostError, HostResult};
use saltire_fetch::input::{Attribute, Attributes, Input, Kind};
use saltire_fetch::{Download, FetchError, Reason, TreeError, Unobserved};
use saltire_store_model::{Hash, HashAlgorithm, HashFormat, Ingestion, References, StorePath};
use std::path::Path;

/// Where channels are.
const CHANNELS: &str = "https://channels.nixos.org";

/// What is told to the evaluator of an input; the rest says where it came from.
const TOLD: [&str; 7] =
    ["narHash", "rev", "revCount", "lastModified", "submodules", "dirtyRev", "dirtyShortRev"];

/// Fetches what a builtin asks for.
pub(crate) fn fetch(
    inputs: &Inputs,
    flakes: &Flakes,
    kind: FetchKind,
    request: &FetchAttrs,
) -> HostResult<Fetched> {
    match kind {
        FetchKind::Url => fetch_file(inputs, request),
        FetchKind::Tarball => fetch_tarball(inputs, request),
        FetchKind::Git | FetchKind::Mercurial | FetchKind::Tree => {
            let mut input = tree_input(kind, request)?;
            if input.is_indirect() {
                input = flakes.resolve_input(&input)?;
            }
            let mut fetched = inputs.fetch(&input).map(|stored| {
                let branch = stored.input.text("ref").map(str::to_owned);
                (told(stored), branch)
            });
            if let (FetchKind::Mercurial, Ok((fetched, Some(branch)))) = (kind, &mut fetched) {
                fetched.attributes.insert("branch".into(), FetchValue::String(branch.clone()));
            }
            fetched.map(|(fetched, _)| fetched).map_err(|error| fetching(&input, error))
        }
        FetchKind::Closure => closure::fetch_closure(inputs, request),
    }
}

/// The URL of what a builtin asks for, for `allowed-uris`.
pub(crate) fn uri(kind: FetchKind, request: &FetchAttrs) -> HostResult<String> {
    match kind {
        FetchKind::Git | FetchKind::Tree => tree_input(kind, request).map(|input| input.to_url().to_string()),
        FetchKind::Url | FetchKind::Tarball | FetchKind::Mercurial => {
            Ok(text(request, "url").unwrap_or_default().to_owned())
        }
        FetchKind::Closure => Ok(text(request, "fromStore").unwrap_or_default().to_owned()),
    }
}

/// The attributes of an input in the store as the evaluator shows them.
pub(crate) fn told(stored: StoredInput) -> Fetched {
    let attributes = stored.input.attributes().iter();
    let attributes = attributes.filter(|(name, _)| TOLD.contains(&name.as_str()));
    let mut attributes: FetchAttrs =
        attributes.map(|(name, value)| (name.clone(), to_value(value))).collect();
    if stored.input.kind() == Kind::Git {
        attributes.entry("submodules".into()).or_insert(FetchValue::Bool(false));
    }
    Fetched { path: stored.path, attributes }
}

/// An attribute for the evaluator.
pub(crate) fn to_value(attribute: &Attribute) -> FetchValue {
    match attribute {
        Attribute::String(text) => FetchValue::String(text.clone()),
        Attribute::Int(number) => FetchValue::Int(i64::try_from(*number).unwrap_or(i64::MAX)),
        Attribute::Bool(value) => FetchValue::Bool(*value),
    }
}

/// Attributes from the evaluator.
pub(crate) fn to_attributes(request: &FetchAttrs) -> Attributes {
    let attribute = |value: &FetchValue| match value {
        FetchValue::String(text) => Attribute::String(text.clone()),
        FetchValue::Int(number) => Attribute::Int(u64::try_from(*number).unwrap_or_default()),
        FetchValue::Bool(value) => Attribute::Bool(*value),
    };
    request.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

pub(crate) fn host_error(error: InputStoreError) -> HostError {
    let hint = error.hint().map(|hint| format!("\n{hint}")).unwrap_or_default();
    let failure = HostError::new(format!("{error}{hint}"));
    if error.is_mismatch() { failure.with_exit_code(WRONG_HASH) } else { failure }
}

/// Why an input can't be had, in the words of the reference's trace.
pub(crate) fn fetching(input: &Input, error: InputStoreError) -> HostError {
    host_error(error).during(fetching_step(&input.to_url().to_string()))
}

/// A step of a trace.
pub(crate) fn fetching_step(url: &str) -> String {
    format!("while fetching the input '{url}'")
}

/// The input that `fetchGit`, `fetchMercurial` and `fetchTree` mean.
fn tree_input(kind: FetchKind, request: &FetchAttrs) -> HostResult<Input> {
    if kind == FetchKind::Mercurial {
        return mercurial_input(request);
    }
    let mut attributes = to_attributes(request);
    let wrong = |error: saltire_fetch::input::InputError| HostError::new(error.to_string());
    let url = text(request, "url");
    if kind == FetchKind::Git {
        attributes.insert("type".into(), "git".into());
        if attributes.get("submodules") != Some(&Attribute::Bool(true)) {
            attributes.entry("exportIgnore".into()).or_insert(Attribute::Bool(true));
        }
        if attributes.get("name") == Some(&Attribute::String("source".into())) {
            attributes.remove("name");
        }
    } else if !attributes.contains_key("type") {
        return Input::parse(url.unwrap_or_default(), false).map_err(wrong);
    }
    if attributes.get("type") == Some(&"git".into()) {
        if let Some(url) = url {
            attributes.insert("url".into(), git_address(url).into());
        }
        if kind == FetchKind::Tree && !attributes.contains_key("revCount") {
            attributes.entry("shallow".into()).or_insert(Attribute::Bool(true));
        }
    }
    Input::from_attributes(attributes).map_err(wrong)
}

/// The input that `fetchMercurial` means: `rev` may be a branch or tag as well.
fn mercurial_input(request: &FetchAttrs) -> HostResult<Input> {
    let url = text(request, "url").unwrap_or_default();
    let url = if url.contains("://") { url.to_owned() } else { format!("file://{url}") };
    let mut attributes: Attributes = [("type".into(), "hg".into()), ("url".into(), url.into())].into();
    let name = text(request, "name").filter(|name| *name != "source");
    attributes.extend(name.map(|name| ("name".to_owned(), name.into())));
    if let Some(rev) = text(request, "rev") {
        let is_hash = rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        attributes.insert(if is_hash { "rev" } else { "ref" }.into(), rev.into());
    }
    Input::from_attributes(attributes).map_err(|error| HostError::new(error.to_string()))
}

/// A repository's address as a URL: it may be a path, or `user@host:path`.
fn git_address(address: &str) -> String {
    let is_url = address.contains("://") || address.starts_with("file:");
    match address.split_once(':') {
        _ if is_url => address.strip_prefix("git+").unwrap_or(address).to_owned(),
        Some((host, path)) if host.contains('@') && !host.contains('/') => format!("ssh://{host}/{path}"),
        _ => {
            let path = std::path::absolute(address).unwrap_or_else(|_| address.into());
            format!("file://{}", path.display())
        }
    }
}

fn text<'a>(request: &'a FetchAttrs, name: &str) -> Option<&'a str> {
    match request.get(name) {
        Some(FetchValue::String(text)) => Some(text),
        _ => None,
    }
}

/// The hash in `sha256`; an empty one stands for none that is known.
fn expected_hash(request: &FetchAttrs) -> HostResult<Option<Hash>> {
    match text(request, "sha256") {
        None => Ok(None),
        Some("") => Ok(Some(Hash::zero(HashAlgorithm::Sha256))),
        Some(text) => Hash::parse(text, Some(HashAlgorithm::Sha256))
            .map(Some)
            .map_err(|error| HostError::new(error.to_string())),
    }
}

fn mismatch(url: &str, specified: Hash, got: Hash) -> HostError {
    let text = |hash: Hash| hash.to_text(HashFormat::NixBase32, true);
    let (specified, got) = (text(specified), text(got));
    HostError::new(format!(
        "hash mismatch in file downloaded from '{url}':\n  specified: {specified}\n  got:       {got}"
    ))
    .with_exit_code(WRONG_HASH)
}

fn fetch_file(inputs: &Inputs, request: &FetchAttrs) -> HostResult<Fetched> {
    let url = text(request, "url").unwrap_or_default();
    let name = text(request, "name").unwrap_or_else(|| url.rsplit('/').next().unwrap_or_default());
    let plain = |error: &dyn std::fmt::Display| HostError::new(error.to_string());
    let Some(hash) = expected_hash(request)? else {
        let attributes: Attributes = [("type".into(), "file".into()), ("url".into(), url.into())].into();
        let input = Input::from_attributes(attributes).map_err(|error| plain(&error))?;
        let stored = inputs.fetch(&input).map_err(host_error)?;
        // In the store under the name of inputs, and as a NAR: once more as what it is.
        let file = inputs.store.physical_path(&stored.path);
        return add_file(inputs, name, &file);
    };
    let store = &inputs.store;
    let path = store.store_dir().make_fixed_path(name, Ingestion::Flat, &hash, &References::default());
    let path = path.map_err(|error| plain(&error))?;
    store.add_temp_root(&path).map_err(|error| plain(&error))?;
    if store.is_valid(&path).map_err(|error| plain(&error))? {
        return Ok(Fetched { path, attributes: FetchAttrs::new() });
    }
    let scratch = tempfile::tempdir().map_err(|error| plain(&error))?;
    let file = scratch.path().join("file");
    let download = Download { name: url.to_owned(), urls: vec![url.to_owned()], hash };
    match inputs.downloader.fetch(&download, &file, &Unobserved, &inputs.cancelled) {
        Ok(()) => add_file(inputs, name, &file),
        Err(error) => Err(match only_mismatch(&error) {
            Some((specified, got)) => mismatch(url, specified, got),
            None => host_error(TreeError::from(error).into()),
        }),
    }
}

/// The hashes, if a file failed because it has another one.
fn only_mismatch(error: &FetchError) -> Option<(Hash, Hash)> {
    let FetchError::Unavailable { attempts, .. } = error else { return None };
    match attempts.as_slice() {
        [(_, Reason::Mismatch { specified, got })] => Some((*specified, *got)),
        _ => None,
    }
}

fn add_file(inputs: &Inputs, name: &str, file: &Path) -> HostResult<Fetched> {
    let plain = |error: &dyn std::fmt::Display| HostError::new(error.to_string());
    let content = std::fs::read(file).map_err(|error| plain(&error))?;
    let added = inputs.store.add_file(name, &content, false, Ingestion::Flat, HashAlgorithm::Sha256);
    let path = added.map_err(|error| plain(&error))?.path;
    Ok(Fetched { path, attributes: FetchAttrs::new() })
}

fn fetch_tarball(inputs: &Inputs, request: &FetchAttrs) -> HostResult<Fetched> {
    let url = text(request, "url").unwrap_or_default();
    let hash = expected_hash(request)?;
    let path = tarball(inputs, url, text(request, "name"), hash)?;
    Ok(Fetched { path, attributes: FetchAttrs::new() })
}

fn tarball(inputs: &Inputs, url: &str, name: Option<&str>, hash: Option<Hash>) -> HostResult<StorePath> {
    let url = match url.strip_prefix("channel:") {
        Some(channel) => format!("{CHANNELS}/{channel}/nixexprs.tar.xz"),
        None => url.to_owned(),
    };
    let mut attributes: Attributes =
        [("type".into(), "tarball".into()), ("url".into(), url.as_str().into())].into();
    if let Some(name) = name {
        attributes.insert("name".into(), name.into());
    }
    if let Some(hash) = hash {
        attributes.insert("narHash".into(), hash.to_sri().into());
    }
    let input = Input::from_attributes(attributes).map_err(|error| HostError::new(error.to_string()))?;
    match inputs.fetch(&input) {
        Ok(stored) => Ok(stored.path),
        Err(InputStoreError::Mismatch { expected, got, .. }) => Err(mismatch(&url, expected, got)),
        Err(error) => Err(fetching(&input, error)),
    }
}

/// The store path of an entry of the search path that is the URL of an archive.
pub(crate) fn search_path_url(inputs: &Inputs, value: &str) -> HostResult<Option<StorePath>> {
    let is_url =
        ["http://", "https://", "file://", "channel:"].iter().any(|scheme| value.starts_with(scheme));
    if is_url { tarball(inputs, value, None, None).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::git_address;

    #[test]
    fn addresses_of_repositories() {
        assert_eq!(git_address("git@h:a/b.git"), "ssh://git@h/a/b.git");
        assert_eq!(git_address("https://h/a"), "https://h/a");
        assert_eq!(git_address("/srv/a"), "file:///srv/a");
        assert_eq!(git_address("git+file:///srv/a"), "file:///srv/a");
    }
}
