//! `nix-instantiate`: evaluates expressions, or makes derivations from them.

use crate::arguments::{Arguments, Word, text};
use crate::options::{Opened, Options, add_root, files_or};
use crate::parse::syntax_tree;
use saltire_diagnostics::Pos;
use saltire_driver::{
    EvaluationError, Forgive, Session, Source, StorePath, argument_set, arguments, file_argument, find_along,
    packages,
};
use saltire_eval::{Coerce, ErrorKind, EvalError, Evaluator, Value};
use saltire_terminal::{Failure, print_bytes};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-instantiate [OPTION]… [FILE]…
       nix-instantiate --find-file NAME…

Evaluates Nix expressions (default: ./default.nix) and makes store derivations.

  -A, --attr PATH        the attribute to evaluate (repeatable)
  -E, --expr             the arguments are expressions, not files
      --arg NAME EXPR    pass the value of an expression to functions
      --argstr NAME TEXT pass a string to functions
  -I PATH                add a place where <…> is looked up
      --eval             print the value instead
      --strict           evaluate nested values too
      --json, --xml, --raw  how to print the value
      --no-location      leave places out of XML
      --parse            print the syntax tree
      --find-file        look names up in the search path
      --read-write-mode  with --eval, write to the store
      --add-root LINK    make links that keep the derivations
      --option NAME VALUE  set one of Nix's settings
      --show-trace       show every step of an error's trace
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Instantiate,
    Eval,
    Parse,
    FindFile,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Plain,
    Json,
    Xml,
    Raw,
}

struct Request {
    action: Action,
    format: Format,
    strict: bool,
    location: bool,
    root: Option<String>,
    attributes: Vec<String>,
    expressions: bool,
    operands: Vec<String>,
}

