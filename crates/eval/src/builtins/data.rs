//! Builtins on lists, sets and numbers, data formats, hashes and messages.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use saltire_diagnostics::Pos;
use saltire_store_model::{Hash, HashAlgorithm, HashError, HashFormat};

use super::files::algorithm;
use super::{Builtin, builtin, global, json_text};
use crate::coerce::Coerce;
use crate::context::Context;
use crate::debug::Reason;
use crate::error::{ErrorKind, EvalError, Result, Traced};
use crate::evaluator::Evaluator;
use crate::symbol::Symbol;
use crate::value::{Kind, Value};

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    builtin("sort", &["comparator", "list"], sort, "The list sorted by `comparator`, stably."),
    builtin(
        "partition",
        &["pred", "list"],
        partition,
        "The elements for which `pred` holds (`right`) or not (`wrong`).",
    ),
    builtin("groupBy", &["f", "list"], group_by, "The elements by the string that `f` gives for them."),
    builtin(
        "genericClosure",
        &["attrset"],
        generic_closure,
        "All that `operator` reaches from `startSet`, by `key`.",
    ),
    builtin(
        "zipAttrsWith",
        &["f", "list"],
        zip_attrs_with,
        "`f` of each name and the values that the sets have for it.",
    ),
    builtin(
        "toJSON",
        &["e"],
        to_json,
        "The value as JSON: paths are added to the store, sets with `outPath` or `__toString` stand for these.",
    ),
    builtin("fromJSON", &["e"], from_json, "The value of a JSON text."),
    global("fromTOML", &["e"], from_toml, "The value of a TOML text; dates and times are an error."),
    builtin("hashString", &["type", "s"], hash_string, "The hash of a string, in base 16."),
    builtin(
        "convertHash",
        &["args"],
        convert_hash,
        "The hash `hash` (of algorithm `hashAlgo`, unless it says so itself) in the format `toHashFormat`.",
    ),
    builtin("trace", &["e1", "e2"], trace, "Prints `e1`, then gives `e2`."),
    builtin("warn", &["e1", "e2"], warn, "Prints the warning `e1`, then gives `e2`."),
    builtin(
        "traceVerbose",
        &["e1", "e2"],
        |e, a, pos| if e.settings().trace_verbose { trace(e, a, pos) } else { e.force(a[1]) },
        "As `trace`, if the setting `trace-verbose` is on.",
    ),
    builtin(
        "addErrorContext",
        &["e1", "e2"],
        add_error_context,
        "Gives `e2`; adds `e1` to the trace of its errors.",
    ),
    global("break", &["v"], stop, "Gives `v`; a debugger stops here first."),
    builtin("ceil", &["number"], |e, a, p| round(e, a, p, "ceil", f64::ceil), "The least integer not below."),
    builtin(
        "floor",
        &["number"],
        |e, a, p| round(e, a, p, "floor", f64::floor),
        "The greatest integer not above.",
    ),
    builtin(
        "bitAnd",
        &["e1", "e2"],
        |e, a, p| bits(e, a, p, "bitAnd", |x, y| x & y),
        "The bits that both have.",
    ),
    builtin(
        "bitOr",
        &["e1", "e2"],
        |e, a, p| bits(e, a, p, "bitOr", |x, y| x | y),
        "The bits that either has.",
    ),
    builtin(
        "bitXor",
        &["e1", "e2"],
        |e, a, p| bits(e, a, p, "bitXor", |x, y| x ^ y),
        "The bits that one has.",
    ),
];

