//! Attribute sets: a shape (which names, where written) and a slot per name.
//!
//! Shapes are shared: all sets that one literal makes have the shape that was
//! made when the literal was lowered, so a set costs a word per attribute, and
//! a selection that saw the same shape before needs no search. The names of a
//! shape are sorted by symbol number. `large // small` makes a *layer*: a set
//! that holds the small side's attributes and refers to the large one.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use saltire_diagnostics::Pos;
use smallvec::SmallVec;

use crate::region::Region;
use crate::statistics::Counts;
use crate::symbol::Symbol;
use crate::value::{Slot, Value};

/// The names of an attribute set, sorted by symbol, and where each was written.
pub(crate) struct Shape {
    pub(crate) symbols: &'static [Symbol],
    positions: &'static [Pos],
    by_name: OnceLock<Box<[u32]>>,
    /// The same names without positions.
    unplaced: OnceLock<&'static Shape>,
}

impl Shape {
    /// `symbols` is sorted and without duplicates; both are equally long.
    pub(crate) fn new(
        region: &mut Region,
        symbols: &'static [Symbol],
        positions: &'static [Pos],
    ) -> &'static Shape {
        debug_assert!(symbols.is_sorted() && symbols.len() == positions.len());
        region.alloc(Shape { symbols, positions, by_name: OnceLock::new(), unplaced: OnceLock::new() })
    }

    /// The same names, written nowhere.
    fn unplaced(&'static self, region: &mut Region) -> &'static Shape {
        if let Some(shape) = self.unplaced.get() {
            return shape;
        }
        let none = |name: &Symbol| Attr { name: *name, value: Value::NULL, pos: Pos::NONE };
        let items: Vec<Attr> = self.symbols.iter().map(none).collect();
        let shape = region.shapes.get(&items, &mut region.counts);
        self.unplaced.get_or_init(|| shape)
    }

    #[inline]
    pub(crate) fn find(&self, symbol: Symbol) -> Option<usize> {
        let symbols = self.symbols;
        if symbols.len() <= 8 {
            return symbols.iter().position(|s| *s == symbol);
        }
        symbols.binary_search(&symbol).ok()
    }

    /// Indices in the order of the names' bytes.
    fn by_name(&self) -> &[u32] {
        self.by_name.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.symbols.len() as u32).collect();
            order.sort_unstable_by_key(|index| self.symbols[*index as usize].as_bytes());
            order.into_boxed_slice()
        })
    }
}

/// The shapes that evaluation made, by hash of names and positions, so that sets
/// with the same ones share theirs.
pub(crate) struct ShapeTable {
    /// Not the region of values: shapes are known by their addresses.
    region: Option<Box<Region>>,
    known: HashMap<u64, &'static Shape, BuildHasherDefault<Hashed>>,
}

impl ShapeTable {
    pub(crate) const fn new() -> Self {
        Self { region: None, known: HashMap::with_hasher(BuildHasherDefault::new()) }
    }

    /// Bytes that the shapes take.
    pub(crate) fn allocated(&self) -> u64 {
        self.region.as_ref().map_or(0, |region| region.allocated())
    }

    /// The shape with the names and positions of attributes sorted by symbol.
    fn get(&mut self, items: &[Attr], counts: &mut Counts) -> &'static Shape {
        let mut hash = items.len() as u64;
        for item in items {
            let word = u64::from(item.name.0) << 32 | u64::from(item.pos.0);
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        let hash = hash ^ hash >> 32;
        let same = |shape: &&'static Shape| {
            shape.symbols.len() == items.len()
                && items.iter().zip(shape.symbols).all(|(item, name)| item.name == *name)
                && items.iter().zip(shape.positions).all(|(item, pos)| item.pos == *pos)
        };
        let known = self.known.get(&hash).copied();
        if let Some(shape) = known.filter(same) {
            return shape;
        }
        counts.shapes += 1;
        counts.shape_names += items.len() as u64;
        let region = self.region.get_or_insert_with(|| Box::new(Region::new()));
        let symbols = region.alloc_slice(items.iter().map(|item| item.name).collect());
        let positions = region.alloc_slice(items.iter().map(|item| item.pos).collect());
        let shape = Shape::new(region, symbols, positions);
        if known.is_none() {
            self.known.insert(hash, shape);
        }
        shape
    }
}

