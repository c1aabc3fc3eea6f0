//! The command line.

use clap::{Args, Parser, Subcommand, ValueHint};
use saltire_driver::Via;
use std::ffi::OsString;
use std::path::PathBuf;

/// Builds packages for any CPU and libc from any Linux machine, without root, a daemon or set-up.
#[derive(Debug, Parser)]
#[command(name = "saltire", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

const EXAMPLES: &str = "Examples:
  saltire run hello --for riscv64-linux          build GNU hello for RISC-V and run it here
  saltire build zlib --for armv7l-linux          build for ARM; the result is linked as ./result
  saltire plan hello --for aarch64-linux         say what would be done, and why
  saltire shell hello bc --for riscv64-linux     a shell with both on PATH, as if they were native
  saltire exec ./program                         run any foreign ELF program
  saltire platforms                              what can be built for and run here
  saltire nix build .#default                    Nix's own commands: nix, nix-build, nix-shell, …";

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The store: 'local' (/nix), 'private', or a directory that holds nix/store
    #[arg(long, global = true, value_name = "STORE", env = "SALTIRE_STORE")]
    pub store: Option<String>,

    /// A Debian mirror to fetch the pinned inputs from (repeatable; default: the machine's APT configuration)
    #[arg(long, global = true, value_name = "URL", env = "SALTIRE_MIRROR", value_delimiter = ' ')]
    pub mirror: Vec<String>,

    /// Use no network: only what is in the store and in the download cache
    #[arg(long, global = true)]
    pub offline: bool,

    /// Show every step of an evaluation error's trace
    #[arg(long, global = true)]
    pub show_trace: bool,

    /// Say less: errors and results only
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Say more of what is done
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build packages and link their results
    Build(BuildArgs),
    /// Build a package and run its program, under an emulator where needed
    Run(RunArgs),
    /// Start a shell (or a command) with packages on PATH, also those for other platforms
    Shell(ShellArgs),
    /// Start a shell (or a command) in a package's build environment, cross compiler included
    Develop(DevelopArgs),
    /// Say what building would do, step by step, and why
    Plan(PlanArgs),
    /// List the platforms and what this machine can do for each
    Platforms(PlatformsArgs),
    /// Run a foreign program and all that it starts, without installing anything
    Exec(ExecArgs),
    /// Evaluate a Nix expression, a file or an attribute of the package set
    Eval(EvalArgs),
    /// Evaluate Nix expressions at a prompt, with the package set loaded
    Repl(ReplArgs),
    /// Show the log of a build
    Log(LogArgs),
    /// Check what this machine allows and say how to get what is missing
    Doctor(DoctorArgs),
    /// Delete what nothing refers to from the store
    Gc(GcArgs),
    /// Print a shell completion script
    Completions(CompletionsArgs),
}

/// Which packages, for which platforms.
#[derive(Args, Clone, Debug)]
pub struct Selection {
    /// Attribute paths in the package set, such as 'hello' or 'pkgsCross.riscv64.hello'
    #[arg(value_name = "PACKAGE")]
    pub packages: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub source: Source,

    /// The platform that the result runs on: a name, a system or a GNU triple (repeatable; default: this machine; 'saltire platforms' lists them)
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platforms: Vec<String>,

    /// How to build: auto, cross, emulate, native or remote
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub via: Via,
}

/// Where packages come from.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// Use the package set in FILE instead of the embedded one
    #[arg(long, short, help = "Use the package set in FILE (also '<nixpkgs>') instead of the embedded one", value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub file: Option<String>,

    /// Use a Nix expression instead of the embedded package set
    #[arg(long, value_name = "EXPR", conflicts_with = "file")]
    pub expr: Option<String>,

    /// Pass the value of a Nix expression as argument NAME
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPR"])]
    pub arg: Vec<String>,

    /// Pass a string as argument NAME
    #[arg(long, num_args = 2, value_names = ["NAME", "STRING"])]
    pub argstr: Vec<String>,

    /// Add a place where <…> is looked up, before NIX_PATH
    #[arg(long, short = 'I', value_name = "PATH")]
    pub include: Vec<String>,
}

/// How to carry a plan out.
#[derive(Args, Clone, Debug)]
pub struct Execution {
    /// How many builds may run at the same time
    #[arg(long = "max-jobs", short = 'j', value_name = "N", default_value_t = default_jobs(), env = "SALTIRE_MAX_JOBS")]
    pub jobs: usize,

