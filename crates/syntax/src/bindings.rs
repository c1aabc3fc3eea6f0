//! Collects what a set or `let` binds: merges nested paths, finds duplicates.
//!
//! A set that is complete is a tree node at once. Only when a later binding
//! adds to a set that is the value of an earlier one (`a.b = 1; a.c = 2;`) is
//! the earlier node opened again, once, and kept open until the end.

use crate::ast::{AttrName, Attribute, AttributeValue, Bindings, DynamicAttribute, Expr, ExprKind, Name};
use bstr::BStr;
use bumpalo::Bump;
use hashbrown::HashTable;
use saltire_diagnostics::Span;
use std::hash::BuildHasher as _;

/// Sets up to this size are searched linearly.
const LINEAR: usize = 8;

/// An attribute that was bound before and can't be extended.
pub(crate) struct Duplicate<'a> {
    /// The names from the set written down to the attribute.
    pub(crate) path: Vec<&'a BStr>,
    /// Where it was first.
    pub(crate) earlier: Span,
    /// Where it is again.
    pub(crate) again: Span,
}

#[derive(Debug)]
enum Value<'a> {
    Done(AttributeValue<'a>),
    /// A set that has been opened again.
    Open {
        set: Box<SetBuilder<'a>>,
        recursive: bool,
        span: Span,
    },
}

#[derive(Debug)]
struct Entry<'a> {
    name: Name<'a>,
    value: Value<'a>,
}

/// A set that is being written.
#[derive(Debug, Default)]
pub(crate) struct SetBuilder<'a> {
    entries: Vec<Entry<'a>>,
    /// Indices of `entries`, by name; empty while there are few.
    index: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    pub(crate) dynamic: Vec<DynamicAttribute<'a>>,
    inherit_from: Vec<Expr<'a>>,
}

impl<'a> SetBuilder<'a> {
    /// The source of `inherit (source) …`, as an index.
    pub(crate) fn add_source(&mut self, source: Expr<'a>) -> usize {
        self.inherit_from.push(source);
        self.inherit_from.len() - 1
    }

    /// Adds one name with a value that can't be merged with anything.
    pub(crate) fn add_inherited(
        &mut self,
        name: Name<'a>,
        value: AttributeValue<'a>,
    ) -> Result<(), Duplicate<'a>> {
        match self.find(name.text) {
            Some(index) => Err(Duplicate {
                path: vec![name.text],
                earlier: self.entries[index].name.span,
                again: name.span,
            }),
            None => {
                self.push(name, Value::Done(value));
                Ok(())
            }
        }
    }

    /// Adds `path = value;`, where `path` is not empty and starts at `start`.
    pub(crate) fn add(
        &mut self,
        arena: &'a Bump,
        path: &[AttrName<'a>],
        start: u32,
        value: &'a Expr<'a>,
    ) -> Result<(), Duplicate<'a>> {
        let mut set = self;
        for (i, part) in path.iter().enumerate() {
            let rest = &path[i + 1..];
            let name = match *part {
                AttrName::Static(name) => name,
                AttrName::Dynamic(name) => {
                    let value = nest(arena, rest, start, value);
                    let span = Span::new(start, name.span.end);
                    set.dynamic.push(DynamicAttribute { name, value, span });
                    return Ok(());
                }
            };
            // As in the reference, an attribute's place is where its path starts.
            let name = Name { span: Span::new(start, name.span.end), ..name };
            let Some(index) = set.find(name.text) else {
                let value = nest(arena, rest, start, value);
                set.push(name, Value::Done(AttributeValue::Plain(value)));
                return Ok(());
            };
            if rest.is_empty() {
                let mut trail = static_names(path);
                return set.merge_entry(index, name, AttributeValue::Plain(value), &mut trail);
            }
            let entry = &mut set.entries[index];
            let earlier = entry.name.span;
            match entry.open() {
                Some(open) => set = open,
                None => {
                    return Err(Duplicate { path: static_names(&path[..=i]), earlier, again: name.span });
                }
            }
        }
        Ok(())
    }

    /// Merges a value into the entry that has its name already. The trail ends
    /// in that name.
    fn merge_entry(
        &mut self,
        index: usize,
        name: Name<'a>,
        value: AttributeValue<'a>,
        trail: &mut Vec<&'a BStr>,
    ) -> Result<(), Duplicate<'a>> {
        let entry = &mut self.entries[index];
        let earlier = entry.name.span;
        if let AttributeValue::Plain(Expr { kind: ExprKind::AttrSet { bindings, .. }, .. }) = value
            && let Some(set) = entry.open()
        {
            return crate::deep(|| set.merge(bindings, trail));
        }
        Err(Duplicate { path: trail.clone(), earlier, again: name.span })
    }

    /// Adds all of a complete set. A `rec` of it is lost, as in the reference.
    fn merge(&mut self, other: &Bindings<'a>, trail: &mut Vec<&'a BStr>) -> Result<(), Duplicate<'a>> {
        let sources = self.inherit_from.len();
        for attribute in other.attributes {
            let name = attribute.name;
            let value = match attribute.value {
                AttributeValue::InheritedFrom(i) => AttributeValue::InheritedFrom(i + sources),
                value => value,
            };
            match self.find(name.text) {
                None => self.push(name, Value::Done(value)),
                Some(index) => {
                    trail.push(name.text);
                    self.merge_entry(index, name, value, trail)?;
                    trail.pop();
                }
            }
        }
        self.dynamic.extend_from_slice(other.dynamic);
        self.inherit_from.extend_from_slice(other.inherit_from);
        Ok(())
    }

    fn find(&self, name: &BStr) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|e| e.name.text == name);
        }
        let hash = self.hasher.hash_one(name);
        let found = self.index.find(hash, |&i| self.entries[i as usize].name.text == name);
        found.map(|&i| i as usize)
    }

    fn push(&mut self, name: Name<'a>, value: Value<'a>) {
        let Self { entries, index, hasher, .. } = self;
        entries.push(Entry { name, value });
        if entries.len() <= LINEAR {
            return;
        }
        let hash = |i: u32| hasher.hash_one(entries[i as usize].name.text);
        let last = entries.len() as u32 - 1;
        let from = if index.is_empty() { 0 } else { last };
        for i in from..=last {
            index.insert_unique(hash(i), i, |&i| hash(i));
        }
    }

    /// The finished set; leaves the builder empty, to be used again.
    pub(crate) fn finish(&mut self, arena: &'a Bump) -> Bindings<'a> {
        let attributes = arena.alloc_slice_fill_iter(self.entries.drain(..).map(|entry| {
            let value = match entry.value {
                Value::Done(value) => value,
                Value::Open { mut set, recursive, span } => {
                    let bindings = arena.alloc(crate::deep(|| set.finish(arena)));
                    let kind = ExprKind::AttrSet { recursive, bindings };
                    AttributeValue::Plain(arena.alloc(Expr { span, kind }))
                }
            };
            Attribute { name: entry.name, value }
        }));
        if self.index.capacity() > 1024 {
            self.index = HashTable::new();
        }
        self.index.clear();
        let bindings = Bindings {
            attributes,
            dynamic: arena.alloc_slice_copy(&self.dynamic),
            inherit_from: arena.alloc_slice_copy(&self.inherit_from),
        };
        self.dynamic.clear();
        self.inherit_from.clear();
        bindings
    }
}

