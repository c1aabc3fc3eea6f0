//! `nix search`: packages by name and description.

use crate::arguments::{Arguments, Word, text};
use crate::flake_installable::Purpose;
use crate::installable::{Form, Installable, InstallableOptions, package_name};
use crate::options::{Opened, Options};
use saltire_diagnostics::Pos;
use saltire_driver::{
    Division, Error, EvaluationError, FlakeAttribute, Forgive, Package, Query, Session, argument_set,
    arguments, current_directory,
};
use saltire_eval::{Evaluator, Symbol};
use saltire_posix_regex::Regex;
use saltire_terminal::{Failure, print};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix search INSTALLABLE REGEX…
       nix search -f FILE REGEX…

Lists the packages whose name or description matches all regular expressions, which
are POSIX extended ones; capitals don't matter.

  -e, --exclude REGEX    leave out what matches
      --json             print as JSON
";

/// Runs `nix search`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Packages);
    let (mut expressions, mut excluded, mut json) = (Vec::new(), Vec::new(), false);
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "json" => json = true,
            Word::Short('e') => excluded.push(regex(&words.value(&word)?)?),
            Word::Long(name) if name == "exclude" => excluded.push(regex(&words.value(&word)?)?),
            Word::Plain(expression) if installables.has_file() || !installables.operands.is_empty() => {
                expressions.push(regex(&text(expression.clone())?)?);
            }
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if expressions.is_empty() {
        return Err(Failure::new(
            "Must provide at least one regex! To match all packages, use 'nix search <installable> ^'.",
        ));
    }
    // Looking for packages makes none.
    options.read_only = true;
    if !options.config.is_set("allow-import-from-derivation") {
        options.set("allow-import-from-derivation", "false")?;
    }
    let (Opened { session, progress }, installable) = installables.open_single(&mut options)?;
    let rows = installable
        .remembered(&session, &options, "search", &ROWS, || rows(&session, &installable, &options))?;
    progress.finish();
    let wanted = |row: &&Row| {
        let texts = [row.path.to_lowercase(), row.name.to_lowercase(), row.description.to_lowercase()];
        let matches =
            |regex: &Regex| texts.iter().any(|text| regex.find_iter(text.as_bytes()).next().is_some());
        expressions.iter().all(matches) && !excluded.iter().any(matches)
    };
    let found: Vec<&Row> = rows.iter().filter(wanted).collect();
    if found.is_empty() && !json {
        return Err(Failure::new("no results for the given search term(s)!"));
    }
    print(&if json { as_json(&found) } else { as_text(&found) })?;
    Ok(ExitCode::SUCCESS)
}

struct Row {
    path: String,
    name: String,
    version: String,
    description: String,
}

/// As JSON: lists of path, name, version and description.
const ROWS: Form<Vec<Row>> = Form {
    print: |_, rows| {
        let row = |row: &Row| json!([row.path, row.name, row.version, row.description]);
        Json::from(rows.iter().map(row).collect::<Vec<_>>()).to_string().into_bytes()
    },
    read: |_, text| {
        let rows: Vec<[String; 4]> = serde_json::from_slice(text).ok()?;
        let row = |[path, name, version, description]: [String; 4]| Row { path, name, version, description };
        Some(rows.into_iter().map(row).collect())
    },
};

/// All packages of an installable. Of a file, what was found is kept by the query
/// itself; of a flake, with the flake's other answers.
fn rows(session: &Arc<Session>, installable: &Installable, options: &Options) -> Result<Vec<Row>, Error> {
    let prefixes = OnceLock::new();
    let roots = |evaluator: &mut Evaluator| {
        let given = arguments(evaluator, &options.arguments)?;
        let given = argument_set(evaluator, given);
        let mut found = Vec::new();
        for one in installable.find_all(session, evaluator, options)? {
            match one.path.as_str() {
                // The sets of all systems.
                "packages" | "legacyPackages" => {
                    for attr in evaluator.attrs_value(one.value, Pos::NONE, "")?.sorted() {
                        let path = format!("{}.{}", one.path, attr.name);
                        found.push(FlakeAttribute { value: attr.value, path });
                    }
                }
                _ => found.push(one),
            }
        }
        let _ = prefixes.set(found.iter().map(|one| one.path.clone()).collect::<Vec<_>>());
        Ok((found.into_iter().map(|one| one.value).collect(), given))
    };
    let describe = |evaluator: &mut Evaluator, root: usize, package: &Package| {
        let prefix = prefixes.get().and_then(|all: &Vec<String>| all.get(root)).map_or("", String::as_str);
        // In `packages` nothing is nested.
        let is_nested = prefix.starts_with("packages.") && package.path.to_string().contains('.');
        if is_nested {
            return Ok(None);
        }
        let row = row(evaluator, prefix, package)?;
        Ok(serde_json::to_vec(&[row.path, row.name, row.version, row.description]).ok())
    };
    let (arguments, directory) = (&options.arguments, current_directory());
    let key = format!("nix search {installable:?} {arguments:?} {directory:?}");
    let answer = session.query(&Query {
        roots: &roots,
        describe: &describe,
        // A broken package is no package to be found.
        forgive: Forgive::Errors,
        forgive_description: Forgive::Errors,
        repeated: true,
        key: (!installable.is_flake()).then(|| key.into_bytes()),
        division: Division::among(options.evaluators()),
    })?;
    let row = |text: &[u8]| {
        let [path, name, version, description]: [String; 4] = serde_json::from_slice(text).ok()?;
        Some(Row { path, name, version, description })
    };
    Ok(answer.rows.iter().filter_map(|found| row(&found.description)).collect())
}

fn row(evaluator: &mut Evaluator, prefix: &str, package: &Package) -> Result<Row, EvaluationError> {
    let whole = package.text(evaluator, "name")?.unwrap_or_default();
    let (name, version) = package_name(&whole);
    let meta = package.value.as_attrs().and_then(|attrs| attrs.get(Symbol::intern("meta")));
    let description = match meta {
        Some(meta) => {
            let value = evaluator.force(meta)?;
            Package { value, path: package.path }.text(evaluator, "description")?
        }
        None => None,
    };
    Ok(Row {
        path: match (prefix, package.path.to_string().as_str()) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        },
        name: name.to_owned(),
        version: version.to_owned(),
        description: description.unwrap_or_default().replace('\n', " "),
    })
}

fn regex(text: &str) -> Result<Regex, Failure> {
    Regex::new(text.to_lowercase().as_bytes())
        .map_err(|error| Failure::new(format_args!("'{text}' is not a regular expression: {error}")))
}

fn as_text(rows: &[&Row]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let version = if row.version.is_empty() { String::new() } else { format!(" ({})", row.version) };
        let path = if row.path.is_empty() { &row.name } else { &row.path };
        text += &format!("* {path}{version}\n");
        if !row.description.is_empty() {
            text += &format!("  {}\n", row.description);
        }
    }
    text
}

fn as_json(rows: &[&Row]) -> String {
    let entry = |row: &&Row| {
        let json = json!({ "description": row.description, "pname": row.name, "version": row.version });
        (row.path.clone(), json)
    };
    // In the order of their paths.
    format!("{}\n", json!(rows.iter().map(entry).collect::<BTreeMap<_, _>>()))
}
