//! A cache of parsed files: syntax trees by the contents of the files that they
//! are of.
//!
//! The directory holds segments. A process writes the trees that it missed as one
//! new segment, under a temporary name first, so that whoever reads sees whole
//! segments only; when there are many, they are merged into one of bounded size.
//! Everything is checked by checksums before it is used, and what is wrong is as
//! good as absent: there is nothing in here that can't be made again.
//!
//! A segment: [`MAGIC`], the number of entries (4 bytes, little-endian like all
//! numbers), the checksum of the entries (8), the entries sorted by key: key (16),
//! offset from the segment's start (4), length (4), the tree's checksum (8). Then
//! the trees.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which file's tree: a hash of everything that the tree follows from.
pub type TreeKey = [u8; 16];

/// What each segment of this version starts with, padded to 32 bytes.
const MAGIC: &str = concat!("saltire trees ", env!("CARGO_PKG_VERSION"));
const MAGIC_LEN: usize = 32;
const HEADER: usize = MAGIC_LEN + 4 + 8;
const ENTRY: usize = 32;

/// From this number of segments on they are merged.
const MANY: usize = 8;
/// The most bytes that a merge keeps; the newest are kept.
const LARGEST: usize = 96 << 20;
/// The most bytes of trees that one process adds.
const MOST_NEW: usize = 64 << 20;

const SUFFIX: &str = "trees";

/// Trees that were kept, and those to be kept.
pub struct TreeCache {
    directory: PathBuf,
    /// The newest first.
    segments: Vec<Segment>,
    /// Files that are no segments of this version.
    strange: Vec<PathBuf>,
    fresh: Mutex<Fresh>,
}

#[derive(Default)]
struct Fresh {
    trees: HashMap<TreeKey, Vec<u8>>,
    bytes: usize,
}

struct Segment {
    path: PathBuf,
    file: File,
    entries: Vec<u8>,
}

