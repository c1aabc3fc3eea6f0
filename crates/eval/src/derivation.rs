//! `derivationStrict`: from a set to a store derivation.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};
use saltire_diagnostics::{Origin, Pos};
use saltire_store_model::{
    ContentAddress, Derivation, DerivationOutput, Hash, HashAlgorithm, Ingestion, StorePath, placeholder,
};

use crate::attrs::{Attr, Attrs};
use crate::coerce::Coerce;
use crate::context::{Context, ContextElement};
use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::symbol::Symbol;
use crate::value::Value;

/// Where [`DERIVATION_FUNCTION`] is said to be.
pub(crate) const DERIVATION_ORIGIN: Origin = Origin::Internal("derivation-internal.nix");

/// The global function `derivation`: `derivationStrict`, done when a path of the
/// result is needed. In it the builtins are in scope by their plain names.
pub(crate) const DERIVATION_FUNCTION: &[u8] = br#"
input@{ outputs ? [ "out" ], ... }:
let
  result = derivationStrict input;
  shared = input // listToAttrs members // {
    all = map (member: member.value) members;
    drvAttrs = input;
  };
  members = map (outputName: {
    name = outputName;
    value = shared // {
      inherit outputName;
      inherit (result) drvPath;
      outPath = result.${outputName};
      type = "derivation";
    };
  }) outputs;
in (head members).value
"#;

/// Where `<nix/fetchurl.nix>` leads; the file exists only in here.
pub const FETCHURL_PATH: &[u8] = b"/__corepkgs__/fetchurl.nix";

/// `<nix/fetchurl.nix>`: a derivation that fetches a file inside of our process.
pub(crate) const FETCHURL_FUNCTION: &[u8] = br#"
{ url, name ? baseNameOf (toString url), system ? "", executable ? false, unpack ? false
, hash ? "", md5 ? "", sha1 ? "", sha256 ? "", sha512 ? ""
, outputHash ? "", outputHashAlgo ? "", impure ? false }:
let
  given = builtins.filter (choice: choice.digits != "") [
    { digits = outputHash; algorithm = outputHashAlgo; }
    { digits = hash; algorithm = ""; }
    { digits = sha512; algorithm = "sha512"; }
    { digits = sha1; algorithm = "sha1"; }
    { digits = md5; algorithm = "md5"; }
    { digits = sha256; algorithm = "sha256"; }
  ];
  chosen = if given == [ ] then { digits = ""; algorithm = "sha256"; } else builtins.head given;
  fixed = if impure then { __impure = true; } else {
    outputHash = chosen.digits;
    outputHashAlgo = chosen.algorithm;
  };
in derivation (fixed // {
  inherit name url executable unpack;
  builder = "builtin:fetchurl";
  system = "builtin";
  urls = [ url ];
  outputHashMode = if executable || unpack then "recursive" else "flat";
  preferLocalBuild = true;
  impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
})
"#;

/// What is collected while going through the attributes.
#[derive(Default)]
struct Build {
    derivation: Derivation,
    context: Vec<Context>,
    /// In the order of names.
    environment: Vec<(BString, BString)>,
    outputs: Vec<String>,
    output_hash: Option<String>,
    output_hash_algorithm: Option<String>,
    ingestion: Option<Ingestion>,
    /// The attributes as JSON, with `__structuredAttrs`.
    json: Option<Vec<u8>>,
}

impl Evaluator {
    /// The builtin: gives the set of output paths and `drvPath`.
    pub(crate) fn derivation_strict(&mut self, argument: Value, pos: Pos) -> Result<Value> {
        let what = "while evaluating the argument passed to builtins.derivationStrict";
        let attrs = self.attrs_value(argument, pos, what)?;
        let Some(name_attr) = attrs.attr(self.names.name) else {
            let error = EvalError::new(ErrorKind::MissingAttribute, pos, "attribute 'name' missing");
            return Err(error.traced(pos, "in the attrset passed as argument to builtins.derivationStrict"));
        };
        let what = "while evaluating the `name` attribute passed to builtins.derivationStrict";
        let name = self.plain_string(name_attr.value, pos, what).map_err(|error| {
            error.traced(name_attr.pos, "while evaluating the derivation attribute 'name'")
        })?;
        let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
        self.finish_derivation(attrs, name.clone(), pos).map_err(|error| {
            let what = format!(
                "while evaluating derivation '{name}'\n  whose name attribute is located at {}",
                self.describe_pos(name_attr.pos)
            );
            error.traced(Pos::NONE, what)
        })
    }

