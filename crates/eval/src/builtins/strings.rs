//! Builtins on strings: parts, patterns, versions, contexts.

use saltire_diagnostics::Pos;
use saltire_posix_regex::Regex;
use saltire_store_model::StorePath;
use smallvec::SmallVec;

use super::{Builtin, builtin, global, version_text};
use crate::attrs::Attr;
use crate::coerce::Coerce;
use crate::context::{Context, ContextElement};
use crate::error::{EvalError, Result};
use crate::evaluator::{Evaluator, host_error};
use crate::print::shown_name;
use crate::string::Str;
use crate::symbol::Symbol;
use crate::value::Value;

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    builtin("stringLength", &["e"], string_length, "The number of bytes."),
    builtin(
        "substring",
        &["start", "len", "s"],
        substring,
        "`len` bytes from `start`; all if `len` is negative.",
    ),
    builtin(
        "concatStringsSep",
        &["separator", "list"],
        concat_strings_sep,
        "The strings with `separator` between.",
    ),
    builtin(
        "replaceStrings",
        &["from", "to", "s"],
        replace_strings,
        "`s` with each of `from` replaced by its `to`.",
    ),
    builtin("match", &["regex", "str"], match_whole, "The groups if all of `str` matches, else null."),
    builtin("split", &["regex", "str"], split, "What is between matches, and their groups."),
    builtin("compareVersions", &["s1", "s2"], compare_versions, "-1, 0 or 1 by the order of versions."),
    builtin("splitVersion", &["s"], split_version, "The components of a version."),
    builtin("parseDrvName", &["s"], parse_drv_name, "`name` and `version` of a package name."),
    global("baseNameOf", &["x"], base_name_of, "What is behind the last slash."),
    global("dirOf", &["s"], dir_of, "What is before the last slash."),
    builtin("hasContext", &["s"], has_context, "Whether a string has a context."),
    builtin("unsafeDiscardStringContext", &["s"], discard_context, "The string without its context."),
    builtin(
        "unsafeDiscardOutputDependency",
        &["s"],
        discard_output_dependency,
        "The string with derivations, but not their outputs, in its context.",
    ),
    builtin(
        "addDrvOutputDependencies",
        &["s"],
        add_output_dependencies,
        "The string whose context has the derivation with all its outputs.",
    ),
    builtin("getContext", &["s"], get_context, "The context of a string as a set."),
    builtin("appendContext", &["s", "context"], append_context, "The string with more context."),
];

fn string_length(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.stringLength";
    let text = e.coerce(a[0], Coerce::INTERPOLATION, pos, what)?;
    Ok(e.new_int(text.len() as i64))
}

fn substring(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument (the start offset) passed to builtins.substring";
    let start = e.int_value(a[0], pos, what)?;
    if start < 0 {
        return Err(EvalError::other(pos, "negative start position in 'substring'"));
    }
    let what = "while evaluating the second argument (the substring length) passed to builtins.substring";
    let len = e.int_value(a[1], pos, what)?;
    let what = "while evaluating the third argument (the string) passed to builtins.substring";
    let text = e.coerce(a[2], Coerce::INTERPOLATION, pos, what)?;
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let end = start.saturating_add(len).min(text.len());
    if end - start == 1 && text.context().is_empty() {
        return Ok(e.character(text.as_bytes()[start]));
    }
    Ok(Value::from_str(text.slice(&mut e.region, start, end)))
}

fn concat_strings_sep(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what =
        "while evaluating the first argument (the separator string) passed to builtins.concatStringsSep";
    let separator = e.string_value(a[0], pos, what)?;
    let what = "while evaluating the second argument (the list of strings to concat) passed to builtins.concatStringsSep";
    let list = e.list_value(a[1], pos, what)?;
    let mut text = Vec::new();
    let mut context = separator.context();
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            e.reserve(&mut text, separator.len(), pos)?;
            text.extend_from_slice(separator.as_bytes());
        }
        let what = "while evaluating one element of the list of strings to concat passed to builtins.concatStringsSep";
        e.coerce_into(item, Coerce::INTERPOLATION, pos, what, &mut text, &mut context)?;
    }
    e.check_length(text.len(), pos)?;
    Ok(e.new_text(text, context))
}

