//! Builtins that are tied to the evaluator: evaluation control, imports,
//! derivations, and the functions on lists and sets that everything uses.

use saltire_diagnostics::Pos;
use smallvec::SmallVec;

use super::{Builtin, builtin, global};
use crate::attrs::{Attr, Attrs};
use crate::coerce::Coerce;
use crate::context::ContextElement;
use crate::error::{ErrorKind, EvalError, Result, Traced as _};
use crate::evaluator::{Evaluator, host_error};
use crate::list::List;
use crate::nesting::check_list_size;
use crate::print::type_of;
use crate::region::Region;
use crate::symbol::Symbol;
use crate::value::{COMMON, Kind, Thunk, Value};

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[
    global("derivationStrict", &["attrs"], derivation_strict, "Makes a derivation and gives its paths."),
    global("import", &["path"], import, "The value of the file `path`, or of `default.nix` in a directory."),
    global("scopedImport", &["scope", "path"], scoped_import, "As `import`, with more variables in scope."),
    builtin("tryEval", &["e"], try_eval, "Whether `e` can be evaluated (`success`), and its `value`."),
    builtin("seq", &["e1", "e2"], seq, "Evaluates `e1`, then gives `e2`."),
    builtin("deepSeq", &["e1", "e2"], deep_seq, "Evaluates all of `e1`, then gives `e2`."),
    global("throw", &["s"], throw, "Fails with the message `s`; `tryEval` catches that."),
    global("abort", &["s"], abort, "Fails with the message `s`."),
    global("toString", &["e"], to_string, "`e` as a string."),
    builtin("typeOf", &["e"], type_of_builtin, "The type of `e` as a string."),
    global("isNull", &["e"], |e, a, _| is(e, a, |kind| matches!(kind, Kind::Null)), "Whether `e` is null."),
    builtin(
        "isBool",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::Bool(_))),
        "Whether `e` is a Boolean.",
    ),
    builtin(
        "isInt",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::Int(_))),
        "Whether `e` is an integer.",
    ),
    builtin(
        "isFloat",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::Float(_))),
        "Whether `e` is a float.",
    ),
    builtin(
        "isString",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::String(_))),
        "Whether `e` is a string.",
    ),
    builtin(
        "isPath",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::Path(_))),
        "Whether `e` is a path.",
    ),
    builtin(
        "isList",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::List(_))),
        "Whether `e` is a list.",
    ),
    builtin(
        "isAttrs",
        &["e"],
        |e, a, _| is(e, a, |kind| matches!(kind, Kind::Attrs(_))),
        "Whether `e` is a set.",
    ),
    builtin("isFunction", &["e"], is_function, "Whether `e` is a function."),
    global("map", &["f", "list"], map, "The results of `f` for each element."),
    builtin("filter", &["f", "list"], filter, "The elements for which `f` gives true."),
    builtin("foldl'", &["op", "nul", "list"], foldl, "Folds a list from the left, strictly."),
    builtin(
        "genList",
        &["generator", "length"],
        gen_list,
        "A list of `length` elements: `generator 0`, `generator 1`, …, evaluated when needed.",
    ),
    builtin("length", &["e"], length, "The number of elements."),
    builtin("head", &["list"], head, "The first element."),
    builtin("tail", &["list"], tail, "All elements but the first."),
    builtin("elemAt", &["xs", "n"], elem_at, "The element at an index from 0."),
    builtin("elem", &["x", "xs"], elem, "Whether an element is equal to `x`."),
    builtin("concatLists", &["lists"], concat_lists, "The elements of all lists."),
    builtin("concatMap", &["f", "list"], concat_map, "The elements of the lists that `f` gives."),
    builtin("all", &["pred", "list"], |e, a, p| quantify(e, a, p, false), "Whether `pred` holds for all."),
    builtin("any", &["pred", "list"], |e, a, p| quantify(e, a, p, true), "Whether `pred` holds for one."),
    builtin("attrNames", &["set"], attr_names, "The names of the attributes, sorted."),
    builtin("attrValues", &["set"], attr_values, "The values of the attributes, sorted by name."),
    builtin("mapAttrs", &["f", "attrset"], map_attrs, "A set of the results of `f name value`."),
    builtin("getAttr", &["s", "set"], get_attr, "The attribute named `s`."),
    builtin("hasAttr", &["s", "set"], has_attr, "Whether there is an attribute named `s`."),
    global("removeAttrs", &["attrset", "list"], remove_attrs, "The set without the attributes named."),
    builtin("listToAttrs", &["e"], list_to_attrs, "A set from a list of `{ name, value }`."),
    builtin("intersectAttrs", &["e1", "e2"], intersect_attrs, "Those of `e2` whose names are in `e1`."),
    builtin("catAttrs", &["attr", "list"], cat_attrs, "The attribute of this name of all sets that have it."),
    builtin("functionArgs", &["f"], function_args, "The names that a function's pattern has."),
    builtin(
        "add",
        &["e1", "e2"],
        |e, a, p| number(e, a, p, crate::ir::Operator::Add),
        "`e1 + e2` of numbers; an integer overflow is an error.",
    ),
    builtin(
        "sub",
        &["e1", "e2"],
        |e, a, p| number(e, a, p, crate::ir::Operator::Subtract),
        "`e1 - e2`; an integer overflow is an error.",
    ),
    builtin(
        "mul",
        &["e1", "e2"],
        |e, a, p| number(e, a, p, crate::ir::Operator::Multiply),
        "`e1 * e2`; an integer overflow is an error.",
    ),
    builtin(
        "div",
        &["e1", "e2"],
        |e, a, p| number(e, a, p, crate::ir::Operator::Divide),
        "`e1 / e2`; for integers rounded towards zero.",
    ),
    builtin(
        "lessThan",
        &["e1", "e2"],
        less_than,
        "Whether `e1 < e2`: numbers, strings and paths by value, lists element by element.",
    ),
    builtin("unsafeGetAttrPos", &["s", "set"], get_attr_pos, "Where the attribute named `s` was written."),
    global("placeholder", &["output"], placeholder, "What stands for an output's path in its derivation."),
];

