//! How near hashing a tree's NAR comes to the SHA-256 crate's own speed.
//!
//! Prints the ratio for a tree of 1 GiB (SALTIRE_BENCH_MIB changes the size): a
//! few large files and many small ones. The design's target is at least 0.8.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

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
    let raw_rate = rate(raw, mib);
    println!("sha2 crate alone:            {raw_rate:7.0} MiB/s");
    for (name, path, mib) in [("64 MiB files", &large, mib), ("16 KiB files", &small, mib / 4)] {
        let hashed = best(|| {
            black_box(summarize_tree(path, &mut keep_all).expect("hashing"));
        });
        let scanned = best(|| {
            let scanner = ScanningHasher::new(candidates());
            black_box(write_tree(path, scanner, &mut keep_all).expect("scanning").finish().expect("hashing"));
        });
        for (what, time) in [("NAR hash", hashed), ("NAR hash and references", scanned)] {
            let rate = rate(time, mib);
            println!("{what}, {name}: {rate:7.0} MiB/s, ratio {:.2}", rate / raw_rate);
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

/// The best of three runs.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..3).map(|_| time(&mut run)).min().unwrap_or_default()
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
