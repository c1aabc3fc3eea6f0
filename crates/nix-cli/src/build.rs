//! `nix-build`: builds derivations and links their results.

use crate::arguments::{Arguments, Word, text};
use crate::options::{Opened, Options, add_root, files_or};
use saltire_driver::{
    Error, EvaluationError, Forgive, Method, Session, Source, Step, Via, Wanted, argument_set, arguments,
    find_along, packages,
};
use saltire_eval::Evaluator;
use saltire_terminal::{Failure, Progress, print};
use std::process::ExitCode;
use std::sync::Arc;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-build [OPTION]… [FILE]…

Builds the derivations in Nix expressions (default: ./default.nix).

  -A, --attr PATH        the attribute to build (repeatable)
  -E, --expr             the arguments are expressions, not files
      --arg NAME EXPR    pass the value of an expression to functions
      --argstr NAME TEXT pass a string to functions
  -I PATH                add a place where <…> is looked up
  -o, --out-link NAME    the name of the link to the result (default: result)
      --no-out-link      make no link
      --check            build again what is there, and compare
      --dry-run          only say what would be done
  -j, --max-jobs N       builds at the same time
      --cores N          cores that one build may use
  -k, --keep-going       go on with other builds when one fails
  -K, --keep-failed      keep the build directory of a failed build
      --option NAME VALUE  set one of Nix's settings
      --show-trace       show every step of an error's trace
";

struct Request {
    attributes: Vec<String>,
    expressions: bool,
    operands: Vec<String>,
    out_link: Option<String>,
    /// `--check`
    check: bool,
}

/// Runs `nix-build`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut request = Request {
        attributes: Vec::new(),
        expressions: false,
        operands: Vec::new(),
        out_link: Some("result".to_owned()),
        check: false,
    };
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('A') => request.attributes.push(words.value(&word)?),
            Word::Short('E') => request.expressions = true,
            Word::Short('o') => request.out_link = Some(words.value(&word)?),
            Word::Long(name) => match name.as_str() {
                "attr" => request.attributes.push(words.value(&word)?),
                "expr" => request.expressions = true,
                "out-link" | "add-root" => request.out_link = Some(words.value(&word)?),
                "no-out-link" | "no-link" => request.out_link = None,
                "indirect" => {}
                "check" => request.check = true,
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let Opened { session, progress } = options.open()?;
    let wanted = session.evaluate(|evaluator| wanted(&session, evaluator, &options, &request))?;
    if options.dry_run {
        say_plan(&session, &wanted)?;
        return Ok(ExitCode::SUCCESS);
    }
    if request.check {
        let result = session.rebuild(&wanted);
        progress.finish();
        result?;
    } else {
        realise(&session, &progress, &wanted)?;
    }
    let mut output = String::new();
    for (number, one) in wanted.iter().enumerate() {
        let name = one.outputs.first().map_or("out", String::as_str);
        let path = session.output(&one.derivation, name)?;
        if let Some(link) = &request.out_link {
            let link = link_name(link, number, name);
            add_root(&session, &link, 1, &path)?;
        }
        output += &format!("{}\n", session.store().display(&path));
    }
    print(&output)?;
    Ok(ExitCode::SUCCESS)
}

/// As Nix names links: `result`, `result-2`, … and `result-dev` for other outputs.
pub fn link_name(base: &str, index: usize, output: &str) -> String {
    let number = if index > 0 { format!("-{}", index + 1) } else { String::new() };
    let output = if output == "out" { String::new() } else { format!("-{output}") };
    format!("{base}{number}{output}")
}

