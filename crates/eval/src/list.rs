//! Lists: arrays of value slots.
//!
//! Like a long string, a long list that was made by appending or prepending
//! lies in a buffer with room on that side, so that adding an element many times
//! over does not copy the whole list each time.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use crate::near::Near;
use crate::region::Region;
use crate::value::{COMMON, Slot, Value};

/// From this length on, concatenation leaves room for more.
const GROWABLE: usize = 32;

/// A list on the heap.
#[repr(C)]
pub(crate) struct ListObj {
    len: u32,
    /// Address of the first element, with [`BUFFERED`].
    items: u32,
}

/// Says of a list that it is the first part of a [`BufferedList`].
const BUFFERED: u32 = 1;

impl ListObj {
    pub(crate) const EMPTY: Self = Self { len: 0, items: size_of::<Slot>() as u32 };

    /// A list of slots in a region, which are set.
    fn new(items: *const Slot, len: u32, buffered: u32) -> Self {
        Self { len, items: items as usize as u32 | buffered }
    }

    #[inline(always)]
    fn items(&self) -> *const Slot {
        (self.items & !BUFFERED) as usize as *const Slot
    }

    fn is_buffered(&self) -> bool {
        self.items & BUFFERED != 0
    }
}

/// A buffer that lists share; the word before a buffered list's item `-start`
/// can't be found from the list alone, so the object is followed by this.
#[repr(C)]
struct BufferedList {
    list: ListObj,
    buffer: Near<Buffer>,
}

struct Buffer {
    /// First used index.
    start: AtomicU32,
    /// Index behind the last used one.
    end: AtomicU32,
    capacity: u32,
    items: *const Slot,
}

// SAFETY: as for `ListObj`.
unsafe impl Sync for Buffer {}

