//! Builtins that look at files or add something to the store.

use bstr::ByteSlice;
use saltire_diagnostics::Pos;
use saltire_store_model::{Hash, HashAlgorithm, Ingestion, StorePath};

use super::{Builtin, builtin};
use crate::coerce::Coerce;
use crate::context::{Context, ContextElement};
use crate::derivation::check_store_name;
use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::{Evaluator, host_error};
use crate::host::{AddPath, FileType, HostError};
use crate::paths;
use crate::symbol::Symbol;
use crate::value::Value;

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    builtin("pathExists", &["path"], path_exists, "Whether there is something at a path."),
    builtin("readFile", &["path"], read_file, "The contents of a file."),
    builtin("readDir", &["path"], read_dir, "The names in a directory with the types."),
    builtin("readFileType", &["p"], read_file_type, "The type of what is at a path."),
    builtin("hashFile", &["type", "p"], hash_file, "The hash of a file's contents, in base 16."),
    builtin(
        "findFile",
        &["search-path", "lookup-path"],
        find_file,
        "The first file of this name in a search path.",
    ),
    builtin("toPath", &["s"], to_path, "The normal form of an absolute path, as a string."),
    builtin("storePath", &["path"], store_path, "A path in the store, as a string with context."),
    builtin("getEnv", &["s"], get_env, "An environment variable, empty if unset."),
    builtin("toFile", &["name", "s"], to_file, "The store path of a file with the contents `s`."),
    builtin("path", &["args"], path, "Adds `path` to the store, as `name`, filtered by `filter`."),
    builtin(
        "filterSource",
        &["e1", "e2"],
        filter_source,
        "Adds the path `e2` to the store, filtered by `e1`.",
    ),
];

const REALISING: &str = "while realising the context of a path";

/// The path that an argument names, after building what its text depends on.
fn realised(e: &mut Evaluator, value: Value, pos: Pos, what: &str) -> Result<Vec<u8>> {
    let (path, context) = e.path_value(value, pos, what)?;
    let path = e.realised_path(path, context)?;
    e.host().check_path(&path).map_err(|error| host_error(error).at(pos))?;
    Ok(path)
}

/// The step for errors of adding a path.
fn adding(path: &[u8]) -> String {
    format!("while adding path '{}'", path.as_bstr())
}

fn path_exists(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    match exists(e, a[0], pos) {
        // What evaluation may not look at is not there.
        Err(error) if error.kind == ErrorKind::Restricted => Ok(Value::FALSE),
        result => Ok(Value::from_bool(result?)),
    }
}

fn exists(e: &mut Evaluator, path: Value, pos: Pos) -> Result<bool> {
    let value = e.force(path)?;
    // A slash at the end asks for a directory.
    let directory = value.as_str().is_some_and(|text| {
        let text = text.as_bytes();
        text.ends_with(b"/") || text.ends_with(b"/.")
    });
    let path = realised(e, value, pos, REALISING)?;
    let host = std::sync::Arc::clone(e.host());
    let exists = if directory {
        let resolved = host.resolve_symlinks(&path).ok();
        resolved.is_some_and(|path| matches!(host.file_type(&path), Ok(Some(FileType::Directory))))
    } else {
        // A dangling link exists.
        matches!(host.file_type(&path), Ok(Some(_)))
    };
    Ok(exists)
}

fn read_file(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let path = realised(e, a[0], pos, REALISING)?;
    let text = e.host().read_file(&path).map_err(|error| host_error(error).at(pos))?;
    if text.contains(&0) {
        let message =
            format!("the contents of the file '{}' cannot be represented as a Nix string", path.as_bstr());
        return Err(EvalError::other(pos, message));
    }
    let context = references_in(e, &path, &text);
    Ok(e.new_string_with_context(&text, context))
}

/// The references of the store object that a file is in, as far as they occur in it.
fn references_in(e: &Evaluator, path: &[u8], text: &[u8]) -> Context {
    let host = e.host();
    let Ok((object, _)) = host.store_dir().split(path) else { return Context::EMPTY };
    // As in the reference, what is not known of an object is no error.
    let references = host.references(&object).unwrap_or_default();
    let occurs = |path: &StorePath| text.contains_str(path.hash_part());
    Context::from_elements(references.into_iter().filter(occurs).map(ContextElement::Opaque))
}

fn read_dir(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let path = realised(e, a[0], pos, REALISING)?;
    let entries = e.host().read_dir(&path).map_err(|error| host_error(error).at(pos))?;
    let attr =
        |(name, kind): (Vec<u8>, FileType)| (Symbol::intern(name), Symbol::intern(kind.name()).to_value());
    Ok(e.new_attrs(entries.into_iter().map(attr).collect()))
}

