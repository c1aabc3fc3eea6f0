//! `nix-shell`: a shell in the environment of a derivation's build.

use crate::arguments::{Arguments, Word, text};
use crate::build::realise;
use crate::environment::quoted;
use crate::options::{Opened, Options};
use crate::program::{Variables, along_path, bash, become_program};
use crate::script::Script;
use saltire_driver::{
    Error, EvaluationError, Forgive, Session, Source, StorePath, argument_set, arguments, find_along,
    packages,
};
use saltire_eval::Evaluator;
use saltire_store_model::Derivation;
use saltire_terminal::Failure;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Text of `--help`.
pub const HELP: &str = "\
Usage: nix-shell [OPTION]… [FILE]
       nix-shell [OPTION]… -p PACKAGE…
       #! nix-shell -i INTERPRETER [OPTION]…    the second line of a script

Starts a shell in the environment of a derivation's build (default: that of
./shell.nix, else ./default.nix), or with packages.

  -p, --packages         the arguments are packages of <nixpkgs>, or expressions
  -A, --attr PATH        the attribute to use
  -E, --expr             the argument is an expression, not a file
      --run COMMAND      run a command in the shell, then leave it
      --command COMMAND  run a command in the shell, then stay in it
      --pure             see nothing of the environment outside
      --keep NAME        with --pure, see this variable
      --arg NAME EXPR, --argstr NAME TEXT, -I PATH, --option NAME VALUE

Without a <nixpkgs> in the search path, packages are those of the embedded set.
";

/// Variables that are seen in a pure shell as well.
const KEPT: [&str; 13] = [
    "HOME",
    "XDG_RUNTIME_DIR",
    "USER",
    "LOGNAME",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "TERM",
    "NIX_SHELL_PRESERVE_PROMPT",
    "TZ",
    "PAGER",
    "SHLVL",
    "http_proxy",
];

#[derive(Default)]
struct Request {
    packages: bool,
    expression: bool,
    attributes: Vec<String>,
    operands: Vec<String>,
    /// What runs a script.
    interpreter: Option<String>,
    shell: Wanted,
}

/// What is wanted of the shell.
#[derive(Default)]
struct Wanted {
    /// Run this in the shell, then leave it.
    run: Option<String>,
    /// Run this in the shell first.
    command: Option<String>,
    /// See nothing of the environment outside.
    pure: bool,
    /// Nothing but these variables.
    keep: Vec<String>,
}

/// Runs `nix-shell`.
pub fn run(words: Arguments, options: Options) -> Result<ExitCode, Failure> {
    run_with(words, options, None)
}

/// Runs a script in the shell that it asks for.
pub fn run_script(mut script: Script, options: Options) -> Result<ExitCode, Failure> {
    let words = Arguments::new("nix-shell", std::mem::take(&mut script.options));
    run_with(words, options, Some(&script))
}