fn replace_strings(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let from =
        e.list_value(a[0], pos, "while evaluating the first argument passed to builtins.replaceStrings")?;
    let to =
        e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.replaceStrings")?;
    if from.len() != to.len() {
        let message = "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths";
        return Err(EvalError::other(pos, message));
    }
    let mut patterns: SmallVec<[&[u8]; 8]> = SmallVec::with_capacity(from.len());
    for item in from.iter() {
        let what = "while evaluating one of the strings to replace passed to builtins.replaceStrings";
        patterns.push(e.string_value(item, pos, what)?.as_bytes());
    }
    // Replacements are evaluated when they are used.
    let mut replacements: SmallVec<[Option<Str>; 8]> = smallvec::smallvec![None; patterns.len()];
    let mut replaced = false;
    let subject =
        e.string_value(a[2], pos, "while evaluating the third argument passed to builtins.replaceStrings")?;
    let text = subject.as_bytes();
    let mut context = subject.context();
    let mut out = Vec::new();
    let mut first_bytes = [false; 256];
    let has_empty = patterns.iter().any(|pattern| pattern.is_empty());
    for pattern in &patterns {
        if let Some(byte) = pattern.first() {
            first_bytes[usize::from(*byte)] = true;
        }
    }
    let mut at = 0;
    while at <= text.len() {
        if !has_empty {
            let rest = &text[at..];
            let next = rest.iter().position(|byte| first_bytes[usize::from(*byte)]);
            let Some(next) = next else {
                if replaced {
                    out.extend_from_slice(rest);
                }
                break;
            };
            if replaced {
                out.extend_from_slice(&rest[..next]);
            }
            at += next;
        }
        let found = patterns.iter().position(|p| text[at..].starts_with(p));
        if found.is_some() && !replaced {
            replaced = true;
            e.reserve(&mut out, text.len(), pos)?;
            out.extend_from_slice(&text[..at]);
        }
        match found {
            None => {
                if replaced {
                    out.extend(text.get(at));
                }
                at += 1;
            }
            Some(index) => {
                let replacement = match replacements[index] {
                    Some(known) => known,
                    None => {
                        let what = "while evaluating one of the replacement strings passed to builtins.replaceStrings";
                        let value = to.get(index).unwrap_or(Value::NULL);
                        let known = e.string_value(value, pos, what)?;
                        context = context.union(known.context());
                        replacements[index] = Some(known);
                        known
                    }
                };
                e.reserve(&mut out, replacement.len(), pos)?;
                out.extend_from_slice(replacement.as_bytes());
                if patterns[index].is_empty() {
                    out.extend(text.get(at));
                    at += 1;
                } else {
                    at += patterns[index].len();
                }
            }
        }
    }
    if !replaced {
        return Ok(Value::from_str(subject));
    }
    e.check_length(out.len(), pos)?;
    Ok(e.new_string_with_context(&out, context))
}

/// The compiled form of a pattern, kept for the next use.
fn regex(e: &mut Evaluator, pattern: Str, pos: Pos) -> Result<std::rc::Rc<Regex>> {
    let key = pattern.symbol();
    if let Some(known) = e.regexes.get(&key) {
        return Ok(std::rc::Rc::clone(known));
    }
    let compiled = Regex::new(pattern.as_bytes()).map_err(|error| {
        let _ = error;
        EvalError::other(pos, format!("invalid regular expression '{}'", pattern.as_bstr()))
    })?;
    let compiled = std::rc::Rc::new(compiled);
    e.regexes.insert(key, std::rc::Rc::clone(&compiled));
    Ok(compiled)
}

fn group_value(e: &mut Evaluator, text: &[u8], group: &saltire_posix_regex::Group) -> Value {
    match group {
        Some(range) => e.new_string(&text[range.start..range.end]),
        None => Value::NULL,
    }
}

fn match_whole(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let pattern =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.match")?;
    let text = e.string_value(a[1], pos, "while evaluating the second argument passed to builtins.match")?;
    let regex = regex(e, pattern, pos)?;
    let bytes = text.as_bytes();
    if regex.group_count() == 0 {
        let found = regex.is_full_match(bytes);
        return Ok(if found { e.new_list(&[]) } else { Value::NULL });
    }
    let Some(groups) = regex.full_match(bytes) else { return Ok(Value::NULL) };
    let groups: Vec<Value> = groups.iter().map(|group| group_value(e, bytes, group)).collect();
    Ok(e.new_list(&groups))
}

