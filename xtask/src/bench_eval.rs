//! `xtask bench-eval`: evaluation compared with `nix-instantiate`, in one run.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use saltire_eval::{Evaluator, FsHost, Settings, with_large_stack};
use wait4::Wait4 as _;

use crate::parity::package_set;

/// Arguments of `xtask bench-eval`.
#[derive(clap::Args)]
pub(crate) struct BenchArguments {
    /// A nixpkgs tree
    #[arg(long, value_name = "DIR", required_unless_present = "child")]
    tree: Option<PathBuf>,
    /// How often each is run; medians are shown
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// What to evaluate
    #[arg(default_values_t = ["hello".to_owned(), "pkgsCross.riscv64.hello".to_owned()])]
    attributes: Vec<String>,
    /// Evaluate the attributes of this expression in this process
    #[arg(long, hide = true)]
    child: Option<String>,
}

/// What a process used.
#[derive(Clone, Copy, Default)]
struct Usage {
    /// User and system time, in seconds.
    cpu: f64,
    /// Peak resident memory, in megabytes.
    memory: f64,
}

pub(crate) fn run(arguments: &BenchArguments) -> anyhow::Result<()> {
    if let Some(expression) = &arguments.child {
        return child(expression, &arguments.attributes);
    }
    let tree = arguments.tree.as_deref().context("'--tree' is missing")?;
    let expression = package_set(tree)?;
    let this = std::env::current_exe()?;
    println!("{:32} {:>18} {:>18} {:>8} {:>8}", "attribute", "nix-instantiate", "this", "CPU", "memory");
    for attribute in &arguments.attributes {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        // In turns, so that both see the same load of the machine.
        for _ in 0..arguments.runs.max(1) {
            let mut command = Command::new("nix-instantiate");
            command.args(["--expr", &expression, "--attr", attribute]);
            theirs.push(measure(command)?);
            let mut command = Command::new(&this);
            command.args(["bench-eval", "--child", &expression, attribute]);
            ours.push(measure(command)?);
        }
        let (theirs, ours) = (median(&theirs), median(&ours));
        println!(
            "{attribute:32} {:9.3} s {:4.0} MB {:9.3} s {:4.0} MB {:7.1}x {:7.1}x",
            theirs.cpu,
            theirs.memory,
            ours.cpu,
            ours.memory,
            theirs.cpu / ours.cpu,
            theirs.memory / ours.memory
        );
    }
    Ok(())
}

fn child(expression: &str, attributes: &[String]) -> anyhow::Result<()> {
    with_large_stack(|| {
        let host = Arc::new(FsHost::new("x86_64-linux"));
        let mut evaluator = Evaluator::new(host, Settings::default());
        for attribute in attributes {
            let path = evaluator
                .eval_str(expression, b"/")
                .and_then(|set| evaluator.select_path_text(set, attribute))
                .and_then(|value| evaluator.derivation_path(value))
                .map_err(|error| anyhow::anyhow!("{attribute}: {error}"))?;
            println!("{}", path.unwrap_or_default());
        }
        Ok(())
    })
}

/// Runs a command to its end.
fn measure(mut command: Command) -> anyhow::Result<Usage> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.with_context(|| format!("can't run {program}"))?;
    let result = child.wait4()?;
    if !result.status.success() {
        bail!("{program} failed");
    }
    let cpu = (result.rusage.utime + result.rusage.stime).as_secs_f64();
    Ok(Usage { cpu, memory: result.rusage.maxrss as f64 / 1e6 })
}

fn median(all: &[Usage]) -> Usage {
    let middle = |read: fn(&Usage) -> f64| {
        let mut values: Vec<f64> = all.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Usage { cpu: middle(|usage| usage.cpu), memory: middle(|usage| usage.memory) }
}
