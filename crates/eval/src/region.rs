//! Memory for values: blocks that are handed out front to back.
//!
//! Blocks stay until the process ends, references into a region are `'static`,
//! no destructor runs and no reference is counted. A block is only address space
//! until it is touched. All blocks are in the lowest 4 GiB of addresses, so that 4 bytes
//! refer to an object ([`Near`](crate::near::Near)); long texts are elsewhere.
//!
//! What a call made can be taken back when it ends, as on a stack, if nothing that
//! stays refers to it: see [`Region::mark`]. Objects refer to objects made before
//! them, with one exception: what a thunk or a slot is replaced by. Each such
//! write is told to the region ([`Region::wrote`]). So while a mark is set and no
//! write put something younger than the mark into something older, nothing
//! older than the mark leads to anything younger, and if the call's result does
//! not either, all that is younger is garbage.
//!
//! What is rarely garbage or is known by its address has regions of its own in
//! which no mark is ever set: code, names, shapes of sets.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::shape::ShapeTable;
use crate::statistics::Counts;
use crate::value::Value;

/// Size of the first block, in bytes; each further one is twice as large.
const FIRST_BLOCK: usize = 128 << 10;
/// Size at which blocks stop growing.
const LARGEST_BLOCK: usize = 32 << 20;

/// Blocks from this size on ask for pages of this size.
const HUGE_PAGE: usize = 2 << 20;

/// Where the first block may be: behind what programs have that are not loaded anywhere.
const LOWEST: usize = 16 << 20;
/// Behind the last address that blocks may have.
const END: usize = 1 << 32;
/// Evaluation is told to end when only this much is left.
const LAST: usize = 96 << 20;
/// Blocks begin at multiples of this, which is one of the size of pages.
const BLOCK_ALIGNMENT: usize = 64 << 10;

/// The allocator of one thread.
pub(crate) struct Region {
    cursor: usize,
    end: usize,
    next_block: usize,
    /// Bytes of all blocks but the current one that were handed out.
    finished: u64,
    start: usize,
    /// The oldest object of the current block that was made to refer to a younger
    /// one since the innermost mark was set.
    lowest: usize,
    pub(crate) counts: Counts,
    pub(crate) shapes: Option<Box<ShapeTable>>,
}

/// A point in time: see [`Region::mark`].
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    cursor: usize,
    lowest: usize,
}

impl Mark {
    /// No point in time.
    pub(crate) const NONE: Self = Self { cursor: 0, lowest: 0 };

    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.cursor == 0
    }
}

impl Region {
    /// A region without a block; the first allocation makes one.
    pub(crate) const fn new() -> Self {
        Self {
            cursor: 8,
            end: 0,
            next_block: FIRST_BLOCK,
            finished: 0,
            start: 8,
            lowest: usize::MAX,
            counts: Counts::NONE,
            shapes: None,
        }
    }

    /// Bytes handed out so far.
    pub(crate) fn allocated(&self) -> u64 {
        self.finished + (self.cursor - self.start) as u64
    }

    /// Counts bytes that an object refers to outside of the region.
    pub(crate) fn count_outside(&mut self, bytes: usize) {
        self.finished += bytes as u64;
    }

    /// Uninitialised memory for `words` 8-byte words, aligned to 8.
    #[inline(always)]
    pub(crate) fn words(&mut self, words: usize) -> NonNull<u64> {
        let bytes = words * 8;
        if bytes > self.end.wrapping_sub(self.cursor) || self.end == 0 {
            return self.grow(bytes);
        }
        let address = self.cursor;
        self.cursor += bytes;
        // SAFETY: `cursor` is inside a block, hence not null.
        unsafe { NonNull::new_unchecked(address as *mut u64) }
    }

    /// Two words of half the size, one behind the other.
    #[inline(always)]
    pub(crate) fn pair(&mut self, first: u32, second: u32) -> NonNull<u64> {
        let at = self.words(1);
        // SAFETY: there is room for the word.
        unsafe { at.write(pair(first, second)) };
        at
    }

