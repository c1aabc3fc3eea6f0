//! `nixConfig`: settings that a flake asks for, and whether the user lets it.
//!
//! Settings that can do no harm are taken over; others if `accept-flake-config` is on,
//! or if the user said so, now or before. What was said is kept where Nix keeps it, in
//! `$XDG_DATA_HOME/nix/trusted-settings.json`.

use saltire_flake::ConfigValue;
use saltire_terminal::Failure;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

/// Settings that need no question. Source: the Nix manual, `accept-flake-config`.
const HARMLESS: [&str; 6] = [
    "bash-prompt",
    "bash-prompt-prefix",
    "bash-prompt-suffix",
    "flake-registry",
    "commit-lock-file-summary",
    "commit-lockfile-summary",
];

/// The settings to take over, with their values.
pub fn accepted(
    config: &BTreeMap<String, ConfigValue>,
    accept_all: bool,
) -> Result<Vec<(String, String)>, Failure> {
    let mut accepted = Vec::new();
    for (name, value) in config {
        let value = match value {
            ConfigValue::Text(text) => text.clone(),
            ConfigValue::Int(number) => number.to_string(),
            ConfigValue::Bool(value) => value.to_string(),
            ConfigValue::List(items) => items.join(" "),
        };
        let base = name.strip_prefix("extra-").unwrap_or(name);
        if accept_all || HARMLESS.contains(&base) || trusts(name, &value)? {
            accepted.push((name.clone(), value));
        } else {
            eprintln!(
                "warning: ignoring untrusted flake configuration setting '{name}'.\nPass '--accept-flake-config' to trust it"
            );
        }
    }
    Ok(accepted)
}

/// Whether the user trusts a flake with a setting.
fn trusts(name: &str, value: &str) -> Result<bool, Failure> {
    let mut known = read();
    if let Some(answer) = known.get(name).and_then(|values| values.get(value)).and_then(Json::as_bool) {
        eprintln!(
            "Using saved setting for '{name} = {value}' from ~/.local/share/nix/trusted-settings.json."
        );
        return Ok(answer);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    let question =
        format!("do you want to allow configuration setting '{name}' to be set to '{value}' (y/N)?");
    let answer = ask(&question);
    let word = if answer { "trusted" } else { "untrusted" };
    if ask(&format!("do you want to permanently mark this value as {word} (y/N)?")) {
        let values = known.entry(name.to_owned()).or_insert_with(|| json!({}));
        if let Some(values) = values.as_object_mut() {
            values.insert(value.to_owned(), json!(answer));
        }
        write(&known)?;
    }
    Ok(answer)
}

fn ask(question: &str) -> bool {
    eprint!("{question} ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    // Without an answer it is no.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    answer.trim().eq_ignore_ascii_case("y")
}

fn file() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    Some(data?.join("nix/trusted-settings.json"))
}

/// What was said before; nothing if that can't be read.
fn read() -> Map<String, Json> {
    let text = file().and_then(|file| std::fs::read_to_string(file).ok());
    let value = text.and_then(|text| serde_json::from_str::<Json>(&text).ok());
    match value {
        Some(Json::Object(known)) => known,
        _ => Map::new(),
    }
}

fn write(known: &Map<String, Json>) -> Result<(), Failure> {
    let Some(file) = file() else { return Ok(()) };
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't write {}: {error}", file.display()));
    let directory = file.parent().unwrap_or(&file);
    std::fs::create_dir_all(directory).map_err(failed)?;
    let temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    std::fs::write(temporary.path(), Json::Object(known.clone()).to_string()).map_err(failed)?;
    temporary.persist(&file).map_err(|error| failed(error.error))?;
    Ok(())
}
