//! Attribute sets: a shape (which names, where written) and a slot per name.
//!
//! Shapes are shared: all sets that one literal makes have the shape that was
//! made when the literal was lowered, so a set costs a word per attribute, and
//! a selection that saw the same shape before needs no search. `large // small`
//! makes a *layer*: a set that holds the small side's attributes and refers to the
//! large one (see [`crate::shape`]).

#![allow(unsafe_code)]

use saltire_diagnostics::Pos;

use crate::near::{Near, near};
use crate::region::Region;
use crate::shape::{Place, Plan, Shape};
use crate::symbol::Symbol;
use crate::value::{Slot, Value};

/// An attribute set on the heap: this header, for a layer the set below, slots.
#[repr(C)]
pub(crate) struct AttrsObj {
    /// Address of the shape; its lowest bit marks a layer.
    shape: u32,
}

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
        unsafe { &*((self.0.shape & !1) as usize as *const Shape) }
    }

    /// A number that only sets of the same shape have, for inline caches.
    #[inline(always)]
    pub(crate) fn shape_id(self) -> usize {
        self.0.shape as usize
    }

    #[inline(always)]
    fn is_layer(self) -> bool {
        self.0.shape & 1 != 0
    }

    /// Whether all attributes are in `slots`.
    #[inline(always)]
    pub(crate) fn is_flat(self) -> bool {
        !self.is_layer()
    }

    /// The set that is `levels` layers down. The shape has as many layers.
    #[inline(always)]
    fn down(self, levels: u32) -> Attrs {
        let mut attrs = self;
        for _ in 0..levels {
            let object: *const AttrsObj = attrs.0;
            // SAFETY: a set with layers below has a reference to the next behind its header.
            attrs = Attrs(unsafe { *object.add(1).cast::<Near<AttrsObj>>() }.get());
        }
        attrs
    }

    /// The slots of this layer, in the order of its shape.
    #[inline(always)]
    pub(crate) fn slots(self) -> &'static [Slot] {
        let object: *const AttrsObj = self.0;
        let header = if self.is_layer() { 2 } else { 1 };
        // SAFETY: the constructor made a slot for each of the shape's names.
        unsafe {
            let first = object.cast::<Slot>().add(header);
            std::slice::from_raw_parts(first, self.shape().symbols.len())
        }
    }

    /// The slot at a place that was found for this set's shape.
    #[inline(always)]
    pub(crate) fn slot(self, place: Place) -> &'static Slot {
        let layer = self.down(place.level);
        let header = if layer.is_layer() { 2 } else { 1 };
        let object: *const AttrsObj = layer.0;
        debug_assert!((place.index as usize) < layer.shape().symbols.len());
        // SAFETY: the place was found for this shape, so that the layer has the slot.
        unsafe { &*object.cast::<Slot>().add(header + place.index as usize) }
    }

    /// Number of attributes.
    #[inline]
    pub fn len(self) -> usize {
        self.shape().len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Where an attribute is, for inline caches.
    #[inline]
    pub(crate) fn find_place(self, name: Symbol) -> Option<Place> {
        self.shape().find(name)
    }

    /// The slot of an attribute.
    #[inline]
    pub(crate) fn find(self, name: Symbol) -> Option<&'static Slot> {
        self.find_place(name).map(|place| self.slot(place))
    }

    /// The value of an attribute, perhaps a thunk.
    pub fn get(self, name: Symbol) -> Option<Value> {
        self.find(name).map(Slot::get)
    }

    /// An attribute.
    pub fn attr(self, name: Symbol) -> Option<Attr> {
        let place = self.find_place(name)?;
        Some(Attr { name, value: self.slot(place).get(), pos: self.shape().pos(place) })
    }

    /// Whether there is an attribute of this name.
    pub fn contains(self, name: Symbol) -> bool {
        self.find_place(name).is_some()
    }

    /// The attribute at an index in the order of symbols.
    #[inline]
    fn at(self, index: usize) -> Attr {
        let entry = self.shape().entry(index);
        Attr { name: entry.name, value: self.slot(entry.place).get(), pos: entry.pos }
    }

    /// The attributes, in an order that has no meaning (by symbol).
    pub fn iter(self) -> impl ExactSizeIterator<Item = Attr> {
        (0..self.len()).map(move |index| self.at(index))
    }

    /// The attributes in the order of their names' bytes.
    pub(crate) fn in_order(self) -> impl ExactSizeIterator<Item = Attr> {
        self.shape().by_name().iter().map(move |index| self.at(*index as usize))
    }

    /// The attributes in the order of their names' bytes.
    pub fn sorted(self) -> Vec<Attr> {
        self.in_order().collect()
    }

    /// A set of a shape over `below`, if that is given, with slots to be filled.
    #[inline]
    fn allocate(region: &mut Region, shape: &'static Shape, below: Option<Attrs>) -> (*mut Value, Attrs) {
        let header = if below.is_some() { 2 } else { 1 };
        let len = shape.symbols.len();
        let at = region.words((header + len).div_ceil(2)).cast::<u32>();
        region.counts.sets += 1;
        region.counts.set_slots += (header + len) as u64 - 1;
        // SAFETY: there is room for the header, the reference and the slots.
        unsafe {
            at.write(near(shape) | u32::from(below.is_some()));
            if let Some(below) = below {
                at.add(1).write(near(below.0));
            }
            (at.add(header).cast::<Value>().as_ptr(), Attrs(at.cast::<AttrsObj>().as_ref()))
        }
    }

    /// A flat set of a shape; `value` gives the value of each index.
    #[inline]
    pub(crate) fn with_shape(
        region: &mut Region,
        shape: &'static Shape,
        mut value: impl FnMut(&mut Region, usize) -> Value,
    ) -> Attrs {
        let (slots, attrs) = Self::allocate(region, shape, None);
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
        let item = |index: usize| (items[index].name, items[index].pos);
        let shape = region.shapes.get_or_insert_default().flat(items.len(), item, &mut region.counts);
        Self::with_shape(region, shape, |_, index| items[index].value)
    }

    /// The same names with other values, written nowhere.
    pub(crate) fn map_values(
        self,
        region: &mut Region,
        mut value: impl FnMut(&mut Region, Attr) -> Value,
    ) -> Attrs {
        let shapes = region.shapes.get_or_insert_default();
        let shape = shapes.unplaced(self.shape(), &mut region.counts);
        Self::with_shape(region, shape, |region, index| value(region, self.at(index)))
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
        // Set aside while the region makes the result.
        let mut shapes = region.shapes.take().unwrap_or_default();
        let plan = shapes.plan(self.shape(), other.shape(), &mut region.counts);
        let result = plan.map(|plan| self.update_by_plan(region, other, &plan));
        region.shapes = Some(shapes);
        result.unwrap_or_else(|| self.update_item_by_item(region, other))
    }

    #[inline]
    fn update_by_plan(self, region: &mut Region, other: Attrs, plan: &Plan<'_>) -> Attrs {
        let Plan { shape, sources, dropped } = *plan;
        region.counts.update_copies += sources.len() as u64;
        let below = shape.below.map(|_| self.down(dropped));
        let (slots, attrs) = Self::allocate(region, shape, below);
        for (index, source) in sources.iter().enumerate() {
            let from = if source.is_right() { other } else { self };
            let value = from.slot(source.place()).get();
            // SAFETY: the plan has a source for each of the shape's names, as many as `allocate` made slots.
            unsafe { slots.add(index).write(value) };
        }
        attrs
    }

    /// An update for which there is no plan.
    #[cold]
    fn update_item_by_item(self, region: &mut Region, other: Attrs) -> Attrs {
        let kept = self.iter().filter(|attr| !other.contains(attr.name));
        Self::from_unsorted(region, kept.chain(other.iter()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(region: &mut Region, names: impl IntoIterator<Item = u32>, value: i64) -> Attrs {
        let items = names.into_iter().map(|number| Attr {
            name: Symbol::intern(format!("n{number}")),
            value: Value::small_int(value).unwrap(),
            pos: Pos(number + 1),
        });
        Attrs::from_unsorted(region, items.collect())
    }

    fn show(attrs: Attrs) -> String {
        let attr = |attr: Attr| format!("{}={}@{}", attr.name, attr.value.as_int().unwrap(), attr.pos.0);
        attrs.in_order().map(attr).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn updates_take_the_right_sides_attributes() {
        let mut region = Region::new();
        let region = &mut region;
        let (left, right) = (set(region, [1, 3, 5], 0), set(region, [2, 3], 9));
        assert_eq!(show(left.update(region, right)), "n1=0@2 n2=9@3 n3=9@4 n5=0@6");
        let (empty, large) = (set(region, [], 0), set(region, 0..100, 0));
        assert_eq!(show(empty.update(region, right)), "n2=9@3 n3=9@4");
        assert!(std::ptr::eq(left.update(region, empty).0, left.0));
        // The second time with other values.
        for value in 1..3 {
            let small = set(region, [7, 200], value);
            let both = large.update(region, small);
            assert!(!both.is_flat() && both.len() == 101);
            let value_of = |name| both.get(Symbol::intern(name)).map(|value| value.as_int().unwrap());
            assert_eq!(
                [value_of("n7"), value_of("n8"), value_of("n200")],
                [Some(value), Some(0), Some(value)]
            );
            assert_eq!(value_of("n201"), None);
            let over = set(region, [300], 5).update(region, both);
            assert_eq!((over.len(), over.is_flat()), (102, true));
        }
    }

    #[test]
    fn a_set_that_grows_step_by_step_has_few_layers_and_copies() {
        let mut region = Region::new();
        let mut all = set(&mut region, [], 0);
        for number in 0..5_000 {
            let one = set(&mut region, [number], i64::from(number));
            all = all.update(&mut region, one);
        }
        assert_eq!(all.len(), 5_000);
        let mut layers = 0;
        let mut shape = Some(all.shape());
        while let Some(layer) = shape {
            layers += 1;
            shape = layer.below;
        }
        assert!(layers < 8, "{layers}");
        assert!(region.counts.update_copies < 150_000, "{}", region.counts.update_copies);
        for number in (0..5_000).step_by(7) {
            let value = all.get(Symbol::intern(format!("n{number}"))).unwrap();
            assert_eq!(value.as_int(), Some(i64::from(number)));
        }
        assert!(all.iter().is_sorted_by_key(|attr| attr.name));
    }
}