/// Runs `nix-instantiate`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request {
        action: Action::Instantiate,
        format: Format::Plain,
        strict: false,
        location: true,
        root: None,
        attributes: Vec::new(),
        expressions: false,
        operands: Vec::new(),
    };
    let mut writes = false;
    while let Some(word) = words.next()? {
        if take(&mut request, &word, &mut words)? {
            continue;
        }
        match &word {
            Word::Long(name) if name == "read-write-mode" => writes = true,
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    options.read_only |= request.action != Action::Instantiate && !writes || options.dry_run;
    let Opened { session, progress } = options.open()?;
    let request = &request;
    match request.action {
        Action::FindFile => {
            find_files(&session, &request.operands)?;
        }
        Action::Parse => {
            for source in sources(request) {
                print_bytes(&syntax_tree(&session, &source)?)?;
            }
        }
        Action::Eval => {
            let output = session.evaluate(|evaluator| evaluate(&session, evaluator, &options, request));
            progress.finish();
            print_bytes(&output?)?;
        }
        Action::Instantiate => {
            let found = session.evaluate(|evaluator| instantiate(&session, evaluator, &options, request));
            progress.finish();
            show(&session, request, &found?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn take(request: &mut Request, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
    match word {
        Word::Short('A') => request.attributes.push(words.value(word)?),
        Word::Short('E') => request.expressions = true,
        Word::Short('r') => {}
        Word::Long(name) => match name.as_str() {
            "attr" => request.attributes.push(words.value(word)?),
            "expr" => request.expressions = true,
            "eval" | "eval-only" => request.action = Action::Eval,
            "parse" | "parse-only" => request.action = Action::Parse,
            "find-file" => request.action = Action::FindFile,
            "strict" => request.strict = true,
            "json" => request.format = Format::Json,
            "xml" => request.format = Format::Xml,
            "raw" => request.format = Format::Raw,
            "no-location" => request.location = false,
            "add-root" => request.root = Some(words.value(word)?),
            "indirect" => {}
            _ => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// The expressions and files that are named.
fn sources(request: &Request) -> Vec<Source> {
    if request.expressions {
        let source =
            |text: &String| if text == "-" { Source::Standard } else { Source::Expression(text.clone()) };
        return request.operands.iter().map(source).collect();
    }
    let files = files_or(request.operands.clone(), "./default.nix");
    files.into_iter().map(|file| if file == "-" { Source::Standard } else { Source::File(file) }).collect()
}

/// For each expression and each attribute path, the value.
fn values(
    session: &Session,
    evaluator: &mut Evaluator,
    options: &Options,
    request: &Request,
    mut each: impl FnMut(&mut Evaluator, Value, saltire_eval::Attrs) -> Result<(), EvaluationError>,
) -> Result<(), EvaluationError> {
    let given = arguments(evaluator, &options.arguments)?;
    let given = argument_set(evaluator, given);
    let whole = [String::new()];
    let paths = if request.attributes.is_empty() { &whole[..] } else { &request.attributes };
    for source in sources(request) {
        let root = session.main_value(evaluator, &source)?;
        for path in paths {
            let value = find_along(evaluator, root, path, given)?;
            each(evaluator, value, given)?;
        }
    }
    Ok(())
}

fn evaluate(
    session: &Session,
    evaluator: &mut Evaluator,
    options: &Options,
    request: &Request,
) -> Result<Vec<u8>, EvaluationError> {
    let mut output = Vec::new();
    values(session, evaluator, options, request, |evaluator, value, given| {
        let mut value = evaluator.force(value)?;
        if !given.is_empty() {
            value = evaluator.auto_call(value, given)?;
            value = evaluator.force(value)?;
        }
        match request.format {
            Format::Plain => {
                if request.strict {
                    evaluator.force_deep(value)?;
                }
                output.extend(evaluator.print_plain(value)?);
            }
            Format::Json => output.extend(evaluator.print_json(value, request.strict, true)?),
            Format::Xml => {
                output.extend(evaluator.to_xml(value, request.location, request.strict)?);
                return Ok(());
            }
            Format::Raw => {
                let what = "while generating the nix-instantiate output";
                let coerced = evaluator.coerce(value, Coerce::INTERPOLATION, Pos::NONE, what)?;
                output.extend(coerced.as_bytes());
                return Ok(());
            }
        }
        output.push(b'\n');
        Ok(())
    })?;
    Ok(output)
}

/// A derivation and the output that is meant.
type Found = (StorePath, String);

fn instantiate(
    session: &Session,
    evaluator: &mut Evaluator,
    options: &Options,
    request: &Request,
) -> Result<Vec<Found>, EvaluationError> {
    let mut found = Vec::new();
    values(session, evaluator, options, request, |evaluator, value, given| {
        for package in packages(evaluator, value, given, Forgive::Nothing)? {
            let derivation = package.derivation(session, evaluator)?;
            found.push((derivation, package.output_name(evaluator)?));
        }
        Ok(())
    })?;
    Ok(found)
}

fn show(session: &Arc<Session>, request: &Request, found: &[Found]) -> Result<(), Failure> {
    if request.root.is_none() && !found.is_empty() {
        eprintln!(
            "warning: you did not specify '--add-root'; the result might be removed by the garbage collector"
        );
    }
    let mut output = String::new();
    for (index, (derivation, name)) in found.iter().enumerate() {
        output += &match &request.root {
            None => session.store().display(derivation),
            Some(link) => add_root(session, link, index + 1, derivation)?.display().to_string(),
        };
        if name != "out" {
            output += &format!("!{name}");
        }
        output.push('\n');
    }
    print_bytes(output.as_bytes())
}

fn find_files(session: &Arc<Session>, names: &[String]) -> Result<(), Failure> {
    let mut output = Vec::new();
    let result = session.evaluate(|evaluator| {
        for name in names {
            let path = file_argument(evaluator, &format!("<{name}>"))?;
            if path == saltire_eval::FETCHURL_PATH {
                let message = format!("'<{name}>' has no physical path");
                return Err(EvalError::new(ErrorKind::Io, Pos::NONE, message).into());
            }
            output.extend(path);
            output.push(b'\n');
        }
        Ok(())
    });
    // What was found before a name that isn't there.
    print_bytes(&output)?;
    Ok(result?)
}
