//! `saltire eval`: evaluates an expression, a file or an attribute.

use super::{open, package_set, platforms_or_own};
use crate::args::{EvalArgs, Global};
use saltire_diagnostics::Pos;
use saltire_driver::{EvaluationError, Source};
use saltire_eval::{EvalError, Evaluator, Value, describe};
use saltire_terminal::{Failure, print};
use std::process::ExitCode;

/// Evaluates and prints.
pub fn run(global: &Global, args: &EvalArgs) -> Result<ExitCode, Failure> {
    let session = open(global, Some(&args.source), None)?.session;
    let set = package_set(&args.source);
    let names: Vec<String> = args.platform.iter().cloned().collect();
    let platform = platforms_or_own(&session, &names)?[0];
    let mut attribute = args.attribute.clone().unwrap_or_default();
    if platform.name != session.platform.name {
        let separator = if attribute.is_empty() { "" } else { "." };
        attribute = format!("pkgsCross.{}{separator}{attribute}", platform.name);
    }
    let text = session.evaluate(|evaluator| {
        let base = std::env::current_dir().unwrap_or_default();
        let base = base.as_os_str().as_encoded_bytes();
        // As in 'nix eval', a function is only called where something in it is meant,
        // or arguments for it are given.
        let call =
            matches!(set.source, Source::Embedded) || !set.arguments.is_empty() || !attribute.is_empty();
        let mut value = match call {
            true => session.select(evaluator, &set, None, &attribute)?,
            false => session.package_set_value(evaluator, &set.source)?,
        };
        if let Some(function) = &args.apply {
            let function = evaluator.eval_str(function, base)?;
            value = evaluator.call(function, &[value], Pos::NONE)?;
        }
        show(evaluator, value, args)
    })?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

fn show(evaluator: &mut Evaluator, value: Value, args: &EvalArgs) -> Result<Vec<u8>, EvaluationError> {
    let mut value = evaluator.force(value)?;
    let mut text = Vec::new();
    if args.json {
        let function = evaluator.eval_str("builtins.toJSON", b"/")?;
        let json = evaluator.call(function, &[value], Pos::NONE)?;
        text.extend(evaluator.force(json)?.as_str().map(|text| text.as_bytes()).unwrap_or_default());
    } else if args.raw {
        let string = value.as_str().ok_or_else(|| {
            EvalError::type_error(
                Pos::NONE,
                format!("cannot print {} with '--raw', which needs a string", describe(value)),
            )
        })?;
        return Ok(string.as_bytes().to_vec());
    } else {
        if args.strict {
            value = evaluator.force_deep(value)?;
        }
        text = evaluator.print(value);
    }
    text.push(b'\n');
    Ok(text)
}