fn sort(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.sort")?;
    if list.is_empty() {
        return Ok(Value::from_list(list));
    }
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.sort")?;
    let by_less_than = matches!(function.kind(), Kind::Builtin(b) if b.name == "lessThan");
    let mut items: Vec<Value> = list.iter().map(|item| e.force(item)).collect::<Result<_>>()?;
    let mut failure = None;
    let what = "while evaluating the return value of the sorting function passed to builtins.sort";
    let mut less = |e: &mut Evaluator, left: Value, right: Value| {
        if failure.is_some() {
            return false;
        }
        let result = if by_less_than {
            let what = "while evaluating the ordering function passed to builtins.sort";
            e.less(left, right, pos).traced(pos, || what.to_owned())
        } else {
            e.call(function, &[left, right], Pos::NONE).and_then(|result| e.bool_value(result, pos, what))
        };
        result.unwrap_or_else(|error| {
            failure = Some(error);
            false
        })
    };
    merge_sort(&mut items, &mut |left, right| less(e, left, right));
    match failure {
        Some(error) => Err(error),
        None => Ok(e.new_list(&items)),
    }
}

/// Stable, and safe for comparisons that are no order.
fn merge_sort(items: &mut [Value], less: &mut dyn FnMut(Value, Value) -> bool) {
    if items.len() <= 8 {
        for end in 1..items.len() {
            let mut at = end;
            while at > 0 && less(items[at], items[at - 1]) {
                items.swap(at, at - 1);
                at -= 1;
            }
        }
        return;
    }
    let middle = items.len() / 2;
    merge_sort(&mut items[..middle], less);
    merge_sort(&mut items[middle..], less);
    if !less(items[middle], items[middle - 1]) {
        return;
    }
    let left = items[..middle].to_vec();
    let (mut from_left, mut from_right, mut to) = (0, middle, 0);
    while from_left < left.len() {
        if from_right < items.len() && less(items[from_right], left[from_left]) {
            items[to] = items[from_right];
            from_right += 1;
        } else {
            items[to] = left[from_left];
            from_left += 1;
        }
        to += 1;
    }
}

fn partition(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.partition")?;
    let list =
        e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.partition")?;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    let what = "while evaluating the return value of the partition function passed to builtins.partition";
    for item in list.iter() {
        let item = e.force(item)?;
        let result = e.call1(function, item, pos)?;
        if e.bool_value(result, pos, what)? { right.push(item) } else { wrong.push(item) }
    }
    let (right, wrong) = (e.new_list(&right), e.new_list(&wrong));
    Ok(e.new_attrs(vec![(e.names.right, right), (e.names.wrong, wrong)]))
}

fn group_by(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.groupBy")?;
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.groupBy")?;
    let mut groups: BTreeMap<Symbol, Vec<Value>> = BTreeMap::new();
    let what = "while evaluating the return value of the grouping function passed to builtins.groupBy";
    for item in list.iter() {
        let name = e.call1(function, item, pos)?;
        groups.entry(e.plain_string(name, pos, what)?.symbol()).or_default().push(item);
    }
    let groups = groups.into_iter().map(|(name, items)| (name, e.new_list(&items))).collect();
    Ok(e.new_attrs(groups))
}