    /// Memory for bytes only, aligned to 8. Much of it is apart from the blocks.
    pub(crate) fn bytes(&mut self, count: usize) -> NonNull<u8> {
        /// From this size on, in bytes.
        const APART: usize = 1 << 20;
        if count < APART {
            return self.words(count.div_ceil(8)).cast();
        }
        self.finished += count as u64;
        map_apart(count)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> NonNull<u64> {
        let size = if bytes > self.next_block / 4 { bytes.next_multiple_of(4096) } else { self.next_block };
        let block = map(size);
        if size == self.next_block {
            self.finished += (self.cursor - self.start) as u64;
            self.next_block = (self.next_block * 2).min(LARGEST_BLOCK);
            self.start = block.as_ptr() as usize;
            self.cursor = self.start + bytes;
            self.end = self.start + size;
        } else {
            // A large object has a block to itself; the current one goes on. As it
            // looks old but is not, nothing is taken back while it may be in use.
            self.keep_all();
            self.finished += bytes as u64;
        }
        block.cast()
    }

    /// Remembers this point, before a call. [`Region::release`] must follow whatever
    /// happens; marks are released in the opposite order.
    #[inline(always)]
    pub(crate) fn mark(&mut self) -> Mark {
        let mark = Mark { cursor: self.cursor, lowest: self.lowest };
        self.lowest = usize::MAX;
        mark
    }

    /// Notes that a thunk or slot at an address now refers to a value.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, at: usize, value: Value) {
        // Of older blocks nothing is taken back.
        if let Some(address) = value.address()
            && self.is_in_block(address)
        {
            let at = if self.is_in_block(at) { at } else { 0 };
            if at < address {
                self.lowest = self.lowest.min(at);
            }
        }
    }

    #[inline(always)]
    fn is_in_block(&self, address: usize) -> bool {
        address.wrapping_sub(self.start) < self.cursor - self.start
    }

    /// Nothing that was made since any mark may be taken back.
    pub(crate) fn keep_all(&mut self) {
        self.lowest = 0;
    }

    /// Takes back what was made since the mark if nothing can refer to it any more,
    /// the call having ended with `result`. A result that refers to nothing else
    /// may be moved; the value to go on with is returned.
    #[inline(always)]
    pub(crate) fn release(&mut self, mark: Mark, result: Value) -> Value {
        // A mark in an older block is of no use.
        let in_block = mark.cursor.wrapping_sub(self.start) <= self.cursor - self.start;
        let unused = self.lowest >= mark.cursor && in_block;
        self.lowest = self.lowest.min(mark.lowest);
        let made = self.cursor.wrapping_sub(mark.cursor);
        if !unused || made == 0 {
            return result;
        }
        match result.address() {
            Some(address) if address.wrapping_sub(mark.cursor) < made => {
                self.keep_result(mark.cursor, result)
            }
            _ => {
                self.take_back(mark.cursor);
                result
            }
        }
    }

    /// As `release` when the call failed: errors refer to no values.
    #[cold]
    pub(crate) fn release_failed(&mut self, mark: Mark) {
        self.release(mark, Value::NULL);
    }

    /// Takes back what was made since the mark but for a result that was.
    fn keep_result(&mut self, to: usize, result: Value) -> Value {
        let Some((value, size)) = result.move_leaf(to, (self.cursor - to) / 2) else { return result };
        self.take_back(to + size);
        value
    }

    #[inline(always)]
    fn take_back(&mut self, to: usize) {
        self.counts.taken_back += (self.cursor - to) as u64;
        if cfg!(debug_assertions) {
            // A use after this is to be seen. SAFETY: the bytes are this region's and unused.
            unsafe { std::ptr::write_bytes(to as *mut u8, 0xA5, self.cursor - to) };
        }
        self.cursor = to;
    }

