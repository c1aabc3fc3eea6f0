//! Strings: bytes with a context.
//!
//! A string object says where its bytes are. Usually that is right behind it;
//! the result of appending to a long string lies in a buffer with room to grow,
//! so that a string made by appending a hundred thousand times is copied only
//! as often as the buffer doubles. Bytes that a string covers never change:
//! appending writes behind the longest string in the buffer.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bstr::{BStr, ByteSlice};

use crate::context::Context;
use crate::region::Region;
use crate::symbol::Symbol;

/// From this length on, appending leaves room for more.
const GROWABLE: usize = 512;

/// From this length on, a text is not copied when it becomes a string.
const LONG: usize = 1 << 20;

/// `StrObj::symbol`: not looked up.
const NO_SYMBOL: u32 = u32::MAX;
/// `StrObj::symbol`: the bytes lie in a [`Buffer`].
const IN_BUFFER: u32 = u32::MAX - 1;

/// A string on the heap.
#[repr(C)]
pub(crate) struct StrObj {
    len: u32,
    /// The symbol with the same text, or one of the constants.
    symbol: AtomicU32,
    context: Context,
    data: *const u8,
}

// SAFETY: `data` points to bytes that never change while a string covers them,
// in memory that is never freed.
unsafe impl Sync for StrObj {}
// SAFETY: as above.
unsafe impl Send for StrObj {}

/// What is before the bytes of a growable string.
#[repr(C)]
struct Buffer {
    used: AtomicUsize,
    capacity: usize,
}

