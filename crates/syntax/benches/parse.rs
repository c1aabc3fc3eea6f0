//! How fast texts are parsed.
//!
//! Parses the files that SALTIRE_BENCH_NIX lists (separated by colons), or a
//! generated set of packages, and prints the rate. If `nix-instantiate` is
//! installed, its `--parse` of the same file is timed too, its start-up
//! subtracted; the target is to be at least 5 times faster.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bumpalo::Bump;
use saltire_syntax::{ParseOptions, parse};

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let files = match std::env::var("SALTIRE_BENCH_NIX") {
        Ok(files) => files.split(':').map(Into::into).collect(),
        Err(_) => {
            let file = directory.path().join("generated.nix");
            std::fs::write(&file, packages(10_000)).expect("writing the generated file");
            vec![file]
        }
    };
    for file in files {
        measure(&file);
    }
}

fn measure(file: &Path) {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) => return println!("{}: {error}", file.display()),
    };
    let ours = best(20, || {
        let arena = Bump::new();
        black_box(parse(&arena, &text, &ParseOptions::default()).is_ok());
    });
    let rate = text.len() as f64 / ours.as_secs_f64() / 1e6;
    println!("{}: {ours:.2?}, {rate:.0} MB/s", file.display());
    let reference = |arguments: &[&str]| {
        best(5, || {
            let mut command = Command::new("nix-instantiate");
            command.args(["--store", "dummy://", "--parse"]).args(arguments);
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        })
    };
    if Command::new("nix-instantiate").arg("--version").output().is_err() {
        return println!("  no reference: nix-instantiate is not installed");
    }
    let startup = reference(&["-E", "1"]);
    let theirs = reference(&[&file.to_string_lossy()]).saturating_sub(startup);
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("  nix-instantiate --parse: {theirs:.2?} (without its start-up), ratio {ratio:.1}");
}

/// The shortest of several runs.
fn best(runs: u32, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..runs).map(time).min().unwrap_or_default()
}

/// A package set as people write them.
fn packages(count: usize) -> String {
    let mut text = String::from("{ lib, fetch, build, callPackage }:\n\nrec {\n");
    for i in 0..count {
        text.push_str(&format!(
            r#"  # Package number {i}.
  package-{i} = callPackage ../packages/{i} {{
    inherit (libraries) zlib openssl;
    stdenv = if lib.version >= "{i}.1" then build.new else build.old;
    flags = [ "--prefix=${{lib.out}}" "-O2" ] ++ lib.optional (lib.x ? y) "--with-y";
    phase = ''
      mkdir -p $out/bin
      cp ${{toString {i}}} $out/bin/''${{name}}
    '';
    meta.license = lib.licenses.mit;
    meta.platforms = lib.platforms.linux;
  }};

"#
        ));
    }
    text.push_str("}\n");
    text
}