    /// Moves a value into the region. Its destructor never runs.
    pub(crate) fn alloc<T>(&mut self, value: T) -> &'static T {
        const { assert!(align_of::<T>() <= 8) };
        let at = self.words(size_of::<T>().div_ceil(8)).cast::<T>();
        // SAFETY: the memory is large enough, aligned and used by nobody else.
        unsafe {
            at.write(value);
            at.as_ref()
        }
    }

    /// Copies values into the region, one slice behind the other.
    pub(crate) fn alloc_copy(&mut self, parts: &[&[Value]]) -> &'static [Value] {
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let start: NonNull<Value> = self.words((size_of::<Value>() * count).div_ceil(8)).cast();
        let mut at = start;
        // SAFETY: there is room for all parts; a value is a word.
        unsafe {
            for part in parts {
                std::ptr::copy_nonoverlapping(part.as_ptr(), at.as_ptr(), part.len());
                at = at.add(part.len());
            }
            std::slice::from_raw_parts(start.as_ptr(), count)
        }
    }

    /// Moves the items into the region.
    pub(crate) fn alloc_slice<T>(&mut self, mut items: Vec<T>) -> &'static [T] {
        const { assert!(align_of::<T>() <= 8) };
        let count = items.len();
        let at = self.words((size_of::<T>() * count).div_ceil(8)).cast::<T>();
        // SAFETY: as in `alloc`; the vector forgets the items that were moved out.
        unsafe {
            std::ptr::copy_nonoverlapping(items.as_ptr(), at.as_ptr(), count);
            items.set_len(0);
            std::slice::from_raw_parts(at.as_ptr(), count)
        }
    }
}

/// A word that is written as two of half the size.
#[inline(always)]
pub(crate) fn pair(first: u32, second: u32) -> u64 {
    let (low, high) = if cfg!(target_endian = "little") { (first, second) } else { (second, first) };
    u64::from(high) << 32 | u64::from(low)
}

/// Where the next block is looked for.
static NEXT: AtomicUsize = AtomicUsize::new(LOWEST);

/// Memory from the system below 4 GiB, of which only what is touched is used.
fn map(size: usize) -> NonNull<u8> {
    let alignment = if size >= HUGE_PAGE { HUGE_PAGE } else { BLOCK_ALIGNMENT };
    loop {
        let place = |next: usize| {
            let start = next.next_multiple_of(alignment);
            start.checked_add(size).filter(|end| *end <= END).map(|end| (start, end))
        };
        let order = Ordering::Relaxed;
        let taken = NEXT.fetch_update(order, order, |next| place(next).map(|range| range.1));
        let Some((start, end)) = taken.ok().and_then(place) else { no_memory(size) };
        if end > END - LAST {
            crate::interactive::set_exhausted();
        }
        // Something else may be there: then the block is looked for behind it.
        if let Some(block) = map_at(start, size) {
            return block;
        }
    }
}

/// Memory at an address, if there is nothing.
fn map_at(start: usize, size: usize) -> Option<NonNull<u8>> {
    let wanted = start as *mut libc::c_void;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: asks for memory that nobody uses; an address or a size that can't be had fails.
    let block = unsafe { libc::mmap(wanted, size, protection, flags | libc::MAP_FIXED_NOREPLACE, -1, 0) };
    if block == libc::MAP_FAILED {
        let taken = std::io::Error::last_os_error().raw_os_error() == Some(libc::EEXIST);
        return if taken { None } else { no_memory(size) };
    }
    if block != wanted {
        // A system that knows the address only as a hint. SAFETY: this was just mapped.
        unsafe { libc::munmap(block, size) };
        return None;
    }
    if size >= HUGE_PAGE {
        // SAFETY: the range is the block's; the advice changes no contents. It is only
        // an optimisation (fewer page faults), so that its failure does not matter.
        unsafe { libc::madvise(block, size, libc::MADV_HUGEPAGE) };
    }
    NonNull::new(block.cast())
}

