//! Memory for values: blocks that are handed out front to back and never freed.
//!
//! Everything that an evaluation makes stays until the process ends, so that
//! references into a region are `'static`, no destructor runs and no reference
//! is counted. A block is only address space until it is touched.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::statistics::Counts;

/// Size of the first block, in bytes; each further one is twice as large.
const FIRST_BLOCK: usize = 1 << 20;
/// Size at which blocks stop growing.
const LARGEST_BLOCK: usize = 32 << 20;

/// Blocks from this size on ask for pages of this size.
const HUGE_PAGE: usize = 2 << 20;

/// The allocator of one thread.
pub(crate) struct Region {
    cursor: usize,
    end: usize,
    next_block: usize,
    /// Bytes of all blocks but the current one that were handed out.
    finished: u64,
    start: usize,
    pub(crate) counts: Counts,
}

impl Region {
    /// A region without a block; the first allocation makes one.
    pub(crate) const fn new() -> Self {
        Self { cursor: 8, end: 0, next_block: FIRST_BLOCK, finished: 0, start: 8, counts: Counts::NONE }
    }

    /// Bytes handed out so far.
    pub(crate) fn allocated(&self) -> u64 {
        self.finished + (self.cursor - self.start) as u64
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

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) -> NonNull<u64> {
        let size = if bytes > self.next_block / 4 { bytes.next_multiple_of(4096) } else { self.next_block };
        // A size that no layout has ends the process as running out of memory does.
        let align = if size >= HUGE_PAGE { HUGE_PAGE } else { 4096 };
        let layout = Layout::from_size_align(size, align).unwrap_or(Layout::new::<[u8; 4096]>());
        if layout.size() < size {
            std::alloc::handle_alloc_error(layout);
        }
        // SAFETY: the size is not zero.
        let block = unsafe { std::alloc::alloc(layout) };
        let Some(block) = NonNull::new(block) else { std::alloc::handle_alloc_error(layout) };
        if size >= HUGE_PAGE {
            // SAFETY: the range is the block's; the advice changes no contents. It is only
            // an optimisation (fewer page faults), so that its failure does not matter.
            unsafe { libc::madvise(block.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
        }
        if size == self.next_block {
            self.finished += (self.cursor - self.start) as u64;
            self.next_block = (self.next_block * 2).min(LARGEST_BLOCK);
            self.start = block.as_ptr() as usize;
            self.cursor = self.start + bytes;
            self.end = self.start + size;
        } else {
            // A large object has a block to itself; the current one goes on.
            self.finished += bytes as u64;
        }
        block.cast()
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
