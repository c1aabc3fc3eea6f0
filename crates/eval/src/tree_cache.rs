//! A cache of parsed files: syntax trees by the contents of the files that they
//! are of.
//!
//! The directory holds segments. A process writes the trees that it missed as one
//! new segment, under a temporary name first, so that whoever reads sees whole
//! segments only; when there are many, they are merged into one of bounded size.
//! Several keys may lead to one tree: a file's is also kept by the file's [`FileStamp`],
//! so that a file that did not change need not be read to find it.
//! Everything is checked by checksums before it is used, and what is wrong is as
//! good as absent: there is nothing in here that can't be made again.
//!
//! A segment: [`MAGIC`], the number of entries (4 bytes, little-endian like all
//! numbers), the checksum of the entries (8), the entries sorted by key: key (16),
//! offset from the segment's start (4), length (4), the tree's checksum (8). Then
//! the trees.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which file's tree: a hash of everything that the tree follows from.
pub type TreeKey = [u8; 16];

/// What changes whenever a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// The file's size in bytes.
    pub len: u64,
    /// Device, number, size and times of the file, or what else there is.
    pub identity: Vec<u8>,
}

impl FileStamp {
    /// The stamp of a regular file; `None` if it changed so lately that it may
    /// change again without its times telling.
    pub fn of(metadata: &fs::Metadata) -> Option<Self> {
        /// In seconds: more than the resolution of any file system's times.
        const LATELY: i64 = 3;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let changed = metadata.mtime().max(metadata.ctime());
        if !metadata.is_file() || i64::try_from(now).ok()?.saturating_sub(changed) < LATELY {
            return None;
        }
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        let numbers = [metadata.dev(), metadata.ino(), metadata.len()];
        let mut identity = Vec::with_capacity(56);
        identity.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        identity.extend(times.iter().flat_map(|time| time.to_le_bytes()));
        Some(Self { len: metadata.len(), identity })
    }
}

/// What each segment of this version starts with, padded to 32 bytes.
const MAGIC: &str = concat!("saltire trees ", env!("CARGO_PKG_VERSION"));
const MAGIC_LEN: usize = 32;
const HEADER: usize = MAGIC_LEN + 4 + 8;
const ENTRY: usize = 32;

