//! Damaged input: no parser panics, and what is still accepted prints as it was.
//!
//! A fuzzer without a fuzzer: a fixed pseudo-random sequence of damages to good
//! input, so that each run does the same.

use saltire_store_model::nar::{NarError, Visitor, keep_all, parse, write_tree};
use saltire_store_model::{ContentAddress, Derivation, Hash, NarInfo, PublicKey, StoreDir, StorePath};

const DERIVATION: &[u8] =
    include_bytes!("../src/derivation/golden/4sh2mjiv96x5kkxwk53116as98p4x5wp-lib-1.0.drv");

const NARINFO: &str = "\
StorePath: /nix/store/34ksql3fgqa9vc4zdb24cgr317kjyshf-note
URL: nar/x.nar.xz
Compression: xz
NarHash: sha256:14cdm16h5zry42r1014icpm9ppnxnfjc3w4fhz519qsprgwndjly
NarSize: 168
References: 5vpafad049f76a8rjsma1c6d9058jkyn-inner
CA: text:sha256:157k9c1ggzvvybhsya079zw4i9nrm3bsppkkny9iq860im6gbv1j
";

/// A small pseudo-random generator (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Calls `check` with `good`, damaged in many ways.
fn damage(good: &[u8], rounds: usize, mut check: impl FnMut(&[u8])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let mut bytes = good.to_vec();
        for _ in 0..=random.next(3) {
            let at = random.next(bytes.len());
            let end = (at + random.next(24)).min(bytes.len());
            match random.next(6) {
                0 => bytes[at] = random.next(256) as u8,
                1 => bytes[at] ^= 1 << random.next(8),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.truncate(at.max(1)),
                4 => {
                    let piece = bytes[at..end].to_vec();
                    let to = random.next(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ => bytes[at] = b"\"\\()[],:-./0="[random.next(13)],
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        check(&bytes);
    }
}

#[test]
fn derivations() {
    let dir = StoreDir::default();
    damage(DERIVATION, 30_000, |bytes| {
        if let Ok(derivation) = Derivation::parse(&dir, "lib-1.0", bytes) {
            let printed = derivation.print(&dir).unwrap();
            assert_eq!(Derivation::parse(&dir, "lib-1.0", &printed).unwrap(), derivation);
        }
    });
}

#[test]
fn narinfos() {
    let dir = StoreDir::default();
    damage(NARINFO.as_bytes(), 30_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(info) = NarInfo::parse(&dir, &text) {
            let again = NarInfo::parse(&dir, &info.print(&dir)).unwrap();
            assert_eq!(again.info, info.info);
        }
    });
}

#[test]
fn short_texts() {
    let dir = StoreDir::default();
    for good in [
        "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        "sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
        "fixed:r:sha256:094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
        "/nix/store/34ksql3fgqa9vc4zdb24cgr317kjyshf-note",
        "test-1:jfw+sGhuiLVCqVrPWbQKQdlO+vS1s23kCiJhH5oMz9M=",
    ] {
        damage(good.as_bytes(), 3_000, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(hash) = Hash::parse(&text, None) {
                assert_eq!(Hash::parse(&hash.to_sri(), None), Ok(hash));
            }
            if let Ok(address) = ContentAddress::parse(&text) {
                assert_eq!(ContentAddress::parse(&address.to_string()), Ok(address));
            }
            if let Ok(path) = dir.parse(bytes) {
                assert_eq!(dir.display(&path).as_bytes(), bytes);
            }
            let _ = StorePath::from_base_name(bytes);
            if let Ok(key) = PublicKey::parse(&text) {
                assert_eq!(PublicKey::parse(&key.to_text()), Ok(key));
            }
        });
    }
}

/// Checks what the parser promises its visitor.
#[derive(Default)]
struct Promises {
    names: Vec<Vec<u8>>,
    depth: usize,
}

impl Visitor for Promises {
    fn regular(&mut self, _: bool, _: u64, _: &mut dyn std::io::Read) -> Result<(), NarError> {
        Ok(())
    }
    fn symlink(&mut self, target: &[u8]) -> Result<(), NarError> {
        assert!(!target.is_empty() && !target.contains(&0));
        Ok(())
    }
    fn begin_directory(&mut self) -> Result<(), NarError> {
        self.depth += 1;
        Ok(())
    }
    fn enter(&mut self, name: &[u8]) -> Result<(), NarError> {
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&b'/'));
        self.names.push(name.to_vec());
        Ok(())
    }
    fn leave(&mut self) -> Result<(), NarError> {
        assert!(self.names.pop().is_some());
        Ok(())
    }
    fn end_directory(&mut self) -> Result<(), NarError> {
        self.depth -= 1;
        Ok(())
    }
}

#[test]
fn archives() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    for name in ["a", "b", "d/x", "d/y"] {
        std::fs::write(directory.path().join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("a", directory.path().join("l")).unwrap();
    let good = write_tree(directory.path(), Vec::new(), &mut keep_all).unwrap();
    damage(&good, 30_000, |bytes| {
        let mut promises = Promises::default();
        if parse(&mut &*bytes, &mut promises).is_ok() {
            assert_eq!((promises.depth, promises.names.len()), (0, 0));
        }
    });
}
