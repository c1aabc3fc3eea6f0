//! `cargo xtask fuzz`: random texts through lexer and parser, random expressions
//! through the evaluator, the latter compared with the reference program.
//!
//! A fixed matrix of mistakes is compared as well ([`crate::fuzz_errors`]).
//!
//! Each case follows from its number, so a finding is reproduced by `--from NUMBER
//! --cases 1`. Batches run in processes of their own: a crash is a finding as well.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use saltire_diagnostics::Origin;
use saltire_eval::{Evaluator, FsHost, Settings, with_large_stack};
use saltire_syntax::{ParseOptions, PrintPaths};

use crate::fuzz_expressions::{Generator, Random};

/// Arguments of `xtask fuzz`.
#[derive(clap::Args)]
pub struct FuzzArguments {
    /// What to try
    #[arg(value_enum)]
    what: What,
    /// How long, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Number of the first case
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Cases of a process
    #[arg(long, default_value_t = 500)]
    cases: u64,
    /// Program to compare expressions with
    #[arg(long, default_value = "nix-instantiate")]
    reference: String,
    /// This program, as `nix-instantiate`, for what needs the network or a store; left out without one
    #[arg(long)]
    program: Option<String>,
    /// Also compare the messages of errors (which of several comes first depends on the order of names)
    #[arg(long)]
    messages: bool,
    /// Compare the whole traces of `errors`
    #[arg(long)]
    show_trace: bool,
    /// Only those `errors` of expressions that contain this
    #[arg(long)]
    filter: Option<String>,
    /// Directory of Nix files to mutate for the parser
    #[arg(long, default_value = "crates/eval/tests/lang")]
    corpus: PathBuf,
    /// Runs one batch and prints its results
    #[arg(long, hide = true)]
    child: bool,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Mutated texts: each gives a tree, which is read back as the same, or an error
    Parse,
    /// Generated expressions: each gives the value or the message that the reference gives
    Evaluate,
    /// Builtins and operators on values of each kind: printed as by the reference, all of them
    Errors,
}

/// Runs it.
pub fn run(arguments: &FuzzArguments) -> anyhow::Result<()> {
    match (arguments.what, arguments.child) {
        (What::Parse, true) => parse_batch(arguments),
        (What::Evaluate, true) => evaluate_batch(arguments),
        (What::Errors, _) => {
            let filter = arguments.filter.as_deref();
            let programs = crate::fuzz_errors::Programs {
                reference: arguments.reference.clone(),
                ours: arguments.program.clone(),
                show_trace: arguments.show_trace,
            };
            crate::fuzz_errors::run(&programs, filter)
        }
        (what, false) => batches(arguments, what),
    }
}

fn batches(arguments: &FuzzArguments, what: What) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let (mut from, mut findings) = (arguments.from, 0);
    while Instant::now() < end {
        let output = Command::new(std::env::current_exe()?)
            .args(["fuzz", if what == What::Parse { "parse" } else { "evaluate" }, "--child"])
            .args(["--from", &from.to_string(), "--cases", &arguments.cases.to_string()])
            .arg("--corpus")
            .arg(&arguments.corpus)
            .stdout(Stdio::piped())
            .output()?;
        if !output.status.success() {
            findings += 1;
            let errors = String::from_utf8_lossy(&output.stderr);
            println!("cases {from} to {}: {}: {errors}", from + arguments.cases, output.status);
        }
        if what == What::Evaluate {
            findings += compare(arguments, &String::from_utf8_lossy(&output.stdout))?;
        }
        from += arguments.cases;
    }
    println!("{} cases, {findings} findings", from - arguments.from);
    if findings > 0 { bail!("{findings} findings") } else { Ok(()) }
}

fn nix_files(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            nix_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "nix") {
            found.push(path);
        }
    }
    Ok(())
}

fn parse_batch(arguments: &FuzzArguments) -> anyhow::Result<()> {
    let mut files = Vec::new();
    nix_files(&arguments.corpus, &mut files)?;
    files.sort();
    let texts: Vec<Vec<u8>> = files.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    for number in arguments.from..arguments.from + arguments.cases {
        let text = mutated(&texts, &mut Random::new(number));
        if let Err(panic) = std::panic::catch_unwind(|| check_tree(&text)) {
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            bail!("case {number}: {message}\n{}", String::from_utf8_lossy(&text));
        }
    }
    Ok(())
}

