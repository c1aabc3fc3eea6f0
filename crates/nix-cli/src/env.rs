//! `nix-env --query --available`: the packages of a package set.

use crate::arguments::{Arguments, Word, text};
use crate::installable::package_name;
use crate::options::Options;
use crate::order::standard_order;
use saltire_driver::{
    Division, Error, EvaluationError, Forgive, Package, Query, Session, Source, argument_set, arguments,
    current_directory, find_along,
};
use saltire_eval::Evaluator;
use saltire_terminal::{Failure, print};
use serde_json::{Map, Value as Json, json};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-env -i NAME… | -iA PATH… | -u [NAME…] | -e NAME… | -q [NAME…]
       nix-env -qa [OPTION]… [NAME]…
       nix-env --list-generations | --rollback | --switch-generation N
       nix-env --delete-generations old | 30d | +5 | N…
       nix-env --set PATH | --set-flag NAME VALUE PACKAGE… | -S PROFILE

Installs, upgrades, removes and lists the packages of a profile, and goes back to what
it was; lists the packages of a package set (default: <nixpkgs>).

  -p, --profile PATH     the profile (default: where ~/.nix-profile leads to)
  -f FILE, -A PATH       which package set, and which part of it
  -E                     the arguments are functions of the package set
      --from-profile PATH  packages of another profile
  -P, --preserve-installed, -r, --remove-all, --dry-run
      --lt, --leq, --eq, --always  which versions -u may lead to
  -P, --attr-path        (-qa) print attribute paths
      --drv-path         print the paths of the derivations
      --out-path         print the paths of the outputs
      --system           print the systems
      --description      print descriptions
      --no-name          don't print names
      --json             print as JSON
      --arg NAME EXPR, --argstr NAME TEXT, -I PATH, --option NAME VALUE
";

#[derive(Debug, Default)]
struct Request {
    query: bool,
    available: bool,
    file: Option<String>,
    attributes: Vec<String>,
    attribute_path: bool,
    derivation: bool,
    outputs: bool,
    system: bool,
    description: bool,
    no_name: bool,
    json: bool,
    names: Vec<String>,
}

