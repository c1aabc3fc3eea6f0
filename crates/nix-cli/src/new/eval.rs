//! `nix eval`: the value of an installable.

use crate::arguments::{Arguments, Word};
use crate::installable::{InstallableOptions, TEXT, Value as Installed};
use crate::options::{Opened, Options};
use saltire_diagnostics::{Origin, Pos};
use saltire_driver::{Error, EvaluationError, current_directory};
use saltire_eval::{Coerce, ErrorKind, EvalError, Evaluator, PrintOptions, Value};
use saltire_terminal::{Failure, print_bytes};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix eval [OPTION]… [INSTALLABLE]

Evaluates a Nix expression.

      --json             print the value as JSON
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
    let mut request = Request::default();
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
            let Installed { mut value, context } = installable.value(&session, evaluator, &options)?;
            if let Some(function) = &request.apply {
                let function =
                    evaluator.eval_text(Origin::String, function.as_bytes().into(), &current_directory())?;
                value = evaluator.call(function, &[value], Pos::NONE)?;
            }
            show(evaluator, value, &request, &context)
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

fn show(
    evaluator: &mut Evaluator,
    value: Value,
    request: &Request,
    what: &str,
) -> Result<Vec<u8>, EvaluationError> {
    if let Some(path) = &request.write_to {
        let value = evaluator.force(value)?;
        if path.exists() {
            let message = format!("path '{}' already exists", path.display());
            return Err(EvalError::other(Pos::NONE, message).into());
        }
        write(evaluator, value, path)?;
        return Ok(Vec::new());
    }
    if request.raw {
        let what = format!("while generating the eval command output for {what}");
        let text = evaluator.coerce(value, Coerce::INTERPOLATION, Pos::NONE, &what)?;
        return Ok(text.as_bytes().to_vec());
    }
    let mut text = match request.json {
        true => evaluator.print_json(value, true, true)?,
        false => {
            let value = evaluator.force(value)?;
            let indent = if request.pretty { 2 } else { 0 };
            evaluator.print_value(value, PrintOptions { indent, ..PrintOptions::EVAL })?
        }
    };
    text.push(b'\n');
    Ok(text)
}

/// Strings become files, sets of them directories.
fn write(evaluator: &mut Evaluator, value: Value, path: &Path) -> Result<(), EvaluationError> {
    let failed = |source| Error::File { action: "write", path: path.to_owned(), source };
    let value = evaluator.force(value)?;
    if let Some(text) = value.as_str() {
        std::fs::write(path, text.as_bytes()).map_err(failed)?;
        return Ok(());
    }
    let Some(attrs) = value.as_attrs() else {
        let message = format!("value at '{}' is not a string or an attribute set", path.display());
        return Err(EvalError::new(ErrorKind::Type, Pos::NONE, message).into());
    };
    std::fs::create_dir(path).map_err(failed)?;
    for attr in attrs.sorted() {
        let name = attr.name.to_string();
        if name == "." || name == ".." || name.contains('/') || name.is_empty() {
            return Err(EvalError::other(attr.pos, format!("invalid file name '{name}'")).into());
        }
        write(evaluator, attr.value, &path.join(name))?;
    }
    Ok(())
}
