//! `nix eval`: the value of an installable.

use crate::arguments::{Arguments, Word};
use crate::installable::{InstallableOptions, TEXT};
use crate::options::{Opened, Options};
use saltire_diagnostics::{Origin, Pos};
use saltire_driver::{Error, EvaluationError, current_directory};
use saltire_eval::{Coerce, ErrorKind, EvalError, Evaluator, PrintOptions, Value};
use saltire_terminal::{Failure, print_bytes};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix eval [OPTION]… [INSTALLABLE]

Evaluates a Nix expression.

      --json             print the value as JSON
      --pretty, --no-pretty  JSON in lines, as at a terminal, or in one
      --raw              print a string as it is
      --apply EXPR       apply a function to the value first
      --write-to PATH    write strings to files, sets of them to directories
      --read-only        don't write derivations to the store
  -f, --file FILE        attributes are of FILE's value
      --expr EXPR        attributes are of EXPR's value
      --impure           allow access to what is not an input
      --arg NAME EXPR, --argstr NAME TEXT, -I PATH, --option NAME VALUE
";

#[derive(Default)]
struct Request {
    json: bool,
    raw: bool,
    pretty: bool,
    apply: Option<String>,
    write_to: Option<PathBuf>,
}

/// Runs `nix eval`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::default();
    let mut request = Request { pretty: std::io::stdout().is_terminal(), ..Request::default() };
    while let Some(word) = words.next()? {
        if installables.take(&word, &mut words)? {
            continue;
        }
        match &word {
            Word::Long(name) if name == "json" => request.json = true,
            Word::Long(name) if name == "raw" => request.raw = true,
            Word::Long(name) if name == "pretty" => request.pretty = true,
            Word::Long(name) if name == "no-pretty" => request.pretty = false,
            Word::Long(name) if name == "read-only" => options.read_only = true,
            Word::Long(name) if name == "apply" => request.apply = Some(words.value(&word)?),
            Word::Long(name) if name == "write-to" => request.write_to = Some(words.value(&word)?.into()),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if request.raw && request.json {
        return Err(Failure::new("--raw and --json are mutually exclusive"));
    }
    let (Opened { session, progress }, installable) = installables.open_single(&mut options)?;
    let work = || {
        session.evaluate(|evaluator| {
            let mut value = installable.value(&session, evaluator, &options)?;
            if let Some(function) = &request.apply {
                let function =
                    evaluator.eval_text(Origin::String, function.as_bytes().into(), &current_directory())?;
                value = evaluator.call(function, &[value], Pos::NONE)?;
            }
            show(evaluator, value, &request)
        })
    };
    let Request { json, raw, pretty, apply, write_to } = &request;
    let question = format!("eval {json} {raw} {pretty} {apply:?}");
    let output = match write_to {
        Some(_) => work(),
        None => installable.remembered(&session, &options, &question, &TEXT, work),
    };
    progress.finish();
    print_bytes(&output?)?;
    Ok(ExitCode::SUCCESS)
}

fn show(evaluator: &mut Evaluator, value: Value, request: &Request) -> Result<Vec<u8>, EvaluationError> {
    if let Some(path) = &request.write_to {
        let value = evaluator.force(value)?;
        if path.exists() {
            let message = format!("path '{}' already exists", path.display());
            return Err(EvalError::other(Pos::NONE, message).into());
        }
        write(evaluator, value, Pos::NONE, path)?;
        return Ok(Vec::new());
    }
    if request.raw {
        let what = "while generating the eval command output";
        let text = evaluator.coerce(value, Coerce::INTERPOLATION, Pos::NONE, what)?;
        return Ok(text.as_bytes().to_vec());
    }
    let mut text = match (request.json, request.pretty) {
        (true, false) => evaluator.print_json(value, true, false)?,
        (true, true) => indented(&evaluator.print_json(value, true, false)?),
        (false, _) => {
            let value = evaluator.force(value)?;
            evaluator.print_value(value, PrintOptions::EVAL)?
        }
    };
    text.push(b'\n');
    Ok(text)
}

/// A JSON text without spaces, with a line for each item.
fn indented(json: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(2 * json.len());
    let mut depth = 0;
    let line = |output: &mut Vec<u8>, depth: usize| {
        output.push(b'\n');
        output.extend(std::iter::repeat_n(b' ', 2 * depth));
    };
    let (mut in_string, mut escaped) = (false, false);
    for (index, &byte) in json.iter().enumerate() {
        if in_string {
            output.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        in_string = byte == b'"';
        let is_empty = matches!(json.get(index + 1), Some(b']' | b'}'));
        match byte {
            b'[' | b'{' => {
                output.push(byte);
                depth += 1;
                if !is_empty {
                    line(&mut output, depth);
                }
            }
            b']' | b'}' => {
                depth -= 1;
                if !matches!(output.last(), Some(b'[' | b'{')) {
                    line(&mut output, depth);
                }
                output.push(byte);
            }
            b',' => {
                output.push(byte);
                line(&mut output, depth);
            }
            b':' => output.extend(b": "),
            byte => output.push(byte),
        }
    }
    output
}

/// Strings become files, sets of them directories.
fn write(evaluator: &mut Evaluator, value: Value, pos: Pos, path: &Path) -> Result<(), EvaluationError> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let value = evaluator.force(value)?;
    if let Some(text) = value.as_str() {
        std::fs::write(path, text.as_bytes()).map_err(failed)?;
        return Ok(());
    }
    let Some(attrs) = value.as_attrs() else {
        let sources = evaluator.sources();
        let place = sources.resolve(pos).map(|place| sources.describe(&place));
        let place = place.unwrap_or_else(|| path.display().to_string());
        let message = format!("value at '{place}' is not a string or an attribute set");
        return Err(EvalError::new(ErrorKind::Type, Pos::NONE, message).into());
    };
    std::fs::create_dir(path).map_err(failed)?;
    for attr in attrs.sorted() {
        let name = attr.name.to_string();
        let what = format!("while evaluating the attribute '{name}'");
        if name == "." || name == ".." || name.contains('/') || name.is_empty() {
            let error = EvalError::other(Pos::NONE, format!("invalid file name '{name}'"));
            return Err(error.traced(attr.pos, what).into());
        }
        write(evaluator, attr.value, attr.pos, &path.join(name)).map_err(|error| match error {
            EvaluationError::Nix(error) => EvaluationError::Nix(error.traced(attr.pos, what)),
            other => other,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn json_is_indented_outside_of_strings() {
        let text = br#"{"a":[1,{},[]],"b":"{,:\"[\\","c":{"d":null}}"#;
        let expected = r#"{
  "a": [
    1,
    {},
    []
  ],
  "b": "{,:\"[\\",
  "c": {
    "d": null
  }
}"#;
        assert_eq!(String::from_utf8_lossy(&indented(text)), expected);
        assert_eq!(indented(b"[]"), b"[]");
    }
}