fn derivation_strict(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    e.derivation_strict(a[0], pos)
}

/// The path to import; what its text depends on is built first.
fn import_path(e: &mut Evaluator, value: Value, pos: Pos) -> Result<Vec<u8>> {
    let what = "while realising the context of a path";
    let (path, context) = e.path_value(value, pos, what)?;
    e.realised_path(path, context)
}

fn import(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let path = import_path(e, a[0], pos)?;
    e.eval_file(&path).map_err(|error| error.at(pos))
}

fn scoped_import(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let path = import_path(e, a[1], pos)?;
    let scope =
        e.attrs_value(a[0], pos, "while evaluating the first argument passed to builtins.scopedImport")?;
    e.eval_scoped(&path, scope)
}

fn try_eval(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    let depth = e.depth;
    let (value, success) = match e.in_try(|e| e.force(a[0])) {
        Ok(value) => (value, Value::TRUE),
        Err(error) if error.is_catchable() => {
            e.depth = depth;
            (Value::FALSE, Value::FALSE)
        }
        Err(error) => return Err(error),
    };
    Ok(e.new_attrs(vec![(e.names.success, success), (e.names.value, value)]))
}

fn seq(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    used(e.force(a[0])?);
    e.force(a[1])
}

fn deep_seq(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    e.force_deep(a[0])?;
    e.force(a[1])
}