/// Memory from the system anywhere.
fn map_apart(size: usize) -> NonNull<u8> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: asks for memory that nobody uses; a size that can't be had fails.
    let block = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    match NonNull::new(block.cast()) {
        Some(block) if block.as_ptr() != libc::MAP_FAILED.cast() => block,
        _ => no_memory(size),
    }
}

#[cold]
fn no_memory(size: usize) -> ! {
    let layout = Layout::from_size_align(size, 8).unwrap_or(Layout::new::<[u8; 4096]>());
    std::alloc::handle_alloc_error(layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::string::Str;
    use crate::value::{COMMON, Thunk};

    fn text(region: &mut Region, bytes: &[u8]) -> Value {
        Value::from_str(Str::new(region, bytes, Context::EMPTY))
    }

    fn thunk(region: &mut Region) -> Value {
        Thunk::with_values(region, COMMON.apply1, &[Value::NULL, Value::NULL])
    }

    /// What a call that makes a thunk and a text and does `work` with them leaves.
    fn check(work: impl FnOnce(&mut Region, Value, Value) -> Value) -> (u64, Value) {
        let mut region = Region::new();
        text(&mut region, b"before");
        let before = region.allocated();
        let mark = region.mark();
        let (delayed, made) = (thunk(&mut region), text(&mut region, b"made"));
        let result = work(&mut region, delayed, made);
        let result = region.release(mark, result);
        (region.allocated() - before, result)
    }

    #[test]
    fn what_nothing_refers_to_is_taken_back() {
        assert_eq!(check(|_, _, _| Value::TRUE).0, 0);
        // Also when what was made refers to each other.
        let cyclic = check(|region, delayed, made| {
            delayed.as_thunk().unwrap().finish(region, made);
            Value::NULL
        });
        assert_eq!(cyclic.0, 0);
    }

    #[test]
    fn a_result_is_kept_and_a_leaf_is_moved() {
        let thunk_words = 2;
        let (kept, _) = check(|_, delayed, _| delayed);
        assert_eq!(kept, thunk_words * 8 + 24 + 8);
        let (kept, result) = check(|region, _, made| {
            text(region, &[0; 100]);
            made
        });
        assert_eq!(kept, 24 + 8);
        assert_eq!(result.as_str().unwrap().as_bytes(), b"made");
    }

    #[test]
    fn what_older_objects_refer_to_is_kept() {
        let mut region = Region::new();
        let old = thunk(&mut region).as_thunk().unwrap();
        let outer = region.mark();
        thunk(&mut region);
        let start = region.allocated();
        let inner = region.mark();
        let made = text(&mut region, b"made");
        old.finish(&mut region, made);
        let result = region.release(inner, Value::NULL);
        assert!(result.is_null() && region.allocated() > start);
        region.release(outer, Value::NULL);
        assert!(region.allocated() > start);
        assert_eq!(old.result().unwrap().as_str().unwrap().as_bytes(), b"made");
        // Later calls are not affected.
        let start = region.allocated();
        let mark = region.mark();
        thunk(&mut region);
        region.release(mark, Value::NULL);
        assert_eq!(region.allocated(), start);
    }

    #[test]
    fn an_older_value_in_an_older_object_keeps_nothing() {
        let mut region = Region::new();
        let made = text(&mut region, b"made");
        let old = thunk(&mut region).as_thunk().unwrap();
        let start = region.allocated();
        let mark = region.mark();
        thunk(&mut region);
        old.finish(&mut region, made);
        region.release(mark, Value::NULL);
        assert_eq!(region.allocated(), start);
    }

    #[test]
    fn large_objects_and_new_blocks_are_kept() {
        let (kept, result) = check(|region, _, _| text(region, &[b'x'; FIRST_BLOCK]));
        assert!(kept > FIRST_BLOCK as u64 && result.as_str().unwrap().len() == FIRST_BLOCK);
        let (kept, _) = check(|region, _, _| {
            for _ in 0..6 {
                text(region, &[b'x'; FIRST_BLOCK / 5]);
            }
            Value::NULL
        });
        assert!(kept > FIRST_BLOCK as u64);
    }
}
