//! Finding store paths in build results, by the hash parts of their names.
//!
//! A build's output *refers* to a store path if that path's 32-character hash
//! part occurs in its NAR. Only the paths that the build could know are looked for.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use memchr::memmem;

use crate::encoding::{NIX_BASE32_VALUES, NOT_A_DIGIT};
use crate::hash::{Hash, HashAlgorithm, Hasher};
use crate::offload::Offload;
use crate::store_path::{HASH_PART_LEN, StorePath};

type HashPart = [u8; HASH_PART_LEN];

fn hash_part(path: &StorePath) -> HashPart {
    let mut part = [0; HASH_PART_LEN];
    part.copy_from_slice(path.hash_part().as_bytes());
    part
}

/// Looks for the hash parts of candidates in everything written to it.
#[derive(Clone, Debug)]
pub struct ReferenceScanner {
    candidates: HashMap<HashPart, StorePath>,
    found: BTreeSet<StorePath>,
    /// The last bytes seen, fewer than a hash part.
    tail: Vec<u8>,
}

impl ReferenceScanner {
    /// Looks for these paths.
    pub fn new(candidates: impl IntoIterator<Item = StorePath>) -> Self {
        let candidates = candidates.into_iter().map(|path| (hash_part(&path), path)).collect();
        Self { candidates, found: BTreeSet::new(), tail: Vec::with_capacity(2 * HASH_PART_LEN) }
    }

    /// Takes more data.
    pub fn update(&mut self, data: &[u8]) {
        // A hash part may lie across the border to the previous piece.
        let head = &data[..data.len().min(HASH_PART_LEN - 1)];
        let mut border = std::mem::take(&mut self.tail);
        border.extend_from_slice(head);
        self.scan(&border);
        self.scan(data);
        if data.len() >= HASH_PART_LEN {
            border.clear();
            border.extend_from_slice(&data[data.len() - (HASH_PART_LEN - 1)..]);
        } else if border.len() >= HASH_PART_LEN {
            border.drain(..border.len() - (HASH_PART_LEN - 1));
        }
        self.tail = border;
    }

    fn scan(&mut self, data: &[u8]) {
        let mut start = 0;
        // The window is checked from its end: a byte that is no base 32 digit lets
        // the next window start behind it, which mostly skips 32 bytes at once.
        while let Some(window) = data.get(start..start + HASH_PART_LEN) {
            let bad = window.iter().rposition(|byte| NIX_BASE32_VALUES[usize::from(*byte)] == NOT_A_DIGIT);
            if let Some(bad) = bad {
                start += bad + 1;
                continue;
            }
            if let Some(path) = self.candidates.get(window) {
                self.found.insert(path.clone());
            }
            start += 1;
        }
    }

    /// The candidates found so far.
    pub fn found(&self) -> &BTreeSet<StorePath> {
        &self.found
    }

    /// The candidates found.
    pub fn finish(self) -> BTreeSet<StorePath> {
        self.found
    }
}

impl Write for ReferenceScanner {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes a NAR and looks for references in it, in one pass. The hashing is done
/// by another thread if there is much.
pub struct ScanningHasher {
    hasher: Offload<Hasher>,
    scanner: ReferenceScanner,
}

impl ScanningHasher {
    /// SHA-256, and looking for `candidates`.
    pub fn new(candidates: impl IntoIterator<Item = StorePath>) -> Self {
        Self {
            hasher: Offload::new(Hasher::new(HashAlgorithm::Sha256)),
            scanner: ReferenceScanner::new(candidates),
        }
    }

    /// The hash, the number of bytes, and the candidates found.
    pub fn finish(self) -> io::Result<(Hash, u64, BTreeSet<StorePath>)> {
        let hasher = self.hasher.finish()?;
        let size = hasher.written();
        Ok((hasher.finish(), size, self.scanner.finish()))
    }
}

impl Write for ScanningHasher {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.hasher.write_all(data)?;
        self.scanner.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces one hash part by another of the same length in what is written
/// through it, wherever pieces begin and end.
pub struct HashRewriter<W> {
    inner: W,
    from: HashPart,
    to: HashPart,
    /// Bytes not passed on yet, as a match may begin in them.
    pending: Vec<u8>,
    /// How many bytes were passed on.
    passed: u64,
    matches: Vec<u64>,
}

impl<W: Write> HashRewriter<W> {
    /// Replaces the hash part of `from` by that of `to`.
    pub fn new(inner: W, from: &StorePath, to: &StorePath) -> Self {
        Self::with_parts(inner, hash_part(from), hash_part(to))
    }