/// A key of `genericClosure` that can be looked up without comparing with all.
#[derive(PartialEq, Eq, Hash)]
enum SimpleKey {
    Int(i64),
    Text(&'static [u8]),
    Path(&'static [u8]),
}

fn generic_closure(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let attrs =
        e.attrs_value(a[0], pos, "while evaluating the first argument passed to builtins.genericClosure")?;
    let names = e.names;
    let part = |name| {
        let what = "in the attrset passed as argument to builtins.genericClosure";
        attrs.get(name).ok_or_else(|| crate::access::missing_attribute(attrs, name, pos).traced(pos, what))
    };
    let what = "while evaluating the 'startSet' attribute passed as argument to builtins.genericClosure";
    let start = e.list_value(part(names.start_set)?, pos, what)?;
    if start.is_empty() {
        return Ok(Value::from_list(start));
    }
    let what = "while evaluating the 'operator' attribute passed as argument to builtins.genericClosure";
    let operator = e.function_value(part(names.operator)?, pos, what)?;
    let mut todo: std::collections::VecDeque<Value> = start.iter().collect();
    let (mut found, mut simple, mut others) = (Vec::new(), HashSet::new(), Vec::new());
    let mut first: Option<(Value, Value)> = None;
    while let Some(item) = todo.pop_front() {
        let inside = |e: &Evaluator, error: Box<EvalError>| {
            error.traced(pos, format!("in genericClosure element {}", e.short_text(item)))
        };
        let attrs = e.attrs_value(item, pos, "").map_err(|error| inside(e, error))?;
        let Some(key) = attrs.get(names.key) else {
            return Err(inside(e, crate::access::missing_attribute(attrs, names.key, pos)));
        };
        let key = e.force(key)?;
        if let Some(closure) = key.as_closure() {
            closure.mark_used();
        }
        let (known, with) = *first.get_or_insert((key, item));
        let comparing = |e: &Evaluator, error: Box<EvalError>| {
            let error = error.traced(pos, format!("with element {}", e.short_text(with)));
            error.traced(pos, format!("while comparing element {}", e.short_text(item)))
        };
        if !comparable(known, key) {
            // Says why they can't be compared.
            e.compare(key, known, pos).map_err(|error| comparing(e, error))?;
        }
        let fresh = match key.kind() {
            Kind::Int(number) => simple.insert(SimpleKey::Int(number)),
            Kind::Float(number) if number as i64 as f64 == number => {
                simple.insert(SimpleKey::Int(number as i64))
            }
            Kind::String(text) => simple.insert(SimpleKey::Text(text.as_bytes())),
            Kind::Path(text) => simple.insert(SimpleKey::Path(text.as_bytes())),
            _ => insert_key(e, &mut others, key, pos).map_err(|error| comparing(e, error))?,
        };
        if !fresh {
            continue;
        }
        found.push(item);
        let next = e.call1(operator, item, pos);
        let what = "while evaluating the return value of the `operator` passed to builtins.genericClosure";
        let next = next.and_then(|next| e.list_value(next, pos, what)).map_err(|error| {
            error.traced(
                pos,
                format!("while calling operator on genericClosure element {}", e.short_text(item)),
            )
        })?;
        todo.extend(next.iter());
    }
    Ok(e.new_list(&found))
}

/// Whether two keys are of the same type, or both numbers.
fn comparable(left: Value, right: Value) -> bool {
    let number = |value: Value| matches!(value.kind(), Kind::Int(_) | Kind::Float(_));
    (number(left) && number(right))
        || std::mem::discriminant(&left.kind()) == std::mem::discriminant(&right.kind())
}

/// Inserts a key into those found, sorted; whether it is new.
fn insert_key(e: &mut Evaluator, keys: &mut Vec<Value>, key: Value, pos: Pos) -> Result<bool> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = (low + high) / 2;
        match e.compare(key, keys[middle], pos)? {
            Ordering::Less => high = middle,
            Ordering::Greater => low = middle + 1,
            Ordering::Equal => return Ok(false),
        }
    }
    keys.insert(low, key);
    Ok(true)
}

fn zip_attrs_with(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.zipAttrsWith";
    let function = e.function_value(a[0], pos, what)?;
    let list =
        e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.zipAttrsWith")?;
    let mut all: BTreeMap<Symbol, Vec<Value>> = BTreeMap::new();
    for item in list.iter() {
        let what = "while evaluating a value of the list passed as second argument to builtins.zipAttrsWith";
        for attr in e.attrs_value(item, pos, what)?.iter() {
            all.entry(attr.name).or_default().push(attr.value);
        }
    }
    let mut zipped = Vec::with_capacity(all.len());
    for (name, values) in all {
        let values = e.new_list(&values);
        zipped.push((name, e.new_call2(function, name.to_value(), values)));
    }
    Ok(e.new_attrs(zipped))
}

fn to_json(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let (mut text, mut context) = (Vec::new(), Context::EMPTY);
    e.to_json(a[0], true, pos, &mut text, &mut context)?;
    e.check_length(text.len(), pos)?;
    Ok(e.new_text(text, context))
}

/// A list or an object that is being read.
enum Open {
    List(Vec<Value>),
    Object(Vec<(Symbol, Value)>, Symbol),
}

