//! Builtins on flakes and on closures of binary caches. Locking and fetching is
//! the host's part.

use saltire_diagnostics::{Origin, Pos};

use super::fetch::{out_path, tree_value};
use super::{Builtin, builtin};
use crate::coerce::Coerce;
use crate::error::{EvalError, Result};
use crate::evaluator::{Evaluator, host_error};
use crate::host::{FetchAttrs, FetchKind, FetchValue, FlakeCall};
use crate::print::type_name;
use crate::symbol::Symbol;
use crate::value::{Kind, Value};

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    builtin(
        "getFlake",
        &["args"],
        get_flake,
        "The flake that a flake reference (a URL, or a path) names: its outputs, with `inputs`, `outPath` and more.",
    ),
    builtin("parseFlakeRef", &["flake-ref"], parse_flake_ref, "The attributes of a flake reference."),
    builtin(
        "flakeRefToString",
        &["attrs"],
        flake_ref_to_string,
        "The URL of a flake reference given by its attributes.",
    ),
    builtin(
        "fetchClosure",
        &["args"],
        fetch_closure,
        "The store path `fromPath` with its closure from the binary cache `fromStore`; with `toPath` rewritten to be addressed by its content, else `inputAddressed` says how it is addressed.",
    ),
];

fn get_flake(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.getFlake";
    let value = e.force(a[0])?;
    let reference = match value.as_path() {
        Some(path) => path,
        None => e.plain_string(value, pos, what)?,
    };
    let reference = String::from_utf8_lossy(reference.as_bytes()).into_owned();
    let pure = e.settings().pure;
    let call = e.host().flake(&reference, pure).map_err(|error| host_error(error).at(pos))?;
    e.call_flake(&call, pos)
}

impl Evaluator {
    /// The flake whose inputs a host has locked, as `builtins.getFlake` gives it.
    pub fn call_flake(&mut self, call: &FlakeCall, pos: Pos) -> Result<Value> {
        let e = self;
        let (source_info, dir) = (Symbol::intern("sourceInfo"), Symbol::intern("dir"));
        let mut overrides = Vec::with_capacity(call.overrides.len());
        for (key, (fetched, directory)) in &call.overrides {
            e.host().allow_path(&fetched.path);
            let tree = tree_value(e, fetched.clone(), FetchKind::Tree);
            let directory = e.new_string(directory.as_bytes());
            overrides.push((Symbol::intern(key), e.new_attrs(vec![(source_info, tree), (dir, directory)])));
        }
        let origin = Origin::Internal("call-flake.nix");
        let function = e.eval_text(origin, call.expression.as_bytes().into(), b"/")?;
        let (lock, overrides) = (e.new_string(call.lock.as_bytes()), e.new_attrs(overrides));
        e.call(function, &[lock, overrides], pos)
    }
}

fn parse_flake_ref(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.parseFlakeRef";
    let text = e.plain_string(a[0], pos, what)?;
    let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
    let attributes = e.host().parse_flake_ref(&text).map_err(|error| host_error(error).at(pos))?;
    let mut items = Vec::with_capacity(attributes.len());
    for (name, value) in &attributes {
        items.push((Symbol::intern(name), super::fetch::attribute_value(e, value)));
    }
    Ok(e.new_attrs(items))
}

fn flake_ref_to_string(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.flakeRefToString";
    let attrs = e.attrs_value(a[0], pos, what)?;
    let mut request = FetchAttrs::new();
    for attr in attrs.sorted() {
        let value = e.force(attr.value)?;
        let value = match value.kind() {
            Kind::Int(number) if number < 0 => {
                let message = format!("negative value given for flake ref attr {}: {number}", attr.name);
                return Err(EvalError::other(pos, message));
            }
            Kind::Int(number) => FetchValue::Int(number),
            Kind::Bool(value) => FetchValue::Bool(value),
            Kind::String(text) => FetchValue::String(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            _ => {
                let message = format!(
                    "flake reference attribute sets may only contain integers, Booleans, and strings, but attribute '{}' is {}",
                    attr.name,
                    type_name(value)
                );
                return Err(EvalError::type_error(pos, message));
            }
        };
        request.insert(attr.name.to_string(), value);
    }
    let text = e.host().flake_ref_to_string(&request).map_err(|error| host_error(error).at(pos))?;
    Ok(e.new_string(text.as_bytes()))
}

/// The host gets `fromStore`, `fromPath`, and `toPath` (empty: find out what it
/// would be) or `inputAddressed`; it gives the path that is there in the end.
fn fetch_closure(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.fetchClosure";
    let attrs = e.attrs_value(a[0], pos, what)?;
    let mut request = FetchAttrs::new();
    for attr in attrs.sorted() {
        let name = attr.name.to_string();
        let what = format!("while evaluating the attribute '{name}' passed to builtins.fetchClosure");
        let value = match name.as_str() {
            "fromPath" | "toPath" => FetchValue::String(store_path_text(e, attr.value, attr.pos, &what)?),
            "fromStore" => {
                let text = e.plain_string(attr.value, attr.pos, &what)?;
                FetchValue::String(String::from_utf8_lossy(text.as_bytes()).into_owned())
            }
            "inputAddressed" => FetchValue::Bool(e.bool_value(attr.value, attr.pos, &what)?),
            _ => {
                let message = format!("attribute '{name}' isn't supported in call to 'fetchClosure'");
                return Err(EvalError::other(pos, message));
            }
        };
        request.insert(name, value);
    }
    for name in ["fromPath", "fromStore"] {
        if !request.contains_key(name) {
            let message = format!("attribute '{name}' is missing in call to 'fetchClosure'");
            return Err(EvalError::other(pos, message));
        }
    }
    if request.contains_key("toPath") && request.get("inputAddressed") == Some(&FetchValue::Bool(true)) {
        let message =
            "attribute 'inputAddressed' is set to true, but 'toPath' is also set. Please remove one of them";
        return Err(EvalError::other(pos, message));
    }
    if let Some(FetchValue::String(url)) = request.get("fromStore") {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = "'fetchClosure' only supports http:// and https:// stores";
            return Err(EvalError::other(pos, message));
        }
        if url.contains('?') {
            let message = format!("'fetchClosure' does not support URL query parameters (in '{url}')");
            return Err(EvalError::other(pos, message));
        }
    }
    let fetched = e.host().fetch(FetchKind::Closure, &request).map_err(|error| host_error(error).at(pos))?;
    Ok(out_path(e, &fetched))
}

/// A store path, or the empty string.
fn store_path_text(e: &mut Evaluator, value: Value, pos: Pos, what: &str) -> Result<String> {
    let text = e.coerce(value, Coerce::PLAIN, pos, what)?;
    let bytes = text.as_bytes();
    if !bytes.is_empty() && e.host().store_dir().split(bytes).map_or(true, |(_, rest)| !rest.is_empty()) {
        let message = format!("path '{}' is not in the Nix store", text.as_bstr());
        return Err(EvalError::other(Pos::NONE, message).traced(pos, what));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
