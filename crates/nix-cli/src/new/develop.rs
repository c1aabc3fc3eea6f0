//! `nix develop` and `nix print-dev-env`: the environment of an installable's build.

use super::build::build_goals;
use crate::arguments::{Arguments, Word};
use crate::environment::{EnvironmentOptions, quoted};
use crate::flake_installable::Purpose;
use crate::installable::{Installable, InstallableOptions};
use crate::options::{Opened, Options};
use crate::program::{Variables, bash, become_program};
use saltire_terminal::{Failure, print};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

/// Text of `nix develop --help`.
pub const HELP: &str = "\
Usage: nix develop [OPTION]… [INSTALLABLE] [-c COMMAND ARGUMENT…]

Starts a shell (or COMMAND) in the environment of a build: that of `devShells`, else
of a package.

  -c, --command COMMAND…  run this instead of a shell
      --phase NAME        run a phase of the build instead, such as `build`; or
                          --unpack, --configure, --build, --check, --install, --installcheck
      --redirect INSTALLABLE DIRECTORY  use a directory in place of a store path
      --profile PATH      keep the environment; 'nix develop PATH' starts it again
  -i, --ignore-env        see nothing of the environment outside
  -k, --keep-env-var NAME with -i, see this variable
  -s, --set-env-var NAME VALUE, -u, --unset-env-var NAME
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
";

/// Text of `nix print-dev-env --help`.
pub const PRINT_HELP: &str = "\
Usage: nix print-dev-env [OPTION]… [INSTALLABLE]

Prints commands for Bash that make the environment of a build: that of `devShells`,
else of a package.

      --json              print variables and functions as JSON
      --redirect INSTALLABLE DIRECTORY  use a directory in place of a store path
      --profile PATH      keep the environment
  -f, --file FILE, --expr EXPR, --arg NAME EXPR, --argstr NAME TEXT, --impure
";

/// The phases that have an option of their own, and what that is.
const PHASES: [(&str, &str); 6] = [
    ("unpack", "unpack"),
    ("configure", "configure"),
    ("build", "build"),
    ("check", "check"),
    ("install", "install"),
    ("installcheck", "installCheck"),
];

#[derive(Default)]
struct Request {
    environment: EnvironmentOptions,
    variables: Variables,
    command: Option<Vec<OsString>>,
    phase: Option<String>,
}

