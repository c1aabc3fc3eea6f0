//! Shapes: which names the sets that share it have, and where each is.
//!
//! A flat set's shape has its names, sorted by symbol number, and the place in the
//! source of each. A *layered* set has some attributes itself and refers to another
//! set for the rest; its shape has the names of its own and refers to the other
//! set's shape. So a shape alone says where in its sets an attribute is, and what
//! was found once for a shape holds for all its sets: selections and updates keep
//! what they found by the shape's address.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use saltire_diagnostics::Pos;

use crate::region::Region;
use crate::statistics::Counts;
use crate::symbol::Symbol;

/// From this number of names on, a shape that is searched often gets an index.
const WORTH_INDEX: usize = 16;
/// How often that is.
const OFTEN: u32 = 8;
/// A set that is not this many times larger than what is laid over it is copied, so
/// that each layer is larger than the next by this factor: there are few, and an
/// attribute is copied a few times only however often a set grows.
const LAYER_FACTOR: usize = 4;
/// Smaller sets are copied in any case.
const SMALL: usize = 16;
/// Levels and offsets that a [`Source`] can hold.
const MAX_LEVEL: u32 = 1 << 7;
const MAX_OFFSET: u32 = 1 << 24;

/// The names of a set of attributes.
pub(crate) struct Shape {
    /// The names of the highest layer, sorted by symbol.
    pub(crate) symbols: &'static [Symbol],
    /// As many as there are symbols.
    positions: *const Pos,
    /// The shape of the set below.
    pub(crate) below: Option<&'static Shape>,
    /// Number of different names in all layers.
    total: u32,
    searches: AtomicU32,
    extra: OnceLock<Box<Extra>>,
}

// SAFETY: `positions` is part of a `&'static [Pos]`.
unsafe impl Sync for Shape {}
// SAFETY: as above.
unsafe impl Send for Shape {}

/// What only few shapes are asked for.
#[derive(Default)]
struct Extra {
    by_name: OnceLock<Box<[u32]>>,
    merged: OnceLock<Box<[Entry]>>,
    index: OnceLock<Box<[u32]>>,
    unplaced: OnceLock<&'static Shape>,
}

/// Where in a set an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// How many layers down.
    pub(crate) level: u32,
    /// Index in that layer.
    pub(crate) index: u32,
}

/// An attribute of a shape.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: Symbol,
    pub(crate) pos: Pos,
    pub(crate) place: Place,
}

