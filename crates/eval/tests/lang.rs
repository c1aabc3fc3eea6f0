//! The language, by examples: each `lang/THEME/NAME.nix` has its value in `NAME.exp`
//! or its error, as printed, in `NAME.err`. With `UPDATE_EXPECT=1` the files are
//! written instead.
//!
//! The first lines of a file may say, each in a comment:
//!
//! - `# print: FORM` — how the value is printed: `plain` (as `nix-instantiate --eval
//!   --strict`, the default), `lazy` (as without `--strict`), `eval` (as `nix eval`),
//!   `json`, `xml`, `parse` (the tree, as `nix-instantiate --parse`);
//! - `# flags: pipe-operators` — an experimental feature that is on.
//!
//! Where the reference program is installed (`nix-instantiate`, or what
//! `SALTIRE_REFERENCE` names), the same files are evaluated by it too. What may
//! differ, and why, is in `lang/deviations.toml`. Errors are compared with programs
//! of 2.24 and later, whose layout ours is; older ones need only fail as well.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use saltire_diagnostics::{Origin, SourceMap, Style, render};
use saltire_eval::{Evaluator, FsHost, PrintOptions, Settings, with_large_stack};
use saltire_syntax::{ParseOptions, PrintPaths};

/// The first version whose errors are laid out as ours.
const SAME_ERRORS: (u32, u32) = (2, 24);

fn directory() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang");
    path.canonicalize().unwrap_or(path)
}

/// A file of an example.
struct Case {
    /// `THEME/NAME`
    name: String,
    path: PathBuf,
    print: String,
    flags: Vec<String>,
}

