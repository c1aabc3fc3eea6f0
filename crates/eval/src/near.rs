//! References in 4 bytes.
//!
//! What values refer to is in [regions](crate::region), which take their memory from
//! the lowest 4 GiB of addresses, so that half of an address is always zero. Halving
//! references halves what evaluation writes and reads.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::num::NonZeroU32;

/// The address of an object in a region.
#[inline(always)]
pub(crate) fn near<T>(object: &'static T) -> u32 {
    let address = std::ptr::from_ref(object) as usize;
    debug_assert!(u32::try_from(address).is_ok(), "not in a region");
    address as u32
}

/// A reference to an object in a region.
#[repr(transparent)]
pub(crate) struct Near<T: 'static>(NonZeroU32, PhantomData<&'static T>);

impl<T> Clone for Near<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Near<T> {}

impl<T> Near<T> {
    /// `object` must be in a region.
    #[inline(always)]
    pub(crate) fn new(object: &'static T) -> Self {
        // SAFETY: no object is at zero.
        Self(unsafe { NonZeroU32::new_unchecked(near(object)) }, PhantomData)
    }

    #[inline(always)]
    pub(crate) fn get(self) -> &'static T {
        // SAFETY: `new` got a reference to a `T` below 4 GiB that is never freed.
        unsafe { &*(self.0.get() as usize as *const T) }
    }

    /// The address.
    #[inline(always)]
    pub(crate) fn address(self) -> u32 {
        self.0.get()
    }
}

/// A reference with a number below 8.
#[repr(transparent)]
pub(crate) struct Tagged<T: 'static>(Near<T>);

impl<T> Clone for Tagged<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tagged<T> {}

impl<T> Tagged<T> {
    const TAG: u32 = 7;

    pub(crate) fn new(object: Near<T>, tag: u32) -> Self {
        const { assert!(align_of::<T>() > Self::TAG as usize) };
        Self(Near(object.0 | tag & Self::TAG, PhantomData))
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> u32 {
        self.0.address() & Self::TAG
    }

    #[inline(always)]
    pub(crate) fn object(self) -> Near<T> {
        // SAFETY: without the tag it is the object's address, which is aligned and not zero.
        Near(unsafe { NonZeroU32::new_unchecked(self.0.address() & !Self::TAG) }, PhantomData)
    }
}

/// A reference to objects one behind the other in a region.
pub(crate) struct NearSlice<T: 'static> {
    at: u32,
    len: u32,
    objects: PhantomData<&'static [T]>,
}

impl<T> Clone for NearSlice<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for NearSlice<T> {}

impl<T> NearSlice<T> {
    /// `objects` must be in a region.
    pub(crate) fn new(objects: &'static [T]) -> Self {
        let address = objects.as_ptr() as usize;
        debug_assert!(u32::try_from(address).is_ok(), "not in a region");
        // What has no place has no elements.
        Self { at: address as u32, len: objects.len() as u32, objects: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn get(self) -> &'static [T] {
        // SAFETY: `new` got a reference to as many below 4 GiB, never freed.
        unsafe { std::slice::from_raw_parts(self.at as usize as *const T, self.len as usize) }
    }
}

impl<T> std::ops::Deref for NearSlice<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.get()
    }
}

impl<T> std::ops::Deref for Near<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.get()
    }
}