fn message(e: &mut Evaluator, value: Value, pos: Pos, name: &str) -> Result<String> {
    let what = format!("while evaluating the error message passed to {name}");
    let text = e.coerce(value, Coerce::INTERPOLATION, pos, &what)?;
    Ok(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

fn throw(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let message = message(e, a[0], pos, "builtin.throw")?;
    Err(EvalError::new(ErrorKind::Throw, Pos::NONE, message))
}

fn abort(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let message = message(e, a[0], pos, "builtins.abort")?;
    let message = format!("evaluation aborted with the following error message: '{message}'");
    Err(EvalError::new(ErrorKind::Abort, Pos::NONE, message))
}

fn to_string(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.toString";
    e.coerce(a[0], Coerce::TO_STRING, pos, what).map(Value::from_str)
}

fn type_of_builtin(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    let value = used(e.force(a[0])?);
    Ok(Symbol::intern(type_of(value)).to_value())
}

/// Remembers of a function that something asked for its value.
fn used(value: Value) -> Value {
    if let Some(closure) = value.as_closure() {
        closure.mark_used();
    }
    value
}

#[inline]
fn is(e: &mut Evaluator, a: &[Value], kind: impl Fn(Kind) -> bool) -> Result<Value> {
    let value = used(e.force(a[0])?);
    Ok(Value::from_bool(kind(value.kind())))
}

fn is_function(e: &mut Evaluator, a: &[Value], _: Pos) -> Result<Value> {
    Ok(Value::from_bool(used(e.force(a[0])?).is_function()))
}

fn map(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.map")?;
    if list.is_empty() {
        return Ok(Value::from_list(list));
    }
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.map")?;
    let slots = list.slots();
    check_list_size(slots.len() as u64, pos)?;
    let mapped = List::build(&mut e.region, slots.len(), |region, index| {
        Thunk::with_values(region, COMMON.apply1, &[function, slots[index].get()])
    });
    Ok(Value::from_list(mapped))
}

fn filter(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.filter")?;
    if list.is_empty() {
        return Ok(Value::from_list(list));
    }
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.filter")?;
    let what = "while evaluating the return value of the filtering function passed to builtins.filter";
    let mut kept: SmallVec<[Value; 16]> = SmallVec::new();
    for item in list.iter() {
        let keep = e.call1(function, item, Pos::NONE)?;
        if e.bool_value(keep, pos, what)? {
            kept.push(item);
        }
    }
    if kept.len() == list.len() { Ok(Value::from_list(list)) } else { Ok(e.new_list(&kept)) }
}

fn foldl(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.foldlStrict";
    let function = e.function_value(a[0], pos, what)?;
    let list =
        e.list_value(a[2], pos, "while evaluating the third argument passed to builtins.foldlStrict")?;
    let mut result = a[1];
    for item in list.iter() {
        result = e.call(function, &[result, item], Pos::NONE)?;
    }
    e.force(result)
}

fn gen_list(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let length = e.int_value(a[1], pos, "while evaluating the second argument passed to builtins.genList")?;
    if length < 0 {
        return Err(EvalError::other(pos, format!("cannot create list of size {length}")));
    }
    check_list_size(length as u64, pos)?;
    let function =
        e.function_value(a[0], pos, "while evaluating the first argument passed to builtins.genList")?;
    let list = List::build(&mut e.region, length as usize, |region, index| {
        // A list's indices are small enough.
        let index = Value::small_int(index as i64).unwrap_or(Value::NULL);
        Thunk::with_values(region, COMMON.apply1, &[function, index])
    });
    Ok(Value::from_list(list))
}

fn length(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to builtins.length")?;
    Ok(e.new_int(list.len() as i64))
}

fn head(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to 'builtins.head'")?;
    match list.slots().first() {
        Some(slot) => e.force_slot(slot),
        None => Err(EvalError::other(pos, "'builtins.head' called on an empty list")),
    }
}

fn tail(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to 'builtins.tail'")?;
    if list.is_empty() {
        return Err(EvalError::other(pos, "'builtins.tail' called on an empty list"));
    }
    Ok(Value::from_list(list.without_first(&mut e.region)))
}

fn elem_at(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to 'builtins.elemAt'")?;
    let index = e.int_value(a[1], pos, "while evaluating the second argument passed to 'builtins.elemAt'")?;
    match usize::try_from(index).ok().and_then(|index| list.slots().get(index)) {
        Some(slot) => e.force_slot(slot),
        None => {
            let size = list.len();
            let message = format!("'builtins.elemAt' called with index {index} on a list of size {size}");
            Err(EvalError::other(pos, message))
        }
    }
}

fn elem(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.elem")?;
    for item in list.iter() {
        if e.equal(a[0], item, pos)? {
            return Ok(Value::TRUE);
        }
    }
    Ok(Value::FALSE)
}

fn concat_lists(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let lists =
        e.list_value(a[0], pos, "while evaluating the first argument passed to builtins.concatLists")?;
    let mut all: SmallVec<[List; 16]> = SmallVec::new();
    for item in lists.iter() {
        let what = "while evaluating a value of the list passed to builtins.concatLists";
        let list = e.list_value(item, pos, what)?;
        if !list.is_empty() {
            all.push(list);
        }
    }
    join(e, &all, pos)
}

fn join(e: &mut Evaluator, lists: &[List], pos: Pos) -> Result<Value> {
    Ok(match lists {
        [] => Value::from_list(List::empty()),
        [one] => Value::from_list(*one),
        lists => Value::from_list(e.joined_list(lists, pos)?),
    })
}

fn concat_map(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.concatMap";
    let function = e.function_value(a[0], pos, what)?;
    let list =
        e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.concatMap")?;
    let mut all: SmallVec<[List; 16]> = SmallVec::new();
    for item in list.iter() {
        let result = e.call1(function, item, pos)?;
        let what = "while evaluating the return value of the function passed to builtins.concatMap";
        let place = function.as_closure().map_or(pos, |closure| closure.0.code.pos);
        let result = e.list_value(result, place, what)?;
        if !result.is_empty() {
            all.push(result);
        }
    }
    join(e, &all, pos)
}

/// `any` (stops at true) and `all` (stops at false).
fn quantify(e: &mut Evaluator, a: &[Value], pos: Pos, stop: bool) -> Result<Value> {
    let [first, second, returned] = if stop {
        [
            "while evaluating the first argument passed to builtins.any",
            "while evaluating the second argument passed to builtins.any",
            "while evaluating the return value of the function passed to builtins.any",
        ]
    } else {
        [
            "while evaluating the first argument passed to builtins.all",
            "while evaluating the second argument passed to builtins.all",
            "while evaluating the return value of the function passed to builtins.all",
        ]
    };
    let function = e.function_value(a[0], pos, first)?;
    let list = e.list_value(a[1], pos, second)?;
    for item in list.iter() {
        let result = e.call1(function, item, pos)?;
        if e.bool_value(result, pos, returned)? == stop {
            return Ok(Value::from_bool(stop));
        }
    }
    Ok(Value::from_bool(!stop))
}

fn attr_names(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let attrs = e.attrs_value(a[0], pos, "while evaluating the argument passed to builtins.attrNames")?;
    let mut names = attrs.in_order();
    let next = |_: &mut Region, _| names.next().map_or(Value::NULL, |attr| attr.name.to_value());
    Ok(Value::from_list(List::build(&mut e.region, attrs.len(), next)))
}

fn attr_values(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let attrs = e.attrs_value(a[0], pos, "while evaluating the argument passed to builtins.attrValues")?;
    let mut values = attrs.in_order();
    let next = |_: &mut Region, _| values.next().map_or(Value::NULL, |attr| attr.value);
    Ok(Value::from_list(List::build(&mut e.region, attrs.len(), next)))
}

fn map_attrs(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the second argument passed to builtins.mapAttrs";
    let attrs = e.attrs_value(a[1], pos, what)?;
    let function = a[0];
    let code = COMMON.apply2;
    let mapped = attrs.map_values(&mut e.region, |region, attr| {
        Thunk::with_values(region, code, &[function, attr.name.to_value(), attr.value])
    });
    Ok(Value::from_attrs(mapped))
}

fn get_attr(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.getAttr";
    let name = e.plain_string(a[0], pos, what)?.symbol();
    let attrs =
        e.attrs_value(a[1], pos, "while evaluating the second argument passed to builtins.getAttr")?;
    match attrs.find(name) {
        Some(slot) => e.force_slot(slot),
        None => {
            let error = crate::access::missing_attribute(attrs, name, pos);
            Err(error.traced(pos, "in the attribute set under consideration"))
        }
    }
}

fn has_attr(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.hasAttr";
    let name = e.plain_string(a[0], pos, what)?.symbol();
    let attrs =
        e.attrs_value(a[1], pos, "while evaluating the second argument passed to builtins.hasAttr")?;
    Ok(Value::from_bool(attrs.contains(name)))
}

fn remove_attrs(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.removeAttrs";
    let attrs = e.attrs_value(a[0], pos, what)?;
    let what = "while evaluating the second argument passed to builtins.removeAttrs";
    let list = e.list_value(a[1], pos, what)?;
    let mut names = Vec::with_capacity(list.len());
    for item in list.iter() {
        let what = "while evaluating the values of the second argument passed to builtins.removeAttrs";
        let name = e.plain_string(item, pos, what)?.symbol();
        if attrs.contains(name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(Value::from_attrs(attrs));
    }
    names.sort_unstable();
    let kept: Vec<Attr> = attrs.iter().filter(|attr| names.binary_search(&attr.name).is_err()).collect();
    Ok(Value::from_attrs(Attrs::from_sorted(&mut e.region, &kept)))
}

fn list_to_attrs(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the argument passed to builtins.listToAttrs")?;
    let mut all: Vec<Attr> = Vec::with_capacity(list.len());
    let names = e.names;
    for item in list.iter() {
        let what = "while evaluating an element of the list passed to builtins.listToAttrs";
        let attrs = e.attrs_value(item, pos, what)?;
        let Some(name) = attrs.attr(names.name) else {
            return Err(crate::access::missing_attribute(attrs, names.name, pos)
                .traced(pos, "in a {name=...; value=...;} pair"));
        };
        let what =
            "while evaluating the `name` attribute of an element of the list passed to builtins.listToAttrs";
        let symbol = e.plain_string(name.value, name.pos, what)?.symbol();
        // The first of equal names wins, whose value then has to be there.
        match attrs.attr(names.value) {
            Some(value) => all.push(Attr { name: symbol, value: value.value, pos: value.pos }),
            None if all.iter().any(|attr| attr.name == symbol) => {}
            None => {
                let error = crate::access::missing_attribute(attrs, names.value, pos);
                return Err(error.traced(pos, "in a {name=...; value=...;} pair"));
            }
        }
    }
    all.sort_by_key(|attr| attr.name);
    all.dedup_by_key(|attr| attr.name);
    Ok(Value::from_attrs(Attrs::from_sorted(&mut e.region, &all)))
}

fn intersect_attrs(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.intersectAttrs";
    let left = e.attrs_value(a[0], pos, what)?;
    let what = "while evaluating the second argument passed to builtins.intersectAttrs";
    let right = e.attrs_value(a[1], pos, what)?;
    let both: Vec<Attr> = if left.len() < right.len() {
        left.iter().filter_map(|attr| right.attr(attr.name)).collect()
    } else {
        right.iter().filter(|attr| left.contains(attr.name)).collect()
    };
    Ok(Value::from_attrs(Attrs::from_sorted(&mut e.region, &both)))
}

fn cat_attrs(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.catAttrs";
    let name = e.plain_string(a[0], pos, what)?.symbol();
    let list = e.list_value(a[1], pos, "while evaluating the second argument passed to builtins.catAttrs")?;
    let mut found = Vec::new();
    for item in list.iter() {
        let what = "while evaluating an element in the list passed as second argument to builtins.catAttrs";
        found.extend(e.attrs_value(item, pos, what)?.get(name));
    }
    Ok(e.new_list(&found))
}

fn function_args(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let value = e.force(a[0])?;
    match value.kind() {
        Kind::Lambda(closure) => {
            let Some(formals) = &closure.0.code.formals else { return Ok(e.new_attrs(Vec::new())) };
            let all = formals.names.iter().enumerate().map(|(index, name)| Attr {
                name: *name,
                value: Value::from_bool(formals.defaults[index].is_some()),
                pos: formals.positions[index],
            });
            Ok(e.new_attrs_at(all.collect()))
        }
        Kind::Builtin(_) | Kind::Partial(_) => Ok(e.new_attrs(Vec::new())),
        _ => Err(EvalError::type_error(pos, "'functionArgs' requires a function")),
    }
}

fn number(e: &mut Evaluator, a: &[Value], pos: Pos, operator: crate::ir::Operator) -> Result<Value> {
    let left = e.force(a[0])?;
    let right = e.force(a[1])?;
    e.arithmetic(operator, left, right, pos)
}

fn less_than(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    Ok(Value::from_bool(e.less(a[0], a[1], pos)?))
}

fn get_attr_pos(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.unsafeGetAttrPos";
    let name = e.plain_string(a[0], pos, what)?.symbol();
    let what = "while evaluating the second argument passed to builtins.unsafeGetAttrPos";
    let attrs = e.attrs_value(a[1], pos, what)?;
    match attrs.attr(name) {
        Some(attr) => Ok(e.position(attr.pos)),
        None => Ok(Value::NULL),
    }
}

fn placeholder(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let what = "while evaluating the first argument passed to builtins.placeholder";
    let output = e.plain_string(a[0], pos, what)?;
    let text = crate::derivation::output_placeholder(&String::from_utf8_lossy(output.as_bytes()));
    Ok(e.new_string(text.as_bytes()))
}

impl Evaluator {
    /// A path whose text had a context: what it depends on is built, and
    /// placeholders in it are replaced by the outputs' paths.
    pub(crate) fn realised_path(
        &mut self,
        path: Vec<u8>,
        context: crate::context::Context,
    ) -> Result<Vec<u8>> {
        if context.is_empty() {
            return Ok(path);
        }
        let elements: Vec<&ContextElement> = context.iter().collect();
        let what = || format!("while realising the context of path '{}'", bstr::BStr::new(&path));
        let rewrites = self.host().realise(&elements).map_err(host_error).traced(Pos::NONE, what)?;
        let mut path = path;
        for (from, to) in &rewrites {
            path = bstr::ByteSlice::replace(path.as_slice(), from, to);
        }
        Ok(path)
    }
}