    fn finish_derivation(&mut self, attrs: Attrs, name: String, pos: Pos) -> Result<Value> {
        check_name(&name, pos)?;
        let mut build = Build::default();
        build.derivation.name = name;
        let flag = |this: &mut Self, name: Symbol, what: &str| match attrs.attr(name) {
            None => Ok(false),
            Some(attr) => this.bool_value(attr.value, pos, what),
        };
        let whose = "passed to builtins.derivationStrict";
        let what = format!("while evaluating the `__structuredAttrs` attribute {whose}");
        if flag(self, self.names.structured_attrs, &what)? {
            build.json = Some(vec![b'{']);
        }
        let what = format!("while evaluating the `__ignoreNulls` attribute {whose}");
        let ignore_nulls = flag(self, self.names.ignore_nulls, &what)?;
        for attr in attrs.in_order() {
            if attr.name == self.names.ignore_nulls {
                continue;
            }
            self.derivation_attribute(&mut build, attr, ignore_nulls).map_err(|error| {
                let what = format!(
                    "while evaluating attribute '{}' of derivation '{}'",
                    attr.name.as_bstr(),
                    build.derivation.name
                );
                error.traced(attr.pos, what)
            })?;
        }
        if let Some(mut json) = build.json.take() {
            json.push(b'}');
            build.environment.push(("__json".into(), json.into()));
        }
        build.derivation.environment = std::mem::take(&mut build.environment).into_iter().collect();
        self.add_inputs(&mut build, pos)?;
        self.check_outputs(&mut build, pos)?;
        self.write_derivation(build, pos)
    }

    fn derivation_attribute(&mut self, build: &mut Build, attr: Attr, ignore_nulls: bool) -> Result<()> {
        let names = self.names;
        let mut value = attr.value;
        if ignore_nulls {
            value = self.force(value)?;
            if value.is_null() {
                return Ok(());
            }
        }
        if attr.name == names.content_addressed || attr.name == names.impure {
            return self.experimental_attribute(attr.name, value);
        }
        if attr.name == names.args {
            for item in self.list_value(value, Pos::NONE, "")?.iter() {
                let what = "while evaluating an element of the argument list";
                let text = self.coerce(item, Coerce::ENVIRONMENT, Pos::NONE, what)?;
                build.context.push(text.context());
                build.derivation.arguments.push(text.as_bytes().into());
            }
            return Ok(());
        }
        if build.json.is_some() {
            return self.structured_attribute(build, attr, value);
        }
        let text = self.coerce(value, Coerce::ENVIRONMENT, Pos::NONE, "")?;
        build.context.push(text.context());
        let bytes = text.as_bytes();
        if attr.name == names.builder {
            build.derivation.builder = bytes.into();
        } else if attr.name == names.system {
            build.derivation.system = bytes.into();
        } else if attr.name == names.outputs {
            let list = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            build.outputs = list.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            check_output_names(&build.outputs)?;
        } else {
            self.output_attribute(build, attr, bytes)?;
        }
        build.environment.push((attr.name.as_bytes().into(), bytes.into()));
        Ok(())
    }

    /// An attribute that asks for what the reference has as an experiment only.
    fn experimental_attribute(&mut self, name: Symbol, value: Value) -> Result<()> {
        let content = name == self.names.content_addressed;
        let feature = if content { "ca-derivations" } else { "impure-derivations" };
        if !self.bool_value(value, Pos::NONE, "")? {
            return Ok(());
        }
        let message = format!(
            "experimental Nix feature '{feature}' is disabled; add '--extra-experimental-features {feature}' to enable it"
        );
        Err(EvalError::other(Pos::NONE, message))
    }