/// Takes a hash for itself.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// An attribute set on the heap: this header, for a layer a [`Layer`], slots.
#[repr(C)]
pub(crate) struct AttrsObj {
    /// Address of the shape; its lowest bit marks a layer.
    shape: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Layer {
    below: Attrs,
    /// Number of different names in this and all lower layers.
    total: u32,
    /// Number of layers below.
    depth: u32,
}

/// How many layers may lie below a set.
const MAX_DEPTH: u32 = 7;

/// An attribute set value's contents.
#[derive(Clone, Copy)]
pub struct Attrs(pub(crate) &'static AttrsObj);

/// One attribute.
#[derive(Clone, Copy)]
pub struct Attr {
    /// Its name.
    pub name: Symbol,
    /// Its value, perhaps a thunk.
    pub value: Value,
    /// Where it was written.
    pub pos: Pos,
}

impl Attrs {
    #[inline(always)]
    pub(crate) fn shape(self) -> &'static Shape {
        // SAFETY: the word is a shape's address and a mark in its lowest bit.
        unsafe { &*((self.0.shape & !1) as *const Shape) }
    }

    /// The shape if the set is flat, for inline caches.
    #[inline(always)]
    pub(crate) fn flat_shape_address(self) -> Option<usize> {
        (self.0.shape & 1 == 0).then_some(self.0.shape)
    }

    #[inline(always)]
    fn layer(self) -> Option<&'static Layer> {
        let object: *const AttrsObj = self.0;
        // SAFETY: the mark says that a layer follows the header.
        (self.0.shape & 1 != 0).then(|| unsafe { &*object.add(1).cast::<Layer>() })
    }

