//! `exec`: there only where programs may be run
//! ([`Settings::native_code`](crate::Settings::native_code)).

use saltire_diagnostics::{Origin, Pos};

use super::{Builtin, builtin};
use crate::coerce::Coerce;
use crate::context::Context;
use crate::error::{EvalError, Result, Traced as _};
use crate::evaluator::{Evaluator, host_error};
use crate::value::Value;

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[builtin(
    "exec",
    &["arguments"],
    exec,
    "Runs a program (a list of it and its arguments) and evaluates what it writes; only with `allow-unsafe-native-code-during-evaluation`.",
)];

fn exec(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let list = e.list_value(a[0], pos, "while evaluating the first argument passed to builtins.exec")?;
    let mut words: Vec<&'static [u8]> = Vec::with_capacity(list.len());
    let mut context = Context::EMPTY;
    for item in list.iter() {
        let what = match words.is_empty() {
            true => "while evaluating the first element of the argument passed to builtins.exec",
            false => "while evaluating an element of the argument passed to builtins.exec",
        };
        let word = e.coerce(item, Coerce::PLAIN, pos, what)?;
        context = context.union(word.context());
        words.push(word.as_bytes());
    }
    let [program, arguments @ ..] = words.as_slice() else {
        return Err(EvalError::other(pos, "at least one argument to 'exec' required"));
    };
    let program = e.realised_path(program.to_vec(), context)?;
    let output = e.host().run_program(&program, arguments).map_err(|error| host_error(error).at(pos))?;
    let name = String::from_utf8_lossy(&program).into_owned();
    let expression = e
        .parse_text(Origin::String, output.into(), b"/", e.globals)
        .traced(pos, || format!("while parsing the output from '{name}'"))?;
    e.eval(expression, crate::value::COMMON.env)
        .traced(pos, || format!("while evaluating the output from '{name}'"))
}
