//! What is installed in a profile of `nix-env`: the tree of links and its list of
//! packages, `manifest.nix`.

use super::environment::{Problem, USUAL_PRIORITY, add_with_references, link_packages};
use super::{Profile, file_failed};
use saltire_driver::{Error, EvaluationError, Package, Session, StorePath, Wanted};
use saltire_eval::{Evaluator, Kind, Symbol, Value};
use saltire_terminal::Failure;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::sync::Arc;

/// An installed package, or one that is to be.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) system: String,
    /// Names and paths of outputs; what of them is installed.
    pub(super) outputs: Vec<(String, String)>,
    pub(super) meta: Map<String, Json>,
    /// What makes it, if it is not there yet.
    pub(super) wanted: Option<Wanted>,
}

/// The number of `meta.priority`: the lower one wins.
pub(super) fn priority(item: &Item) -> i64 {
    let value = item.meta.get("priority");
    let number = value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    number.unwrap_or(USUAL_PRIORITY)
}

/// A package that is to be installed.
pub(super) fn item(
    session: &Session,
    evaluator: &mut Evaluator,
    package: &Package,
) -> Result<Item, EvaluationError> {
    let name = package.text(evaluator, "name")?.unwrap_or_default();
    let system = package.text(evaluator, "system")?.unwrap_or_else(|| "unknown".to_owned());
    let wanted_outputs = package.default_outputs(evaluator)?;
    let all = super::query::output_paths(evaluator, package)?;
    let outputs = all.into_iter().filter(|(name, _)| wanted_outputs.contains(name)).collect();
    let derivation = package.derivation(session, evaluator)?;
    let wanted = Some(Wanted { derivation, outputs: wanted_outputs });
    let meta = meta(evaluator, package);
    Ok(Item { name, system, outputs, meta, wanted })
}

/// `meta` of a package; empty if there is none.
fn meta(evaluator: &mut Evaluator, package: &Package) -> Map<String, Json> {
    let meta = package.value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
    match meta.and_then(|meta| plain(evaluator, meta, 0)) {
        Some(Json::Object(meta)) => meta,
        _ => Map::new(),
    }
}

/// A value as far as it is made of strings, numbers, booleans, lists and sets; what
/// can't be evaluated is left out.
pub(super) fn plain(evaluator: &mut Evaluator, value: Value, depth: usize) -> Option<Json> {
    /// Deeper values say nothing of a package.
    const DEPTH: usize = 8;
    let value = evaluator.force(value).ok()?;
    if let Some(text) = value.as_str() {
        return Some(json!(String::from_utf8_lossy(text.as_bytes())));
    }
    if let Some(number) = value.as_int() {
        return Some(json!(number));
    }
    if let Some(value) = value.as_bool() {
        return Some(json!(value));
    }
    if let Kind::Float(number) = value.kind() {
        return Some(json!(number));
    }
    if depth > DEPTH {
        return None;
    }
    if let Some(list) = value.as_list() {
        let items: Vec<Value> = list.iter().collect();
        return items
            .into_iter()
            .map(|item| plain(evaluator, item, depth + 1))
            .collect::<Option<Vec<_>>>()
            .map(Json::from);
    }
    let attrs = value.as_attrs()?;
    let mut object = Map::new();
    for attr in attrs.sorted() {
        if let Some(value) = plain(evaluator, attr.value, depth + 1) {
            object.insert(attr.name.to_string(), value);
        }
    }
    Some(Json::Object(object))
}

/// The packages of a profile.
pub(super) fn installed_in(session: &Arc<Session>, profile: &Profile) -> Result<Vec<Item>, Failure> {
    let Some(files) = profile.files(session) else { return Ok(Vec::new()) };
    if files.join("manifest.json").symlink_metadata().is_ok() {
        return Err(Failure::new(format_args!(
            "profile '{}' is incompatible with 'nix-env'; please use 'nix profile' instead",
            profile.link.display()
        )));
    }
    let manifest = files.join("manifest.nix");
    let Ok(target) = std::fs::read_link(&manifest) else { return Ok(Vec::new()) };
    let place = session.store().location().to_physical(&target);
    let text = std::fs::read_to_string(&place).map_err(file_failed("read", &place))?;
    let items = session.evaluate(|evaluator| {
        let value = evaluator.eval_str(&text, b"/")?;
        let list = evaluator.force(value)?;
        let values: Vec<Value> = list.as_list().map(|list| list.iter().collect()).unwrap_or_default();
        let mut items = Vec::new();
        for value in values {
            let value = evaluator.force(value)?;
            let package = Package { value, path: Symbol::intern("") };
            let name = package.text(evaluator, "name")?.unwrap_or_default();
            let system = package.text(evaluator, "system")?.unwrap_or_default();
            let outputs = super::query::output_paths(evaluator, &package)?;
            let meta = meta(evaluator, &package);
            items.push(Item { name, system, outputs, meta, wanted: None });
        }
        Ok(items)
    })?;
    Ok(items)
}