impl Request {
    fn take(&mut self, word: &Word, words: &mut Arguments) -> Result<bool, Failure> {
        if self.environment.take(word, words)? || self.variables.take(word, words)? {
            return Ok(true);
        }
        match word {
            Word::Short('c') => self.command = Some(words.rest()?),
            Word::Long(name) => match name.as_str() {
                "command" => self.command = Some(words.rest()?),
                "phase" => self.phase = Some(words.value(word)?),
                name => match PHASES.iter().find(|(option, _)| *option == name) {
                    Some((_, phase)) => self.phase = Some((*phase).to_owned()),
                    None => return Ok(false),
                },
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.command.as_ref().is_some_and(Vec::is_empty) {
            return Err(Failure::new("--command requires at least one argument"));
        }
        if self.command.is_some() && self.phase.is_some() {
            return Err(Failure::new("you cannot use both '--command' and '--phase'"));
        }
        self.variables.check()
    }

    /// The commands that make the environment, with those that are to be run in it.
    fn script(&self, environment: String, options: &Options) -> String {
        if let Some(phase) = &self.phase {
            // Where setup has no runPhase, a phase is a hook.
            return format!(
                "{environment}foundMakefile=1\nif declare -f runPhase > /dev/null; then runPhase {phase}Phase; else runHook {phase}Phase; fi\n"
            );
        }
        if let Some(command) = &self.command {
            let words: Vec<String> = command.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            return format!("{environment}exec {}\n", words.join(" "));
        }
        let mut text = format!(
            "if [[ $PS1 && -e ~/.bashrc ]]; then . ~/.bashrc; fi\nshopt -u expand_aliases\n{environment}shopt -s expand_aliases\n"
        );
        for (setting, change) in
            [("bash-prompt", "PS1="), ("bash-prompt-prefix", "PS1="), ("bash-prompt-suffix", "PS1+=")]
        {
            let value = options.config.text(setting);
            let rest = if setting == "bash-prompt-prefix" { "\"$PS1\"" } else { "" };
            if !value.is_empty() {
                text += &format!("if [[ $PS1 ]]; then {change}{}{rest}; fi\n", quoted(value));
            }
        }
        text
    }
}

/// Runs `nix develop`.
pub fn run(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Shell);
    let mut request = Request::default();
    while let Some(word) = words.next()? {
        match &word {
            _ if request.take(&word, &mut words)? => {}
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    request.check()?;
    let (opened, installable) = installables.open_single(&mut options)?;
    let (environment, path) = request.environment.environment(&opened, &installable, &options)?;
    let redirected = installables.others(request.environment.redirected(), &mut options)?;
    let rewrites = request.environment.rewrites(&environment, &opened, &redirected, &options)?;
    // The builder's shell is not made to be typed to.
    let interactive = interactive_bash(&opened, &installable, &options)?;
    let shell = interactive.clone().map_or_else(|| bash(&opened), Ok)?;
    let environment =
        environment.to_bash(&rewrites) + &format!("SHELL={}\n", quoted(&shell.to_string_lossy()));
    let mut script = request.script(environment, &options);
    if let Some(directory) = interactive.as_deref().and_then(Path::parent) {
        script += &format!("PATH={}\"${{PATH:+:$PATH}}\"\n", quoted(&directory.to_string_lossy()));
    }
    let failed =
        |error: std::io::Error| Failure::new(format_args!("can't write the shell's first commands: {error}"));
    let mut file = tempfile::Builder::new().prefix("nix-shell.").tempfile().map_err(failed)?;
    // First of all the file removes itself; the shell has it open.
    script.insert_str(0, &format!("command rm -f {}\n", quoted(&file.path().to_string_lossy())));
    file.write_all(script.as_bytes()).map_err(failed)?;
    if request.phase.is_some()
        && let Some(directory) = installable.local_directory(&opened.session)?
    {
        std::env::set_current_dir(&directory)
            .map_err(|error| Failure::new(format_args!("can't go to {}: {error}", directory.display())))?;
    }
    let (_, file) = file.keep().map_err(|error| failed(error.error))?;
    let is_interactive = request.phase.is_none() && request.command.is_none();
    let mut words: Vec<OsString> = if is_interactive { vec!["--rcfile".into()] } else { Vec::new() };
    words.push(file.into());
    // The collector takes what the environment of a process names as in use.
    let root = opened.session.store().display(&path);
    let more = [("NIX_GCROOT".into(), root.into()), ("SHELL".into(), shell.clone().into())];
    become_program(opened, &shell, &words, &request.variables, &more)
}

/// The Bash of the flake's own input `nixpkgs`: it is made to be typed to. What is wrong
/// with it is told, but no error.
fn interactive_bash(
    opened: &Opened,
    installable: &Installable,
    options: &Options,
) -> Result<Option<PathBuf>, Failure> {
    let session = &opened.session;
    let Some(locked) = installable.locked(session)? else { return Ok(None) };
    if !locked.lock.nodes[0].inputs.contains_key("nixpkgs") {
        return Ok(None);
    }
    session.flakes().override_with_inputs(locked);
    let build = || {
        let bash = Installable::of_flake("nixpkgs#bashInteractive")?;
        let built = build_goals(session, &opened.progress, &bash.goals(session, options)?)?;
        let location = session.store().location();
        let outputs = built.iter().flat_map(|one| &one.outputs);
        let files = outputs.map(|(_, path)| Path::new(&session.store().display(path)).join("bin/bash"));
        let missing = || Failure::new("package 'nixpkgs#bashInteractive' does not provide a 'bin/bash'");
        files.into_iter().find(|file| location.to_physical(file).exists()).ok_or_else(missing)
    };
    match build() {
        Ok(bash) => Ok(Some(bash)),
        Err(failure) if opened.progress.cancelled().load(Ordering::SeqCst) => Err(failure),
        Err(failure) => {
            opened.progress.finish();
            eprintln!("error (ignored): {}", failure.message.trim_end());
            Ok(None)
        }
    }
}

/// Runs `nix print-dev-env`.
pub fn print_environment(mut words: Arguments, mut options: Options) -> Result<ExitCode, Failure> {
    let mut installables = InstallableOptions::for_purpose(Purpose::Shell);
    let (mut wanted, mut json) = (EnvironmentOptions::default(), false);
    while let Some(word) = words.next()? {
        match &word {
            Word::Long(name) if name == "json" => json = true,
            _ if wanted.take(&word, &mut words)? => {}
            _ if installables.take(&word, &mut words)? => {}
            _ if options.take(&word, &mut words)? => {}
            _ => return Err(words.unknown(&word)),
        }
    }
    let (opened, installable) = installables.open_single(&mut options)?;
    let (environment, _) = wanted.environment(&opened, &installable, &options)?;
    if json {
        print(&format!("{}\n", environment.to_json()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let redirected = installables.others(wanted.redirected(), &mut options)?;
    let rewrites = wanted.rewrites(&environment, &opened, &redirected, &options)?;
    print(&environment.to_bash(&rewrites))?;
    Ok(ExitCode::SUCCESS)
}