    /// With `__structuredAttrs`: the attribute goes into the JSON text.
    fn structured_attribute(&mut self, build: &mut Build, attr: Attr, value: Value) -> Result<()> {
        let names = self.names;
        if attr.name == names.structured_attrs {
            return Ok(());
        }
        let mut context = Context::EMPTY;
        if let Some(json) = &mut build.json {
            if json.len() > 1 {
                json.push(b',');
            }
            crate::json::string(json, attr.name.as_bytes(), attr.pos)?;
            json.push(b':');
            self.to_json(value, true, attr.pos, json, &mut context)?;
        }
        build.context.push(context);
        if attr.name == names.outputs {
            for item in self.list_value(value, Pos::NONE, "")?.iter() {
                let text = self.plain_string(item, Pos::NONE, "")?;
                build.outputs.push(String::from_utf8_lossy(text.as_bytes()).into_owned());
            }
            return check_output_names(&build.outputs);
        }
        let special =
            [names.builder, names.system, names.output_hash, names.output_hash_algo, names.output_hash_mode];
        if special.contains(&attr.name) {
            let text = self.string_value(value, Pos::NONE, "")?;
            build.context.push(text.context());
            if attr.name == names.builder {
                build.derivation.builder = text.as_bytes().into();
            } else if attr.name == names.system {
                build.derivation.system = text.as_bytes().into();
            } else {
                self.output_attribute(build, attr, text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn output_attribute(&mut self, build: &mut Build, attr: Attr, bytes: &[u8]) -> Result<()> {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        if attr.name == self.names.output_hash {
            build.output_hash = Some(text());
        } else if attr.name == self.names.output_hash_algo {
            build.output_hash_algorithm = Some(text());
        } else if attr.name == self.names.output_hash_mode {
            build.ingestion = Some(match bytes {
                b"recursive" | b"nar" => Ingestion::Nar,
                b"flat" => Ingestion::Flat,
                b"text" => Ingestion::Text,
                _ => {
                    let message = format!("invalid value '{}' for 'outputHashMode' attribute", text());
                    return Err(EvalError::other(Pos::NONE, message));
                }
            });
        }
        Ok(())
    }

    /// From the contexts of all strings: what the derivation needs.
    fn add_inputs(&mut self, build: &mut Build, pos: Pos) -> Result<()> {
        let derivation = &mut build.derivation;
        for element in Context::elements_of(&build.context) {
            match element {
                ContextElement::Opaque(path) => {
                    derivation.input_sources.insert(path.clone());
                }
                ContextElement::Output { derivation: path, output } => {
                    let outputs = derivation.input_derivations.entry(path.clone()).or_default();
                    outputs.insert(output.to_string());
                }
                ContextElement::DerivationDeep(path) => {
                    self.add_closure(derivation, path, pos)?;
                }
            }
        }
        Ok(())
    }

    /// A use of `drvPath`: all derivations and sources below, with all outputs.
    fn add_closure(&self, derivation: &mut Derivation, path: &StorePath, pos: Pos) -> Result<()> {
        let mut todo = vec![path.clone()];
        let mut seen = BTreeSet::new();
        while let Some(path) = todo.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            if path.is_derivation() {
                let read = self.host().read_derivation(&path);
                let input = read.map_err(|e| crate::evaluator::host_error(e).at(pos))?;
                let outputs = derivation.input_derivations.entry(path.clone()).or_default();
                outputs.extend(input.outputs.keys().cloned());
                todo.extend(input.references());
            }
            derivation.input_sources.insert(path);
        }
        Ok(())
    }

    fn check_outputs(&mut self, build: &mut Build, pos: Pos) -> Result<()> {
        let missing = |name: &str| {
            EvalError::new(ErrorKind::MissingAttribute, pos, format!("required attribute '{name}' missing"))
        };
        if build.derivation.builder.is_empty() {
            return Err(missing("builder"));
        }
        if build.derivation.system.is_empty() {
            return Err(missing("system"));
        }
        if build.outputs.is_empty() {
            if build.derivation.environment.contains_key(b"outputs".as_bstr()) {
                return Err(EvalError::other(pos, "derivation cannot have an empty set of outputs"));
            }
            build.outputs.push("out".to_owned());
        }
        Ok(())
    }

    fn write_derivation(&mut self, mut build: Build, pos: Pos) -> Result<Value> {
        let store = self.host().store_dir().clone();
        let mut derivation = std::mem::take(&mut build.derivation);
        match &build.output_hash {
            Some(text) => {
                if build.outputs != ["out"] {
                    let message = "multiple outputs are not supported in fixed-output derivations";
                    return Err(EvalError::other(pos, message));
                }
                let address = self.content_address(text, &build, pos)?;
                derivation.outputs.insert("out".to_owned(), DerivationOutput::Fixed(address));
            }
            None => {
                for output in &build.outputs {
                    derivation.outputs.insert(output.clone(), DerivationOutput::Deferred);
                }
            }
        }
        let host = std::sync::Arc::clone(self.host());
        let finished = derivation
            .finish(&store, &self.shared.modulo, |path| host.read_derivation(path))
            .map_err(|error| EvalError::other(pos, error.to_string()))?;
        host.write_derivation(&finished.path, &derivation, finished.text)
            .map_err(|error| crate::evaluator::host_error(error).at(pos))?;
        self.derivation_result(&finished.path, &finished.outputs, &build.outputs)
    }

    fn derivation_result(
        &mut self,
        path: &StorePath,
        known: &BTreeMap<String, StorePath>,
        outputs: &[String],
    ) -> Result<Value> {
        let store = self.host().store_dir().clone();
        let context = Context::from_element(ContextElement::DerivationDeep(path.clone()));
        let text = self.new_string_with_context(store.display(path).as_bytes(), context);
        let mut result = vec![(self.names.drv_path, text)];
        for output in outputs {
            let element = ContextElement::Output { derivation: path.clone(), output: output.as_str().into() };
            let text = match known.get(output) {
                Some(path) => store.display(path),
                None => saltire_store_model::upstream_placeholder(path, output),
            };
            let value = self.new_string_with_context(text.as_bytes(), Context::from_element(element));
            result.push((Symbol::intern(output), value));
        }
        Ok(self.new_attrs(result))
    }
}

fn check_output_names(outputs: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for output in outputs {
        if !seen.insert(output) {
            return Err(EvalError::other(Pos::NONE, format!("duplicate derivation output '{output}'")));
        }
        if output == "drvPath" {
            return Err(EvalError::other(Pos::NONE, "invalid derivation output name 'drvPath'"));
        }
    }
    Ok(())
}

fn check_name(name: &str, pos: Pos) -> Result<()> {
    if name.ends_with(".drv") {
        let message =
            "derivation names are allowed to end in '.drv' only if they produce a single derivation file";
        return Err(EvalError::other(pos, message));
    }
    check_store_name(name).map_err(|error| {
        let message = format!("invalid derivation name: {error}. Please pass a different 'name'.");
        EvalError::other(pos, message)
    })
}

/// Says what is wrong with a name for a store path.
pub(crate) fn check_store_name(name: &str) -> std::result::Result<(), String> {
    /// Bytes that a name may have.
    const MAX: usize = 211;
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    if name.len() > MAX {
        return Err(format!("name '{name}' must be no longer than {MAX} characters"));
    }
    if name == "." || name == ".." {
        return Err(format!("name '{name}' is not valid"));
    }
    if let Some((first @ ("." | ".."), _)) = name.split_once('-') {
        return Err(format!(
            "name '{name}' is not valid: first dash-separated component must not be '{first}'"
        ));
    }
    let legal = |c: &char| c.is_ascii_alphanumeric() || "+-._?=".contains(*c);
    match name.chars().find(|c| !legal(c)) {
        Some(character) => Err(format!("name '{name}' contains illegal character '{character}'")),
        None => Ok(()),
    }
}

impl Evaluator {
    fn content_address(&self, text: &str, build: &Build, pos: Pos) -> Result<ContentAddress> {
        let algorithm = match build.output_hash_algorithm.as_deref() {
            None | Some("") => None,
            // As in the reference, an algorithm that is not known is as good as none.
            Some(name) => HashAlgorithm::from_name(name).ok(),
        };
        let hash = self.hash_or_zero(text, algorithm, pos)?;
        Ok(ContentAddress { ingestion: build.ingestion.unwrap_or(Ingestion::Flat), hash })
    }

    /// A hash; an empty text stands for one that is not known yet.
    pub(crate) fn hash_or_zero(
        &self,
        text: &str,
        algorithm: Option<HashAlgorithm>,
        pos: Pos,
    ) -> Result<Hash> {
        if !text.is_empty() {
            return Hash::parse(text, algorithm).map_err(|error| EvalError::other(pos, error.to_string()));
        }
        let Some(algorithm) = algorithm else {
            return Err(EvalError::other(pos, "empty hash requires explicit hash algorithm"));
        };
        let hash = Hash::zero(algorithm);
        let warning = format!("warning: found empty hash, assuming '{}'", hash.to_sri());
        self.host().message(&warning);
        Ok(hash)
    }
}

/// What stands for an output's path in its own derivation.
pub(crate) fn output_placeholder(output: &str) -> String {
    placeholder(output)
}
