//! Inputs from and to URLs.

use super::url::{Url, percent_decode, percent_encode};
use super::{Attribute, Attributes, Forge, Input, InputError, Kind, is_reference_name, is_revision};

/// Endings of archives' names.
const ARCHIVES: [&str; 7] = [".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"];

/// Reads a URL; see [`Input::from_url`].
pub(super) fn from_url(url: &Url, is_tree: bool) -> Result<Input, InputError> {
    let (application, transport) = match url.scheme.split_once('+') {
        Some((application, transport)) => (application, transport),
        None => ("", url.scheme.as_str()),
    };
    let is_download = matches!(transport, "http" | "https" | "file");
    match (application, transport) {
        ("", "path") => path(url),
        ("", "flake") => indirect(url),
        ("", "git") | ("git", "http" | "https" | "ssh" | "file") => git(url, transport),
        ("hg", "http" | "https" | "ssh" | "file") => mercurial(url, transport),
        ("tarball", _) if is_download => download(url, transport, Kind::Tarball),
        ("file", _) if is_download => download(url, transport, Kind::File),
        ("", _) if is_download => {
            let is_archive = is_tree || is_archive_name(&url.path());
            download(url, transport, if is_archive { Kind::Tarball } else { Kind::File })
        }
        _ => match Forge::ALL.into_iter().find(|forge| forge.name() == url.scheme) {
            Some(forge) => forge_input(url, forge),
            None => Err(InputError::Unsupported(url.to_string())),
        },
    }
}

fn is_archive_name(path: &str) -> bool {
    ARCHIVES.iter().any(|ending| path.ends_with(ending))
}

fn error(text: String) -> InputError {
    InputError::Url(text)
}

fn int(url: &Url, name: &str, value: &str) -> Result<Attribute, InputError> {
    let number = value.parse().map(Attribute::Int);
    number.map_err(|_| error(format!("URL '{url}' has an invalid parameter '{name}': it is not a number")))
}

fn path(url: &Url) -> Result<Input, InputError> {
    if let Some(authority) = url.authority.as_deref().filter(|authority| !authority.is_empty()) {
        return Err(error(format!("path URL '{url}' should not have an authority ('{authority}')")));
    }
    let mut attributes = Attributes::from([("path".into(), url.path().into())]);
    for (name, value) in &url.query {
        let value = match name.as_str() {
            "rev" | "narHash" => value.as_str().into(),
            "revCount" | "lastModified" => int(url, name, value)?,
            _ => return Err(error(format!("path URL '{url}' has unsupported parameter '{name}'"))),
        };
        attributes.insert(name.clone(), value);
    }
    Input::of(Kind::Path, attributes)
}

fn git(url: &Url, transport: &str) -> Result<Input, InputError> {
    let mut bare = Url { scheme: transport.to_owned(), ..url.clone() };
    bare.query.clear();
    let mut attributes = Attributes::new();
    for (name, value) in &url.query {
        match name.as_str() {
            "rev" | "ref" => {
                attributes.insert(name.clone(), value.as_str().into());
            }
            "shallow" | "submodules" | "lfs" | "exportIgnore" | "allRefs" => {
                attributes.insert(name.clone(), Attribute::Bool(value == "1"));
            }
            _ => {
                bare.query.insert(name.clone(), value.clone());
            }
        }
    }
    attributes.insert("url".into(), bare.to_string().into());
    Input::of(Kind::Git, attributes)
}

fn mercurial(url: &Url, transport: &str) -> Result<Input, InputError> {
    let mut bare = Url { scheme: transport.to_owned(), ..url.clone() };
    let mut attributes = Attributes::new();
    for name in ["rev", "ref"] {
        if let Some(value) = bare.query.remove(name) {
            attributes.insert(name.to_owned(), value.into());
        }
    }
    attributes.insert("url".into(), bare.to_string().into());
    Input::of(Kind::Mercurial, attributes)
}

fn forge_input(url: &Url, forge: Forge) -> Result<Input, InputError> {
    let segments: Vec<String> =
        url.segments().into_iter().map(|part| percent_decode(part).unwrap_or_else(|| part.into())).collect();
    let [owner, repo, rest @ ..] = segments.as_slice() else {
        return Err(error(format!("URL '{url}' is invalid: write it as {}:OWNER/REPO", forge.name())));
    };
    let mut attributes =
        Attributes::from([("owner".into(), owner.as_str().into()), ("repo".into(), repo.as_str().into())]);
    let mut version = |text: &str| {
        let name = if is_revision(text) { "rev" } else { "ref" };
        if !is_revision(text) && !is_reference_name(text) {
            return Err(error(format!("in URL '{url}', '{text}' is not a commit hash or branch/tag name")));
        }
        match attributes.insert(name.into(), text.into()) {
            None => Ok(()),
            Some(_) if name == "rev" => Err(error(format!("URL '{url}' contains multiple commit hashes"))),
            Some(_) => Err(error(format!("URL '{url}' contains multiple branch/tag names"))),
        }
    };
    if !rest.is_empty() {
        version(&rest.join("/"))?;
    }
    for name in ["rev", "ref"] {
        url.query.get(name).map_or(Ok(()), |value| version(value))?;
    }
    for (name, value) in &url.query {
        match name.as_str() {
            "rev" | "ref" => {}
            "host" if !is_host(value) => {
                return Err(error(format!("URL '{url}' contains an invalid instance host")));
            }
            "lastModified" => {
                attributes.insert(name.clone(), int(url, name, value)?);
            }
            _ => {
                attributes.insert(name.clone(), value.as_str().into());
            }
        }
    }
    Input::of(Kind::Forge(forge), attributes)
}