/// The store path of a tree with the packages and their list.
pub(super) fn make_environment(session: &Arc<Session>, items: &[Item]) -> Result<StorePath, Failure> {
    let mut references = BTreeSet::new();
    let mut linked = Vec::new();
    for item in items {
        let is_active =
            item.meta.get("active").is_none_or(|value| *value != json!("false") && *value != json!(false));
        for (_, path) in &item.outputs {
            references.insert(session.parse(path)?);
            if is_active {
                linked.push((path.clone(), priority(item)));
            }
        }
    }
    let manifest = session.store().add_text("env-manifest.nix", manifest_text(items).as_bytes(), &references);
    let manifest = manifest.map_err(Error::from)?;
    let directory = tempfile::tempdir().map_err(file_failed("write to", &std::env::temp_dir()))?;
    let place = directory.path().join("user-environment");
    std::fs::create_dir(&place).map_err(file_failed("create", &place))?;
    link_packages(session, &linked, &place).map_err(|problem| match problem {
        Problem::Other(failure) => failure,
        Problem::Conflict(conflict) => Failure::new(format_args!(
            "packages '{}' and '{}' have the same priority {}",
            conflict.second.display(),
            conflict.first.display(),
            conflict.priority
        ))
        .hint("'nix-env --set-flag priority NUMBER NAME' changes the priority of an installed package"),
    })?;
    let link = place.join("manifest.nix");
    symlink(session.store().display(&manifest), &link).map_err(file_failed("create", &link))?;
    references.insert(manifest);
    add_with_references(session, "user-environment", &place, references)
}

/// The list of packages as a Nix expression.
fn manifest_text(items: &[Item]) -> String {
    let entry = |item: &Item| {
        let mut attributes: BTreeMap<String, String> = BTreeMap::new();
        for (name, path) in &item.outputs {
            attributes.insert(name.clone(), format!("{{ outPath = {}; }}", quoted(path)));
        }
        let names: Vec<String> = item.outputs.iter().map(|(name, _)| quoted(name)).collect();
        let first = item.outputs.first().map_or("", |(_, path)| path);
        attributes.insert("meta".into(), nix_text(&Json::Object(item.meta.clone())));
        attributes.insert("name".into(), quoted(&item.name));
        attributes.insert("outPath".into(), quoted(first));
        attributes.insert("outputs".into(), format!("[ {} ]", names.join(" ")));
        attributes.insert("system".into(), quoted(&item.system));
        attributes.insert("type".into(), quoted("derivation"));
        let text: String = attributes.iter().map(|(name, value)| format!("{name} = {value}; ")).collect();
        format!("{{ {text}}} ")
    };
    format!("[ {}]", items.iter().map(entry).collect::<String>())
}

fn quoted(text: &str) -> String {
    let mut quoted = Vec::new();
    saltire_eval::quote(&mut quoted, text.as_bytes());
    String::from_utf8_lossy(&quoted).into_owned()
}

fn nix_text(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            format!("[ {}]", items.iter().map(|item| nix_text(item) + " ").collect::<String>())
        }
        Json::Object(object) => {
            let attribute = |(name, value): (&String, &Json)| {
                let mut quoted = Vec::new();
                saltire_eval::attribute_name(&mut quoted, name.as_bytes());
                let name = String::from_utf8_lossy(&quoted);
                format!("{name} = {}; ", nix_text(value))
            };
            format!("{{ {}}}", object.iter().map(attribute).collect::<String>())
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn example(name: &str, meta: Json) -> Item {
        let meta = meta.as_object().cloned().unwrap_or_default();
        let outputs = vec![("out".to_owned(), format!("/s/{name}"))];
        Item { name: name.to_owned(), system: "x".to_owned(), outputs, meta, wanted: None }
    }

    #[test]
    fn manifests_are_as_nix_writes_them() {
        assert_eq!(manifest_text(&[]), "[ ]");
        assert_eq!(
            manifest_text(&[example("a-1", json!({}))]),
            "[ { meta = { }; name = \"a-1\"; out = { outPath = \"/s/a-1\"; }; outPath = \"/s/a-1\"; outputs = [ \"out\" ]; system = \"x\"; type = \"derivation\"; } ]"
        );
        assert!(
            manifest_text(&[example("a", json!({"l": [1, true], "x y": "\""}))])
                .contains("meta = { l = [ 1 true ]; \"x y\" = \"\\\"\"; };")
        );
    }
}