/// Where a tree is in a segment.
struct Place {
    offset: u32,
    len: u32,
    sum: u64,
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = bytes.len() as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let mut chunks = bytes.chunks_exact(8);
    let mut add = |word: u64| sum = (sum.rotate_left(29) ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    for chunk in &mut chunks {
        add(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let rest = chunks.remainder();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    add(u64::from_le_bytes(last));
    sum ^ sum >> 32
}

fn magic() -> [u8; MAGIC_LEN] {
    let mut magic = [0; MAGIC_LEN];
    let len = MAGIC.len().min(MAGIC_LEN - 1);
    magic[..len].copy_from_slice(&MAGIC.as_bytes()[..len]);
    magic[MAGIC_LEN - 1] = crate::tree::FORMAT;
    magic
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

impl Segment {
    /// A segment whose header and entries are right.
    fn open(path: PathBuf) -> Option<Self> {
        let file = File::open(&path).ok()?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).ok()?;
        let count = u32::from_le_bytes(array(&header[MAGIC_LEN..MAGIC_LEN + 4])) as usize;
        let size = file.metadata().ok()?.len();
        if header[..MAGIC_LEN] != magic() || (HEADER + count * ENTRY) as u64 > size {
            return None;
        }
        let mut entries = vec![0; count * ENTRY];
        file.read_exact_at(&mut entries, HEADER as u64).ok()?;
        let sum = u64::from_le_bytes(array(&header[MAGIC_LEN + 4..]));
        (checksum(&entries) == sum).then_some(Self { path, file, entries })
    }

    fn entry(&self, index: usize) -> (&[u8], Place) {
        let entry = &self.entries[index * ENTRY..(index + 1) * ENTRY];
        let place = Place {
            offset: u32::from_le_bytes(array(&entry[16..20])),
            len: u32::from_le_bytes(array(&entry[20..24])),
            sum: u64::from_le_bytes(array(&entry[24..])),
        };
        (&entry[..16], place)
    }

    fn find(&self, key: &TreeKey) -> Option<Place> {
        let (mut low, mut high) = (0, self.entries.len() / ENTRY);
        while low < high {
            let middle = low.midpoint(high);
            let (found, place) = self.entry(middle);
            match found.cmp(key) {
                std::cmp::Ordering::Equal => return Some(place),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn read(&self, place: &Place) -> Option<Vec<u8>> {
        if place.len as usize > LARGEST {
            return None;
        }
        let len = place.len as usize;
        let mut tree = Vec::with_capacity(len);
        while tree.len() < len {
            let offset = u64::from(place.offset) + tree.len() as u64;
            if rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut tree), offset).ok()? == 0 {
                return None;
            }
        }
        tree.truncate(len);
        (checksum(&tree) == place.sum).then_some(tree)
    }
}

impl TreeCache {
    /// The cache in a directory, which need not exist.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == SUFFIX))
            .collect();
        // Names start with the time.
        paths.sort_unstable_by(|a, b| b.cmp(a));
        let (mut segments, mut strange) = (Vec::new(), Vec::new());
        for path in paths {
            match Segment::open(path.clone()) {
                Some(segment) => segments.push(segment),
                None => strange.push(path),
            }
        }
        Self { directory, segments, strange, fresh: Mutex::default() }
    }

    /// The tree that was kept under a key.
    pub fn get(&self, key: &TreeKey) -> Option<Vec<u8>> {
        self.segments.iter().find_map(|segment| segment.read(&segment.find(key)?))
    }

    /// Keeps a tree, from [`TreeCache::flush`] on.
    pub fn put(&self, key: TreeKey, tree: &[u8]) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.bytes + tree.len() <= MOST_NEW && fresh.trees.insert(key, tree.to_vec()).is_none() {
            fresh.bytes += tree.len();
        }
    }

    /// What is new, which this process does not write then.
    pub fn take_new(&self) -> Vec<(TreeKey, Vec<u8>)> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        fresh.trees.into_iter().collect()
    }

    /// Writes what is new. Errors are those of writing; whoever can't write does
    /// without a cache.
    pub fn flush(&self) -> io::Result<()> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        if fresh.trees.is_empty() {
            return Ok(());
        }
        let mut trees: Vec<(TreeKey, Vec<u8>)> = fresh.trees.into_iter().collect();
        let merge = self.segments.len() + 1 >= MANY;
        if merge {
            self.add_kept(&mut trees, fresh.bytes);
        }
        fs::create_dir_all(&self.directory)?;
        self.write(trees)?;
        let merged = self.segments.iter().filter(|_| merge).map(|segment| &segment.path);
        for path in merged.chain(&self.strange) {
            // Another process may have done it; what stays is found again next time.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Adds what the segments hold, as much as may be kept.
    fn add_kept(&self, trees: &mut Vec<(TreeKey, Vec<u8>)>, mut bytes: usize) {
        let mut seen: std::collections::HashSet<TreeKey> = trees.iter().map(|tree| tree.0).collect();
        for segment in &self.segments {
            for index in 0..segment.entries.len() / ENTRY {
                let (key, place) = segment.entry(index);
                if bytes + place.len as usize <= LARGEST
                    && seen.insert(array(key))
                    && let Some(tree) = segment.read(&place)
                {
                    bytes += tree.len();
                    trees.push((array(key), tree));
                }
            }
        }
    }

    fn write(&self, mut trees: Vec<(TreeKey, Vec<u8>)>) -> io::Result<()> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        trees.sort_unstable_by_key(|tree| tree.0);
        let mut entries = Vec::with_capacity(trees.len() * ENTRY);
        let mut offset = HEADER + trees.len() * ENTRY;
        for (key, tree) in &trees {
            entries.extend_from_slice(key);
            entries.extend_from_slice(&(offset as u32).to_le_bytes());
            entries.extend_from_slice(&(tree.len() as u32).to_le_bytes());
            entries.extend_from_slice(&checksum(tree).to_le_bytes());
            offset += tree.len();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{now:020}-{}-{number}", std::process::id());
        let temporary = self.directory.join(format!("{name}.tmp"));
        let written = write_file(&temporary, &entries, &trees)
            .and_then(|()| fs::rename(&temporary, self.directory.join(format!("{name}.{SUFFIX}"))));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

fn write_file(path: &Path, entries: &[u8], trees: &[(TreeKey, Vec<u8>)]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create_new(path)?);
    file.write_all(&magic())?;
    file.write_all(&(trees.len() as u32).to_le_bytes())?;
    file.write_all(&checksum(entries).to_le_bytes())?;
    file.write_all(entries)?;
    for (_, tree) in trees {
        file.write_all(tree)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> TreeKey {
        let mut key = [number; 16];
        key[0] = number.reverse_bits();
        key
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn trees_are_found_again_by_later_processes() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("below/trees");
        for round in 0..20u8 {
            let cache = TreeCache::open(&directory);
            for earlier in 0..round {
                assert_eq!(cache.get(&key(earlier)).as_deref(), Some([earlier; 100].as_slice()));
            }
            assert_eq!(cache.get(&key(round)), None);
            cache.put(key(round), &[round; 100]);
            cache.flush().unwrap();
            cache.flush().unwrap();
            assert!(files(&directory).len() <= MANY);
        }
    }

    #[test]
    fn processes_do_not_disturb_each_other() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let directory = directory.path();
                scope.spawn(move || {
                    for round in 0..10 {
                        let cache = TreeCache::open(directory);
                        cache.put(key(thread * 10 + round), &[thread; 1000]);
                        cache.flush().unwrap();
                        let found = TreeCache::open(directory).get(&key(thread * 10));
                        assert!(found.is_none_or(|tree| tree == [thread; 1000]));
                    }
                });
            }
        });
        assert!(files(directory.path()).iter().all(|path| path.extension().unwrap() == SUFFIX));
    }

    #[test]
    fn damaged_segments_are_as_good_as_absent() {
        let directory = tempfile::tempdir().unwrap();
        let cache = TreeCache::open(directory.path());
        cache.put(key(1), &[1; 64]);
        cache.flush().unwrap();
        let path = files(directory.path()).remove(0);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(TreeCache::open(directory.path()).get(&key(1)), None);
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(TreeCache::open(directory.path()).get(&key(1)), None);
        }
        // The next one that writes removes what is no segment.
        fs::write(&path, "?").unwrap();
        let cache = TreeCache::open(directory.path());
        cache.put(key(2), &[2]);
        cache.flush().unwrap();
        assert!(!path.exists() && TreeCache::open(directory.path()).get(&key(2)).is_some());
    }
}