    /// Cores that one build may use; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0, env = "SALTIRE_CORES")]
    pub cores: usize,

    /// Keep the build directory of a failed build
    #[arg(long, short = 'K')]
    pub keep_failed: bool,

    /// Go on with other builds when one fails
    #[arg(long, short)]
    pub keep_going: bool,

    /// Show the builds' output as it comes
    #[arg(long, short = 'L')]
    pub print_build_logs: bool,
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

/// `saltire build`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct BuildArgs {
    #[command(flatten)]
    pub selection: Selection,

    #[command(flatten)]
    pub execution: Execution,

    /// Name of the result link
    #[arg(long, short, value_name = "PATH", default_value = "result", conflicts_with = "no_link")]
    pub out_link: PathBuf,

    /// Make no result link
    #[arg(long)]
    pub no_link: bool,

    /// Print the store paths of the results
    #[arg(long)]
    pub print_out_paths: bool,

    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,

    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `saltire run`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct RunArgs {
    /// The package whose program is run
    #[arg(value_name = "PACKAGE")]
    pub package: String,

    /// Arguments of the program; put '--' before them if one begins with '-'
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = false)]
    pub arguments: Vec<OsString>,

    #[command(flatten)]
    pub source: Source,

    /// The platform that the program is built for: a name, a system or a GNU triple (default: this machine)
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// How to build: auto, cross, emulate, native or remote
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub via: Via,

    /// The program to run, when the package has several
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,

    #[command(flatten)]
    pub execution: Execution,
}

/// `saltire shell`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct ShellArgs {
    #[command(flatten)]
    pub selection: Selection,

    /// Run this instead of a shell; all that follows is the command
    #[arg(long, short, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub execution: Execution,
}

/// `saltire develop`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct DevelopArgs {
    /// The package whose environment is wanted, such as 'hello'
    #[arg(value_name = "PACKAGE")]
    pub package: String,

    #[command(flatten)]
    pub source: Source,

    /// The platform that is built for: a name, a system or a GNU triple (default: this machine)
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// How to build: auto, cross, emulate, native or remote
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub via: Via,

    /// Run this instead of a shell; all that follows is the command
    #[arg(long, short, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// `saltire plan`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct PlanArgs {
    #[command(flatten)]
    pub selection: Selection,

    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

/// `saltire platforms`
#[derive(Args, Debug)]
pub struct PlatformsArgs {
    /// Say more about these platforms: names, systems or triples
    #[arg(value_name = "PLATFORM")]
    pub platforms: Vec<String>,

    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `saltire exec`
#[derive(Args, Debug)]
pub struct ExecArgs {
    /// A platform whose programs the program may start as well (repeatable; 'all' for every one)
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platforms: Vec<String>,

    /// The program (a script works as well) and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// `saltire eval`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct EvalArgs {
    /// An attribute path in the package set (or in FILE or EXPR); default: the whole value
    #[arg(value_name = "ATTRIBUTE")]
    pub attribute: Option<String>,

    #[command(flatten)]
    pub source: Source,

    /// The platform whose packages are meant
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// Print the value as JSON
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,

    /// Print a string as it is, without quotes and line break
    #[arg(long)]
    pub raw: bool,

    /// Apply a function to the value first
    #[arg(long, value_name = "EXPR")]
    pub apply: Option<String>,

    /// Evaluate nested values too
    #[arg(long)]
    pub strict: bool,
}

/// `saltire repl`
#[derive(Args, Debug)]
#[command(after_help = "At the prompt ':?' lists the commands, and Tab completes.")]
pub struct ReplArgs {
    /// What to load: options and installables, as 'nix repl' takes them; default: the embedded package set
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// `saltire log`
#[derive(Args, Debug)]
#[allow(missing_docs)]
pub struct LogArgs {
    /// A store path, a .drv, or an attribute path
    #[arg(value_name = "PATH|PACKAGE")]
    pub target: String,

    #[command(flatten)]
    pub source: Source,

    /// The platform whose package is meant
    #[arg(long = "for", value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// How it was built
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub via: Via,
}

/// `saltire doctor`
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// `saltire gc`
#[derive(Args, Debug)]
pub struct GcArgs {
    /// Only list what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

/// `saltire completions`
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
