//! `nix-env --query`: the packages of a profile, or those of a package set.

use super::installed::{Selector, compare, selectors};
use super::manifest::{Item, installed_in, plain};
use super::{Profile, xml};
use crate::arguments::{Arguments, Word, text};
use crate::installable::package_name;
use crate::options::{Opened, Options};
use crate::order::standard_order;
use saltire_driver::{
    Division, Error, EvaluationError, Forgive, Package, Query, Session, Source, StorePath, argument_set,
    arguments, current_directory, find_along,
};
use saltire_eval::{Evaluator, Symbol};
use saltire_terminal::{Failure, print};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Default)]
struct Request {
    available: bool,
    profile: Option<String>,
    file: Option<String>,
    attribute: Option<String>,
    names: Vec<String>,
    wanted: Wanted,
    status: bool,
    compare: bool,
    prebuilt: bool,
    no_name: bool,
    attribute_path: bool,
    json: bool,
    xml: bool,
}

/// What has to be evaluated of each package.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    system: bool,
    derivation: bool,
    out_path: bool,
    /// The path of the output that is meant.
    main_path: bool,
    description: bool,
    meta: bool,
}

/// A package.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    path: String,
    name: String,
    system: String,
    output: String,
    /// Paths by name, as far as they are wanted.
    outputs: BTreeMap<String, Option<String>>,
    main_path: Option<String>,
    derivation: Option<String>,
    description: String,
    meta: Map<String, Json>,
    /// Whether it is listed: what can't be evaluated on this platform is not.
    available: bool,
}

impl Request {
    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let name = match word {
            Word::Short(letter) => letter.to_string(),
            Word::Long(name) => name.clone(),
            Word::Plain(name) => {
                self.names.push(text(name.clone())?);
                return Ok(true);
            }
        };
        match name.as_str() {
            "q" | "query" => {}
            "a" | "available" => self.available = true,
            "installed" => self.available = false,
            "p" | "profile" => self.profile = Some(words.value(word)?),
            "f" | "file" => self.file = Some(words.value(word)?),
            "A" | "attr" => self.attribute = Some(words.value(word)?),
            "s" | "status" => self.status = true,
            "c" | "compare-versions" => self.compare = true,
            "b" | "prebuilt-only" => self.prebuilt = true,
            "P" | "attr-path" => self.attribute_path = true,
            "no-name" => self.no_name = true,
            "system" => self.wanted.system = true,
            "drv-path" => self.wanted.derivation = true,
            "out-path" => self.wanted.out_path = true,
            "description" => self.wanted.description = true,
            "meta" => self.wanted.meta = true,
            "json" => self.json = true,
            "xml" => self.xml = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Leaves away what is wanted but not shown.
    fn settle(&mut self) -> Result<(), Failure> {
        if self.attribute_path && !self.available {
            return Err(Failure::new("--attr-path(-P) only works with --available"));
        }
        let text_only = !self.json && !self.xml;
        self.wanted.meta &= !text_only;
        self.wanted.description &= !self.json;
        self.wanted.system |= !text_only;
        self.wanted.main_path = self.status || self.prebuilt;
        Ok(())
    }
}

/// Runs `nix-env --query`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        if !request.take(&word, &mut words)? && !options.take(&word, &mut words)? {
            return Err(words.unknown(&word));
        }
    }
    request.settle()?;
    // Queries don't write derivations, as in the reference.
    options.read_only = true;
    let opened = options.open()?;
    let shown = show(&opened, &options, &request);
    opened.progress.finish();
    print(&shown?)?;
    Ok(ExitCode::SUCCESS)
}

