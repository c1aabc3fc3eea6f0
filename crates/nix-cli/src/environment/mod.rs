//! The environment of a derivation's build, as stdenv's setup makes it: what
//! `nix develop` starts a shell in and `nix print-dev-env` prints.
//!
//! It is the result of a build: that of the derivation with another builder, which
//! writes down variables and functions instead of building. So it is made where the
//! build would be (in the sandbox, emulated, on another machine) and kept in the store.

use crate::arguments::{Arguments, Word};
use crate::build::realise;
use crate::installable::{Goal, Installable};
use crate::options::{Opened, Options};
use crate::profile::Profile;
use saltire_driver::{Error, StorePath, Wanted};
use saltire_store_model::{Derivation, DerivationOutput};
use saltire_terminal::Failure;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is run in the builder's place.
const BUILDER: &str = include_str!("environment.sh");

/// Variables that stay as they are outside.
const LEFT_OUT: [&str; 16] = [
    "BASHOPTS",
    "HOME",
    "NIX_BUILD_TOP",
    "NIX_ENFORCE_PURITY",
    "NIX_LOG_FD",
    "NIX_REMOTE",
    "PPID",
    "SHELLOPTS",
    "SSL_CERT_FILE",
    "TEMP",
    "TEMPDIR",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "UID",
];

/// Lists that what is outside is added to, so that the shell can be used.
const ADDED_TO: [&str; 2] = ["PATH", "XDG_DATA_DIRS"];