impl Case {
    fn read(theme: &str, path: PathBuf) -> Self {
        let text = std::fs::read(&path).expect("readable");
        let text = String::from_utf8_lossy(&text).into_owned();
        let said = |what: &str| {
            let comments = text.lines().take_while(|line| line.starts_with('#'));
            comments.filter_map(|line| line.strip_prefix(what)).last().unwrap_or_default().trim().to_owned()
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let print = said("# print:");
        let flags = said("# flags:").split_whitespace().map(str::to_owned).collect();
        let print = if print.is_empty() { "plain".to_owned() } else { print };
        Self { name: format!("{theme}/{stem}"), path, print, flags }
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// What is expected: whether it is a value, and its text or the error's.
    fn expected(&self) -> (bool, String) {
        match std::fs::read_to_string(self.path.with_extension("exp")) {
            Ok(text) => (true, text),
            Err(_) => (false, std::fs::read_to_string(self.path.with_extension("err")).unwrap_or_default()),
        }
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for theme in std::fs::read_dir(directory()).expect("the directory is there") {
        let theme = theme.expect("readable");
        let name = theme.file_name().to_string_lossy().into_owned();
        if name == "data" || !theme.path().is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(theme.path()).expect("readable") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "nix") {
                cases.push(Case::read(&name, path));
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn value(case: &Case, evaluator: &mut Evaluator) -> saltire_eval::Result<Vec<u8>> {
    // As `nix-instantiate` does, without a step for the file itself.
    let text = std::fs::read(&case.path).expect("readable");
    let directory = case.path.parent().unwrap_or(&case.path).as_os_str().as_encoded_bytes();
    let value = evaluator.eval_text(Origin::File(case.path.clone()), text.into(), directory)?;
    match case.print.as_str() {
        "lazy" => evaluator.print_plain(value),
        "eval" => evaluator.print_value(value, PrintOptions::EVAL),
        "json" => evaluator.print_json(value, true, true),
        "xml" => evaluator.to_xml(value, true, true),
        _ => evaluator.force_deep(value).and_then(|value| evaluator.print_plain(value)),
    }
}

/// The tree, as text.
fn tree(case: &Case) -> (bool, String) {
    let text = std::fs::read(&case.path).expect("readable");
    let arena = bumpalo::Bump::new();
    let options = ParseOptions { pipe_operators: case.flag("pipe-operators"), ..ParseOptions::default() };
    let directory = case.path.parent().unwrap_or(&case.path).as_os_str().as_encoded_bytes();
    let sources = SourceMap::new();
    let origin = Origin::File(case.path.clone());
    let source = sources.add(origin, Arc::<[u8]>::from(text.as_slice())).expect("few sources");
    let evaluator = Evaluator::new(Arc::new(FsHost::new("x86_64-linux")), Settings::default());
    match saltire_syntax::parse(&arena, &text, &options) {
        Ok(tree) => match evaluator.check_variables(tree, &source) {
            Ok(()) => {
                (true, format!("{}\n", saltire_syntax::print(tree, PrintPaths { directory, home: b"/home" })))
            }
            Err(error) => (false, render(&error.to_diagnostic(), &sources, Style::default())),
        },
        Err(error) => (false, render(&error.into_diagnostic(&source), &sources, Style::default())),
    }
}

/// The value, or the error, as text. The directory of the tests is written `/lang`.
fn evaluate(case: &Case) -> (bool, String) {
    if case.print == "parse" {
        let (good, text) = tree(case);
        return (good, in_lang(&text));
    }
    let host = FsHost::new("x86_64-linux");
    let pipe_operators = case.flag("pipe-operators");
    let settings = Settings { max_call_depth: 5_000, pipe_operators, ..Settings::default() };
    let mut evaluator = Evaluator::new(Arc::new(host), settings);
    let (good, text) = match value(case, &mut evaluator) {
        Ok(text) => (true, format!("{}\n", String::from_utf8_lossy(&text).trim_end_matches('\n'))),
        Err(error) => {
            let style = Style { colour: false, show_trace: false };
            (false, render(&error.to_diagnostic(), evaluator.sources(), style))
        }
    };
    (good, in_lang(&text))
}

fn in_lang(text: &str) -> String {
    let text = text.replace(&*directory().to_string_lossy(), "/lang");
    match std::env::var("HOME") {
        Ok(home) if home.len() > 1 => text.replace(&format!("{home}/"), "/home-directory/"),
        _ => text,
    }
}

#[test]
fn values_and_errors() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let (good, text) = with_large_stack(|| evaluate(&case));
        if update {
            let (this, other) = if good { ("exp", "err") } else { ("err", "exp") };
            std::fs::write(case.path.with_extension(this), &text).expect("writable");
            let _ = std::fs::remove_file(case.path.with_extension(other));
        } else if case.expected() != (good, text.clone()) {
            wrong.push(format!("{}:\n{text}", case.name));
        }
    }
    assert!(wrong.is_empty(), "these differ:\n{}", wrong.join("\n"));
}

/// The reference program: its name and version.
fn reference() -> Option<(String, (u32, u32))> {
    let program = std::env::var("SALTIRE_REFERENCE").unwrap_or_else(|_| "nix-instantiate".to_owned());
    let output = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().last()?.split('.').map_while(|part| part.parse().ok());
    Some((program, (numbers.next()?, numbers.next()?)))
}

/// The reason for an accepted deviation, if it is one from this version. The table
/// has a `reason` and, perhaps, the first version `until` that does not differ.
fn accepted(deviation: &toml::Value, version: (u32, u32)) -> Option<String> {
    let reason = deviation.get("reason").and_then(toml::Value::as_str).expect("a reason").to_owned();
    let Some(until) = deviation.get("until") else { return Some(reason) };
    let mut numbers =
        until.as_str().expect("a version").split('.').map(|part| part.parse().expect("a number"));
    let until: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (version < until).then_some(reason)
}

fn run_reference(case: &Case, program: &str, store: &Path) -> (bool, String) {
    let mut command = match case.print.as_str() {
        "eval" => {
            let nix = Path::new(program).with_file_name("nix");
            let mut command = Command::new(nix);
            command.args(["--extra-experimental-features", "nix-command", "eval", "--impure", "-f"]);
            command
        }
        _ => Command::new(program),
    };
    match case.print.as_str() {
        "eval" => {}
        "parse" => drop(command.arg("--parse")),
        print => {
            command.args(["--eval", "--read-write-mode"]);
            match print {
                "lazy" => {}
                "json" => drop(command.args(["--strict", "--json"])),
                "xml" => drop(command.args(["--strict", "--xml"])),
                _ => drop(command.arg("--strict")),
            }
        }
    }
    command.arg(&case.path);
    for flag in &case.flags {
        command.args(["--option", "extra-experimental-features", flag]);
    }
    let output = command
        .env("NIX_CONFIG", "build-users-group =\nmax-call-depth = 5000")
        .env("NIX_STATE_DIR", store)
        .env("NIX_STORE_DIR", "/nix/store")
        .env("NIX_REMOTE", format!("local?root={}", store.display()))
        .env_remove("NIX_PATH")
        .output()
        .expect("it runs");
    let good = output.status.success();
    let text = String::from_utf8_lossy(if good { &output.stdout } else { &output.stderr });
    let errors = text.find("error:").filter(|_| !good).unwrap_or(0);
    (good, in_lang(&text[errors..]))
}

/// Stands for the steps that are left out.
const CUT: &str = "(cut)";

/// An error's lines without what may differ: steps inside of the reference's own files;
/// the innermost step, which is shown here where the trace is cut.
fn lines_of_error(case: &Case, text: &str) -> Vec<String> {
    let file = format!("… while evaluating the file '/lang/{}.nix':", case.name);
    let mut lines: Vec<String> = Vec::new();
    let (mut cut, mut internal) = (false, false);
    for line in text.lines().map(str::trim) {
        let number = line.split('|').next().unwrap_or_default();
        let excerpt = line.contains('|') && number.chars().all(|c| c.is_ascii_digit());
        internal &= excerpt;
        if internal || line == file || line.is_empty() || line.starts_with("Try '") {
            continue;
        }
        if line.starts_with("at «nix-internal»") {
            lines.pop();
            internal = true;
            continue;
        }
        cut = (cut || line.starts_with("(stack trace truncated")) && !line.starts_with("error:");
        if cut {
            if line.starts_with('(') {
                lines.push(CUT.to_owned());
            }
            continue;
        }
        lines.push(line.to_owned());
    }
    if lines.first().is_some_and(|line| line == "error:") {
        lines.remove(0);
    }
    lines
}

/// Whether ours says at least what the reference says: it may say what to do.
fn says_as_much(case: &Case, ours: &str, reference: &str) -> bool {
    let (ours, reference) = (lines_of_error(case, ours), lines_of_error(case, reference));
    let mut ours = ours.iter().peekable();
    for line in &reference {
        if line == CUT {
            while ours.peek().is_some_and(|other| !other.starts_with("error:")) {
                ours.next();
            }
            continue;
        }
        if ours.next() != Some(line) {
            return false;
        }
    }
    ours.all(|line| !line.starts_with("at "))
}

#[test]
fn the_reference_says_the_same() {
    let Some((program, version)) = reference() else {
        println!("skipped: the reference program (nix-instantiate) is not installed");
        return;
    };
    let text = std::fs::read_to_string(directory().join("deviations.toml")).expect("the table is there");
    let mut deviations: toml::Table = text.parse().expect("a table of deviations");
    let store = tempfile::tempdir().expect("a temporary directory");
    let mut wrong = Vec::new();
    for case in cases() {
        let deviation = deviations.remove(&case.name);
        if let Some(reason) = deviation.and_then(|deviation| accepted(&deviation, version)) {
            println!("skipped: {}: {reason}", case.name);
            continue;
        }
        let (good, expected) = case.expected();
        let (found_good, found) = run_reference(&case, &program, store.path());
        let same = match good {
            true => found.trim_end() == expected.trim_end(),
            false => version < SAME_ERRORS || says_as_much(&case, &expected, &found),
        };
        if good != found_good || !same {
            wrong.push(format!("{}:\n{found}", case.name));
        }
    }
    assert!(deviations.is_empty(), "deviations of no example: {:?}", deviations.keys().collect::<Vec<_>>());
    assert!(wrong.is_empty(), "the reference says ({} differ):\n{}", wrong.len(), wrong.join("\n"));
}