fn split(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let pattern =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.split")?;
    let text = e.string_value(a[1], pos, "while evaluating the second argument passed to builtins.split")?;
    let regex = regex(e, pattern, pos)?;
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let mut at = 0;
    // The parts have no context, but a text without any match stays as it is.
    for found in regex.find_iter(bytes) {
        parts.push(e.new_string(&bytes[at..found.range.start]));
        let groups: Vec<Value> = found.groups.iter().map(|group| group_value(e, bytes, group)).collect();
        parts.push(e.new_list(&groups));
        at = found.range.end;
    }
    parts.push(if parts.is_empty() { Value::from_str(text) } else { e.new_string(&bytes[at..]) });
    Ok(e.new_list(&parts))
}

fn compare_versions(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let left =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.compareVersions")?;
    let right =
        e.plain_string(a[1], pos, "while evaluating the second argument passed to builtins.compareVersions")?;
    Ok(e.new_int(version_text::compare_versions(left.as_bytes(), right.as_bytes()) as i64))
}

fn split_version(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.splitVersion")?;
    let mut rest = text.as_bytes();
    let mut parts = Vec::new();
    loop {
        let part = version_text::next_component(&mut rest);
        if part.is_empty() {
            return Ok(e.new_list(&parts));
        }
        parts.push(e.new_string(part));
    }
}

fn parse_drv_name(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.parseDrvName")?;
    let (name, version) = version_text::split_package_name(text.as_bytes());
    let (name, version) = (e.new_string(name), e.new_string(version));
    Ok(e.new_attrs(vec![(e.names.name, name), (e.names.version, version)]))
}

fn base_name_of(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.baseNameOf";
    let text = e.coerce(a[0], Coerce::PLAIN, pos, what)?;
    let name = crate::paths::base_name(text.as_bytes());
    Ok(e.new_string_with_context(name, text.context()))
}

fn dir_of(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let value = e.force(a[0])?;
    if let Some(path) = value.as_path() {
        return Ok(e.new_path(crate::paths::parent(path.as_bytes())));
    }
    let text = e.coerce(
        value,
        Coerce::PLAIN,
        pos,
        "while evaluating the first argument passed to 'builtins.dirOf'",
    )?;
    Ok(e.new_string_with_context(crate::paths::parent(text.as_bytes()), text.context()))
}

fn has_context(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text = e.string_value(a[0], pos, "while evaluating the argument passed to builtins.hasContext")?;
    Ok(Value::from_bool(!text.context().is_empty()))
}

fn discard_context(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.unsafeDiscardStringContext";
    let text = e.coerce(a[0], Coerce::INTERPOLATION, pos, what)?;
    if text.context().is_empty() {
        return Ok(Value::from_str(text));
    }
    Ok(Value::from_str(text.with_context(&mut e.region, Context::EMPTY)))
}

fn discard_output_dependency(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.unsafeDiscardOutputDependency";
    let text = e.coerce(a[0], Coerce::INTERPOLATION, pos, what)?;
    let elements = text.context().iter().map(|element| match element {
        ContextElement::DerivationDeep(path) => ContextElement::Opaque(path.clone()),
        other => other.clone(),
    });
    let context = Context::from_elements(elements.collect::<Vec<_>>());
    Ok(Value::from_str(text.with_context(&mut e.region, context)))
}

fn add_output_dependencies(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the argument passed to builtins.addDrvOutputDependencies";
    let text = e.coerce(a[0], Coerce::INTERPOLATION, pos, what)?;
    let elements: Vec<_> = text.context().iter().collect();
    let wrong = |message: String| Err(EvalError::other(pos, message));
    let path = match elements.as_slice() {
        [ContextElement::Opaque(path)] if path.is_derivation() => path.clone(),
        [ContextElement::DerivationDeep(path)] => path.clone(),
        [ContextElement::Opaque(path)] => {
            return wrong(format!("path '{}' is not a derivation", e.host().store_dir().display(path)));
        }
        [ContextElement::Output { output, .. }] => {
            return wrong(format!(
                "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as '{output}'"
            ));
        }
        _ => {
            return wrong(format!(
                "context of string '{}' must have exactly one element, but has {}",
                text.as_bstr(),
                elements.len()
            ));
        }
    };
    let context = Context::from_element(ContextElement::DerivationDeep(path));
    Ok(Value::from_str(text.with_context(&mut e.region, context)))
}