/// A list value's contents.
#[derive(Clone, Copy)]
pub struct List(pub(crate) &'static ListObj);

impl List {
    /// `[ ]`
    pub fn empty() -> List {
        COMMON.empty_list
    }

    /// Number of elements.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.0.len as usize
    }

    /// Whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.0.len == 0
    }

    /// The slots of the elements.
    #[inline(always)]
    pub fn slots(self) -> &'static [Slot] {
        // SAFETY: `items` has as many set slots, never freed.
        unsafe { std::slice::from_raw_parts(self.0.items(), self.0.len as usize) }
    }

    /// An element.
    #[inline]
    pub fn get(self, index: usize) -> Option<Value> {
        self.slots().get(index).map(Slot::get)
    }

    /// The elements, in order, thunks as they are.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value> + DoubleEndedIterator + Clone {
        self.slots().iter().map(Slot::get)
    }

    /// A list of `len` elements that `fill` gives; the longest list has 2³² − 1.
    #[inline]
    pub(crate) fn build(
        region: &mut Region,
        len: usize,
        mut fill: impl FnMut(&mut Region, usize) -> Value,
    ) -> List {
        if len == 0 {
            return Self::empty();
        }
        assert!(len < u32::MAX as usize, "a list of over four billion elements");
        let at = region.words(1 + len.div_ceil(2));
        region.counts.lists += 1;
        region.counts.list_elements += len as u64;
        // SAFETY: there is room for the header and the slots; a slot is a value's word.
        unsafe {
            let items = at.add(1).cast::<Value>();
            for index in 0..len {
                let value = fill(region, index);
                items.add(index).write(value);
            }
            let items = items.as_ptr().cast::<Slot>().cast_const();
            at.cast::<ListObj>().write(ListObj::new(items, len as u32, 0));
            List(at.cast::<ListObj>().as_ref())
        }
    }

    /// All elements but the first, sharing the slots.
    pub(crate) fn without_first(self, region: &mut Region) -> List {
        match self.slots() {
            [] | [_] => Self::empty(),
            [_, rest @ ..] => List(region.alloc(ListObj::new(rest.as_ptr(), rest.len() as u32, 0))),
        }
    }

    pub(crate) fn from_values(region: &mut Region, values: &[Value]) -> List {
        Self::build(region, values.len(), |_, index| values[index])
    }

    /// The elements of all, in order.
    pub(crate) fn concat(region: &mut Region, lists: &[List]) -> List {
        region.counts.list_concats += 1;
        let total: usize = lists.iter().map(|list| list.len()).sum();
        if let [left, right] = lists
            && total >= GROWABLE
            && left.len().min(right.len()) * 4 <= total
            && !left.is_empty()
            && !right.is_empty()
        {
            return Self::concat_buffered(region, *left, *right);
        }
        let mut items = lists.iter().flat_map(|list| list.iter());
        Self::build(region, total, |_, _| items.next().unwrap_or(Value::NULL))
    }

    fn concat_buffered(region: &mut Region, left: List, right: List) -> List {
        let total = left.len() + right.len();
        assert!(total < u32::MAX as usize / 4, "a list of over a billion elements");
        let append = left.len() >= right.len();
        let (large, small) = if append { (left, right) } else { (right, left) };
        if large.0.is_buffered() {
            // SAFETY: the mark says that the object is the first part of a `BufferedList`.
            let buffer = unsafe { (*std::ptr::from_ref(large.0).cast::<BufferedList>()).buffer }.get();
            if let Some(start) = buffer.extend(large, small.len() as u32, append) {
                return buffer.fill(region, large, small, start, append);
            }
        }
        let slack = if large.0.is_buffered() { total } else { total / 4 } as u32;
        let capacity = total as u32 + slack;
        let items = region.words((capacity as usize).div_ceil(2)).cast::<Slot>();
        region.counts.list_elements += u64::from(capacity);
        let offset = if append { 0 } else { slack };
        let buffer = region.alloc(Buffer {
            start: AtomicU32::new(offset),
            end: AtomicU32::new(offset + total as u32),
            capacity,
            items: items.as_ptr(),
        });
        let large_at = if append { offset } else { offset + small.len() as u32 };
        buffer.write(large_at, large);
        buffer.fill(region, large, small, offset, append)
    }
}

impl Buffer {
    /// Claims room for `count` more beside `list`; gives the new list's start.
    fn extend(&self, list: List, count: u32, append: bool) -> Option<u32> {
        // SAFETY: the list lies in this buffer.
        let start = unsafe { list.0.items().offset_from(self.items) } as u32;
        let end = start + list.0.len;
        let order = Ordering::Relaxed;
        if append {
            let room = self.capacity - end >= count;
            let claimed = room && self.end.compare_exchange(end, end + count, order, order).is_ok();
            claimed.then_some(start)
        } else {
            let room = start >= count;
            let to = start.wrapping_sub(count);
            (room && self.start.compare_exchange(start, to, order, order).is_ok()).then_some(to)
        }
    }

    fn write(&self, at: u32, list: List) {
        for (index, value) in list.iter().enumerate() {
            // SAFETY: this part of the buffer was claimed for the list's elements.
            unsafe { self.items.add(at as usize + index).cast::<Value>().cast_mut().write(value) };
        }
    }

    fn fill(&'static self, region: &mut Region, large: List, small: List, start: u32, append: bool) -> List {
        self.write(if append { start + large.0.len } else { start }, small);
        // SAFETY: `start` is inside the buffer.
        let items = unsafe { self.items.add(start as usize) };
        let list = ListObj::new(items, large.0.len + small.0.len, BUFFERED);
        region.counts.lists += 1;
        let object = region.alloc(BufferedList { list, buffer: Near::new(self) });
        // The reference covers the whole object's allocation, which never moves.
        let object: *const BufferedList = object;
        // SAFETY: a `BufferedList` starts with a `ListObj`.
        List(unsafe { &*object.cast::<ListObj>() })
    }
}