fn read_file_type(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let path = realised(e, a[0], pos, REALISING)?;
    match e.host().file_type(&path).map_err(|error| host_error(error).at(pos))? {
        Some(kind) => Ok(Symbol::intern(kind.name()).to_value()),
        None => Err(EvalError::other(pos, format!("path '{}' does not exist", path.as_bstr()))),
    }
}

/// The hash algorithm that an argument names.
pub(super) fn algorithm(e: &mut Evaluator, value: Value, pos: Pos, what: &str) -> Result<HashAlgorithm> {
    let name = e.plain_string(value, pos, what)?;
    let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
    HashAlgorithm::from_name(&name).map_err(|_| {
        EvalError::other(pos, if name == "blake3" {
            "experimental Nix feature 'blake3-hashes' is disabled; add '--extra-experimental-features blake3-hashes' to enable it".to_owned()
        } else {
            format!("unknown hash algorithm '{name}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'")
        })
    })
}

fn hash_file(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let algorithm =
        algorithm(e, a[0], pos, "while evaluating the first argument passed to builtins.hashFile")?;
    let path = realised(e, a[1], pos, REALISING)?;
    let text = e.host().read_file(&path).map_err(|error| host_error(error).at(pos))?;
    Ok(e.new_string(algorithm.hash(&text).to_base16().as_bytes()))
}

fn find_file(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to builtins.findFile")?;
    let mut entries = Vec::with_capacity(list.len());
    let names = e.names;
    for item in list.iter() {
        let attrs =
            e.attrs_value(item, pos, "while evaluating an element of the list passed to builtins.findFile")?;
        let mut prefix = String::new();
        if let Some(value) = attrs.get(names.prefix) {
            let what = "while evaluating the `prefix` attribute of an element of the list passed to builtins.findFile";
            prefix = String::from_utf8_lossy(e.plain_string(value, pos, what)?.as_bytes()).into_owned();
        }
        let Some(value) = attrs.get(names.path) else {
            let error = crate::access::missing_attribute(attrs, names.path, pos);
            return Err(error.traced(pos, "in an element of the __nixPath"));
        };
        let what =
            "while evaluating the `path` attribute of an element of the list passed to builtins.findFile";
        let text = e.coerce(value, Coerce::PLAIN, pos, what)?;
        let text = e.realised_path(text.as_bytes().to_vec(), text.context())?;
        entries.push((prefix, String::from_utf8_lossy(&text).into_owned()));
    }
    let what = "while evaluating the second argument passed to builtins.findFile";
    let name = e.plain_string(a[1], pos, what)?.as_bytes();
    let path = e.find_file(&entries, name, pos)?;
    Ok(e.new_path(&path))
}

fn to_path(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let (path, context) =
        e.path_value(a[0], pos, "while evaluating the first argument passed to builtins.toPath")?;
    Ok(e.new_string_with_context(&path, context))
}

fn store_path(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    if e.settings().pure {
        let message = "'builtins.storePath' is not allowed in pure evaluation mode";
        return Err(EvalError::new(ErrorKind::Restricted, pos, message));
    }
    let what = "while evaluating the first argument passed to 'builtins.storePath'";
    let (mut path, mut context) = e.path_value(a[0], pos, what)?;
    let host = std::sync::Arc::clone(e.host());
    if host.store_dir().split(&path).is_err() {
        path = host.resolve_symlinks(&path).unwrap_or(path);
    }
    let Ok((object, _)) = host.store_dir().split(&path) else {
        return Err(EvalError::other(pos, format!("path '{}' is not in the Nix store", path.as_bstr())));
    };
    host.ensure_path(&object).map_err(|error| host_error(error).at(pos))?;
    context = context.union(Context::from_element(ContextElement::Opaque(object)));
    Ok(e.new_string_with_context(&path, context))
}

fn get_env(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let name = e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.getEnv")?;
    let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
    let value = if e.settings().pure { None } else { e.host().environment_variable(&name) };
    Ok(e.new_string(value.unwrap_or_default().as_bytes()))
}

fn to_file(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let name = e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.toFile")?;
    let text = e.string_value(a[1], pos, "while evaluating the second argument passed to builtins.toFile")?;
    let mut references: Vec<StorePath> = Vec::new();
    for element in text.context().iter() {
        let ContextElement::Opaque(path) = element else {
            let message = format!(
                "files created by builtins.toFile may not reference derivations, but {} references {}",
                name.as_bstr(),
                element_name(element)
            );
            return Err(EvalError::other(pos, message));
        };
        references.push(path.clone());
    }
    let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
    check_store_name(&name).map_err(|error| EvalError::other(pos, error))?;
    let added = e.host().add_text(&name, text.as_bytes(), &references);
    in_store(e, added.map_err(|error| host_error(error).at(pos))?)
}

/// A context element that isn't allowed, as the reference writes it: without the store.
fn element_name(element: &ContextElement) -> String {
    match element {
        ContextElement::Opaque(path) => path.base_name().to_owned(),
        ContextElement::DerivationDeep(path) => format!("={}", path.base_name()),
        ContextElement::Output { derivation, output } => format!("!{output}!{}", derivation.base_name()),
    }
}

