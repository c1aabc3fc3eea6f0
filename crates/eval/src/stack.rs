//! Stack space: evaluation is recursive, so it runs on a stack of gigabytes of
//! address space, of which only what is touched is memory.

use std::cell::Cell;

/// Sizes to try, in bytes, largest first: the largest holds recursion a hundred
/// thousand values deep; a limit on address space may forbid it.
const SIZES: [usize; 4] = [4 << 30, 1 << 30, 256 << 20, 64 << 20];

/// What is left for code that does not check: builtins, the host, errors.
const RESERVE: usize = 1 << 20;

/// How far evaluation goes on a thread whose stack's size isn't known.
const UNKNOWN: usize = 512 << 10;

thread_local! {
    static LIMIT: Cell<usize> = const { Cell::new(0) };
}

/// An address in the current frame.
#[inline(always)]
pub(crate) fn address() -> usize {
    let here = 0u8;
    &raw const here as usize
}

/// The address below which evaluation must not go on this thread.
pub(crate) fn limit() -> usize {
    match LIMIT.get() {
        0 => address().saturating_sub(UNKNOWN),
        limit => limit,
    }
}

/// Runs `work` on a new thread with a stack that is large enough for any
/// recursion that the settings allow, and waits for it.
pub fn with_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    crate::heap::prepare();
    let work = std::sync::Mutex::new(Some(work));
    let result = std::thread::scope(|scope| {
        let start = |size: usize| {
            let work = &work;
            let run = move || {
                LIMIT.set(address().saturating_sub(size).saturating_add(RESERVE));
                let work = work.lock().ok().and_then(|mut work| work.take());
                work.map(|work| work())
            };
            std::thread::Builder::new().stack_size(size).spawn_scoped(scope, run).ok()
        };
        match SIZES.into_iter().find_map(start).map(|handle| handle.join()) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => None,
        }
    });
    // Without any thread at all the process can't do anything.
    result.unwrap_or_else(|| panic!("can't start a thread for evaluation"))
}