fn from_json(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    use json_text::Event;
    let text =
        e.plain_string(a[0], pos, "while evaluating the first argument passed to builtins.fromJSON")?;
    let mut reader = json_text::Reader::new(text.as_bytes());
    let mut open: Vec<Open> = Vec::new();
    let mut result = Value::NULL;
    let wrong = |error: json_text::SyntaxError| {
        let message = super::json_error::explain(text.as_bytes()).unwrap_or_else(|| error.to_string());
        EvalError::other(pos, message).traced(pos, "while decoding a JSON string")
    };
    while let Some(event) = reader.next_event().map_err(wrong)? {
        let value = match event {
            Event::Null => Value::NULL,
            Event::Bool(value) => Value::from_bool(value),
            Event::Int(value) => e.new_int(value),
            Event::Float(value) => e.new_float(value),
            Event::TooLarge(number) => {
                return Err(EvalError::other(
                    pos,
                    format!("unsigned json number {number} outside of Nix integer range"),
                ));
            }
            Event::String(text) => {
                without_nul(&text, pos)?;
                e.new_string(&text)
            }
            Event::Key(name) => {
                without_nul(&name, pos)?;
                if let Some(Open::Object(_, key)) = open.last_mut() {
                    *key = Symbol::intern(name);
                }
                continue;
            }
            Event::ListStart => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::ObjectStart => {
                open.push(Open::Object(Vec::new(), e.names.name));
                continue;
            }
            Event::ListEnd | Event::ObjectEnd => match open.pop() {
                Some(Open::List(items)) => e.new_list(&items),
                Some(Open::Object(items, _)) => object(e, items),
                None => Value::NULL,
            },
        };
        match open.last_mut() {
            None => result = value,
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(items, key)) => items.push((*key, value)),
        }
    }
    Ok(result)
}

/// Strings of the language cannot hold a zero byte.
fn without_nul(text: &[u8], pos: Pos) -> Result<()> {
    if !text.contains(&0) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(text).replace('\0', "␀");
    let message =
        format!("input string '{text}' cannot be represented as Nix string because it contains null bytes");
    Err(EvalError::other(pos, message))
}

/// The last of equal names wins.
fn object(e: &mut Evaluator, mut items: Vec<(Symbol, Value)>) -> Value {
    items.reverse();
    items.sort_by_key(|item| item.0);
    items.dedup_by_key(|item| item.0);
    e.new_attrs(items)
}

fn from_toml(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let text = e.plain_string(a[0], pos, "while evaluating the argument passed to builtins.fromTOML")?;
    let text = String::from_utf8_lossy(text.as_bytes());
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| EvalError::other(pos, format!("while parsing TOML: {error}")))?;
    toml_value(e, &toml::Value::Table(table), pos)
}

fn toml_value(e: &mut Evaluator, value: &toml::Value, pos: Pos) -> Result<Value> {
    e.check_stack(pos)?;
    Ok(match value {
        toml::Value::String(text) => e.new_string(text.as_bytes()),
        toml::Value::Integer(number) => e.new_int(*number),
        toml::Value::Float(number) => e.new_float(*number),
        toml::Value::Boolean(value) => Value::from_bool(*value),
        toml::Value::Datetime(_) => {
            return Err(EvalError::other(pos, "while parsing TOML: Dates and times are not supported"));
        }
        toml::Value::Array(items) => {
            let items: Vec<Value> =
                items.iter().map(|item| toml_value(e, item, pos)).collect::<Result<_>>()?;
            e.new_list(&items)
        }
        toml::Value::Table(table) => {
            let mut items = Vec::with_capacity(table.len());
            for (name, value) in table {
                items.push((Symbol::intern(name), toml_value(e, value, pos)?));
            }
            e.new_attrs(items)
        }
    })
}

fn hash_string(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let algorithm =
        algorithm(e, a[0], pos, "while evaluating the first argument passed to builtins.hashString")?;
    let text =
        e.string_value(a[1], pos, "while evaluating the second argument passed to builtins.hashString")?;
    Ok(e.new_string(algorithm.hash(text.as_bytes()).to_base16().as_bytes()))
}