fn show(opened: &Opened, options: &Options, request: &Request) -> Result<String, Failure> {
    let session = &opened.session;
    let names = selectors(&request.names)?;
    let needs_installed = !request.available || request.compare || request.status;
    let installed: Vec<Row> = match needs_installed {
        true => {
            let profile = Profile::open(session, request.profile.as_deref())?;
            let items = installed_in(session, &profile)?;
            items.iter().enumerate().map(|(number, item)| row_of_item(number, item, request.wanted)).collect()
        }
        false => Vec::new(),
    };
    let used = installed.iter().filter_map(|row| row.main_path.clone()).collect();
    let (rows, others): (Vec<Row>, Vec<String>) = if request.available {
        let rows = available(session, options, request, request.wanted, &names)?;
        (rows, installed.iter().map(|row| row.name.clone()).collect())
    } else {
        let others = match request.compare {
            true => available(session, options, request, Wanted::default(), &[])?,
            false => Vec::new(),
        };
        (installed, others.into_iter().map(|row| row.name).collect())
    };
    let rows = chosen(rows, &names)?;
    if let Some(missing) =
        names.iter().find(|one| !one.is_any() && !rows.iter().any(|row| one.fits(&row.name)))
    {
        let all = match request.available {
            true => available(session, options, request, Wanted::default(), &[])?,
            false => Vec::new(),
        };
        return Err(no_match(missing, &all));
    }
    let rows: Vec<Row> = sorted(rows).into_iter().filter(|row| row.available).collect();
    let status = Status::of(session, request, &rows, used)?;
    let rows: Vec<Row> =
        rows.into_iter().filter(|row| !request.prebuilt || status.is_prebuilt(row)).collect();
    Ok(if request.json {
        as_json(&rows, request.wanted.meta)
    } else if request.xml {
        as_xml(&rows, request, &status, &others)
    } else {
        let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, request, &status, &others)).collect();
        table_of(&cells)
    })
}

/// Those that a name was given of, name by name.
fn chosen(rows: Vec<Row>, names: &[Selector]) -> Result<Vec<Row>, Failure> {
    if names.is_empty() {
        return Ok(rows);
    }
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let mut found = Vec::new();
    for selector in names {
        for row in &mut rows {
            if row.as_ref().is_some_and(|row| selector.fits(&row.name)) {
                found.extend(row.take());
            }
        }
    }
    Ok(found)
}

fn no_match(selector: &Selector, all: &[Row]) -> Failure {
    let prefix = selector.prefix();
    let names = all.iter().map(|row| package_name(&row.name).0).filter(|name| name.starts_with(prefix));
    let mut near = BTreeSet::new();
    for name in names {
        near.insert(name);
        if near.len() == 3 {
            break;
        }
    }
    let near: Vec<&str> = near.into_iter().collect();
    let suggestion = match near.is_empty() {
        true => String::new(),
        false => format!(", maybe you meant:\n{}", near.join("\n")),
    };
    Failure::new(format_args!("selector '{selector}' matches no derivations{suggestion}"))
}

/// By name, as the reference lists them.
fn sorted(rows: Vec<Row>) -> Vec<Row> {
    let names: Vec<String> = rows.iter().map(|row| row.name.to_ascii_uppercase()).collect();
    let order = standard_order(names.len(), |a, b| names[a] < names[b]);
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| rows[index].take()).collect()
}

/// Whether packages are installed, in the store, in a cache.
#[derive(Default)]
struct Status {
    installed: HashSet<String>,
    valid: HashSet<String>,
    substitutable: HashSet<String>,
}

impl Status {
    fn of(
        session: &Session,
        request: &Request,
        rows: &[Row],
        installed: HashSet<String>,
    ) -> Result<Self, Failure> {
        if !request.wanted.main_path {
            return Ok(Self::default());
        }
        let paths = rows.iter().filter_map(|row| session.parse(row.main_path.as_deref()?).ok());
        let paths: Vec<StorePath> = paths.collect();
        let mut valid = HashSet::new();
        for path in &paths {
            if session.store().is_valid(path).map_err(Error::from)? {
                valid.insert(session.store().display(path));
            }
        }
        Ok(Self { installed, valid, substitutable: session.substitutable(&paths) })
    }

    fn is_prebuilt(&self, row: &Row) -> bool {
        let path = row.main_path.as_ref();
        path.is_some_and(|path| self.valid.contains(path) || self.substitutable.contains(path))
    }

    /// Installed, in the store, in a cache.
    fn flags(&self, row: &Row) -> [bool; 3] {
        let path = row.main_path.as_ref();
        [&self.installed, &self.valid, &self.substitutable]
            .map(|paths| path.is_some_and(|path| paths.contains(path)))
    }
}

