//! Builtins that fetch something from elsewhere. Checking arguments is done
//! here, fetching by the host.

use saltire_diagnostics::Pos;
use saltire_store_model::HashAlgorithm;

use super::{Builtin, builtin, global};
use crate::coerce::Coerce;
use crate::context::{Context, ContextElement};
use crate::error::{EvalError, Result};
use crate::evaluator::{Evaluator, host_error};
use crate::host::{FetchAttrs, FetchKind, FetchValue, Fetched};
use crate::symbol::Symbol;
use crate::value::{Kind, Value};

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    builtin(
        "fetchurl",
        &["arg"],
        |e, a, p| fetch_file(e, a, p, FetchKind::Url, "fetchurl"),
        "Downloads a file (a URL, or a set with `url`, `sha256`, `name`) and gives its store path.",
    ),
    global(
        "fetchTarball",
        &["args"],
        |e, a, p| fetch_file(e, a, p, FetchKind::Tarball, "fetchTarball"),
        "Downloads an archive (a URL, or a set with `url`, `sha256`, `name`), unpacks it and gives its store path.",
    ),
    global(
        "fetchGit",
        &["args"],
        |e, a, p| fetch_tree(e, a, p, FetchKind::Git, "fetchGit"),
        "Fetches a Git repository (a URL, or a set with `url`, `rev`, `ref` and so on); gives `outPath`, `rev` and more.",
    ),
    global(
        "fetchMercurial",
        &["args"],
        |e, a, p| fetch_tree(e, a, p, FetchKind::Mercurial, "fetchMercurial"),
        "Fetches a Mercurial repository (a URL, or a set with `url`, `rev`, `name`); gives `outPath`, `rev` and more.",
    ),
    global(
        "fetchTree",
        &["input"],
        |e, a, p| fetch_tree(e, a, p, FetchKind::Tree, "fetchTree"),
        "Fetches what a set with `type` describes; gives `outPath`, `narHash` and more.",
    ),
];

/// `fetchurl` and `fetchTarball`.
fn fetch_file(e: &mut Evaluator, a: &[Value], pos: Pos, kind: FetchKind, who: &str) -> Result<Value> {
    let argument = e.force(a[0])?;
    let mut request = FetchAttrs::new();
    let mut put = |name: &str, text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        request.insert(name.to_owned(), FetchValue::String(text));
    };
    if let Some(attrs) = argument.as_attrs() {
        for attr in attrs.sorted() {
            let what = match attr.name.as_bytes() {
                b"url" => "while evaluating the url we should fetch",
                b"sha256" => "while evaluating the sha256 of the content we should fetch",
                b"name" => "while evaluating the name of the content we should fetch",
                _ => {
                    let message = format!("unsupported argument '{}' to '{who}'", attr.name);
                    return Err(EvalError::other(pos, message));
                }
            };
            let text = e.plain_string(attr.value, attr.pos, what)?;
            put(&attr.name.as_bstr().to_string(), text.as_bytes());
        }
    } else {
        let what = "while evaluating the url we should fetch";
        put("url", e.plain_string(argument, pos, what)?.as_bytes());
    }
    let Some(FetchValue::String(url)) = request.get("url") else {
        return Err(EvalError::other(pos, "'url' argument required"));
    };
    let url = url.clone();
    if kind == FetchKind::Url {
        fetched_name(&url, &mut request, pos)?;
    }
    if e.settings().pure && !request.contains_key("sha256") {
        let message = format!("in pure evaluation mode, '{who}' requires a 'sha256' argument");
        return Err(EvalError::other(pos, message));
    }
    if let Some(FetchValue::String(hash)) = request.get("sha256") {
        e.hash_or_zero(hash, Some(HashAlgorithm::Sha256), pos)?;
    }
    if !has_scheme(&url) {
        let what = if kind == FetchKind::Url { "URL " } else { "" };
        return Err(EvalError::other(pos, format!("{what}'{url}' doesn't have a scheme")));
    }
    let fetched = e.host().fetch(kind, &request).map_err(|error| host_error(error).at(pos))?;
    Ok(out_path(e, &fetched))
}