impl Shape {
    /// A flat shape. `symbols` is sorted and without duplicates; both are equally long.
    pub(crate) fn new(
        region: &mut Region,
        symbols: &'static [Symbol],
        positions: &'static [Pos],
    ) -> &'static Shape {
        debug_assert!(symbols.is_sorted() && symbols.len() == positions.len());
        Self::make(region, symbols, positions, None, symbols.len() as u32)
    }

    fn make(
        region: &mut Region,
        symbols: &'static [Symbol],
        positions: &'static [Pos],
        below: Option<&'static Shape>,
        total: u32,
    ) -> &'static Shape {
        let positions = positions.as_ptr();
        let (searches, extra) = (AtomicU32::new(0), OnceLock::new());
        region.alloc(Shape { symbols, positions, below, total, searches, extra })
    }

    /// Where the names of the highest layer were written.
    #[inline]
    pub(crate) fn positions(&self) -> &'static [Pos] {
        // SAFETY: `make` got a slice as long as the symbols.
        unsafe { std::slice::from_raw_parts(self.positions, self.symbols.len()) }
    }

    /// Number of different names in all layers.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.total as usize
    }

    fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    /// Where an attribute is.
    #[inline]
    pub(crate) fn find(&self, name: Symbol) -> Option<Place> {
        let mut shape = self;
        let mut level = 0;
        loop {
            if let Some(index) = shape.find_here(name) {
                return Some(Place { level, index: index as u32 });
            }
            shape = shape.below?;
            level += 1;
        }
    }

    /// The index of a name in the highest layer.
    #[inline]
    fn find_here(&self, name: Symbol) -> Option<usize> {
        let symbols = self.symbols;
        if symbols.len() <= 8 {
            return symbols.iter().position(|symbol| *symbol == name);
        }
        self.find_among_many(name)
    }

    fn find_among_many(&self, name: Symbol) -> Option<usize> {
        let searches = self.searches.load(Ordering::Relaxed);
        if searches < OFTEN || self.symbols.len() < WORTH_INDEX {
            self.searches.store(searches.saturating_add(1), Ordering::Relaxed);
            return self.symbols.binary_search(&name).ok();
        }
        let index = self.extra().index.get_or_init(|| index(self.symbols));
        let mask = index.len() - 1;
        let mut at = hash(name) & mask;
        loop {
            let found = (index[at] as usize).checked_sub(1)?;
            if self.symbols[found] == name {
                return Some(found);
            }
            at = (at + 1) & mask;
        }
    }

    /// The shape of the layer that a place is in.
    fn layer(&self, level: u32) -> Option<&Shape> {
        let mut shape = self;
        for _ in 0..level {
            shape = shape.below?;
        }
        Some(shape)
    }

    /// Where the attribute at a place was written.
    pub(crate) fn pos(&self, place: Place) -> Pos {
        self.layer(place.level).map_or(Pos::NONE, |layer| layer.positions()[place.index as usize])
    }

    fn entry_here(&self, index: usize, level: u32) -> Entry {
        let place = Place { level, index: index as u32 };
        Entry { name: self.symbols[index], pos: self.positions()[index], place }
    }

    /// The attribute at an index in the order of symbols.
    #[inline]
    pub(crate) fn entry(&self, index: usize) -> Entry {
        match self.below {
            None => self.entry_here(index, 0),
            Some(_) => self.merged()[index],
        }
    }

    /// All attributes of a layered shape, by symbol.
    fn merged(&self) -> &[Entry] {
        self.extra().merged.get_or_init(|| {
            let mut layers = vec![self];
            while let Some(below) = layers[layers.len() - 1].below {
                layers.push(below);
            }
            let mut items: Vec<Entry> = Vec::new();
            for (level, layer) in layers.iter().enumerate().rev() {
                let here = (0..layer.symbols.len()).map(|index| layer.entry_here(index, level as u32));
                items = if items.is_empty() { here.collect() } else { merge(&items, here) };
            }
            items.into_boxed_slice()
        })
    }

    /// Indices by symbol in the order of the names' bytes.
    pub(crate) fn by_name(&self) -> &[u32] {
        self.extra().by_name.get_or_init(|| {
            // The first bytes of two names mostly differ, so that the texts are not looked at again.
            let key = |index: u32| {
                let name = self.entry(index as usize).name.as_bytes();
                (prefix(name), name, index)
            };
            let mut order: Vec<(u64, &[u8], u32)> = (0..self.total).map(key).collect();
            order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
            order.into_iter().map(|(_, _, index)| index).collect()
        })
    }
}

/// The first eight bytes, in whose order texts are that differ in them; zeros behind the end.
fn prefix(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
                << (8 * (8 - text.len() as u32).min(7))
        }
    }
}

