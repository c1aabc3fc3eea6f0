//! The environment of a builder.
//!
//! What a builder finds in its environment is part of what makes builds
//! reproducible, so it is computed from the derivation and a few settings and
//! nothing else. Source: the Nix reference manual, "Derivations" and "Advanced
//! attributes".

use crate::graph::Graph;
use std::collections::BTreeMap;

/// The build directory inside the sandbox.
pub const BUILD_DIRECTORY: &str = "/build";

/// A variable's or file's contents; Nix strings are bytes.
pub type Bytes = bstr::BString;

/// What the environment depends on besides the derivation's own variables.
#[derive(Clone, Copy)]
pub struct EnvironmentRequest<'a> {
    /// The derivation's environment.
    pub variables: &'a BTreeMap<Bytes, Bytes>,
    /// Output names with the store paths that the builder shall make.
    pub outputs: &'a [(String, String)],
    /// The logical store directory, `/nix/store`.
    pub store_directory: &'a str,
    /// Cores that the build may use.
    pub cores: usize,
    /// Whether the output's hash is fixed.
    pub fixed_output: bool,
    /// Closures that the derivation asks to be told about.
    pub graphs: &'a [Graph],
    /// Looks up a variable of our own environment, for `impureEnvVars`.
    pub inherited: &'a dyn Fn(&str) -> Option<Bytes>,
}

/// A builder's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<Bytes, Bytes>,
    /// Files to make in the build directory, by name: what `passAsFile` and
    /// `__structuredAttrs` ask for.
    pub files: BTreeMap<String, Bytes>,
}

/// Computes the environment that a builder starts with.
pub fn environment(request: &EnvironmentRequest<'_>) -> Environment {
    let mut environment = Environment::default();
    let set = |variables: &mut BTreeMap<Bytes, Bytes>, name: &str, value: &str| {
        variables.insert(name.into(), value.into());
    };
    let variables = &mut environment.variables;
    set(variables, "PATH", "/path-not-set");
    set(variables, "HOME", "/homeless-shelter");
    set(variables, "NIX_STORE", request.store_directory);
    set(variables, "NIX_BUILD_CORES", &request.cores.to_string());

    let structured = request.variables.get(b"__json".as_slice());
    if let Some(json) = structured {
        structured_attributes(request, json, &mut environment);
    } else {
        plain_attributes(request, &mut environment);
    }

    let variables = &mut environment.variables;
    for name in ["NIX_BUILD_TOP", "TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"] {
        set(variables, name, BUILD_DIRECTORY);
    }
    if request.fixed_output {
        set(variables, "NIX_OUTPUT_CHECKED", "1");
        for name in words(request.variables.get(b"impureEnvVars".as_slice())) {
            let value = (request.inherited)(&name).unwrap_or_default();
            variables.insert(name.into(), value);
        }
    }
    set(variables, "NIX_LOG_FD", "2");
    set(variables, "TERM", "xterm-256color");
    environment
}