/// The derivations in what is named, each with the output that is meant.
fn wanted(
    session: &Session,
    evaluator: &mut Evaluator,
    options: &Options,
    request: &Request,
) -> Result<Vec<Wanted>, EvaluationError> {
    let given = arguments(evaluator, &options.arguments)?;
    let given = argument_set(evaluator, given);
    let whole = [String::new()];
    let paths = if request.attributes.is_empty() { &whole[..] } else { &request.attributes };
    let mut wanted = Vec::new();
    let operands = match request.expressions {
        true => request.operands.clone(),
        false => files_or(request.operands.clone(), "./default.nix"),
    };
    for operand in operands {
        if !request.expressions && (operand.ends_with(".drv") || operand.contains(".drv!")) {
            wanted.push(named_derivation(session, &operand)?);
            continue;
        }
        let source = match request.expressions {
            _ if operand == "-" => Source::Standard,
            true => Source::Expression(operand),
            false => Source::File(operand),
        };
        let root = session.main_value(evaluator, &source)?;
        for path in paths {
            let value = find_along(evaluator, root, path, given)?;
            for package in packages(evaluator, value, given, Forgive::Nothing)? {
                wanted.push(package.wanted(session, evaluator)?);
            }
        }
    }
    Ok(wanted)
}

/// `/nix/store/….drv`, perhaps with `!OUTPUT` or `^OUTPUT`.
pub fn named_derivation(session: &Session, text: &str) -> Result<Wanted, Error> {
    let (path, output) = text.split_once(['!', '^']).unwrap_or((text, ""));
    let path =
        std::fs::canonicalize(path).map_or(path.to_owned(), |path| path.to_string_lossy().into_owned());
    let derivation = session.parse(&path)?;
    let outputs = match output {
        "" | "*" => session.store().query_derivation_outputs(&derivation)?.into_keys().collect(),
        names => names.split(',').map(str::to_owned).collect(),
    };
    Ok(Wanted { derivation, outputs })
}

/// Builds, and takes the progress display away.
pub fn realise(session: &Arc<Session>, progress: &Progress, wanted: &[Wanted]) -> Result<(), Failure> {
    let result = session.realise(wanted, Via::Auto);
    progress.finish();
    Ok(result?)
}

/// Says on standard error what would be done, as Nix does.
pub fn say_plan(session: &Session, wanted: &[Wanted]) -> Result<(), Failure> {
    let plan = session.plan(wanted, Via::Auto)?;
    let (fetched, built): (Vec<&Step>, Vec<&Step>) =
        plan.steps.iter().partition(|step| step.method == Method::Substitute);
    match built.len() {
        0 => {}
        1 => eprintln!("this derivation will be built:"),
        count => eprintln!("these {count} derivations will be built:"),
    }
    for step in built {
        eprintln!("  {}", step.derivation);
    }
    if !fetched.is_empty() {
        say_fetched(session, &fetched)?;
    }
    for problem in &plan.problems {
        eprintln!("warning: {}", problem.message);
    }
    Ok(())
}

/// Says what would be taken from binary caches.
fn say_fetched(session: &Session, steps: &[&Step]) -> Result<(), Failure> {
    let mut outputs = Vec::new();
    for step in steps {
        let derivation = session.parse(&step.derivation)?;
        let all = session.store().query_derivation_outputs(&derivation).map_err(Error::from)?;
        outputs.extend(all.into_values());
    }
    let paths = session.substitution_of(&outputs).map_err(Error::from)?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let download = mebibytes(paths.iter().map(|(_, download, _)| download).sum());
    let unpacked = mebibytes(paths.iter().map(|(_, _, unpacked)| unpacked).sum());
    let what = if paths.len() == 1 { "this path".to_owned() } else { format!("these {} paths", paths.len()) };
    eprintln!("{what} will be fetched ({download:.2} MiB download, {unpacked:.2} MiB unpacked):");
    let mut lines: Vec<String> = paths.iter().map(|(path, ..)| session.store().display(path)).collect();
    lines.sort();
    lines.iter().for_each(|line| eprintln!("  {line}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::link_name;

    #[test]
    fn links_have_numbers_and_outputs() {
        assert_eq!(link_name("result", 0, "out"), "result");
        assert_eq!(link_name("result", 1, "dev"), "result-2-dev");
    }
}