fn convert_hash(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let attrs =
        e.attrs_value(a[0], pos, "while evaluating the first argument passed to builtins.convertHash")?;
    let mut text = |name: &str, required: bool| -> Result<Option<String>> {
        let symbol = Symbol::intern(name);
        let Some(value) = attrs.get(symbol) else {
            if required {
                let error = crate::access::missing_attribute(attrs, symbol, pos);
                return Err(error.traced(pos, format!("while locating the attribute '{name}'")));
            }
            return Ok(None);
        };
        let text = e.plain_string(value, pos, &format!("while evaluating the attribute '{name}'"))?;
        Ok(Some(String::from_utf8_lossy(text.as_bytes()).into_owned()))
    };
    let hash = text("hash", true)?.unwrap_or_default();
    let algorithm = text("hashAlgo", false)?;
    let format = text("toHashFormat", true)?.unwrap_or_default();
    let wrong = |error: HashError| EvalError::other(pos, error.to_string());
    let algorithm = algorithm.map(|name| HashAlgorithm::from_name(&name)).transpose().map_err(wrong)?;
    let format = match format.as_str() {
        "base16" => HashFormat::Base16,
        "nix32" | "base32" => HashFormat::NixBase32,
        "base64" => HashFormat::Base64,
        "sri" => HashFormat::Sri,
        _ => {
            let message =
                format!("unknown hash format '{format}', expect 'base16', 'base32', 'base64', or 'sri'");
            return Err(EvalError::other(pos, message));
        }
    };
    let hash = Hash::parse(&hash, algorithm).map_err(wrong)?;
    Ok(e.new_string(hash.to_text(format, format == HashFormat::Sri).as_bytes()))
}

fn trace(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    let value = e.force(a[0])?;
    let text = match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => e.print(value),
    };
    let text = format!("trace: {}", String::from_utf8_lossy(&text));
    e.host().message(&text);
    e.stop_at_message(|at| at.traces)?;
    e.force(a[1])
}

fn stop(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    e.stop(Reason::Break, None)?;
    e.force(a[0])
}

fn warn(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument; the message passed to builtins.warn";
    let text = e.string_value(a[0], pos, what)?;
    let text = format!("evaluation warning: {}", text.as_bstr());
    e.host().message(&text);
    if e.settings().abort_on_warn {
        let message = "aborting to reveal stack trace of warning, as abort-on-warn is set";
        return Err(EvalError::new(ErrorKind::Abort, Pos::NONE, message));
    }
    e.stop_at_message(|at| at.warnings)?;
    e.force(a[1])
}

fn add_error_context(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    match e.force(a[1]) {
        Ok(value) => Ok(value),
        Err(error) => {
            let what = "while evaluating the error message passed to builtins.addErrorContext";
            let text = e.coerce(a[0], Coerce::PLAIN, pos, what)?;
            Err(error.traced_always(text.as_bstr().to_string()))
        }
    }
}

fn round(e: &mut Evaluator, a: &[Value], pos: Pos, name: &str, round: fn(f64) -> f64) -> Result<Value> {
    let what = || format!("while evaluating the first argument passed to builtins.{name}");
    let value = e.force(a[0]).traced(pos, what)?;
    match value.kind() {
        Kind::Int(_) => Ok(value),
        Kind::Float(number) => {
            let rounded = round(number);
            // Both bounds are exact as floating-point numbers.
            if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                return Ok(e.new_int(rounded as i64));
            }
            let message = format!(
                "NixFloat argument {} is not in the range of NixInt",
                super::float_text::short(number)
            );
            Err(EvalError::other(pos, message))
        }
        _ => {
            let message = format!("expected a float but found {}", e.describe(value));
            Err(EvalError::type_error(pos, message).traced(pos, what()))
        }
    }
}

fn bits(e: &mut Evaluator, a: &[Value], pos: Pos, name: &str, combine: fn(i64, i64) -> i64) -> Result<Value> {
    let what = |which: &str| format!("while evaluating the {which} argument passed to builtins.{name}");
    let left = e.int_value(a[0], pos, &what("first"))?;
    let right = e.int_value(a[1], pos, &what("second"))?;
    Ok(e.new_int(combine(left, right)))
}