    /// The slots of this layer, in the order of its shape.
    #[inline(always)]
    pub(crate) fn slots(self) -> &'static [Slot] {
        let object: *const AttrsObj = self.0;
        let header = if self.0.shape & 1 == 0 { 1 } else { 1 + size_of::<Layer>() / 8 };
        // SAFETY: the constructor made a slot for each of the shape's names.
        unsafe {
            let first = object.cast::<Slot>().add(header);
            std::slice::from_raw_parts(first, self.shape().symbols.len())
        }
    }

    /// Number of attributes.
    #[inline]
    pub fn len(self) -> usize {
        match self.layer() {
            Some(layer) => layer.total as usize,
            None => self.shape().symbols.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The slot and position of an attribute.
    #[inline]
    pub(crate) fn find(self, name: Symbol) -> Option<(&'static Slot, Pos)> {
        let mut attrs = self;
        loop {
            let shape = attrs.shape();
            if let Some(index) = shape.find(name) {
                return Some((&attrs.slots()[index], shape.positions[index]));
            }
            attrs = attrs.layer()?.below;
        }
    }

    /// The index of an attribute in a flat set, for inline caches.
    #[inline]
    pub(crate) fn find_index(self, name: Symbol) -> Option<usize> {
        self.shape().find(name)
    }

    /// The value of an attribute, perhaps a thunk.
    pub fn get(self, name: Symbol) -> Option<Value> {
        self.find(name).map(|(slot, _)| slot.get())
    }

    /// An attribute.
    pub fn attr(self, name: Symbol) -> Option<Attr> {
        let (slot, pos) = self.find(name)?;
        Some(Attr { name, value: slot.get(), pos })
    }

    /// Whether there is an attribute of this name.
    pub fn contains(self, name: Symbol) -> bool {
        self.find(name).is_some()
    }

    fn flat_iter(self) -> impl Iterator<Item = Attr> {
        let shape = self.shape();
        let slots = self.slots().iter();
        let names = shape.symbols.iter().zip(shape.positions);
        names.zip(slots).map(|((name, pos), slot)| Attr { name: *name, value: slot.get(), pos: *pos })
    }

    /// The attributes, in an order that has no meaning (by symbol).
    pub fn iter(self) -> impl ExactSizeIterator<Item = Attr> {
        let merged = self.layer().map(|_| self.merged());
        let flat = if merged.is_none() { Some(self) } else { None };
        (0..self.len()).map(move |index| match (&merged, flat) {
            (Some(items), _) => items[index],
            (None, Some(attrs)) => attrs.at(index),
            (None, None) => unreachable!("a set is flat or merged"),
        })
    }

    #[inline]
    fn at(self, index: usize) -> Attr {
        let shape = self.shape();
        Attr { name: shape.symbols[index], value: self.slots()[index].get(), pos: shape.positions[index] }
    }

    /// All layers merged, sorted by symbol.
    fn merged(self) -> Vec<Attr> {
        let mut levels: SmallVec<[Attrs; 8]> = SmallVec::new();
        let mut attrs = self;
        while let Some(layer) = attrs.layer() {
            levels.push(attrs);
            attrs = layer.below;
        }
        let mut items: Vec<Attr> = attrs.flat_iter().collect();
        for level in levels.iter().rev() {
            items = merge(&items, level.flat_iter());
        }
        items
    }

    /// The attributes in the order of their names' bytes.
    pub fn sorted(self) -> Vec<Attr> {
        if self.layer().is_none() {
            let shape = self.shape();
            return shape.by_name().iter().map(|index| self.at(*index as usize)).collect();
        }
        let mut items = self.merged();
        items.sort_unstable_by_key(|attr| attr.name.as_bytes());
        items
    }

    /// A flat set of a shape, with slots to be filled.
    #[inline]
    fn allocate(region: &mut Region, shape: &'static Shape) -> (*mut Value, Attrs) {
        let at = region.words(1 + shape.symbols.len());
        region.counts.sets += 1;
        region.counts.set_slots += shape.symbols.len() as u64;
        // SAFETY: there is room for the header and the slots.
        unsafe {
            at.cast::<AttrsObj>().write(AttrsObj { shape: std::ptr::from_ref(shape) as usize });
            (at.add(1).cast::<Value>().as_ptr(), Attrs(at.cast::<AttrsObj>().as_ref()))
        }
    }

    /// A flat set of a shape; `value` gives the value of each index.
    #[inline]
    pub(crate) fn with_shape(
        region: &mut Region,
        shape: &'static Shape,
        mut value: impl FnMut(&mut Region, usize) -> Value,
    ) -> Attrs {
        let (slots, attrs) = Self::allocate(region, shape);
        for index in 0..shape.symbols.len() {
            let item = value(region, index);
            // SAFETY: `allocate` made as many slots.
            unsafe { slots.add(index).write(item) };
        }
        attrs
    }

    /// A set from attributes in any order, with different names.
    pub(crate) fn from_unsorted(region: &mut Region, mut items: Vec<Attr>) -> Attrs {
        if !items.is_sorted_by(|a, b| a.name < b.name) {
            items.sort_unstable_by_key(|attr| attr.name);
        }
        Self::from_sorted(region, &items)
    }

    /// A set from attributes sorted by symbol, without duplicates.
    pub(crate) fn from_sorted(region: &mut Region, items: &[Attr]) -> Attrs {
        let shape = region.shapes.get(items, &mut region.counts);
        Self::with_shape(region, shape, |_, index| items[index].value)
    }

    /// The same names and positions with other values.
    pub(crate) fn map_values(
        self,
        region: &mut Region,
        mut value: impl FnMut(&mut Region, Attr) -> Value,
    ) -> Attrs {
        if self.layer().is_none() {
            let shape = self.shape().unplaced(region);
            return Self::with_shape(region, shape, |region, index| value(region, self.at(index)));
        }
        let mut items = self.merged();
        for item in &mut items {
            item.value = value(region, *item);
            item.pos = Pos::NONE;
        }
        Self::from_sorted(region, &items)
    }

    /// `self // other`
    pub(crate) fn update(self, region: &mut Region, other: Attrs) -> Attrs {
        region.counts.updates += 1;
        if other.is_empty() {
            return self;
        }
        if self.is_empty() {
            return other;
        }
        let depth = self.layer().map_or(0, |layer| layer.depth + 1);
        if other.layer().is_none() && depth < MAX_DEPTH && self.len() >= 16 && self.len() >= other.len() * 4 {
            region.counts.update_copies += other.len() as u64;
            return self.add_layer(region, other, depth);
        }
        let items = if self.layer().is_none() {
            merge_flat(self, other)
        } else {
            merge(&self.merged(), other.iter())
        };
        region.counts.update_copies += items.len() as u64;
        Self::from_sorted(region, &items)
    }

    fn add_layer(self, region: &mut Region, other: Attrs, depth: u32) -> Attrs {
        let shape = other.shape();
        let fresh = shape.symbols.iter().filter(|name| !self.contains(**name)).count();
        let header = 1 + size_of::<Layer>() / 8;
        let at = region.words(header + shape.symbols.len());
        region.counts.sets += 1;
        region.counts.set_slots += shape.symbols.len() as u64 + header as u64 - 1;
        let total = (self.len() + fresh) as u32;
        // SAFETY: there is room for the header, the layer and the slots.
        unsafe {
            at.cast::<AttrsObj>().write(AttrsObj { shape: std::ptr::from_ref(shape) as usize | 1 });
            at.add(1).cast::<Layer>().write(Layer { below: self, total, depth });
            for (index, slot) in other.slots().iter().enumerate() {
                at.add(header + index).cast::<Value>().write(slot.get());
            }
            Attrs(at.cast::<AttrsObj>().as_ref())
        }
    }
}

fn merge_flat(left: Attrs, right: Attrs) -> Vec<Attr> {
    if right.layer().is_some() {
        let left: Vec<Attr> = left.flat_iter().collect();
        return merge(&left, right.merged().into_iter());
    }
    let (left_names, right_names) = (left.shape().symbols, right.shape().symbols);
    let mut items = Vec::with_capacity(left_names.len() + right_names.len());
    let mut at = 0;
    for (index, name) in right_names.iter().enumerate() {
        while at < left_names.len() && left_names[at] < *name {
            items.push(left.at(at));
            at += 1;
        }
        at += usize::from(at < left_names.len() && left_names[at] == *name);
        items.push(right.at(index));
    }
    items.extend((at..left_names.len()).map(|index| left.at(index)));
    items
}

/// Both sorted by symbol; the right side's attributes win.
fn merge(left: &[Attr], right: impl Iterator<Item = Attr>) -> Vec<Attr> {
    let mut items = Vec::with_capacity(left.len() + right.size_hint().0);
    let mut at = 0;
    for attr in right {
        while at < left.len() && left[at].name < attr.name {
            items.push(left[at]);
            at += 1;
        }
        if at < left.len() && left[at].name == attr.name {
            at += 1;
        }
        items.push(attr);
    }
    items.extend_from_slice(&left[at..]);
    items
}