/// How a package's version compares with those of the same name: a sign and the other
/// version.
fn compared(name: &str, others: &[String]) -> (char, String) {
    let (own, version) = package_name(name);
    let (mut sign, mut best) = ('-', "?".to_owned());
    for other in others {
        let (name, other) = package_name(other);
        if name != own {
            continue;
        }
        match compare(version, other) {
            Ordering::Less => (sign, best) = ('<', other.to_owned()),
            Ordering::Equal if sign != '<' => (sign, best) = ('=', other.to_owned()),
            Ordering::Greater if sign != '<' && sign != '=' => {
                sign = '>';
                if best.is_empty() || compare(&best, other) == Ordering::Less {
                    other.clone_into(&mut best);
                }
            }
            _ => {}
        }
    }
    (sign, best)
}

fn cells(row: &Row, request: &Request, status: &Status, others: &[String]) -> Vec<String> {
    let wanted = request.wanted;
    let mut cells = Vec::new();
    if request.status {
        let flags = status.flags(row).into_iter().zip("IPS".chars());
        cells.push(flags.map(|(is, letter)| if is { letter } else { '-' }).collect());
    }
    if request.attribute_path {
        cells.push(row.path.clone());
    }
    if !request.no_name {
        cells.push(row.name.clone());
    }
    if request.compare {
        let (sign, version) = compared(&row.name, others);
        let cell = format!("{sign} {version}");
        let is_old = sign == '<' && std::io::stdout().is_terminal();
        cells.push(if is_old { format!("\x1b[31;1m{cell}\x1b[0m") } else { cell });
    }
    if wanted.system {
        cells.push(row.system.clone());
    }
    if wanted.derivation {
        cells.push(row.derivation.clone().unwrap_or_else(|| "-".to_owned()));
    }
    if wanted.out_path {
        let cell = |(name, path): (&String, &Option<String>)| {
            let path = path.clone().unwrap_or_default();
            if name == "out" { path } else { format!("{name}={path}") }
        };
        cells.push(row.outputs.iter().map(cell).collect::<Vec<_>>().join(";"));
    }
    if wanted.description {
        cells.push(row.description.clone());
    }
    cells
}

/// Columns as wide as their widest cell, two spaces between them.
fn table_of(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text += &cell.replace('\n', " ");
            if column + 1 < columns {
                text += &" ".repeat(width - cell.len() + 2);
            }
        }
        text.push('\n');
    }
    text
}

fn as_json(rows: &[Row], meta: bool) -> String {
    let entry = |row: &Row| {
        let (name, version) = package_name(&row.name);
        // In the order of their names.
        let mut value: BTreeMap<&str, Json> = BTreeMap::from([
            ("name", json!(row.name)),
            ("outputName", json!(row.output)),
            ("outputs", json!(row.outputs)),
            ("pname", json!(name)),
            ("system", json!(row.system)),
            ("version", json!(version)),
        ]);
        if let Some(derivation) = &row.derivation {
            value.insert("drvPath", json!(derivation));
        }
        if meta {
            value.insert("meta", json!(row.meta));
        }
        (row.path.clone(), value)
    };
    let all: BTreeMap<String, _> = rows.iter().map(entry).collect();
    format!("{}\n", serde_json::to_string_pretty(&all).unwrap_or_default())
}

fn as_xml(rows: &[Row], request: &Request, status: &Status, others: &[String]) -> String {
    let mut writer = xml::Writer::new("items");
    for row in rows {
        let (name, version) = package_name(&row.name);
        let mut attributes = vec![
            ("attrPath", row.path.clone()),
            ("name", row.name.clone()),
            ("outputName", row.output.clone()),
            ("pname", name.to_owned()),
            ("system", row.system.clone()),
            ("version", version.to_owned()),
        ];
        if request.status {
            let flags = ["installed", "valid", "substitutable"].into_iter().zip(status.flags(row));
            attributes.extend(flags.map(|(name, is)| (name, u8::from(is).to_string())));
        }
        if request.compare {
            let (sign, version) = compared(&row.name, others);
            if sign != '-' {
                attributes.extend([("versionDiff", sign.to_string()), ("maxComparedVersion", version)]);
            }
        }
        attributes.extend(row.derivation.clone().map(|path| ("drvPath", path)));
        if request.wanted.description && !row.description.is_empty() {
            attributes.push(("description", row.description.clone()));
        }
        writer.open("item", &attributes);
        for (name, path) in &row.outputs {
            let path = path.clone().map(|path| ("path", path));
            writer.empty("output", &[("name", name.clone())].into_iter().chain(path).collect::<Vec<_>>());
        }
        if request.wanted.meta {
            for (name, value) in &row.meta {
                meta_as_xml(&mut writer, name, value);
            }
        }
        writer.close("item");
    }
    writer.finish()
}

