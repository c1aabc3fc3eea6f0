//! Time to set a sandbox up, run `true` in it and tear it down, against starting
//! `true` alone and against `unshare`, in one run.
//!
//! Target: under 10 ms, with 300 mounts as well.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use saltire_sandbox::{Mount, SandboxSpec};

const ROUNDS: u32 = 100;

/// Median time of an action.
fn median(mut action: impl FnMut()) -> Duration {
    action();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            action();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
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
    let many: Vec<Mount> = (0..300)
        .map(|number| {
            let name = format!("{number:032}-package");
            let source = store.path().join(&name);
            std::fs::create_dir(&source).expect("a directory");
            Mount::bind(source, format!("/nix/store/{name}"))
        })
        .collect();
    let plain = median(|| {
        let status = Command::new("/usr/bin/true").status();
        assert!(status.is_ok_and(|status| status.success()));
    });
    let show = |what: &str, time: Duration| {
        let ratio = time.as_secs_f64() / plain.as_secs_f64();
        println!("{what:<28} {:>8.2} ms  {ratio:>6.1} x", time.as_secs_f64() * 1e3);
    };
    show("fork and exec", plain);
    show("sandbox", median(|| sandbox(&[])));
    show("sandbox with 300 mounts", median(|| sandbox(&many)));
    let unshare = |extra: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-r", "-m", "-p", "-n", "-u", "-i", "-f"]);
        command.args(extra).arg("/usr/bin/true");
        command.status().is_ok_and(|status| status.success())
    };
    if unshare(&[]) {
        show("unshare, no mounts", median(|| assert!(unshare(&[]))));
    }
}
