//! `xtask bench-eval`: evaluation compared with the reference program, in one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use wait4::Wait4 as _;

use crate::bench_child::{self, Job};
use crate::parity::package_set;

/// Arguments of `xtask bench-eval`.
#[derive(clap::Args)]
pub(crate) struct BenchArguments {
    /// A nixpkgs tree
    #[arg(long, value_name = "DIR", required_unless_present = "child")]
    tree: Option<PathBuf>,
    /// The reference's nix-instantiate; its nix-env is beside it
    #[arg(long, value_name = "PROGRAM", default_value = "nix-instantiate")]
    reference: PathBuf,
    /// How often each is run; medians are shown. What takes over 10 s is run once
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Run this build of the program, which also writes what it evaluates, as the
    /// reference does, instead of the evaluator alone
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Only these rows
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Row>,
    /// Without the cache of parsed files, which is warm otherwise
    #[arg(long)]
    no_cache: bool,
    /// Do a row's work in this process
    #[arg(long, hide = true, num_args = 1..)]
    child: Option<Vec<String>>,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// `hello` to its `.drv`
    Hello,
    /// `pkgsCross.riscv64.hello`
    Cross,
    /// A NixOS system
    Nixos,
    /// A NixOS system for aarch64
    NixosCross,
    /// Reading all-packages.nix
    Parse,
    /// `nix-env -qaP --drv-path`
    All,
    /// Two threads over one
    Threads,
}

impl Row {
    fn title(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Cross => "pkgsCross.riscv64.hello",
            Self::Nixos => "NixOS system",
            Self::NixosCross => "NixOS system, cross to aarch64",
            Self::Parse => "parsing all-packages.nix",
            Self::All => "all of nixpkgs",
            Self::Threads => "every fifth package, 2 threads over 1",
        }
    }

    /// How many times faster this has to be.
    fn target(self) -> f64 {
        match self {
            Self::Parse => 5.0,
            Self::Threads => 1.7,
            _ => 4.0,
        }
    }
}

/// What a process used.
#[derive(Clone, Copy, Default)]
struct Usage {
    /// User and system time, in seconds.
    cpu: f64,
    /// Time until its end, in seconds.
    wall: f64,
    /// Peak resident memory, in megabytes.
    memory: f64,
}

pub(crate) fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    if let Some(words) = &arguments.child {
        return bench_child::run(&Job::from_words(words)?);
    }
    let tree = arguments.tree.as_deref().context("'--tree' is missing")?.canonicalize()?;
    let trees = if arguments.no_cache { None } else { Some(tempfile::tempdir()?) };
    let trees = trees.as_ref().map(tempfile::TempDir::path);
    println!(
        "{:38} {:>18} {:>18} {:>7} {:>7} {:>7}",
        "work", "reference", "this", "speed", "target", "memory"
    );
    for row in Row::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(row) {
            continue;
        }
        if *row == Row::Threads {
            threads(&tree, trees, arguments.runs)?;
        } else {
            compare(*row, &tree, trees, arguments)?;
        }
    }
    Ok(())
}

fn compare(row: Row, tree: &Path, trees: Option<&Path>, arguments: &BenchArguments) -> anyhow::Result<()> {
    let trees = trees.filter(|_| row != Row::Parse);
    let home = tempfile::tempdir()?;
    let ours_once = || match &arguments.program {
        Some(program) => measure(whole(row, tree, program, home.path())?),
        None => measure(this(&job(row, tree)?, trees)?),
    };
    if trees.is_some() {
        ours_once()?;
    }
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let theirs_once = || measure(reference(row, tree, &arguments.reference)?);
    // In turns, so that both see the same load of the machine. On a virtual machine the first
    // run after another program's pays for the memory that that one gave back.
    let second = |once: &dyn Fn() -> anyhow::Result<Usage>| match once()? {
        long if long.cpu > 10.0 => Ok(long),
        _ => once(),
    };
    for _ in 0..arguments.runs.max(1) {
        theirs.push(second(&theirs_once)?);
        ours.push(second(&ours_once)?);
        if theirs.last().is_some_and(|usage| usage.cpu > 10.0) {
            break;
        }
    }
    let (theirs, ours) = (median(&theirs), median(&ours));
    println!(
        "{:38} {:9.3} s {:4.0} MB {:9.3} s {:4.0} MB {:6.1}x {:6.1}x {:6.1}x",
        row.title(),
        theirs.cpu,
        theirs.memory,
        ours.cpu,
        ours.memory,
        theirs.cpu / ours.cpu,
        row.target(),
        theirs.memory / ours.memory
    );
    Ok(())
}