/// A string value's contents.
#[derive(Clone, Copy)]
pub struct Str(pub(crate) &'static StrObj);

/// The longest string, in bytes.
pub(crate) const MAX_LEN: usize = u32::MAX as usize - 8;

impl Str {
    /// The text, without its context.
    #[inline]
    pub fn as_bytes(self) -> &'static [u8] {
        // SAFETY: see the type.
        unsafe { std::slice::from_raw_parts(self.0.data, self.0.len as usize) }
    }

    /// The text, for messages.
    pub fn as_bstr(self) -> &'static BStr {
        self.as_bytes().as_bstr()
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        self.0.len as usize
    }

    /// Whether there are no bytes.
    pub fn is_empty(self) -> bool {
        self.0.len == 0
    }

    /// The store paths that the text depends on.
    #[inline]
    pub fn context(self) -> Context {
        self.0.context
    }

    /// The symbol with this text.
    #[inline]
    pub fn symbol(self) -> Symbol {
        match self.0.symbol.load(Ordering::Relaxed) {
            NO_SYMBOL => {
                let symbol = Symbol::intern(self.as_bytes());
                self.0.symbol.store(symbol.0, Ordering::Relaxed);
                symbol
            }
            IN_BUFFER => Symbol::intern(self.as_bytes()),
            symbol => Symbol(symbol),
        }
    }

    /// A string of `len` bytes that `fill` writes; `len` is at most [`MAX_LEN`].
    #[inline]
    fn allocate(region: &mut Region, len: usize, symbol: u32, context: Context) -> (*mut u8, Str) {
        debug_assert!(len <= MAX_LEN);
        let header = size_of::<StrObj>();
        region.counts.strings += 1;
        region.counts.string_bytes += (header + len) as u64;
        if len >= LONG {
            let data = region.bytes(len).as_ptr();
            let symbol = AtomicU32::new(symbol);
            return (data, Str(region.alloc(StrObj { len: len as u32, symbol, context, data })));
        }
        let at = region.words(header / 8 + len.div_ceil(8)).cast::<StrObj>();
        // SAFETY: there is room for the header and the bytes behind it.
        unsafe {
            let data = at.as_ptr().cast::<u8>().add(header);
            let symbol = AtomicU32::new(symbol);
            at.write(StrObj { len: len as u32, symbol, context, data });
            (data, Str(at.as_ref()))
        }
    }

    pub(crate) fn new_symbol(region: &mut Region, text: &[u8], symbol: Symbol) -> Str {
        let (data, string) = Self::allocate(region, text.len(), symbol.0, Context::EMPTY);
        // SAFETY: `allocate` made room for as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), data, text.len()) };
        string
    }

    pub(crate) fn new(region: &mut Region, text: &[u8], context: Context) -> Str {
        let (data, string) = Self::allocate(region, text.len(), NO_SYMBOL, context);
        // SAFETY: `allocate` made room for as many bytes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), data, text.len()) };
        string
    }

    /// As [`Str::new`]; the bytes of a long text stay where they are.
    pub(crate) fn from_vec(region: &mut Region, text: Vec<u8>, context: Context) -> Str {
        if text.len() < LONG {
            return Self::new(region, &text, context);
        }
        region.counts.strings += 1;
        region.counts.string_bytes += (size_of::<StrObj>() + text.len()) as u64;
        region.count_outside(text.len());
        let text: &'static [u8] = Box::leak(text.into_boxed_slice());
        let symbol = AtomicU32::new(NO_SYMBOL);
        Str(region.alloc(StrObj { len: text.len() as u32, symbol, context, data: text.as_ptr() }))
    }

    /// The same text with another context, sharing the bytes.
    pub(crate) fn with_context(self, region: &mut Region, context: Context) -> Str {
        let symbol = AtomicU32::new(match self.0.symbol.load(Ordering::Relaxed) {
            IN_BUFFER => NO_SYMBOL,
            other => other,
        });
        Str(region.alloc(StrObj { len: self.0.len, symbol, context, data: self.0.data }))
    }

    /// A part of the text, sharing the bytes when it is long.
    pub(crate) fn slice(self, region: &mut Region, start: usize, end: usize) -> Str {
        let bytes = &self.as_bytes()[start..end];
        if bytes.len() <= 32 {
            return Self::new(region, bytes, self.context());
        }
        let (len, context) = (bytes.len() as u32, self.context());
        let symbol = AtomicU32::new(NO_SYMBOL);
        Str(region.alloc(StrObj { len, symbol, context, data: bytes.as_ptr() }))
    }

    /// Moves the string with its bytes to memory that the caller owns, or that is
    /// the string's own, unless it has more than `limit` bytes in all. Gives the
    /// string to use instead and its size.
    pub(crate) fn move_to(self, to: usize, limit: usize) -> Option<(Str, usize)> {
        let StrObj { len, context, data, .. } = *self.0;
        let header = size_of::<StrObj>();
        let size = header + (len as usize).next_multiple_of(8);
        if size > limit {
            return None;
        }
        let symbol = match self.0.symbol.load(Ordering::Relaxed) {
            IN_BUFFER => NO_SYMBOL,
            other => other,
        };
        let to = to as *mut StrObj;
        // SAFETY: the caller gives the memory. All of the old header was read; bytes
        // and memory may overlap.
        unsafe {
            let bytes = to.cast::<u8>().add(header);
            std::ptr::copy(data, bytes, len as usize);
            to.write(StrObj { len, symbol: AtomicU32::new(symbol), context, data: bytes });
            Some((Str(&*to), size))
        }
    }

    /// `first` and then the parts; their total length is at most [`MAX_LEN`].
    pub(crate) fn append(region: &mut Region, first: Str, parts: &[&[u8]], context: Context) -> Str {
        let total = first.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        if first.len() >= GROWABLE {
            let data = Self::reserve(region, first, total);
            // SAFETY: `reserve` gave the bytes from the first's end to `total` to us.
            unsafe { copy_all(data.add(first.len()), parts) };
            let symbol = AtomicU32::new(IN_BUFFER);
            return Str(region.alloc(StrObj { len: total as u32, symbol, context, data }));
        }
        let (data, string) = Self::allocate(region, total, NO_SYMBOL, context);
        // SAFETY: `allocate` made room for the total.
        unsafe {
            copy_all(data, &[first.as_bytes()]);
            copy_all(data.add(first.len()), parts);
        }
        string
    }

    /// A buffer that starts with the string's bytes and whose bytes from there to
    /// `total` are ours to write.
    fn reserve(region: &mut Region, string: Str, total: usize) -> *mut u8 {
        let in_buffer = string.0.symbol.load(Ordering::Relaxed) == IN_BUFFER;
        if in_buffer {
            // SAFETY: the mark says that a buffer's header is before the bytes.
            let buffer = unsafe { &*string.0.data.sub(size_of::<Buffer>()).cast::<Buffer>() };
            let order = Ordering::Relaxed;
            if total <= buffer.capacity
                && buffer.used.compare_exchange(string.len(), total, order, order).is_ok()
            {
                return string.0.data.cast_mut();
            }
        }
        let capacity = if in_buffer { total * 2 } else { total + total / 8 };
        let size = size_of::<Buffer>() + capacity;
        let at = region.bytes(size).cast::<Buffer>();
        region.counts.string_bytes += size as u64;
        // SAFETY: there is room for the header and `capacity` bytes.
        unsafe {
            at.write(Buffer { used: AtomicUsize::new(total), capacity });
            let data = at.as_ptr().cast::<u8>().add(size_of::<Buffer>());
            copy_all(data, &[string.as_bytes()]);
            data
        }
    }
}

/// Copies the parts one behind the other.
///
/// # Safety
/// There is room for all of them at `to`, and nobody else uses it.
unsafe fn copy_all(mut to: *mut u8, parts: &[&[u8]]) {
    for part in parts {
        // SAFETY: by the caller.
        unsafe {
            std::ptr::copy_nonoverlapping(part.as_ptr(), to, part.len());
            to = to.add(part.len());
        }
    }
}

impl std::fmt::Debug for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_bstr(), f)
    }
}