impl<'a> Entry<'a> {
    /// The set that this attribute is bound to, open to be added to.
    fn open(&mut self) -> Option<&mut SetBuilder<'a>> {
        if let Value::Done(AttributeValue::Plain(Expr {
            span,
            kind: ExprKind::AttrSet { recursive, bindings },
        })) = self.value
        {
            let mut set = Box::<SetBuilder>::default();
            for attribute in bindings.attributes {
                set.push(attribute.name, Value::Done(attribute.value));
            }
            set.dynamic.extend_from_slice(bindings.dynamic);
            set.inherit_from.extend_from_slice(bindings.inherit_from);
            self.value = Value::Open { set, recursive: *recursive, span: *span };
        }
        match &mut self.value {
            Value::Open { set, .. } => Some(set),
            Value::Done(_) => None,
        }
    }
}

/// `{ b.c = value; }` from `b.c` and `value`.
fn nest<'a>(arena: &'a Bump, path: &[AttrName<'a>], start: u32, value: &'a Expr<'a>) -> &'a Expr<'a> {
    path.iter().rev().fold(value, |value, part| {
        let mut bindings = Bindings::default();
        match *part {
            AttrName::Static(name) => {
                let attribute = Attribute {
                    name: Name { span: Span::new(start, name.span.end), ..name },
                    value: AttributeValue::Plain(value),
                };
                bindings.attributes = arena.alloc_slice_copy(&[attribute]);
            }
            AttrName::Dynamic(name) => {
                let span = Span::new(start, name.span.end);
                let attribute = DynamicAttribute { name, value, span };
                bindings.dynamic = arena.alloc_slice_copy(&[attribute]);
            }
        }
        arena.alloc(Expr {
            span: Span::new(start, value.span.end),
            kind: ExprKind::AttrSet { recursive: false, bindings: arena.alloc(bindings) },
        })
    })
}

/// The names of a path that are known; for messages.
fn static_names<'a>(path: &[AttrName<'a>]) -> Vec<&'a BStr> {
    let names = path.iter().filter_map(|part| match part {
        AttrName::Static(name) => Some(name.text),
        AttrName::Dynamic(_) => None,
    });
    names.collect()
}