    fn with_parts(inner: W, from: HashPart, to: HashPart) -> Self {
        Self { inner, from, to, pending: Vec::new(), passed: 0, matches: Vec::new() }
    }

    /// Passes on what is left; returns the inner writer and the offsets of all matches.
    pub fn finish(mut self) -> io::Result<(W, Vec<u64>)> {
        self.inner.write_all(&self.pending)?;
        Ok((self.inner, self.matches))
    }
}

impl<W: Write> Write for HashRewriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(data);
        let mut start = 0;
        while let Some(at) = memmem::find(&self.pending[start..], &self.from) {
            let at = start + at;
            self.pending[at..at + HASH_PART_LEN].copy_from_slice(&self.to);
            self.matches.push(self.passed + at as u64);
            start = at + HASH_PART_LEN;
        }
        // What was replaced can't be part of another match: pass it on.
        let keep_from = self.pending.len().saturating_sub(HASH_PART_LEN - 1).max(start);
        self.inner.write_all(&self.pending[..keep_from])?;
        self.pending.drain(..keep_from);
        self.passed += keep_from as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hashes *modulo* a self-reference: with the object's own hash part replaced by
/// zero bytes, and followed by the offsets of all of them as `|<offset>`, so that
/// objects that differ only in where they lie have one hash.
pub struct ModuloSelfHasher {
    rewriter: HashRewriter<Hasher>,
}

impl ModuloSelfHasher {
    /// Hashes modulo references to `own`.
    pub fn new(algorithm: HashAlgorithm, own: &StorePath) -> Self {
        let zeros = [0; HASH_PART_LEN];
        let hasher = Hasher::new(algorithm);
        Self { rewriter: HashRewriter::with_parts(hasher, hash_part(own), zeros) }
    }

    /// The hash, and the number of bytes hashed before the offsets.
    pub fn finish(self) -> io::Result<(Hash, u64)> {
        let (mut hasher, matches) = self.rewriter.finish()?;
        let size = hasher.written();
        for offset in matches {
            hasher.update(format!("|{offset}").as_bytes());
        }
        Ok((hasher.finish(), size))
    }
}

impl Write for ModuloSelfHasher {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.rewriter.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hash: &str) -> StorePath {
        StorePath::from_base_name(format!("{hash}-x").as_bytes()).unwrap()
    }

    const A: &str = "0123456789abcdfghijklmnpqrsvwxyz";
    const B: &str = "zyxwvsrqpnmlkjihgfdcba9876543210";
    const C: &str = "00000000000000000000000000000000";

    #[test]
    fn finds_at_every_border() {
        let text = format!("e{A}{B}\0/nix/store/{A}z");
        for cut in 0..text.len() {
            for second in cut..text.len().min(cut + 40) {
                let mut scanner = ReferenceScanner::new([A, B, C].map(path));
                scanner.update(&text.as_bytes()[..cut]);
                scanner.update(&text.as_bytes()[cut..second]);
                scanner.update(&text.as_bytes()[second..]);
                assert_eq!(scanner.finish(), [path(A), path(B)].into());
            }
        }
    }

    #[test]
    fn finds_byte_by_byte() {
        let text = format!("{C}00000{A}");
        let mut scanner = ReferenceScanner::new([A, B, C].map(path));
        for byte in text.bytes() {
            scanner.update(&[byte]);
        }
        assert_eq!(scanner.finish(), [path(A), path(C)].into());
    }

    #[test]
    fn rewrites_at_every_border() {
        let text = format!("e{A}{A}\0{B}{A}z");
        for cut in 0..text.len() {
            let mut rewriter = HashRewriter::new(Vec::new(), &path(A), &path(C));
            rewriter.write_all(&text.as_bytes()[..cut]).unwrap();
            rewriter.write_all(&text.as_bytes()[cut..]).unwrap();
            let (out, matches) = rewriter.finish().unwrap();
            assert_eq!(out, text.replace(A, C).into_bytes());
            assert_eq!(matches, [1, 33, 98]);
        }
    }

    #[test]
    fn modulo_self_ignores_the_own_hash_part() {
        let hash = |own: &str| {
            let mut hasher = ModuloSelfHasher::new(HashAlgorithm::Sha256, &path(own));
            write!(hasher, "ab{own}cd").unwrap();
            hasher.finish().unwrap().0
        };
        assert_eq!(hash(A), hash(B));
        let mut expected = b"ab".to_vec();
        expected.extend([0; 32]);
        expected.extend(b"cd|2");
        assert_eq!(hash(A), Hash::sha256(expected));
    }
}