/// A text of the corpus with some changes.
fn mutated(texts: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const TOKENS: [&str; 36] = [
        "{", "}", "[", "]", "(", ")", "\"", "''", "${", "''${", "''\\", "\\", "$", ";", ":", "@", "?", ".",
        "...", "or", "=", "==", "->", "//", "++", "|>", "<|", "/*", "*/", "#", "\r\n", "\0", "let ",
        "inherit ", "\u{feff}", "~/a/",
    ];
    let mut text = texts[random.below(texts.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        let end = text.len().min(at + random.below(30));
        match random.below(7) {
            0 if at < text.len() => text[at] = random.below(256) as u8,
            1 => drop(text.drain(at..end)),
            2 | 3 => drop(text.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
            4 => {
                let other = &texts[random.below(texts.len())];
                let start = random.below(other.len() + 1);
                let piece = &other[start..other.len().min(start + random.below(60))];
                drop(text.splice(at..at, piece.iter().copied()));
            }
            5 => {
                let token = TOKENS[random.below(TOKENS.len())].repeat(1 + random.below(3000));
                drop(text.splice(at..at, token.bytes()));
            }
            _ => text.truncate(at),
        }
    }
    text
}

/// A tree that is printed is read back as a tree that is printed the same.
fn check_tree(text: &[u8]) {
    let options = ParseOptions { pipe_operators: true, ..ParseOptions::default() };
    let paths = PrintPaths { directory: b"/dir", home: b"/home/me" };
    let arena = bumpalo::Bump::new();
    let Ok(tree) = saltire_syntax::parse(&arena, text, &options) else { return };
    let printed = saltire_syntax::print(tree, paths);
    // Floats, home paths and the root are printed as the reference does, which cannot always be read back.
    let exponent = printed.windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b'e' && b"+-".contains(&w[2]));
    let root = bstr::ByteSlice::contains_str(text, "/.");
    if exponent || root || bstr::ByteSlice::contains_str(printed.as_slice(), "/home/me") {
        return;
    }
    if let Ok(again) = saltire_syntax::parse(&arena, &printed, &options) {
        let twice = saltire_syntax::print(again, paths);
        assert!(plain(&printed) == plain(&twice), "printed:\n{printed}\nread back:\n{twice}");
    }
}

/// Without what printing makes out of the printed form: calls in parentheses.
fn plain(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !matches!(c, '(' | ')' | ' ')).collect()
}

/// Prints for each case a line: number, `value` or `error`, text, expression, as JSON.
fn evaluate_batch(arguments: &FuzzArguments) -> anyhow::Result<()> {
    for number in arguments.from..arguments.from + arguments.cases {
        let text = Generator::new(Random::new(number)).expression();
        let (good, shown) = with_large_stack(|| evaluate(&text));
        let kind = if good { "value" } else { "error" };
        println!("{}", serde_json::to_string(&(number, kind, shown, text))?);
    }
    Ok(())
}

fn evaluate(text: &str) -> (bool, String) {
    let mut evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
    let value = evaluator.eval_text(Origin::String, text.as_bytes().into(), b"/");
    let value = value.and_then(|value| evaluator.force_deep(value));
    match value.and_then(|value| evaluator.print_plain(value)) {
        Ok(text) => (true, String::from_utf8_lossy(&text).into_owned()),
        Err(error) => (false, error.message.clone()),
    }
}

/// Compares a batch with the reference; gives the number of differences.
fn compare(arguments: &FuzzArguments, lines: &str) -> anyhow::Result<u64> {
    let reference = &arguments.reference;
    let results: Vec<(u64, String, String, String)> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (values, errors): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.1 == "value");
    let mut differences = 0;
    // All values at once; one by one only if something differs.
    let list = |texts: Vec<&str>| texts.iter().map(|text| format!("({text})")).collect::<Vec<_>>().join("\n");
    let all = list(values.iter().map(|value| value.3.as_str()).collect());
    let expected = values.iter().map(|value| value.2.as_str()).collect::<Vec<_>>().join(" ");
    let (good, found) = ask(reference, &format!("[\n{all}\n]"))?;
    if !good || found != format!("[ {expected} ]") {
        for (number, _, ours, text) in &values {
            let (_, theirs) = ask(reference, text)?;
            if theirs != *ours {
                differences += 1;
                println!("case {number}: {text}\n  ours: {ours}\n  reference: {theirs}");
            }
        }
    }
    for (number, _, ours, text) in &errors {
        let (good, theirs) = ask(reference, text)?;
        let other = arguments.messages && theirs != ours.lines().next().unwrap_or_default();
        if good || other {
            differences += 1;
            println!("case {number}: {text}\n  ours: error: {ours}\n  reference: {theirs}");
        }
    }
    Ok(differences)
}

/// What the reference says: the value, or the error's message.
fn ask(reference: &str, text: &str) -> anyhow::Result<(bool, String)> {
    let output = Command::new(reference)
        .args(["--eval", "--strict", "--store", "dummy://", "-E", text])
        .env_remove("NIX_PATH")
        .output()
        .with_context(|| format!("cannot run {reference}"))?;
    if output.status.success() {
        return Ok((true, String::from_utf8_lossy(&output.stdout).trim_end().to_owned()));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let message = text.lines().rev().find_map(|line| line.trim_start().strip_prefix("error: "));
    Ok((false, message.unwrap_or(&text).to_owned()))
}