fn get_context(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text = e.string_value(a[0], pos, "while evaluating the argument passed to builtins.getContext")?;
    let store = e.host().store_dir().clone();
    let mut by_path: std::collections::BTreeMap<String, (bool, bool, Vec<&str>)> = Default::default();
    for element in text.context().iter() {
        let (ContextElement::Opaque(path)
        | ContextElement::DerivationDeep(path)
        | ContextElement::Output { derivation: path, .. }) = element;
        let entry = by_path.entry(store.display(path)).or_default();
        match element {
            ContextElement::Opaque(_) => entry.0 = true,
            ContextElement::DerivationDeep(_) => entry.1 = true,
            ContextElement::Output { output, .. } => entry.2.push(output),
        }
    }
    let mut all = Vec::new();
    for (path, (plain, deep, mut outputs)) in by_path {
        let mut info = Vec::new();
        if plain {
            info.push((e.names.path, Value::TRUE));
        }
        if deep {
            info.push((e.names.all_outputs, Value::TRUE));
        }
        if !outputs.is_empty() {
            outputs.sort_unstable();
            let outputs: Vec<Value> = outputs.iter().map(|output| e.new_string(output.as_bytes())).collect();
            info.push((e.names.outputs, e.new_list(&outputs)));
        }
        let info = e.new_attrs(info);
        all.push((Symbol::intern(path), info));
    }
    Ok(e.new_attrs(all))
}

/// Only derivations have outputs that a string can depend on.
fn check_derivation(attr: Attr, path: &StorePath, what: &str) -> Result<()> {
    if path.is_derivation() {
        return Ok(());
    }
    let name = shown_name(attr.name);
    let message = format!("tried to add {what} context of {name}, which is not a derivation, to a string");
    Err(EvalError::other(attr.pos, message))
}

fn append_context(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text =
        e.string_value(a[0], pos, "while evaluating the first argument passed to builtins.appendContext")?;
    let what = "while evaluating the second argument passed to builtins.appendContext";
    let additions = e.attrs_value(a[1], pos, what)?;
    let mut elements = Vec::new();
    for attr in additions.sorted() {
        let name = attr.name.as_bytes();
        let path = e.host().store_dir().parse(name).map_err(|_| {
            let message = format!("context key '{}' is not a store path", shown_name(attr.name));
            EvalError::other(attr.pos, message)
        })?;
        e.host().ensure_path(&path).map_err(|error| host_error(error).at(pos))?;
        let what = "while evaluating the value of a string context";
        let info = e.attrs_value(attr.value, attr.pos, what)?;
        if let Some(part) = info.attr(e.names.path)
            && e.bool_value(
                part.value,
                part.pos,
                "while evaluating the `path` attribute of a string context",
            )?
        {
            elements.push(ContextElement::Opaque(path.clone()));
        }
        if let Some(part) = info.attr(e.names.all_outputs)
            && e.bool_value(
                part.value,
                part.pos,
                "while evaluating the `allOutputs` attribute of a string context",
            )?
        {
            check_derivation(attr, &path, "all-outputs")?;
            elements.push(ContextElement::DerivationDeep(path.clone()));
        }
        if let Some(part) = info.attr(e.names.outputs) {
            let what = "while evaluating the `outputs` attribute of a string context";
            let outputs = e.list_value(part.value, part.pos, what)?;
            if !outputs.is_empty() {
                check_derivation(attr, &path, "derivation output")?;
            }
            for output in outputs.iter() {
                let what = "while evaluating an output name within a string context";
                let output = e.plain_string(output, part.pos, what)?;
                let output = String::from_utf8_lossy(output.as_bytes()).into();
                elements.push(ContextElement::Output { derivation: path.clone(), output });
            }
        }
    }
    let context = text.context().union(Context::from_elements(elements));
    Ok(Value::from_str(text.with_context(&mut e.region, context)))
}
