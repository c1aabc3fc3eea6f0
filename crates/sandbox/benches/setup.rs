//! Time to set a sandbox up, run `true` in it and tear it down, against starting
//! `true` alone and against `unshare`, in one run. The time of processors, in this
//! process and all that it starts, says more on a busy machine.
//!
//! Target: under 10 ms, with 300 inputs as well, which are mounted below a writable
//! directory as a build's are. Where that is on a disk, most of the time goes into
//! making and removing 300 directories there, so both are measured.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use saltire_sandbox::{Mount, SandboxSpec};

const ROUNDS: u32 = 50;

/// What an action takes.
struct Cost {
    /// Median wall-clock time.
    time: Duration,
    /// Mean time of processors, in the kernel too.
    processors: Duration,
}

fn measure(mut action: impl FnMut()) -> Cost {
    action();
    let before = processor_time();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            action();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    Cost { time: times[times.len() / 2], processors: (processor_time() - before) / ROUNDS }
}

/// Of this process and of its children that have ended, user and system: in clock
/// ticks, which are a hundredth of a second (proc(5)).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("readable");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields.skip(11).take(4).filter_map(|field| field.parse::<u32>().ok()).sum::<u32>();
    Duration::from_millis(10) * ticks
}

fn spec(extra: &[Mount]) -> SandboxSpec {
    let mut spec = SandboxSpec::new("/usr/bin/true");
    for directory in ["/usr", "/lib", "/lib64"] {
        if std::path::Path::new(directory).exists() {
            spec.mounts.push(Mount::bind(directory, directory));
        }
    }
    spec.mounts.extend([
        Mount::Proc { target: "/proc".into() },
        Mount::Dev { target: "/dev".into() },
        Mount::Tmpfs { target: "/tmp".into(), mode: 0o1777, size: None },
    ]);
    spec.mounts.extend_from_slice(extra);
    spec
}

fn sandbox(extra: &[Mount]) {
    let mut child = match spec(extra).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {error}");
            std::process::exit(0);
        }
    };
    assert!(black_box(child.wait()).is_ok_and(|status| status.exit.success()));
}

fn main() {
    let store = tempfile::tempdir().expect("a directory");
    let inputs: Vec<Mount> = (0..300)
        .map(|number| {
            let name = format!("{number:032}-package");
            let source = store.path().join(&name);
            std::fs::create_dir(&source).expect("a directory");
            Mount::bind(source, format!("/nix/store/{name}"))
        })
        .collect();
    let with_inputs = |first: Mount| {
        let mut mounts = vec![first];
        mounts.extend_from_slice(&inputs);
        sandbox(&mounts);
    };
    let in_memory = Mount::Tmpfs { target: "/nix/store".into(), mode: 0o755, size: None };
    let on_disk = || {
        let scratch = tempfile::tempdir().expect("a directory");
        with_inputs(Mount::bind_writable(scratch.path(), "/nix/store"));
    };
    let plain = measure(|| {
        let status = Command::new("/usr/bin/true").status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    let show = |what: &str, cost: Cost| {
        let ratio = cost.time.as_secs_f64() / plain.time.as_secs_f64();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{what:<24} {:>7.2} ms  {ratio:>5.1} x  processors {:>6.2} ms",
            milliseconds(cost.time),
            milliseconds(cost.processors)
        );
    };
    println!("{:<24} {:>7.2} ms", "fork and exec", plain.time.as_secs_f64() * 1e3);
    show("sandbox", measure(|| sandbox(&[])));
    show("  300 inputs, in memory", measure(|| with_inputs(in_memory.clone())));
    show("  300 inputs, on disk", measure(on_disk));
    let unshare = |extra: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-r", "-m", "-p", "-n", "-u", "-i", "-f"]);
        command.args(extra).arg("/usr/bin/true");
        command.status().is_ok_and(|status| status.success())
    };
    if unshare(&[]) {
        show("unshare, no mounts", measure(|| assert!(unshare(&[]))));
    }
}
