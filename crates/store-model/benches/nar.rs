//! How near hashing a tree's NAR comes to the SHA-256 crate's own speed.
//!
//! Prints the ratio for a tree of 1 GiB (SALTIRE_BENCH_MIB changes the size): a
//! few large files and many small ones. The design's target is at least 0.8.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use saltire_store_model::nar::{keep_all, summarize_tree, write_tree};
use saltire_store_model::{ScanningHasher, StorePath};
use sha2::{Digest, Sha256};

/// Size of a small file.
const SMALL: usize = 16 << 10;

fn main() {
    let mib: usize =
        std::env::var("SALTIRE_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1024);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let large = directory.path().join("large");
    let small = directory.path().join("small");
    make(&large, mib, 64 << 20);
    make(&small, mib / 4, SMALL);

    let block: Vec<u8> = noise(1 << 20);
    let raw = best(|| {
        let mut hasher = Sha256::new();
        for _ in 0..mib {
            hasher.update(&block);
        }
        black_box(hasher.finalize());
    });
    let rate = |time: Duration, mib: usize| mib as f64 / time.as_secs_f64();
    println!("sha2 crate alone: {:.0} MiB/s", rate(raw.wall, mib));
    let whole = mib;
    for (name, path, mib) in [("64 MiB files", &large, mib), ("16 KiB files", &small, mib / 4)] {
        let hashed = best(|| {
            black_box(summarize_tree(path, &mut keep_all).expect("hashing"));
        });
        let scanned = best(|| {
            let scanner = ScanningHasher::new(candidates());
            black_box(write_tree(path, scanner, &mut keep_all).expect("scanning").finish().expect("hashing"));
        });
        for (what, time) in [("NAR hash", hashed), ("NAR hash and references", scanned)] {
            println!(
                "{what}, {name}: {:.0} MiB/s, ratio {:.2}, by processor time {:.2}",
                rate(time.wall, mib),
                rate(time.wall, mib) / rate(raw.wall, whole),
                rate(time.cpu, mib) / rate(raw.cpu, whole),
            );
        }
    }
}

fn candidates() -> impl Iterator<Item = StorePath> {
    (0..500u32).filter_map(|number| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        StorePath::from_parts(&hash, "candidate").ok()
    })
}

/// Time by the clock, and processor time of all threads.
#[derive(Clone, Copy, Default)]
struct Times {
    wall: Duration,
    cpu: Duration,
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The best of three runs, for each kind of time.
fn best(mut run: impl FnMut()) -> Times {
    let mut best = Times { wall: Duration::MAX, cpu: Duration::MAX };
    for _ in 0..3 {
        let (start, cpu) = (Instant::now(), cpu_time());
        run();
        best.wall = best.wall.min(start.elapsed());
        best.cpu = best.cpu.min(cpu_time().saturating_sub(cpu));
    }
    best
}

/// Bytes without structure (a linear congruential generator).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

fn make(directory: &Path, mib: usize, file_size: usize) {
    let content = noise(file_size);
    for number in 0..(mib << 20).div_ceil(file_size) {
        let parent = directory.join(format!("{}", number / 100));
        fs::create_dir_all(&parent).expect("a directory");
        fs::write(parent.join(format!("{number}")), &content).expect("a file");
    }
}