/// Runs `nix-env`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('q') => request.query = true,
            Word::Short('a') => request.available = true,
            Word::Short('P') => request.attribute_path = true,
            Word::Short('f') => request.file = Some(words.value(&word)?),
            Word::Short('A') => request.attributes.push(words.value(&word)?),
            Word::Long(name) => match name.as_str() {
                "query" => request.query = true,
                "available" => request.available = true,
                "attr-path" => request.attribute_path = true,
                "file" => request.file = Some(words.value(&word)?),
                "attr" => request.attributes.push(words.value(&word)?),
                "drv-path" => request.derivation = true,
                "out-path" => request.outputs = true,
                "system" => request.system = true,
                "description" => request.description = true,
                "no-name" => request.no_name = true,
                "json" => request.json = true,
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            Word::Plain(name) => request.names.push(text(name.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    // Queries don't write derivations, as in the reference.
    options.read_only = true;
    let opened = options.open()?;
    let rows = rows(&opened.session, &options, &request);
    opened.progress.finish();
    let rows = rows?;
    print(&if request.json { as_json(&rows) } else { table(&rows) })?;
    Ok(ExitCode::SUCCESS)
}

/// A package: its cells and what JSON says of it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Row {
    path: String,
    name: String,
    cells: Vec<String>,
    json: Map<String, Json>,
    /// Whether it is listed.
    available: bool,
}

fn rows(session: &Arc<Session>, options: &Options, request: &Request) -> Result<Vec<Row>, Error> {
    let source = Source::File(request.file.clone().unwrap_or_else(|| "<nixpkgs>".to_owned()));
    let whole = [String::new()];
    let paths = if request.attributes.is_empty() { &whole[..] } else { &request.attributes };
    let roots = |evaluator: &mut Evaluator| {
        let given = arguments(evaluator, &options.arguments)?;
        let given = argument_set(evaluator, given);
        let root = session.package_set_value(evaluator, &source)?;
        let values = paths.iter().map(|path| find_along(evaluator, root, path, given));
        Ok((values.collect::<Result<_, _>>()?, given))
    };
    let describe = |evaluator: &mut Evaluator, root: usize, package: &Package| {
        let row = match row(session, evaluator, request, &paths[root], package) {
            // What can't be evaluated on this platform is not available.
            Err(EvaluationError::Nix(error)) if error.is_catchable() => unavailable(evaluator, package)?,
            row => row?,
        };
        Ok(row.and_then(|row| serde_json::to_vec(&row).ok()))
    };
    let arguments = &options.arguments;
    let directory = current_directory();
    let workers = match options.config.text("eval-cores") {
        "0" | "auto" => std::thread::available_parallelism().map_or(1, usize::from),
        number => number.parse().unwrap_or(1),
    };
    let answer = session.query(&Query {
        roots: &roots,
        describe: &describe,
        forgive: Forgive::Assertions,
        forgive_description: Forgive::Assertions,
        key: Some(format!("nix-env {request:?} {arguments:?} {directory:?}").into_bytes()),
        division: Division::among(workers),
    })?;
    let mut rows: Vec<Row> =
        answer.rows.iter().filter_map(|row| serde_json::from_slice(&row.description).ok()).collect();
    // By name, as the reference lists them.
    let names: Vec<String> = rows.iter().map(|row| row.name.to_ascii_uppercase()).collect();
    let order = standard_order(names.len(), |a, b| names[a] < names[b]);
    let mut rows: Vec<Option<Row>> = rows.drain(..).map(Some).collect();
    Ok(order.into_iter().filter_map(|index| rows[index].take()).filter(|row| row.available).collect())
}

/// A package that is not listed, but has a place in the order.
fn unavailable(evaluator: &mut Evaluator, package: &Package) -> Result<Option<Row>, EvaluationError> {
    let name = package.text(evaluator, "name")?.unwrap_or_default();
    Ok(Some(Row { path: String::new(), name, cells: Vec::new(), json: Map::new(), available: false }))
}

fn row(
    session: &Session,
    evaluator: &mut Evaluator,
    request: &Request,
    prefix: &str,
    package: &Package,
) -> Result<Option<Row>, EvaluationError> {
    let name = package.text(evaluator, "name")?.unwrap_or_default();
    let (short, version) = package_name(&name);
    if !request.names.is_empty()
        && !request.names.iter().any(|wanted| wanted == "*" || *wanted == name || wanted == short)
    {
        return Ok(None);
    }
    let path = package.path.to_string();
    let path = match (prefix, path.as_str()) {
        ("", path) => path.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    };
    let mut cells = Vec::new();
    let mut json = Map::new();
    let system = package.text(evaluator, "system")?.unwrap_or_else(|| "unknown".to_owned());
    if request.attribute_path {
        cells.push(path.clone());
    }
    if !request.no_name {
        cells.push(name.clone());
    }
    json.insert("name".into(), json!(name));
    json.insert("pname".into(), json!(short));
    json.insert("version".into(), json!(version));
    json.insert("system".into(), json!(system));
    if request.system {
        cells.push(system);
    }
    if request.derivation {
        let derivation = session.store().display(&package.derivation(session, evaluator)?);
        json.insert("drvPath".into(), json!(derivation));
        cells.push(derivation);
    }
    if request.outputs {
        let outputs = output_paths(evaluator, package)?;
        let cell = |(name, path): &(String, String)| {
            if name == "out" { path.clone() } else { format!("{name}={path}") }
        };
        cells.push(outputs.iter().map(cell).collect::<Vec<_>>().join(";"));
        json.insert("outputs".into(), outputs.into_iter().map(|(name, path)| (name, json!(path))).collect());
    }
    if request.description {
        let text = description(evaluator, package)?;
        json.insert("description".into(), json!(text));
        cells.push(text);
    }
    Ok(Some(Row { path, name, cells, json, available: true }))
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

fn description(evaluator: &mut Evaluator, package: &Package) -> Result<String, EvaluationError> {
    let function = evaluator.eval_str("p: toString (p.meta.description or \"\")", b"/")?;
    let text = evaluator.call(function, &[package.value], saltire_diagnostics::Pos::NONE)?;
    let text = evaluator.force(text)?;
    Ok(text.as_str().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).unwrap_or_default())
}

fn table(rows: &[Row]) -> String {
    table_of(&rows.iter().map(|row| row.cells.clone()).collect::<Vec<_>>())
}

/// Columns as wide as their widest cell, two spaces between them.
pub fn table_of(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn as_json(rows: &[Row]) -> String {
    let all: Map<String, Json> =
        rows.iter().map(|row| (row.path.clone(), Json::Object(row.json.clone()))).collect();
    format!("{}\n", serde_json::to_string_pretty(&Json::Object(all)).unwrap_or_default())
}