/// The white-space separated words of a variable.
pub fn words(value: Option<&Bytes>) -> Vec<String> {
    let text = value.map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn plain_attributes(request: &EnvironmentRequest<'_>, environment: &mut Environment) {
    let as_file = words(request.variables.get(b"passAsFile".as_slice()));
    for (name, value) in request.variables {
        let value = substitute_placeholders(value, request.outputs);
        let text = String::from_utf8_lossy(name);
        if as_file.iter().any(|n| n.as_bytes() == name.as_slice()) {
            let digest = saltire_store_model::Hash::sha256(name).to_nix_base32();
            let file = format!(".attr-{digest}");
            let path = format!("{BUILD_DIRECTORY}/{file}");
            environment.variables.insert(format!("{text}Path").into(), path.into());
            environment.files.insert(file, value);
        } else {
            environment.variables.insert(name.clone(), value);
        }
    }
    for graph in request.graphs {
        environment.files.insert(graph.name().to_owned(), graph.text());
    }
}

fn structured_attributes(request: &EnvironmentRequest<'_>, json: &Bytes, environment: &mut Environment) {
    let json = substitute_placeholders(json, request.outputs);
    let Ok(serde_json::Value::Object(mut attributes)) = serde_json::from_slice(&json) else {
        // Not an object: the derivation was not made by an evaluator; the
        // builder sees what is there.
        environment.files.insert(".attrs.json".into(), json);
        return;
    };
    let outputs = request.outputs.iter().map(|(name, path)| (name.clone(), path.clone().into()));
    attributes.insert("outputs".into(), serde_json::Value::Object(outputs.collect()));
    attributes.extend(request.graphs.iter().map(|graph| (graph.name().to_owned(), graph.json())));
    let shell = shell_declarations(&attributes);
    let json = serde_json::Value::Object(attributes).to_string();
    environment.files.insert(".attrs.json".into(), json.into());
    environment.files.insert(".attrs.sh".into(), shell.into());
    for (name, file) in [("NIX_ATTRS_JSON_FILE", ".attrs.json"), ("NIX_ATTRS_SH_FILE", ".attrs.sh")] {
        environment.variables.insert(name.into(), format!("{BUILD_DIRECTORY}/{file}").into());
    }
}

/// `declare` lines for what Bash can hold: strings, numbers, booleans, and
/// arrays and flat objects of those.
fn shell_declarations(attributes: &serde_json::Map<String, serde_json::Value>) -> String {
    use serde_json::Value;
    let simple = |value: &Value| match value {
        Value::String(text) => Some(shell_quote(text)),
        Value::Number(number) if number.is_f64() => None,
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("1".to_owned()),
        Value::Bool(false) | Value::Null => Some("''".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let identifier = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut text = String::new();
    for (name, value) in attributes.iter().filter(|(name, _)| identifier(name)) {
        match value {
            Value::Array(items) => {
                if let Some(items) = items.iter().map(simple).collect::<Option<Vec<_>>>() {
                    let items = items.iter().map(|item| format!("{item} ")).collect::<String>();
                    text += &format!("declare -a {name}=({items})\n");
                }
            }
            Value::Object(items) => {
                let item = |(key, value): (&String, &Value)| {
                    Some(format!("[{}]={} ", shell_quote(key), simple(value)?))
                };
                if let Some(items) = items.iter().map(item).collect::<Option<String>>() {
                    text += &format!("declare -A {name}=({items})\n");
                }
            }
            other => {
                if let Some(value) = simple(other) {
                    text += &format!("declare {name}={value}\n");
                }
            }
        }
    }
    text
}

fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Replaces what `builtins.placeholder` left with the outputs' paths.
fn substitute_placeholders(value: &[u8], outputs: &[(String, String)]) -> Bytes {
    let mut value = Bytes::from(value);
    if !value.contains(&b'/') {
        return value;
    }
    for (name, path) in outputs {
        let placeholder = saltire_store_model::placeholder(name);
        value = replace(&value, placeholder.as_bytes(), path.as_bytes());
    }
    value
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Bytes {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.windows(from.len()).position(|window| window == from) {
        result.extend_from_slice(&rest[..position]);
        result.extend_from_slice(to);
        rest = &rest[position + from.len()..];
    }
    result.extend_from_slice(rest);
    result.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        variables: &[(&str, &str)],
        fixed_output: bool,
        expected: &[(&str, Option<&str>)],
    ) -> Environment {
        let variables = variables.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let outputs = [("out".to_owned(), "/nix/store/x-out".to_owned())];
        let environment = environment(&EnvironmentRequest {
            variables: &variables,
            outputs: &outputs,
            store_directory: "/nix/store",
            cores: 2,
            fixed_output,
            graphs: &[],
            inherited: &|name| (name == "http_proxy").then(|| "proxy".into()),
        });
        for (name, value) in expected {
            let found =
                environment.variables.get(name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned());
            assert_eq!(found.as_deref(), *value, "{name}");
        }
        environment
    }

    #[test]
    fn the_base_environment_is_fixed() {
        let names = check(
            &[("name", "x")],
            false,
            &[("PATH", Some("/path-not-set")), ("NIX_BUILD_CORES", Some("2"))],
        );
        let names: Vec<_> = names.variables.keys().map(|n| String::from_utf8_lossy(n).into_owned()).collect();
        assert_eq!(
            names.join(" "),
            "HOME NIX_BUILD_CORES NIX_BUILD_TOP NIX_LOG_FD NIX_STORE PATH PWD TEMP TEMPDIR TERM TMP TMPDIR name"
        );
    }

    #[test]
    fn the_derivation_may_override_path_but_not_tmpdir() {
        check(
            &[("PATH", "/p"), ("TMPDIR", "/t")],
            false,
            &[("PATH", Some("/p")), ("TMPDIR", Some("/build"))],
        );
    }

    #[test]
    fn impure_variables_reach_only_fixed_outputs() {
        let variables = [("impureEnvVars", "http_proxy https_proxy")];
        check(&variables, false, &[("http_proxy", None)]);
        check(&variables, true, &[("http_proxy", Some("proxy")), ("https_proxy", Some(""))]);
    }

    #[test]
    fn placeholders_become_output_paths() {
        let placeholder = saltire_store_model::placeholder("out");
        check(
            &[("flags", &format!("--prefix={placeholder}/x"))],
            false,
            &[("flags", Some("--prefix=/nix/store/x-out/x"))],
        );
    }

    #[test]
    fn pass_as_file_moves_a_value_into_a_file() {
        let environment = check(&[("passAsFile", "big"), ("big", "contents")], false, &[("big", None)]);
        let path = environment.variables[b"bigPath".as_slice()].to_string();
        assert_eq!(environment.files[path.strip_prefix("/build/").unwrap()], b"contents");
    }

    #[test]
    fn structured_attributes_become_json_and_bash() {
        let json = r#"{"a":"it's","b":[1,"x"],"c":{"k":true},"deep":[[1]],"name":"n"}"#;
        let environment = check(
            &[("__json", json)],
            false,
            &[("NIX_ATTRS_SH_FILE", Some("/build/.attrs.sh")), ("__json", None)],
        );
        assert_eq!(
            String::from_utf8_lossy(&environment.files[".attrs.sh"]),
            "declare a='it'\\''s'\ndeclare -a b=(1 'x' )\ndeclare -A c=(['k']=1 )\ndeclare name='n'\ndeclare -A outputs=(['out']='/nix/store/x-out' )\n"
        );
    }
}