/// A store path as a string that depends on it.
fn in_store(e: &mut Evaluator, path: StorePath) -> Result<Value> {
    let text = e.host().store_dir().display(&path);
    let context = Context::from_element(ContextElement::Opaque(path));
    Ok(e.new_string_with_context(text.as_bytes(), context))
}

fn filter_source(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the second argument (the path to filter) passed to 'builtins.filterSource'";
    let (path, context) = e.path_value(a[1], pos, what)?;
    let shown = path.clone();
    let path = e.realised_path(path, context).map_err(|error| error.renamed(adding(&shown)))?;
    let what = "while evaluating the first argument passed to builtins.filterSource";
    let filter = e.function_value(a[0], pos, what)?;
    let name = String::from_utf8_lossy(paths::base_name(&path)).into_owned();
    add(e, &path, &name, Ingestion::Nar, Some(filter), None, pos)
}

fn path(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let attrs = e.attrs_value(a[0], pos, "while evaluating the argument passed to 'builtins.path'")?;
    let names = e.names;
    let (mut path, mut name, mut filter, mut expected) = (None, None, None, None);
    let mut ingestion = Ingestion::Nar;
    for attr in attrs.sorted() {
        if attr.name == names.path {
            let what = "while evaluating the 'path' attribute passed to 'builtins.path'";
            let (given, context) = e.path_value(attr.value, attr.pos, what)?;
            path = Some(e.realised_path(given, context)?);
        } else if attr.name == names.name {
            let what = "while evaluating the `name` attribute passed to builtins.path";
            name = Some(e.plain_string(attr.value, attr.pos, what)?);
        } else if attr.name == names.filter {
            let what = "while evaluating the `filter` parameter passed to builtins.path";
            filter = Some(e.function_value(attr.value, attr.pos, what)?);
        } else if attr.name == names.recursive {
            let what = "while evaluating the `recursive` attribute passed to builtins.path";
            if !e.bool_value(attr.value, attr.pos, what)? {
                ingestion = Ingestion::Flat;
            }
        } else if attr.name == names.sha256 {
            let what = "while evaluating the `sha256` attribute passed to builtins.path";
            let text = e.plain_string(attr.value, attr.pos, what)?;
            let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
            expected = Some(e.hash_or_zero(&text, Some(HashAlgorithm::Sha256), Pos::NONE)?);
        } else {
            let message = format!("unsupported argument '{}' to 'builtins.path'", attr.name);
            return Err(EvalError::other(attr.pos, message));
        }
    }
    let Some(path) = path else {
        let message = "missing required 'path' attribute in the first argument to 'builtins.path'";
        return Err(EvalError::other(pos, message));
    };
    let name = name.map_or(paths::base_name(&path), |name| name.as_bytes());
    let name = String::from_utf8_lossy(name).into_owned();
    add(e, &path, &name, ingestion, filter, expected, pos)
}

fn add(
    e: &mut Evaluator,
    path: &[u8],
    name: &str,
    ingestion: Ingestion,
    filter: Option<Value>,
    expected: Option<Hash>,
    pos: Pos,
) -> Result<Value> {
    check_store_name(name).map_err(|error| EvalError::other(pos, error))?;
    let host = std::sync::Arc::clone(e.host());
    host.check_path(path).map_err(|error| host_error(error).traced(pos, adding(path)))?;
    // An error in the filter has a trace, which the host's errors have no room for.
    let mut failure = None;
    let mut keep = |path: &[u8], kind: FileType| {
        let Some(filter) = filter else { return Ok(true) };
        let path = e.new_string(path);
        let kind = Symbol::intern(kind.name()).to_value();
        let what = "while evaluating the return value of the path filter function";
        let result = e.call(filter, &[path, kind], pos).and_then(|keep| e.bool_value(keep, pos, what));
        result.map_err(|error| {
            let stop = HostError::new(error.message.clone());
            failure = Some(error);
            stop
        })
    };
    let filter: Option<crate::host::PathFilter<'_>> = if filter.is_some() { Some(&mut keep) } else { None };
    let added = host.add_path(AddPath { path, name, ingestion, filter, expected });
    let adding = |error: Box<EvalError>| error.traced(pos, adding(path));
    match (added, failure) {
        (_, Some(error)) => Err(adding(error)),
        (Err(error), None) if expected.is_some() && error.message.starts_with("hash mismatch") => {
            let message = format!(
                "store path mismatch in (possibly filtered) path added from '{}'\n{}",
                path.as_bstr(),
                error.message
            );
            Err(adding(EvalError::other(pos, message)))
        }
        (Err(error), None) => Err(adding(host_error(error).at(pos))),
        (Ok(path), None) => in_store(e, path),
    }
}