/// A host's name, perhaps with a port.
fn is_host(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c))
}

fn download(url: &Url, transport: &str, kind: Kind) -> Result<Input, InputError> {
    let mut bare = Url { scheme: transport.to_owned(), fragment: String::new(), ..url.clone() };
    let mut attributes = Attributes::new();
    for name in ["narHash", "rev", "revCount", "lastModified"] {
        if let Some(value) = bare.query.remove(name) {
            let is_number = matches!(name, "revCount" | "lastModified");
            let value = if is_number { int(url, name, &value)? } else { value.into() };
            attributes.insert(name.into(), value);
        }
    }
    attributes.insert("url".into(), bare.to_string().into());
    Input::of(kind, attributes)
}

fn indirect(url: &Url) -> Result<Input, InputError> {
    let segments = url.segments();
    let bad =
        |text: &str| error(format!("in flake URL '{url}', '{text}' is not a commit hash or branch/tag name"));
    let mut attributes = Attributes::new();
    match segments.as_slice() {
        [_] => {}
        [_, version] if is_revision(version) => {
            attributes.insert("rev".into(), (*version).into());
        }
        [_, version] if is_reference_name(version) => {
            attributes.insert("ref".into(), (*version).into());
        }
        [_, version] => return Err(bad(version)),
        [_, reference, _] if !is_reference_name(reference) => return Err(bad(reference)),
        [_, _, rev] if !is_revision(rev) => return Err(bad(rev)),
        [_, reference, rev] => {
            attributes.insert("ref".into(), (*reference).into());
            attributes.insert("rev".into(), (*rev).into());
        }
        _ => return Err(error(format!("flake URL '{url}' is invalid: write it as NAME/REF/REV"))),
    }
    let id = segments.first().copied().unwrap_or_default();
    if !is_flake_id(id) {
        return Err(error(format!("'{id}' is not a valid flake ID")));
    }
    attributes.insert("id".into(), id.into());
    for (name, value) in &url.query {
        attributes.insert(name.clone(), value.as_str().into());
    }
    Input::of(Kind::Indirect, attributes)
}

/// Whether a text can name a flake in a registry.
pub(crate) fn is_flake_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// The URL that says the same as an input.
pub(super) fn to_url(input: &Input) -> Url {
    let text = |name: &str| input.text(name).unwrap_or_default();
    match input.kind() {
        Kind::Path => {
            let mut url = Url::new("path", None, text("path"));
            put_all(&mut url, input, &["rev", "revCount", "lastModified", "narHash"]);
            url
        }
        Kind::Git => {
            let mut url = parsed(text("url"));
            if url.scheme != "git" {
                url.scheme = format!("git+{}", url.scheme);
            }
            put_all(&mut url, input, &["rev", "ref"]);
            for flag in ["shallow", "submodules", "lfs", "exportIgnore"] {
                if input.flag(flag) {
                    url.query.insert(flag.into(), "1".into());
                }
            }
            url
        }
        Kind::Mercurial => {
            let mut url = parsed(text("url"));
            url.scheme = format!("hg+{}", url.scheme);
            put_all(&mut url, input, &["rev", "ref"]);
            url
        }
        Kind::Forge(forge) => {
            let path = [Some(text("owner")), Some(text("repo")), input.text("rev").or(input.text("ref"))];
            // Slashes in names are not those of the path.
            let path: Vec<String> = path.into_iter().flatten().map(|part| percent_encode(part, "")).collect();
            let mut url = Url { scheme: forge.name().into(), raw_path: path.join("/"), ..Url::default() };
            put_all(&mut url, input, &["host", "narHash"]);
            url
        }
        Kind::Tarball | Kind::File => {
            let mut url = parsed(text("url"));
            put_all(&mut url, input, &["narHash"]);
            url
        }
        Kind::Indirect => {
            let path = [Some(text("id")), input.text("ref"), input.text("rev")];
            let path: Vec<&str> = path.into_iter().flatten().collect();
            Url { scheme: "flake".into(), raw_path: path.join("/"), ..Url::default() }
        }
    }
}

/// An address from an attribute, which may be anything.
fn parsed(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|_| Url {
        scheme: "file".into(),
        raw_path: text.into(),
        ..Url::default()
    })
}

fn put_all(url: &mut Url, input: &Input, names: &[&str]) {
    for name in names {
        if let Some(value) = input.attributes().get(*name) {
            url.query.insert((*name).into(), value.to_parameter());
        }
    }
}
