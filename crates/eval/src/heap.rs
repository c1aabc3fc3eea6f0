//! Where the C library's allocator gets its memory from.
//!
//! Left alone, each thread's memory grows a page at a time and is given back at once,
//! a page fault per page: a twentieth of the time of evaluating a system.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI32, Ordering};

/// How many heaps the allocator may have.
static HEAPS: AtomicI32 = AtomicI32::new(1);

/// Lets each of several threads that are going to evaluate
/// ([`Evaluator::parallel`](crate::Evaluator::parallel)) have a heap of its own, so that
/// they don't wait for each other. Has an effect before the first evaluation of the process.
pub fn expect_threads(count: usize) {
    HEAPS.store(i32::try_from(count).unwrap_or(i32::MAX - 1).max(1) + 1, Ordering::Relaxed);
}

/// Lets the allocator take its memory from one heap of huge pages, and keep it. The
/// first call of a process has an effect; it should come before threads are started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn prepare() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: these set parameters of the allocator; what fails changes nothing.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, HEAPS.load(Ordering::Relaxed));
            libc::mallopt(libc::M_TOP_PAD, STEP);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
        advise();
    });
}

/// See above; other allocators do as they do.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn prepare() {}

/// By how many bytes of address space the heap grows.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const STEP: i32 = 32 << 20;

/// Asks for huge pages for the heap's next step.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn advise() {
    /// Smaller than what is mapped by itself.
    const PIECE: usize = 64 << 10;
    const PAGE: usize = 4096;
    // SAFETY: nothing is changed by asking for the end of the heap.
    let end = || unsafe { libc::sbrk(0) as usize };
    let start = end();
    // The heap grows when what it has is used up.
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    while end() == start && pieces.len() < 16 {
        pieces.push(Vec::with_capacity(PIECE));
    }
    let (start, end) = (start.next_multiple_of(PAGE), end());
    if start < end {
        // SAFETY: the range is the heap's; the advice changes no contents, and as an
        // optimisation it may fail.
        unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_HUGEPAGE) };
    }
}