/// Variables and functions of a build.
#[derive(Debug, PartialEq, Eq)]
pub struct BuildEnvironment {
    variables: BTreeMap<String, Variable>,
    /// Bodies by name.
    functions: BTreeMap<String, String>,
    /// `.attrs.json` and `.attrs.sh`.
    structured: Option<(String, String)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Variable {
    Text { value: String, exported: bool },
    Array(Vec<String>),
    Table(BTreeMap<String, String>),
}

/// The options of both commands.
#[derive(Default)]
pub struct EnvironmentOptions {
    profile: Option<String>,
    /// Installables whose paths are to be directories.
    redirects: Vec<(String, PathBuf)>,
}

impl EnvironmentOptions {
    /// Takes an option; false if it is something else.
    pub fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        let Word::Long(name) = word else { return Ok(false) };
        match name.as_str() {
            "profile" => self.profile = Some(words.value(word)?),
            "redirect" => {
                let installable = words.value(word)?;
                let directory = words.value(word)?;
                let absolute = std::path::absolute(&directory)
                    .map_err(|error| Failure::new(format_args!("{directory}: {error}")))?;
                self.redirects.push((installable, absolute));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The environment of an installable's build, and where in the store it is.
    pub fn environment(
        &self,
        opened: &Opened,
        installable: &Installable,
        options: &Options,
    ) -> Result<(BuildEnvironment, StorePath), Failure> {
        let path = match installable.goals(&opened.session, options)?.as_slice() {
            [Goal::Path(path)] if path.name().ends_with("-env") => path.clone(),
            [Goal::Path(derivation)] if derivation.is_derivation() => build(opened, derivation)?,
            [Goal::Built(built)] => build(opened, &built.derivation)?,
            goals => {
                return Err(Failure::new(format_args!(
                    "'{installable}' needs to evaluate to a single derivation, but it evaluated to {} derivations",
                    goals.iter().filter(|goal| matches!(goal, Goal::Built(_))).count()
                )));
            }
        };
        if let Some(profile) = &self.profile {
            Profile::open(&opened.session, Some(profile))?.set(&opened.session, &path)?;
        }
        let file = opened.session.store().physical_path(&path);
        let text = std::fs::read(&file)
            .map_err(|error| Failure::new(format_args!("can't read {}: {error}", file.display())))?;
        let environment = parse(&text).ok_or_else(|| {
            let path = opened.session.store().display(&path);
            Failure::new(format_args!("'{path}' is not the environment of a build"))
                .hint("'nix develop' takes derivations, and what 'nix develop --profile' kept")
        })?;
        Ok((environment, path))
    }

    /// What the paths of outputs are to be instead: directories below `outputs` in the
    /// working directory, and what `--redirect` says; and where files are that the
    /// build would see.
    pub fn rewrites(
        &self,
        environment: &BuildEnvironment,
        opened: &Opened,
        all: &[Installable],
        options: &Options,
    ) -> Result<Vec<(String, String)>, Failure> {
        let here = crate::program::working_directory()
            .map_err(|error| Failure::new(format_args!("there is no working directory: {error}")))?;
        let mut rewrites = environment.output_rewrites(&here.join("outputs"));
        for (installable, (name, directory)) in all.iter().zip(&self.redirects) {
            let mut used = false;
            for goal in installable.goals(&opened.session, options)? {
                for path in paths_of(opened, &goal)? {
                    used |= environment.mentions(&path);
                    rewrites.push((path, directory.display().to_string()));
                }
            }
            match used {
                true => eprintln!("redirecting '{name}' to '{}'", directory.display()),
                false => eprintln!("warning: '{name}' is not used by this build environment"),
            }
        }
        if let Some((attributes, shell)) = &environment.structured {
            rewrites.extend(environment.attribute_files(attributes, shell, &rewrites)?);
        }
        Ok(rewrites)
    }

    /// The installables of `--redirect`.
    pub fn redirected(&self) -> impl Iterator<Item = &str> {
        self.redirects.iter().map(|(installable, _)| installable.as_str())
    }
}

/// The output paths of a goal as text.
fn paths_of(opened: &Opened, goal: &Goal) -> Result<Vec<String>, Failure> {
    let session = &opened.session;
    Ok(match goal {
        Goal::Path(path) => vec![session.store().display(path)],
        Goal::Built(wanted) => {
            let mut paths = Vec::new();
            for output in &wanted.outputs {
                paths.push(session.store().display(&session.output(&wanted.derivation, output)?));
            }
            paths
        }
    })
}

/// Builds the environment of a derivation.
fn build(opened: &Opened, derivation: &StorePath) -> Result<StorePath, Failure> {
    let store = opened.session.store();
    let builder =
        store.add_text("environment.sh", BUILDER.as_bytes(), &BTreeSet::new()).map_err(Error::from)?;
    let mut changed = store.read_derivation(derivation).map_err(Error::from)?;
    substitute_builder(&mut changed, &builder, &store.display(&builder))?;
    changed
        .finish(store.store_dir(), store.modulo_cache(), |input| store.read_derivation(input))
        .map_err(|error| Failure::new(format_args!("can't make the environment's derivation: {error}")))?;
    let path = store.add_derivation(&changed).map_err(Error::from)?;
    let outputs: Vec<String> = changed.outputs.keys().cloned().collect();
    realise(
        &opened.session,
        &opened.progress,
        &[Wanted { derivation: path.clone(), outputs: outputs.clone() }],
    )?;
    for output in outputs {
        let output = opened.session.output(&path, &output)?;
        if store.physical_path(&output).metadata().is_ok_and(|file| file.is_file() && file.len() > 0) {
            return Ok(output);
        }
    }
    Err(Failure::new("the build environment was not written"))
}

/// Makes a derivation one of the environment of its build.
fn substitute_builder(derivation: &mut Derivation, builder: &StorePath, text: &str) -> Result<(), Failure> {
    let shell = String::from_utf8_lossy(&derivation.builder).into_owned();
    if shell.rsplit('/').next() != Some("bash") {
        return Err(Failure::new(format_args!(
            "'nix develop' only works on derivations that use 'bash' as their builder, not '{shell}'"
        )));
    }
    derivation.arguments = vec![text.into()];
    derivation.input_sources.insert(builder.clone());
    derivation.name += "-env";
    let environment = &mut derivation.environment;
    // What is promised of the outputs is not true of these.
    for check in ["allowedReferences", "allowedRequisites", "disallowedReferences", "disallowedRequisites"] {
        environment.remove(check.as_bytes());
    }
    if let Some(text) = environment.get_mut(b"__json".as_slice())
        && let Ok(Json::Object(mut attributes)) = serde_json::from_slice(text)
    {
        attributes.remove("outputChecks");
        *text = Json::Object(attributes).to_string().into();
    }
    environment.insert("name".into(), derivation.name.as_str().into());
    for output in derivation.outputs.values_mut() {
        if matches!(output, DerivationOutput::InputAddressed { .. } | DerivationOutput::Fixed(_)) {
            *output = DerivationOutput::Deferred;
        }
    }
    Ok(())
}

/// An environment from its JSON.
fn parse(text: &[u8]) -> Option<BuildEnvironment> {
    let json: Json = serde_json::from_str(&String::from_utf8_lossy(text)).ok()?;
    let string = |value: &Json| value.as_str().map(str::to_owned);
    let strings = |object: &Map<String, Json>| {
        object
            .iter()
            .map(|(name, value)| Some((name.clone(), string(value)?)))
            .collect::<Option<BTreeMap<_, _>>>()
    };
    let mut variables = BTreeMap::new();
    for (name, variable) in json.get("variables")?.as_object()? {
        let value = variable.get("value");
        let parsed = match variable.get("type")?.as_str()? {
            kind @ ("exported" | "var") => {
                Variable::Text { value: string(value?)?, exported: kind == "exported" }
            }
            "array" => Variable::Array(value?.as_array()?.iter().map(string).collect::<Option<_>>()?),
            "associative" => Variable::Table(strings(value?.as_object()?)?),
            _ => continue,
        };
        variables.insert(name.clone(), parsed);
    }
    let structured = match json.get("structuredAttrs") {
        Some(files) => Some((string(files.get(".attrs.json")?)?, string(files.get(".attrs.sh")?)?)),
        None => None,
    };
    Some(BuildEnvironment {
        variables,
        functions: strings(json.get("bashFunctions")?.as_object()?)?,
        structured,
    })
}

impl BuildEnvironment {
    /// As JSON.
    pub fn to_json(&self) -> Json {
        let variable = |variable: &Variable| match variable {
            Variable::Text { value, exported } => {
                json!({ "type": if *exported { "exported" } else { "var" }, "value": value })
            }
            Variable::Array(values) => json!({ "type": "array", "value": values }),
            Variable::Table(table) => json!({ "type": "associative", "value": table }),
        };
        let variables: Map<String, Json> =
            self.variables.iter().map(|(name, value)| (name.clone(), variable(value))).collect();
        let mut json =
            BTreeMap::from([("bashFunctions", json!(self.functions)), ("variables", json!(variables))]);
        if let Some((attributes, shell)) = &self.structured {
            let files = json!({ ".attrs.json": attributes, ".attrs.sh": shell });
            json.insert("structuredAttrs", files);
        }
        json!(json)
    }

    /// The value of a variable that is a text.
    fn text(&self, name: &str) -> Option<&str> {
        match self.variables.get(name)? {
            Variable::Text { value, .. } => Some(value),
            _ => None,
        }
    }

    fn mentions(&self, path: &str) -> bool {
        self.to_bash(&[]).contains(path)
    }

    /// Commands for Bash that make the environment, with some texts replaced.
    pub fn to_bash(&self, rewrites: &[(String, String)]) -> String {
        let mut text = "unset shellHook\n".to_owned();
        for name in ADDED_TO {
            text += &format!("{name}=${{{name}:-}}\nnix_saved_{name}=\"${name}\"\n");
        }
        for (name, variable) in &self.variables {
            if !LEFT_OUT.contains(&name.as_str()) {
                text += &variable.to_bash(name);
            }
        }
        for (name, body) in &self.functions {
            text += &format!("{name} ()\n{{\n{body}}}\n");
        }
        for name in ADDED_TO {
            text += &format!("{name}=\"${name}${{nix_saved_{name}:+:$nix_saved_{name}}}\"\n");
        }
        text += "export NIX_BUILD_TOP=\"$(mktemp -d -t nix-shell.XXXXXX)\"\n";
        for name in ["TMP", "TMPDIR", "TEMP", "TEMPDIR"] {
            text += &format!("export {name}=\"$NIX_BUILD_TOP\"\n");
        }
        text += "eval \"${shellHook:-}\"\n";
        rewritten(text, rewrites)
    }

    /// Each output's path and its directory below `place`.
    fn output_rewrites(&self, place: &Path) -> Vec<(String, String)> {
        let below = |name: &str| place.join(name).display().to_string();
        match self.variables.get("outputs") {
            Some(Variable::Table(outputs)) => {
                outputs.iter().map(|(name, path)| (path.clone(), below(name))).collect()
            }
            Some(Variable::Text { value, .. }) => {
                let names = value.split_whitespace();
                let pair = |name: &str| Some((self.text(name)?.to_owned(), below(name)));
                names.filter_map(pair).collect()
            }
            Some(Variable::Array(names)) => {
                let pair = |name: &String| Some((self.text(name)?.to_owned(), below(name)));
                names.iter().filter_map(pair).collect()
            }
            None => self.text("out").map(|path| (path.to_owned(), below("out"))).into_iter().collect(),
        }
    }

    /// Writes the files of structured attributes where the shell finds them.
    fn attribute_files(
        &self,
        attributes: &str,
        shell: &str,
        rewrites: &[(String, String)],
    ) -> Result<Vec<(String, String)>, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format_args!("can't write the files of structured attributes: {error}"))
        };
        // The shell that reads the commands needs them for as long as it lives.
        let directory = tempfile::Builder::new().prefix("nix-develop-").tempdir().map_err(failed)?.keep();
        let mut more = Vec::new();
        for (variable, name, content) in
            [("NIX_ATTRS_JSON_FILE", ".attrs.json", attributes), ("NIX_ATTRS_SH_FILE", ".attrs.sh", shell)]
        {
            let file = directory.join(name);
            std::fs::write(&file, rewritten(content.to_owned(), rewrites)).map_err(failed)?;
            if let Some(inside) = self.text(variable) {
                more.push((inside.to_owned(), file.display().to_string()));
            }
        }
        Ok(more)
    }
}