/// Whether a text starts as a URL (RFC 3986, 3.1).
fn has_scheme(url: &str) -> bool {
    let Some((scheme, _)) = url.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Checks the name that a file is to have in the store; the URL's last part is the usual one.
fn fetched_name(url: &str, request: &mut FetchAttrs, pos: Pos) -> Result<()> {
    if matches!(request.get("name"), Some(FetchValue::String(name)) if name.is_empty()) {
        request.remove("name");
    }
    let (name, change) = match request.get("name") {
        Some(FetchValue::String(name)) => {
            (name.as_str(), "change the value for the 'name' attribute passed to 'fetchurl',")
        }
        _ => {
            let name = url.rsplit('/').next().unwrap_or_default();
            (name, "pass an attribute set with 'url' and 'name' attributes to 'fetchurl', ")
        }
    };
    crate::derivation::check_store_name(name).map_err(|error| {
        let message = format!(
            "invalid store path name when fetching URL '{url}': {error}. Please {change} so that it can create a valid store path."
        );
        EvalError::other(pos, message)
    })
}

/// `fetchGit`, `fetchMercurial` and `fetchTree`.
fn fetch_tree(e: &mut Evaluator, a: &[Value], pos: Pos, kind: FetchKind, who: &str) -> Result<Value> {
    let request = tree_request(e, a[0], pos, kind, who)?;
    if kind == FetchKind::Mercurial && e.settings().pure && !names_commit(&request) {
        let message = format!("in pure evaluation mode, '{who}' requires a Mercurial revision");
        return Err(EvalError::other(pos, message));
    }
    if e.settings().pure && !request.contains_key("rev") && !request.contains_key("narHash") {
        let message = format!(
            "in pure evaluation mode, '{who}' doesn't fetch unlocked inputs: give 'rev' or 'narHash'"
        );
        return Err(EvalError::other(pos, message));
    }
    let fetched = e.host().fetch(kind, &request).map_err(|error| host_error(error).at(pos))?;
    Ok(tree_value(e, fetched, kind))
}

/// Whether `rev` is a hash; `fetchMercurial` takes branches and tags as well.
fn names_commit(request: &FetchAttrs) -> bool {
    let Some(FetchValue::String(rev)) = request.get("rev") else { return false };
    rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A fetched tree as a set: `outPath`, `narHash`, `rev`, …
pub(super) fn tree_value(e: &mut Evaluator, mut fetched: Fetched, kind: FetchKind) -> Value {
    complete(&mut fetched.attributes, kind);
    let path = out_path(e, &fetched);
    let mut items = vec![(e.names.out_path, path)];
    for (name, value) in &fetched.attributes {
        items.push((Symbol::intern(name), attribute_value(e, value)));
    }
    e.new_attrs(items)
}

/// An attribute from the host as a value.
pub(super) fn attribute_value(e: &mut Evaluator, value: &FetchValue) -> Value {
    match value {
        FetchValue::String(text) => e.new_string(text.as_bytes()),
        FetchValue::Int(number) => e.new_int(*number),
        FetchValue::Bool(value) => Value::from_bool(*value),
    }
}

fn tree_request(e: &mut Evaluator, value: Value, pos: Pos, kind: FetchKind, who: &str) -> Result<FetchAttrs> {
    let argument = e.force(value)?;
    let mut request = FetchAttrs::new();
    let Some(attrs) = argument.as_attrs() else {
        let what = match kind {
            FetchKind::Mercurial => format!("while evaluating the first argument passed to builtins.{who}"),
            _ => format!("while evaluating the first argument passed to '{who}'"),
        };
        let url = e.coerce(argument, Coerce::PLAIN, pos, &what)?;
        let url = String::from_utf8_lossy(url.as_bytes()).into_owned();
        let needs_scheme = match kind {
            FetchKind::Git => !url.starts_with('/') && !url.contains(':'),
            FetchKind::Tree => !has_scheme(&url),
            _ => false,
        };
        if needs_scheme {
            return Err(EvalError::other(pos, format!("'{url}' doesn't have a scheme")));
        }
        request.insert("url".to_owned(), FetchValue::String(url));
        return Ok(request);
    };
    if kind == FetchKind::Tree && attrs.get(Symbol::intern("type")).is_none() {
        return Err(EvalError::other(pos, format!("argument 'type' is missing in call to '{who}'")));
    }
    if kind == FetchKind::Tree
        && let Some(attr) = attrs.attr(Symbol::intern("type"))
    {
        let what = format!("while evaluating the `type` argument passed to '{who}'");
        e.plain_string(attr.value, attr.pos, &what).map_err(|error| error.at(attr.pos))?;
    }
    for attr in attrs.sorted() {
        if kind == FetchKind::Mercurial && !matches!(attr.name.as_bytes(), b"url" | b"rev" | b"name") {
            let message = format!("unsupported argument '{}' to '{who}'", attr.name);
            return Err(EvalError::other(attr.pos, message));
        }
        let value = e.force(attr.value)?;
        let value = match value.kind() {
            Kind::String(_) | Kind::Path(_) => {
                let text = e.coerce(value, Coerce::PLAIN, attr.pos, "")?;
                FetchValue::String(String::from_utf8_lossy(text.as_bytes()).into_owned())
            }
            Kind::Bool(value) => FetchValue::Bool(value),
            Kind::Int(number) if number < 0 => {
                let message = format!("negative value given for '{who}' argument '{}': {number}", attr.name);
                return Err(EvalError::other(pos, message));
            }
            Kind::Int(number) => FetchValue::Int(number),
            _ => {
                let message = format!(
                    "argument '{}' to '{who}' is {} while a string, Boolean or integer is expected",
                    attr.name,
                    crate::print::type_name(value)
                );
                return Err(EvalError::type_error(pos, message));
            }
        };
        request.insert(attr.name.as_bstr().to_string(), value);
    }
    if kind == FetchKind::Mercurial && !request.contains_key("url") {
        return Err(EvalError::other(pos, "'url' argument required"));
    }
    Ok(request)
}

/// The store path of what was fetched, as a string that depends on it.
pub(super) fn out_path(e: &mut Evaluator, fetched: &Fetched) -> Value {
    let text = e.host().store_dir().display(&fetched.path);
    let context = Context::from_element(ContextElement::Opaque(fetched.path.clone()));
    e.new_string_with_context(text.as_bytes(), context)
}

/// Adds what follows from the other attributes.
fn complete(attributes: &mut FetchAttrs, kind: FetchKind) {
    // As many digits as Git shows, and as Mercurial does.
    let digits = if kind == FetchKind::Mercurial { 12 } else { 7 };
    let text = |value: &str| FetchValue::String(value.to_owned());
    if kind == FetchKind::Git {
        // A dirty tree has no revision; users expect the attributes all the same.
        attributes.entry("rev".to_owned()).or_insert_with(|| text(&"0".repeat(40)));
        attributes.entry("revCount".to_owned()).or_insert(FetchValue::Int(0));
        attributes.entry("submodules".to_owned()).or_insert(FetchValue::Bool(false));
    }
    if kind == FetchKind::Mercurial {
        attributes.entry("rev".to_owned()).or_insert_with(|| text(&"0".repeat(40)));
        attributes.retain(|name, _| matches!(name.as_str(), "branch" | "rev" | "revCount"));
    }
    if let Some(FetchValue::String(rev)) = attributes.get("rev") {
        let short = rev.get(..digits).unwrap_or(rev).to_owned();
        attributes.entry("shortRev".to_owned()).or_insert(FetchValue::String(short));
    }
    if let Some(FetchValue::Int(seconds)) = attributes.get("lastModified") {
        let date = date_text(*seconds);
        attributes.entry("lastModifiedDate".to_owned()).or_insert(FetchValue::String(date));
    }
}

/// Seconds since 1970 as `YYYYMMDDhhmmss` in UTC.
fn date_text(seconds: i64) -> String {
    const DAY: i64 = 86_400;
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Days are counted in eras of 400 years that begin on 1 March of year 0, so
    // that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::date_text;

    #[test]
    fn dates() {
        assert_eq!(date_text(0), "19700101000000");
        assert_eq!(date_text(951_782_399), "20000228235959");
        assert_eq!(date_text(951_782_400), "20000229000000");
        assert_eq!(date_text(1_703_980_800), "20231231000000");
        assert_eq!(date_text(-1), "19691231235959");
    }
}