fn run_with(
    mut words: Arguments,
    mut options: Options,
    script: Option<&Script>,
) -> Result<ExitCode, Failure> {
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        match &word {
            Word::Short('i') if script.is_some() => request.interpreter = Some(words.value(&word)?),
            Word::Short('p') => request.packages = true,
            Word::Short('E') => request.expression = true,
            Word::Short('A') => request.attributes.push(words.value(&word)?),
            Word::Long(name) => match name.as_str() {
                "packages" => request.packages = true,
                "expr" => request.expression = true,
                "attr" => request.attributes.push(words.value(&word)?),
                "run" => request.shell.run = Some(words.value(&word)?),
                "command" => request.shell.command = Some(words.value(&word)?),
                "pure" => request.shell.pure = true,
                "impure" => request.shell.pure = false,
                "keep" => request.shell.keep.push(words.value(&word)?),
                _ if options.take(&word, &mut words)? => {}
                _ => return Err(words.unknown(&word)),
            },
            Word::Plain(operand) => request.operands.push(text(operand.clone())?),
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    if let Some(script) = script {
        request.belong_to(script);
    }
    let opened = options.open()?;
    let session = &opened.session;
    let path = session.evaluate(|evaluator| derivation(session, evaluator, &options, &request))?;
    let derivation = session.store().read_derivation(&path).map_err(Error::from)?;
    start(opened, &derivation, &request.shell)
}

impl Request {
    /// Its files are beside the script, which the shell becomes in the end.
    fn belong_to(&mut self, script: &Script) {
        if !self.packages && !self.expression {
            self.operands.iter_mut().for_each(|file| *file = script.relative(file));
        }
        self.shell.run = Some(script.command(self.interpreter.as_deref().unwrap_or("bash")));
    }
}

/// The derivation whose environment is meant.
fn derivation(
    session: &Session,
    evaluator: &mut Evaluator,
    options: &Options,
    request: &Request,
) -> Result<StorePath, EvaluationError> {
    if let [name] = request.operands.as_slice()
        && name.ends_with(".drv")
        && !request.packages
    {
        return Ok(session.parse(name)?);
    }
    let given = arguments(evaluator, &options.arguments)?;
    let given = argument_set(evaluator, given);
    let source = source(session, evaluator, request)?;
    let root = session.main_value(evaluator, &source)?;
    let path = request.attributes.first().cloned().unwrap_or_default();
    let value = find_along(evaluator, root, &path, given)?;
    let found = packages(evaluator, value, given, Forgive::Nothing)?;
    match found.as_slice() {
        [one] => one.derivation(session, evaluator),
        _ => {
            let message = format!("nix-shell requires a single derivation, not {}", found.len());
            Err(Error::Installable(message).into())
        }
    }
}

fn source(
    session: &Session,
    evaluator: &mut Evaluator,
    request: &Request,
) -> Result<Source, EvaluationError> {
    if request.packages {
        let entries = evaluator.host().search_path();
        let has_nixpkgs = evaluator.find_file(&entries, b"nixpkgs", saltire_diagnostics::Pos::NONE).is_ok();
        let set = match has_nixpkgs {
            true => "<nixpkgs>".to_owned(),
            false => session.package_set()?.display().to_string(),
        };
        let inputs: String = request.operands.iter().map(|package| format!(" ({package})")).collect();
        let text = format!(
            "with import {set} {{ }}; (pkgs.runCommandCC or pkgs.runCommand) \"shell\" {{ buildInputs = [{inputs} ]; }} \"\""
        );
        return Ok(Source::Expression(text));
    }
    Ok(match (request.operands.first(), request.expression) {
        (Some(text), true) => Source::Expression(text.clone()),
        (Some(file), false) => Source::File(file.clone()),
        (None, _) if Path::new("shell.nix").exists() => Source::File("./shell.nix".to_owned()),
        (None, _) => Source::File("./default.nix".to_owned()),
    })
}

/// Builds what a derivation needs.
fn build_inputs(opened: &Opened, derivation: &Derivation) -> Result<(), Failure> {
    let inputs = derivation.input_derivations.iter();
    let inputs: Vec<saltire_driver::Wanted> = inputs
        .map(|(path, outputs)| saltire_driver::Wanted {
            derivation: path.clone(),
            outputs: outputs.iter().cloned().collect(),
        })
        .collect();
    realise(&opened.session, &opened.progress, &inputs)
}

/// Builds what a derivation needs and becomes the shell.
fn start(opened: Opened, derivation: &Derivation, request: &Wanted) -> Result<ExitCode, Failure> {
    build_inputs(&opened, derivation)?;
    let script = script(derivation, request, opened.session.store().store_dir().as_str());
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't write the shell's first commands: {error}"));
    let mut file = tempfile::Builder::new().prefix("nix-shell-").tempfile().map_err(failed)?;
    std::io::Write::write_all(&mut file, script.as_bytes()).map_err(failed)?;
    // The script removes itself.
    let (_, path) = file.keep().map_err(|error| failed(error.error))?;
    let shell = std::env::var_os("NIX_BUILD_SHELL").filter(|shell| !shell.is_empty());
    let shell = match shell {
        Some(shell) => along_path(Path::new(&shell)),
        None => bash(&opened)?,
    };
    let words: Vec<OsString> = match request.is_interactive() {
        false => vec![path.into_os_string()],
        true => vec!["--rcfile".into(), path.into_os_string()],
    };
    let kept = KEPT.iter().map(|name| (*name).to_owned()).chain(request.keep.iter().cloned());
    let variables = if request.pure { Variables::only(kept) } else { Variables::default() };
    become_program(opened, &shell, &words, &variables, &[])
}

impl Wanted {
    /// Whether somebody types to the shell.
    fn is_interactive(&self) -> bool {
        self.run.is_none()
    }
}

/// What the shell does first: the build's variables, `setup`, the user's commands.
fn script(derivation: &Derivation, request: &Wanted, store: &str) -> String {
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let environment: Vec<(String, String)> =
        derivation.environment.iter().map(|(name, value)| (lossy(name), lossy(value))).collect();
    let get = |name: &str| environment.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let in_files: Vec<&str> = get("passAsFile").split_whitespace().collect();
    let mut text = "rm -f -- \"${BASH_SOURCE[0]}\"\n".to_owned();
    if !request.pure && request.is_interactive() {
        text += "[ -e ~/.bashrc ] && source ~/.bashrc\n";
    }
    text += if request.pure { "saved_path=\n" } else { "saved_path=$PATH\n" };
    text += &format!("export IN_NIX_SHELL={}\n", if request.pure { "pure" } else { "impure" });
    for (name, value) in &environment {
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name && !name.is_empty() && !in_files.contains(&name.as_str()) {
            text += &format!("export {name}={}\n", quoted(value));
        }
    }
    text += &format!("export NIX_STORE={store}\n");
    text += "export NIX_BUILD_TOP=${TMPDIR:-/tmp}\nexport TMPDIR=$NIX_BUILD_TOP TEMPDIR=$NIX_BUILD_TOP TMP=$NIX_BUILD_TOP TEMP=$NIX_BUILD_TOP\n";
    text += "export NIX_ENFORCE_PURITY=0 dontAddDisableDepTrack=1\n";
    text += "if [ -n \"$stdenv\" ] && [ -e \"$stdenv/setup\" ]; then source \"$stdenv/setup\"; set +e +u +o pipefail; fi\n";
    text +=
        "PATH=${PATH:+$PATH:}$saved_path; unset saved_path\nunset NIX_ENFORCE_PURITY\nshopt -u nullglob\n";
    text += "if [ -n \"$shellHook\" ]; then eval \"$shellHook\"; fi\n";
    match (&request.run, &request.command) {
        (Some(command), _) => text += &format!("{command}\nexit\n"),
        (None, Some(command)) => text += &format!("{command}\n"),
        (None, None) => {}
    }
    if request.is_interactive() {
        text += "if [ -z \"$NIX_SHELL_PRESERVE_PROMPT\" ]; then PS1='\\n\\[\\033[1;32m\\][nix-shell:\\w]\\$\\[\\033[0m\\] '; fi\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_commands_set_what_the_build_would_see() {
        let mut derivation = Derivation::default();
        for (name, value) in [("a", "it's"), ("big", "x"), ("passAsFile", "big"), ("odd-name", "y")] {
            derivation.environment.insert(name.into(), value.into());
        }
        let request = Wanted { run: Some("true".into()), pure: true, ..Wanted::default() };
        let text = script(&derivation, &request, "/nix/store");
        assert!(
            text.contains("export a='it'\\''s'\n") && text.contains("export IN_NIX_SHELL=pure\n"),
            "{text}"
        );
        assert!(
            !text.contains("export big=") && !text.contains("odd-name") && !text.contains("bashrc"),
            "{text}"
        );
        assert!(text.ends_with("true\nexit\n"), "{text}");
    }
}