impl Variable {
    fn to_bash(&self, name: &str) -> String {
        match self {
            Self::Text { value, exported } => {
                let export = if *exported { format!("export {name}\n") } else { String::new() };
                format!("{name}={}\n{export}", quoted(value))
            }
            Self::Array(values) => {
                let values: String = values.iter().map(|value| format!("{} ", quoted(value))).collect();
                format!("declare -a {name}=({values})\n")
            }
            Self::Table(table) => {
                let entry =
                    |(key, value): (&String, &String)| format!("[{}]={} ", quoted(key), quoted(value));
                format!("declare -A {name}=({})\n", table.iter().map(entry).collect::<String>())
            }
        }
    }
}

/// A word for a shell that is exactly this text.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn rewritten(text: String, rewrites: &[(String, String)]) -> String {
    rewrites.iter().filter(|(from, _)| !from.is_empty()).fold(text, |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"bashFunctions":{"f":" \n    echo hi\n"},"variables":{
        "PATH":{"type":"exported","value":"/s/a/bin"},"TERM":{"type":"exported","value":"x"},
        "hooks":{"type":"array","value":["a","it's"]},"n":{"type":"unknown"},
        "out":{"type":"exported","value":"/s/x-env"},"outputs":{"type":"exported","value":"out"},
        "seen":{"type":"associative","value":{"k":"v"}},"v":{"type":"var","value":"/s/x-env/lib"}}}"#;

    #[test]
    fn an_environment_becomes_commands() {
        let environment = parse(JSON.as_bytes()).unwrap();
        let rewrites = environment.output_rewrites(Path::new("/here/outputs"));
        let text = environment.to_bash(&rewrites);
        assert!(text.contains("PATH='/s/a/bin'\nexport PATH\n"), "{text}");
        assert!(text.contains("declare -a hooks=('a' 'it'\\''s' )\n"), "{text}");
        assert!(text.contains("declare -A seen=(['k']='v' )\nv='/here/outputs/out/lib'\n"), "{text}");
        assert!(text.contains("f ()\n{\n \n    echo hi\n}\n"), "{text}");
        assert!(!text.contains("TERM") && text.ends_with("eval \"${shellHook:-}\"\n"), "{text}");
    }

    #[test]
    fn json_is_read_as_it_is_written() {
        let environment = parse(JSON.as_bytes()).unwrap();
        let again = parse(environment.to_json().to_string().as_bytes()).unwrap();
        assert_eq!(environment, again);
        assert_eq!(parse(b"{}"), None);
        assert_eq!(parse(br#"{"bashFunctions":{},"variables":{"a":{"type":"array","value":1}}}"#), None);
    }

    #[test]
    fn the_builder_is_replaced_and_checks_are_dropped() {
        let path = StorePath::from_base_name(b"0123456789abcdfghijklmnpqrsvwxyz-environment.sh").unwrap();
        let mut derivation =
            Derivation { name: "a".into(), builder: "/x/bin/bash".into(), ..Derivation::default() };
        derivation.environment.insert("allowedReferences".into(), "".into());
        substitute_builder(&mut derivation, &path, "/s/e.sh").unwrap();
        assert_eq!((derivation.name.as_str(), derivation.arguments.len()), ("a-env", 1));
        assert_eq!(derivation.environment.keys().map(ToString::to_string).collect::<Vec<_>>(), ["name"]);
        derivation.builder = "/bin/sh".into();
        assert!(substitute_builder(&mut derivation, &path, "/s/e.sh").is_err());
    }
}