fn hash(name: Symbol) -> usize {
    (u64::from(name.0).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// Open addressing; an index plus one each.
fn index(symbols: &[Symbol]) -> Box<[u32]> {
    let size = (symbols.len() * 2).next_power_of_two();
    let mut index = vec![0; size];
    for (number, name) in symbols.iter().enumerate() {
        let mut at = hash(*name) & (size - 1);
        while index[at] != 0 {
            at = (at + 1) & (size - 1);
        }
        index[at] = number as u32 + 1;
    }
    index.into_boxed_slice()
}

/// Both sorted by symbol; the right side's attributes win.
fn merge(left: &[Entry], right: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut items = Vec::with_capacity(left.len() + right.size_hint().0);
    let mut at = 0;
    for entry in right {
        while at < left.len() && left[at].name < entry.name {
            items.push(left[at]);
            at += 1;
        }
        if at < left.len() && left[at].name == entry.name {
            at += 1;
        }
        items.push(entry);
    }
    items.extend_from_slice(&left[at..]);
    items
}

/// From which of two sets an attribute of their update comes, and from where in it.
#[derive(Clone, Copy)]
pub(crate) struct Source(u32);

impl Source {
    const RIGHT: u32 = 1 << 31;

    fn new(place: Place, right: bool) -> Option<Self> {
        let fits = place.level < MAX_LEVEL && place.index < MAX_OFFSET;
        fits.then_some(Self(if right { Self::RIGHT } else { 0 } | place.level << 24 | place.index))
    }

    #[inline(always)]
    pub(crate) fn is_right(self) -> bool {
        self.0 & Self::RIGHT != 0
    }

    #[inline(always)]
    pub(crate) fn place(self) -> Place {
        Place { level: self.0 >> 24 & (MAX_LEVEL - 1), index: self.0 & (MAX_OFFSET - 1) }
    }
}

/// How sets of two shapes are updated.
pub(crate) struct Plan<'a> {
    /// The result's.
    pub(crate) shape: &'static Shape,
    /// Of each attribute of the result's highest layer.
    pub(crate) sources: &'a [Source],
    /// How many layers of the left set are not below the result.
    pub(crate) dropped: u32,
}

/// A plan that may be needed again.
struct Known {
    left: usize,
    right: usize,
    shape: &'static Shape,
    sources: Box<[Source]>,
    dropped: u32,
}

/// Updates that are remembered.
const PLANS: usize = 1 << 13;

/// The shapes that evaluation made.
#[derive(Default)]
pub(crate) struct ShapeTable {
    /// Not the region of values: shapes are known by their addresses.
    region: Option<Box<Region>>,
    /// Flat shapes by hash of names and positions.
    known: HashMap<u64, &'static Shape, BuildHasherDefault<Hashed>>,
    /// The last update of all that have a hash of the shapes' addresses in common.
    plans: Vec<Option<Known>>,
    /// Part of the addresses of the last update that was not remembered.
    seen: Vec<u32>,
    /// What the last merging of shapes gave, and room for more.
    items: Vec<Entry>,
    spare: Vec<Entry>,
    sources: Vec<Source>,
    /// By the addresses of the highest layer's shape and the one below.
    layered: HashMap<(usize, usize), &'static Shape, BuildHasherDefault<Hashed>>,
}

impl ShapeTable {
    /// Bytes that the shapes take.
    pub(crate) fn allocated(&self) -> u64 {
        self.region.as_ref().map_or(0, |region| region.allocated())
    }

    fn region(&mut self) -> &mut Region {
        self.region.get_or_insert_with(|| Box::new(Region::new()))
    }

    /// The flat shape with names and positions sorted by symbol.
    pub(crate) fn flat(
        &mut self,
        len: usize,
        item: impl Fn(usize) -> (Symbol, Pos),
        counts: &mut Counts,
    ) -> &'static Shape {
        let mut hash = len as u64;
        for (name, pos) in (0..len).map(&item) {
            let word = u64::from(name.0) << 32 | u64::from(pos.0);
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        let hash = hash ^ hash >> 32;
        let same = |shape: &&'static Shape| {
            let items = shape.symbols.iter().zip(shape.positions());
            shape.symbols.len() == len && items.enumerate().all(|(i, (name, pos))| item(i) == (*name, *pos))
        };
        let known = self.known.get(&hash).copied();
        if let Some(shape) = known.filter(same) {
            return shape;
        }
        counts.shapes += 1;
        counts.shape_names += len as u64;
        let region = self.region();
        let symbols = region.alloc_slice((0..len).map(|index| item(index).0).collect());
        let positions = region.alloc_slice((0..len).map(|index| item(index).1).collect());
        let shape = Shape::new(region, symbols, positions);
        if known.is_none() {
            self.known.insert(hash, shape);
        }
        shape
    }

    /// The flat shape with the same names, written nowhere.
    pub(crate) fn unplaced(&mut self, shape: &'static Shape, counts: &mut Counts) -> &'static Shape {
        let item = |index| (shape.entry(index).name, Pos::NONE);
        shape.extra().unplaced.get_or_init(|| self.flat(shape.len(), item, counts))
    }

    /// The shape of sets with the attributes of a flat one laid over others.
    fn layer(&mut self, top: &'static Shape, below: &'static Shape, counts: &mut Counts) -> &'static Shape {
        let key = (address(top), address(below));
        if let Some(shape) = self.layered.get(&key) {
            return shape;
        }
        counts.shapes += 1;
        let fresh = top.symbols.iter().filter(|name| below.find(**name).is_none()).count();
        let total = below.total + fresh as u32;
        let shape = Shape::make(self.region(), top.symbols, top.positions(), Some(below), total);
        self.layered.insert(key, shape);
        shape
    }

    /// How to update a set with another, neither of them empty. `None` if a set is
    /// too large for a plan.
    #[inline]
    pub(crate) fn plan(
        &mut self,
        left: &'static Shape,
        right: &'static Shape,
        counts: &mut Counts,
    ) -> Option<Plan<'_>> {
        let key = (address(left), address(right));
        let mut hash = Hashed::default();
        hash.write_usize(key.0);
        hash.write_usize(key.1);
        let at = hash.finish() as usize % PLANS;
        let hit = matches!(self.plans.get(at), Some(Some(known)) if (known.left, known.right) == key);
        if !hit {
            return self.new_plan(left, right, at, counts);
        }
        let known = self.plans[at].as_ref()?;
        Some(Plan { shape: known.shape, sources: &known.sources, dropped: known.dropped })
    }

    #[inline(never)]
    fn new_plan(
        &mut self,
        left: &'static Shape,
        right: &'static Shape,
        at: usize,
        counts: &mut Counts,
    ) -> Option<Plan<'_>> {
        // Entries of the right side have their levels behind those of the left.
        const RIGHT: u32 = 1 << 16;
        let (mut items, mut spare) = (std::mem::take(&mut self.items), std::mem::take(&mut self.spare));
        items.clear();
        items.extend((0..right.len()).map(|index| {
            let mut entry = right.entry(index);
            entry.place.level += RIGHT;
            entry
        }));
        let mut rest = Some(left);
        let mut dropped = 0;
        while let Some(below) = rest {
            if below.len() >= SMALL && below.symbols.len() >= items.len() * LAYER_FACTOR {
                break;
            }
            let here = (0..below.symbols.len()).map(|index| below.entry_here(index, dropped));
            merge_into(&mut spare, here, &items);
            std::mem::swap(&mut items, &mut spare);
            rest = below.below;
            dropped += 1;
        }
        let top = self.flat(items.len(), |index| (items[index].name, items[index].pos), counts);
        let shape = match rest {
            Some(below) => self.layer(top, below, counts),
            None => top,
        };
        self.sources.clear();
        for Entry { place: Place { level, index }, .. } in &items {
            self.sources.push(Source::new(Place { level: level % RIGHT, index: *index }, *level >= RIGHT)?);
        }
        (self.items, self.spare) = (items, spare);
        self.keep_plan(at, (address(left), address(right)), shape, dropped);
        Some(Plan { shape, sources: &self.sources, dropped })
    }

    /// Remembers the plan that was just made if the same update was there before.
    fn keep_plan(&mut self, at: usize, key: (usize, usize), shape: &'static Shape, dropped: u32) {
        if self.plans.is_empty() {
            self.plans.resize_with(PLANS, || None);
            self.seen.resize(PLANS, 0);
        }
        let seen = (key.0 ^ key.1.rotate_left(20)) as u32;
        if self.seen[at] == seen {
            let sources = self.sources.as_slice().into();
            self.plans[at] = Some(Known { left: key.0, right: key.1, shape, sources, dropped });
        }
        self.seen[at] = seen;
    }
}

/// Merges two runs sorted by symbol; the entries of `over` win.
fn merge_into(all: &mut Vec<Entry>, below: impl Iterator<Item = Entry>, over: &[Entry]) {
    all.clear();
    let mut over = over.iter().peekable();
    for entry in below {
        while let Some(next) = over.next_if(|next| next.name < entry.name) {
            all.push(*next);
        }
        if over.peek().is_none_or(|next| next.name != entry.name) {
            all.push(entry);
        }
    }
    all.extend(over);
}

fn address(shape: &'static Shape) -> usize {
    std::ptr::from_ref(shape) as usize
}

/// Takes a hash for itself, and mixes addresses.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write_usize(&mut self, address: usize) {
        let mixed = (self.0.rotate_left(25) ^ address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ mixed >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