/// From this number of segments on they are merged.
const MANY: usize = 8;
/// The most bytes that a merge keeps; the newest are kept.
const LARGEST: usize = 96 << 20;
/// The most keys of a merged segment that are not a tree's first.
const MOST_LINKS: usize = 1 << 15;
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
    /// Further keys, and the keys whose trees they lead to.
    links: Vec<(TreeKey, TreeKey)>,
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

    /// Keeps the tree that is or will be kept under `to` also under `from`.
    pub fn link(&self, from: TreeKey, to: TreeKey) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh.links.len() < MOST_LINKS {
            fresh.links.push((from, to));
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
        let Fresh { mut trees, mut bytes, mut links } = fresh;
        for (_, to) in &links {
            // A segment is whole in itself.
            if !trees.contains_key(to)
                && bytes < MOST_NEW
                && let Some(tree) = self.get(to)
            {
                bytes += tree.len();
                trees.insert(*to, tree);
            }
        }
        if trees.is_empty() {
            return Ok(());
        }
        let merge = self.segments.len() + 1 >= MANY;
        if merge {
            self.add_kept(&mut trees, bytes, &mut links);
        }
        fs::create_dir_all(&self.directory)?;
        self.write(trees.into_iter().collect(), &links)?;
        let merged = self.segments.iter().filter(|_| merge).map(|segment| &segment.path);
        for path in merged.chain(&self.strange) {
            // Another process may have done it; what stays is found again next time.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Adds what the segments hold, as much as may be kept.
    fn add_kept(
        &self,
        trees: &mut HashMap<TreeKey, Vec<u8>>,
        mut bytes: usize,
        links: &mut Vec<(TreeKey, TreeKey)>,
    ) {
        let mut seen: HashSet<TreeKey> = trees.keys().copied().collect();
        seen.extend(links.iter().map(|link| link.0));
        for segment in &self.segments {
            let entries = || (0..segment.entries.len() / ENTRY).map(|index| segment.entry(index));
            // The key of each tree that is kept.
            let known = entries().filter(|(key, _)| trees.contains_key(*key));
            let mut first: HashMap<u32, TreeKey> =
                known.map(|(key, place)| (place.offset, array(key))).collect();
            for (key, place) in entries() {
                let key = array(key);
                if let Some(to) = first.get(&place.offset) {
                    if links.len() < MOST_LINKS && seen.insert(key) {
                        links.push((key, *to));
                    }
                } else if bytes + place.len as usize <= LARGEST
                    && seen.insert(key)
                    && let Some(tree) = segment.read(&place)
                {
                    bytes += tree.len();
                    first.insert(place.offset, key);
                    trees.insert(key, tree);
                }
            }
        }
    }

    fn write(&self, trees: Vec<(TreeKey, Vec<u8>)>, links: &[(TreeKey, TreeKey)]) -> io::Result<()> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let known: HashMap<TreeKey, usize> = trees.iter().map(|tree| tree.0).zip(0..).collect();
        let targets = links.iter().filter_map(|(from, to)| Some((*from, *known.get(to)?)));
        // Where a key has a tree and is a link, the tree is taken.
        let mut keys: Vec<(TreeKey, usize)> = targets.collect();
        keys.retain(|(key, _)| !known.contains_key(key));
        keys.extend(known);
        keys.sort_unstable();
        keys.dedup_by_key(|entry| entry.0);
        let mut offset = HEADER + keys.len() * ENTRY;
        let mut places = Vec::with_capacity(trees.len());
        for (_, tree) in &trees {
            let mut place = Vec::with_capacity(ENTRY - 16);
            place.extend_from_slice(&(offset as u32).to_le_bytes());
            place.extend_from_slice(&(tree.len() as u32).to_le_bytes());
            place.extend_from_slice(&checksum(tree).to_le_bytes());
            places.push(place);
            offset += tree.len();
        }
        let entries: Vec<u8> =
            keys.iter().flat_map(|(key, tree)| key.iter().chain(&places[*tree])).copied().collect();
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
    file.write_all(&((entries.len() / ENTRY) as u32).to_le_bytes())?;
    file.write_all(&checksum(entries).to_le_bytes())?;
    file.write_all(entries)?;
    for (_, tree) in trees {
        file.write_all(tree)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::{Evaluator, FsHost, Host, HostResult, Settings};

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
    fn further_keys_lead_to_the_same_tree() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let cache = TreeCache::open(directory);
        cache.put(key(1), &[1; 5000]);
        cache.link(key(2), key(1));
        cache.link(key(3), key(99));
        cache.flush().unwrap();
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(size(&files(directory)[0]) < 6000);
        // To a tree of another segment, until all are merged.
        for round in 0..20u8 {
            let cache = TreeCache::open(directory);
            let found = |number| cache.get(&key(number)).map(|tree| tree[0]);
            assert_eq!([found(1), found(2), found(3)], [Some(1), Some(1), None]);
            if round > 0 {
                assert_eq!(found(100 + round - 1), Some(1));
            }
            cache.link(key(100 + round), key(1));
            cache.flush().unwrap();
        }
        assert!(files(directory).iter().all(|path| size(path) < 7000));
    }

    #[test]
    fn only_what_rests_has_a_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = || FileStamp::of(&fs::metadata(file.path()).unwrap());
        assert_eq!(stamp(), None);
        let old = fs::metadata("/proc/self/exe").unwrap();
        assert!(FileStamp::of(&old).is_none_or(|stamp| stamp.len == old.len()));
        assert_eq!(FileStamp::of(&fs::metadata("/").unwrap()), None);
    }

    /// Counts how often files are read.
    struct Counting(FsHost, Arc<AtomicU32>);

    impl Host for Counting {
        fn store_dir(&self) -> &saltire_store_model::StoreDir {
            self.0.store_dir()
        }
        fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read_file(path)
        }
        fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, crate::FileType)>> {
            self.0.read_dir(path)
        }
        fn file_type(&self, path: &[u8]) -> HostResult<Option<crate::FileType>> {
            self.0.file_type(path)
        }
        fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>> {
            self.0.resolve_symlinks(path)
        }
        fn file_stamp(&self, path: &[u8]) -> Option<FileStamp> {
            self.0.file_stamp(path)
        }
        fn kept_tree(&self, key: &TreeKey) -> Option<Vec<u8>> {
            self.0.kept_tree(key)
        }
        fn keep_tree(&self, key: TreeKey, tree: &[u8]) {
            self.0.keep_tree(key, tree);
        }
        fn link_tree(&self, from: TreeKey, to: TreeKey) {
            self.0.link_tree(from, to);
        }
        fn current_system(&self) -> Option<String> {
            None
        }
        fn environment_variable(&self, _: &str) -> Option<String> {
            None
        }
        fn add_path(&self, request: crate::AddPath<'_>) -> HostResult<saltire_store_model::StorePath> {
            self.0.add_path(request)
        }
        fn read_derivation(
            &self,
            path: &saltire_store_model::StorePath,
        ) -> HostResult<saltire_store_model::Derivation> {
            self.0.read_derivation(path)
        }
        fn realise(
            &self,
            elements: &[&crate::ContextElement],
        ) -> HostResult<std::collections::BTreeMap<String, String>> {
            self.0.realise(elements)
        }
    }

    /// How often a file is read to be evaluated with a cache in a directory.
    fn reads(cache: &Path, file: &Path) -> u32 {
        let trees = Arc::new(TreeCache::open(cache));
        let reads = Arc::new(AtomicU32::new(0));
        let host = Counting(FsHost::new("x").with_tree_cache(Arc::clone(&trees)), Arc::clone(&reads));
        let mut evaluator = Evaluator::new(Arc::new(host), Settings::default());
        evaluator.eval_file(file.as_os_str().as_bytes()).unwrap();
        trees.flush().unwrap();
        reads.load(Ordering::Relaxed)
    }

    #[test]
    fn files_that_did_not_change_are_not_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let fresh = directory.path().join("fresh.nix");
        for text in ["7", "/* longer */ 7"] {
            fs::write(&fresh, text).unwrap();
            assert_eq!([reads(directory.path(), &fresh), reads(directory.path(), &fresh)], [1, 1]);
        }
        let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lang/sets/equality.nix");
        if FileStamp::of(&fs::metadata(&old).unwrap()).is_none() {
            println!("skipped: the sources were written a moment ago");
            return;
        }
        assert_eq!([reads(directory.path(), &old), reads(directory.path(), &old)], [1, 0]);
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