/// Wall time of one thread and of two. Only of use while nothing else runs.
fn threads(tree: &Path, trees: Option<&Path>, runs: usize) -> anyhow::Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..runs.max(1) {
        for (count, times) in (1..).zip(&mut times) {
            times.push(measure(this(&Job::Fifth { tree: tree.to_owned(), threads: count }, trees)?)?);
        }
    }
    let [one, two] = times.map(|mut times| {
        times.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        times[0]
    });
    println!(
        "{:38} {:9.3} s {:4.0} MB {:9.3} s {:4.0} MB {:6.1}x {:6.1}x (wall, best; CPU {:.2} s, {:.2} s)",
        Row::Threads.title(),
        one.wall,
        one.memory,
        two.wall,
        two.memory,
        one.wall / two.wall,
        Row::Threads.target(),
        one.cpu,
        two.cpu,
    );
    Ok(())
}

pub(crate) fn nixos(tree: &Path, module: &str) -> String {
    let tree = tree.display();
    format!(
        "(import {tree}/nixos/lib/eval-config.nix {{ system = \"x86_64-linux\"; modules = [ {{ \
         fileSystems.\"/\" = {{ device = \"/dev/sda1\"; fsType = \"ext4\"; }}; \
         boot.loader.grub.enable = false; {module} }} ]; }}).config.system.build.toplevel"
    )
}

const CROSS_MODULE: &str = "nixpkgs.crossSystem = { config = \"aarch64-unknown-linux-gnu\"; };";

/// The expression and the attribute of a row that is about one derivation.
fn derivation(row: Row, tree: &Path) -> anyhow::Result<Option<(String, &'static str)>> {
    Ok(match row {
        Row::Hello => Some((package_set(tree)?, "hello")),
        Row::Cross => Some((package_set(tree)?, "pkgsCross.riscv64.hello")),
        Row::Nixos => Some((nixos(tree, ""), "")),
        Row::NixosCross => Some((nixos(tree, CROSS_MODULE), "")),
        _ => None,
    })
}

fn all_packages(tree: &Path) -> PathBuf {
    tree.join("pkgs/top-level/all-packages.nix")
}

/// The reference program's command for a row.
fn reference(row: Row, tree: &Path, instantiate: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(instantiate);
    if let Some((expression, attribute)) = derivation(row, tree)? {
        command.args(["--expr", &expression]);
        if !attribute.is_empty() {
            command.args(["--attr", attribute]);
        }
    } else if row == Row::Parse {
        command.arg("--parse").arg(all_packages(tree));
    } else {
        let beside = instantiate.with_file_name("nix-env");
        command = Command::new(if instantiate.components().count() > 1 { beside } else { "nix-env".into() });
        command.arg("-f").arg(tree).args(["-qaP", "--drv-path"]);
    }
    Ok(command)
}

fn job(row: Row, tree: &Path) -> anyhow::Result<Job> {
    Ok(match derivation(row, tree)? {
        Some((expression, attribute)) => Job::Derivation { expression, attribute: attribute.to_owned() },
        None if row == Row::Parse => Job::Parse { file: all_packages(tree) },
        None => Job::All { tree: tree.to_owned() },
    })
}

/// The command in which this program does a job.
fn this(job: &Job, trees: Option<&Path>) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(trees) = trees {
        command.env(bench_child::TREES, trees);
    }
    command.args(["bench-eval", "--child"]).args(job.to_words());
    Ok(command)
}

/// The command in which a build of the program does the same as the reference.
fn whole(row: Row, tree: &Path, program: &Path, home: &Path) -> anyhow::Result<Command> {
    let theirs = reference(row, tree, Path::new("nix-instantiate"))?;
    let mut command = Command::new(program);
    command.arg(theirs.get_program()).args(theirs.get_args());
    command.env("SALTIRE_STORE", "private").env("XDG_DATA_HOME", home).env("XDG_CACHE_HOME", home);
    Ok(command)
}

/// Runs a command to its end.
fn measure(mut command: Command) -> anyhow::Result<Usage> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.with_context(|| format!("can't run {program}"))?;
    let result = child.wait4()?;
    if !result.status.success() {
        bail!("{program} failed");
    }
    let cpu = (result.rusage.utime + result.rusage.stime).as_secs_f64();
    Ok(Usage { cpu, wall: start.elapsed().as_secs_f64(), memory: result.rusage.maxrss as f64 / 1e6 })
}

fn median(all: &[Usage]) -> Usage {
    let middle = |read: fn(&Usage) -> f64| {
        let mut values: Vec<f64> = all.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Usage {
        cpu: middle(|usage| usage.cpu),
        wall: middle(|usage| usage.wall),
        memory: middle(|usage| usage.memory),
    }
}