fn meta_as_xml(writer: &mut xml::Writer, name: &str, value: &Json) {
    if value.is_null() {
        return;
    }
    let simple = match value {
        Json::String(text) => Some(("string", text.clone())),
        Json::Bool(value) => Some(("bool", value.to_string())),
        Json::Number(number) if number.is_f64() => Some(("float", number.to_string())),
        Json::Number(number) => Some(("int", number.to_string())),
        _ => None,
    };
    let name = ("name", name.to_owned());
    if let Some((kind, value)) = simple {
        writer.empty("meta", &[name, ("type", kind.to_owned()), ("value", value)]);
        return;
    }
    writer.open("meta", &[name, ("type", "strings".to_owned())]);
    match value {
        Json::Array(items) => {
            for text in items.iter().filter_map(Json::as_str) {
                writer.empty("string", &[("value", text.to_owned())]);
            }
        }
        Json::Object(object) => {
            for (name, text) in object.iter().filter_map(|(name, value)| Some((name, value.as_str()?))) {
                writer.empty("string", &[("type", name.clone()), ("value", text.to_owned())]);
            }
        }
        _ => {}
    }
    writer.close("meta");
}

fn row_of_item(number: usize, item: &Item, wanted: Wanted) -> Row {
    let path = |path: &String| wanted.out_path.then(|| path.clone());
    let description = item.meta.get("description").and_then(Json::as_str).unwrap_or_default();
    Row {
        path: number.to_string(),
        name: item.name.clone(),
        system: item.system.clone(),
        output: String::new(),
        outputs: item.outputs.iter().map(|(name, place)| (name.clone(), path(place))).collect(),
        main_path: item.outputs.first().map(|(_, path)| path.clone()),
        derivation: None,
        description: description.to_owned(),
        meta: item.meta.clone(),
        available: true,
    }
}

/// The packages of the package set; those that names are given of, if there are any.
fn available(
    session: &Arc<Session>,
    options: &Options,
    request: &Request,
    wanted: Wanted,
    names: &[Selector],
) -> Result<Vec<Row>, Error> {
    let source = Source::File(request.file.clone().unwrap_or_else(|| "<nixpkgs>".to_owned()));
    let prefix = request.attribute.clone().unwrap_or_default();
    let roots = |evaluator: &mut Evaluator| {
        let given = arguments(evaluator, &options.arguments)?;
        let given = argument_set(evaluator, given);
        let root = session.package_set_value(evaluator, &source)?;
        Ok((vec![find_along(evaluator, root, &prefix, given)?], given))
    };
    let describe = |evaluator: &mut Evaluator, _: usize, package: &Package| {
        let name = package.text(evaluator, "name")?.unwrap_or_default();
        if !names.is_empty() && !names.iter().any(|selector| selector.fits(&name)) {
            return Ok(None);
        }
        let row = match row(session, evaluator, wanted, &prefix, package) {
            // It has a place in the order.
            Err(EvaluationError::Nix(error)) if error.is_catchable() => Row { name, ..Row::default() },
            row => row?,
        };
        Ok(serde_json::to_vec(&row).ok())
    };
    let arguments = &options.arguments;
    let directory = current_directory();
    let chosen = if names.is_empty() { &[][..] } else { &request.names };
    let key = format!("nix-env {source:?} {prefix:?} {wanted:?} {chosen:?} {arguments:?} {directory:?}");
    let answer = session.query(&Query {
        roots: &roots,
        describe: &describe,
        forgive: Forgive::Assertions,
        forgive_description: Forgive::Assertions,
        repeated: false,
        key: Some(key.into_bytes()),
        division: Division::among(options.evaluators()),
    })?;
    Ok(answer.rows.iter().filter_map(|row| serde_json::from_slice(&row.description).ok()).collect())
}

