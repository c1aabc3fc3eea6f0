//! How long derivations take: parsing, printing, and completing them as an
//! evaluator does. The raw SHA-256 of the same text is the yardstick.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

use saltire_store_model::{Derivation, DerivationOutput, Finished, Hash, ModuloCache, StoreDir, StorePath};

/// As many as a NixOS system has.
const COUNT: usize = 1600;

fn derivation(number: usize, earlier: &[StorePath]) -> Derivation {
    let mut derivation = Derivation {
        name: format!("package-{number}"),
        outputs: ["dev", "out"].map(|name| (name.to_owned(), DerivationOutput::Deferred)).into(),
        system: "x86_64-linux".into(),
        builder: "/nix/store/00000000000000000000000000000000-bash/bin/bash".into(),
        arguments: vec!["-e".into(), "builder.sh".into()],
        ..Derivation::default()
    };
    for step in 1..=12 {
        if let Some(input) = number.checked_sub(step * step).and_then(|index| earlier.get(index)) {
            let outputs = BTreeSet::from(["out".to_owned()]);
            derivation.input_derivations.insert(input.clone(), outputs);
        }
    }
    for variable in 0..40 {
        let value = format!("line {variable}\n\"quoted\" and some more text\n").repeat(2);
        derivation.environment.insert(format!("variable{variable}").into(), value.into());
    }
    derivation
}

fn main() {
    let store_dir = StoreDir::default();
    let cache = ModuloCache::new();
    let per_piece = |what: &str, start: Instant| {
        let time = start.elapsed().as_secs_f64() * 1e6 / COUNT as f64;
        println!("{what}: {time:.1} µs per derivation");
    };
    let mut paths = Vec::new();
    let mut finished: Vec<(Derivation, Finished)> = Vec::new();
    let mut spent = std::time::Duration::ZERO;
    for number in 0..COUNT {
        let mut derivation = derivation(number, &paths);
        let start = Instant::now();
        let result = derivation.finish::<Infallible>(&store_dir, &cache, |_| unreachable!());
        spent += start.elapsed();
        let result = result.expect("finishing");
        paths.push(result.path.clone());
        finished.push((derivation, result));
    }
    println!("finish: {:.1} µs per derivation", spent.as_secs_f64() * 1e6 / COUNT as f64);
    let start = Instant::now();
    for (derivation, _) in &finished {
        black_box(derivation.print(&store_dir).expect("printing"));
    }
    per_piece("print", start);
    let start = Instant::now();
    for (derivation, finished) in &finished {
        let parsed = Derivation::parse(&store_dir, &derivation.name, &finished.text);
        black_box(parsed.expect("parsing"));
    }
    per_piece("parse", start);
    let start = Instant::now();
    for (_, finished) in &finished {
        black_box(Hash::sha256(&finished.text));
    }
    per_piece("SHA-256 of the text", start);
    let size: usize = finished.iter().map(|(_, finished)| finished.text.len()).sum();
    println!("mean text: {} bytes", size / COUNT);
}
