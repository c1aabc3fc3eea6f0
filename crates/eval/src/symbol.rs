//! Interned names: of attributes, variables and arguments.
//!
//! One table for the whole process, append-only. A [`Symbol`] is its index;
//! reading a symbol's text takes no lock.

#![allow(unsafe_code)]

use std::fmt;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard};

use bstr::{BStr, ByteSlice};

use crate::region::Region;
use crate::string::Str;
use crate::value::Value;

/// An interned name. Symbols order by when they were first seen, not by text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub(crate) u32);

/// Symbols of a chunk, as a power of two.
const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNKS: usize = 1 << 16;

/// Texts by index: chunks of pointers to string objects, each chunk allocated
/// when its first symbol is made.
static TEXTS: [AtomicPtr<[Value; CHUNK]>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];

static TABLE: Mutex<Table> = Mutex::new(Table::new());

struct Table {
    region: Region,
    /// Open addressing.
    slots: Vec<Entry>,
    count: u32,
}

/// A place in the table.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    /// The symbol's number.
    index: u32,
    /// Its text; `None` if the place is free.
    text: Option<Str>,
}

const FREE: Entry = Entry { hash: 0, index: 0, text: None };

/// Exclusive use of the symbol table, for many symbols at once.
pub(crate) struct Interner(MutexGuard<'static, Table>);

impl Interner {
    pub(crate) fn lock() -> Self {
        Self(TABLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) fn intern(&mut self, text: &[u8]) -> Symbol {
        self.0.intern(text)
    }
}

/// Mixes eight bytes at a time; names are short.
#[inline]
fn hash(text: &[u8]) -> u32 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = text.len() as u64 ^ K;
    let mut chunks = text.chunks_exact(8);
    let mut step = |word: u64| {
        let product = u128::from(state ^ word).wrapping_mul(u128::from(K));
        state = (product as u64) ^ ((product >> 64) as u64);
    };
    for chunk in &mut chunks {
        step(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    step(tail(text));
    (state ^ (state >> 32)) as u32
}

/// The last eight bytes, or all of a shorter text, some twice; texts of the same length
/// have the same only if these bytes are.
#[inline]
fn tail(text: &[u8]) -> u64 {
    if let Some(last) = text.last_chunk() {
        return u64::from_le_bytes(*last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    match text {
        [] => 0,
        [first, .., last] => u64::from_le_bytes([*first, text[text.len() / 2], *last, 0, 0, 0, 0, 0]),
        [only] => u64::from(*only),
    }
}

impl Table {
    const fn new() -> Self {
        Self { region: Region::new(), slots: Vec::new(), count: 0 }
    }

    fn intern(&mut self, text: &[u8]) -> Symbol {
        if self.slots.len() < (self.count as usize + 1) * 2 {
            self.enlarge();
        }
        let hash = hash(text);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let entry = self.slots[at];
            let Some(known) = entry.text else { break };
            if entry.hash == hash && known.as_bytes() == text {
                return Symbol(entry.index);
            }
            at = (at + 1) & mask;
        }
        let symbol = self.add(text);
        self.slots[at] = Entry { hash, index: symbol.0, text: symbol.to_value().as_str() };
        symbol
    }

    fn enlarge(&mut self) {
        let size = (self.slots.len() * 2).max(1 << 14);
        let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
        for entry in old.into_iter().filter(|entry| entry.text.is_some()) {
            let mut at = entry.hash as usize & (size - 1);
            while self.slots[at].text.is_some() {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = entry;
        }
    }

    fn add(&mut self, text: &[u8]) -> Symbol {
        let index = self.count;
        let chunk = (index >> CHUNK_BITS) as usize;
        assert!(chunk < CHUNKS, "more than {} different names", CHUNK * CHUNKS);
        if (index as usize).is_multiple_of(CHUNK) {
            let fresh = Box::leak(Box::new([Value::NULL; CHUNK]));
            TEXTS[chunk].store(fresh, Ordering::Release);
        }
        let symbol = Symbol(index);
        let string = Str::new_symbol(&mut self.region, text, symbol);
        let entries = TEXTS[chunk].load(Ordering::Relaxed);
        // SAFETY: the chunk is allocated; this entry is written once, under the
        // table's lock, before the symbol is handed to anybody.
        unsafe { (*entries)[index as usize % CHUNK] = Value::from_str(string) };
        self.count += 1;
        symbol
    }
}

/// Number of symbols of the process and the bytes that they take.
pub(crate) fn table_size() -> (u64, u64) {
    let table = Interner::lock().0;
    let bytes = table.region.allocated() + (table.slots.len() * size_of::<Entry>()) as u64;
    (u64::from(table.count), bytes)
}

impl Symbol {
    /// The symbol with this text.
    pub fn intern(text: impl AsRef<[u8]>) -> Self {
        Interner::lock().intern(text.as_ref())
    }

    /// The text as a string value, shared by all uses.
    pub fn to_value(self) -> Value {
        let chunk = TEXTS[(self.0 >> CHUNK_BITS) as usize].load(Ordering::Acquire);
        // SAFETY: a symbol exists only after its entry was written, and entries
        // never change or move.
        unsafe { (*chunk)[self.0 as usize % CHUNK] }
    }

    /// The text.
    pub fn as_bytes(self) -> &'static [u8] {
        match self.to_value().as_str() {
            Some(text) => text.as_bytes(),
            None => b"",
        }
    }

    /// The text, for messages.
    pub fn as_bstr(self) -> &'static BStr {
        self.as_bytes().as_bstr()
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bstr().fmt(f)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Symbol({self})")
    }
}

/// Names that the evaluator itself uses, interned first so that they are constants.
macro_rules! well_known {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Symbols of names that have a meaning in the language.
        #[derive(Clone, Copy, Debug)]
        pub struct WellKnown {
            $(
                #[doc = concat!("`", $text, "`")]
                pub $name: Symbol,
            )*
        }

        impl WellKnown {
            pub(crate) fn get() -> Self {
                let mut table = Interner::lock();
                Self { $($name: table.intern($text.as_bytes()),)* }
            }
        }
    };
}

well_known! {
    out_path = "outPath", drv_path = "drvPath", type_ = "type", derivation = "derivation",
    name = "name", value = "value", system = "system", builder = "builder", args = "args",
    outputs = "outputs", output_hash = "outputHash", output_hash_algo = "outputHashAlgo",
    output_hash_mode = "outputHashMode", to_string = "__toString", functor = "__functor",
    overrides = "__overrides", ignore_nulls = "__ignoreNulls", structured_attrs = "__structuredAttrs",
    content_addressed = "__contentAddressed", impure = "__impure", meta = "meta",
    recurse_for_derivations = "recurseForDerivations", output_name = "outputName",
    file = "file", line = "line", column = "column", right = "right", wrong = "wrong",
    success = "success", path = "path", prefix = "prefix", start_set = "startSet",
    operator = "operator", key = "key", version = "version", url = "url", sha256 = "sha256",
    recursive = "recursive", filter = "filter", all_outputs = "allOutputs", error = "error",
    unsafe_discard_references = "unsafeDiscardReferences", body = "body", current_position = "__curPos",
    allowed_references = "allowedReferences", allowed_requisites = "allowedRequisites",
    disallowed_references = "disallowedReferences", disallowed_requisites = "disallowedRequisites",
    max_size = "maxSize", max_closure_size = "maxClosureSize", output_specified = "outputSpecified",
    drv_attrs = "drvAttrs", all = "all", out = "out", or = "or", json = "__json",
}