fn row(
    session: &Session,
    evaluator: &mut Evaluator,
    wanted: Wanted,
    prefix: &str,
    package: &Package,
) -> Result<Row, EvaluationError> {
    let path = package.path.to_string();
    let path = match (prefix, path.as_str()) {
        ("", path) => path.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    };
    let mut row = Row { path, available: true, ..Row::default() };
    row.name = package.text(evaluator, "name")?.unwrap_or_default();
    if wanted.system {
        row.system = package.text(evaluator, "system")?.unwrap_or_else(|| "unknown".to_owned());
        row.output = package.text(evaluator, "outputName")?.unwrap_or_default();
        row.outputs = output_names(evaluator, package)?.into_iter().map(|name| (name, None)).collect();
    }
    if wanted.derivation {
        row.derivation = Some(session.store().display(&package.derivation(session, evaluator)?));
    }
    if wanted.out_path {
        let outputs = output_paths(evaluator, package)?;
        row.outputs = outputs.into_iter().map(|(name, path)| (name, Some(path))).collect();
    }
    if wanted.main_path {
        row.main_path = Some(string_of(evaluator, "p: toString p.outPath", package)?);
    }
    if wanted.description {
        row.description = string_of(evaluator, "p: toString (p.meta.description or \"\")", package)?;
    }
    if wanted.meta {
        row.meta = meta(evaluator, package, &row.name)?;
    }
    Ok(row)
}

/// What a function from a package to a string gives.
fn string_of(
    evaluator: &mut Evaluator,
    function: &str,
    package: &Package,
) -> Result<String, EvaluationError> {
    let function = evaluator.eval_str(function, b"/")?;
    let text = evaluator.call(function, &[package.value], saltire_diagnostics::Pos::NONE)?;
    let text = evaluator.force(text)?;
    Ok(text.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default())
}

/// `meta`; what of it is no plain value is `null`.
fn meta(
    evaluator: &mut Evaluator,
    package: &Package,
    name: &str,
) -> Result<Map<String, Json>, EvaluationError> {
    let Some(meta) = package.value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta"))) else {
        return Ok(Map::new());
    };
    let meta = evaluator.force(meta)?;
    let mut object = Map::new();
    for attr in meta.as_attrs().map(|attrs| attrs.sorted()).unwrap_or_default() {
        evaluator.force(attr.value)?;
        let value = plain(evaluator, attr.value, 0);
        if value.is_none() {
            eprintln!("derivation '{name}' has invalid meta attribute '{}'", attr.name);
        }
        object.insert(attr.name.to_string(), value.unwrap_or(Json::Null));
    }
    Ok(object)
}

fn output_names(evaluator: &mut Evaluator, package: &Package) -> Result<Vec<String>, EvaluationError> {
    let names = string_of(evaluator, "p: toString (p.outputs or [ \"out\" ])", package)?;
    Ok(names.split(' ').map(str::to_owned).collect())
}

/// The outputs of a package with their paths.
pub fn output_paths(
    evaluator: &mut Evaluator,
    package: &Package,
) -> Result<Vec<(String, String)>, EvaluationError> {
    let function = "p: map (o: [ o (toString p.${o}.outPath) ]) (p.outputs or [ \"out\" ])";
    let function = evaluator.eval_str(function, b"/")?;
    let pairs = evaluator.call(function, &[package.value], saltire_diagnostics::Pos::NONE)?;
    let pairs = evaluator.force_deep(pairs)?;
    let text = |value: saltire_eval::Value| {
        let text = value.resolve().as_str();
        text.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default()
    };
    let pair = |value: saltire_eval::Value| {
        let list = value.resolve().as_list()?;
        Some((text(list.get(0)?), text(list.get(1)?)))
    };
    Ok(pairs.as_list().map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_with_those_of_the_same_name() {
        let others = ["a-1", "a-3", "b-2", "ab-9"].map(str::to_owned);
        let check = |name: &str, sign: char, version: &str| {
            assert_eq!(compared(name, &others), (sign, version.to_owned()), "{name}");
        };
        check("a-2", '<', "3");
        check("a-3", '=', "3");
        check("a-4", '>', "3");
        check("b-2", '=', "2");
        check("c-1", '-', "?");
    }

    #[test]
    fn cells_stand_in_columns() {
        let rows = [["a", "b\nc"], ["longer", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table_of(&rows), "a       b c\nlonger  d\n");
    }
}
