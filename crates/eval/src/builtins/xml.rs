//! `builtins.toXML`: values as XML, two spaces of indentation per level.

use std::borrow::Cow;
use std::collections::HashSet;

use saltire_diagnostics::{Origin, Pos};
use smallvec::SmallVec;

use super::{Builtin, builtin, float_text};
use crate::attrs::Attrs;
use crate::context::Context;
use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::symbol::Symbol;
use crate::value::{Closure, Kind, Value};

/// The builtins of this module.
pub(super) static BUILTINS: &[Builtin] = &[builtin(
    "toXML",
    &["e"],
    to_xml,
    "The value as an XML text, evaluated wholly; functions show only their arguments.",
)];

fn to_xml(e: &mut Evaluator, a: &[Value], pos: Pos) -> Result<Value> {
    let (text, context) = write(e, a[0], Writer::default(), pos)?;
    e.check_length(text.len(), pos)?;
    Ok(e.new_text(text, context))
}

impl Evaluator {
    /// A value as an XML text, as `nix-instantiate --eval --xml` prints it:
    /// `locations` says where attributes and functions were written; what is not
    /// evaluated becomes so with `strict`, else it is `<unevaluated />`.
    ///
    /// # Errors
    ///
    /// Errors of evaluation.
    pub fn to_xml(&mut self, value: Value, locations: bool, strict: bool) -> Result<Vec<u8>> {
        let writer = Writer { locations, strict, ..Writer::default() };
        write(self, value, writer, Pos::NONE).map(|(text, _)| text)
    }
}

fn write(e: &mut Evaluator, value: Value, mut writer: Writer, pos: Pos) -> Result<(Vec<u8>, Context)> {
    writer.text.extend_from_slice(b"<?xml version='1.0' encoding='utf-8'?>\n");
    writer.open("expr", &XmlAttrs::new());
    writer.value(e, value, pos)?;
    writer.close("expr");
    Ok((writer.text, writer.context))
}

/// An attribute of an element.
type XmlAttr<'a> = (&'static str, Cow<'a, [u8]>);

/// Attributes of an element; written in the order of their names.
#[derive(Default)]
struct XmlAttrs<'a>(SmallVec<[XmlAttr<'a>; 4]>);

impl<'a> XmlAttrs<'a> {
    fn new() -> Self {
        Self::default()
    }

    fn insert(&mut self, name: &'static str, value: impl Into<Cow<'a, [u8]>>) {
        let at = self.0.partition_point(|known| known.0 < name);
        self.0.insert(at, (name, value.into()));
    }
}

struct Writer {
    /// Whether to say where things were written.
    locations: bool,
    /// Whether to evaluate what isn't yet.
    strict: bool,
    text: Vec<u8>,
    level: usize,
    context: Context,
    /// Derivations whose attributes were written: a second time they aren't.
    seen: HashSet<&'static [u8]>,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            locations: false,
            strict: true,
            text: Vec::new(),
            level: 0,
            context: Context::EMPTY,
            seen: HashSet::new(),
        }
    }
}

fn one<'a>(name: &'static str, value: &'a [u8]) -> XmlAttrs<'a> {
    let mut attributes = XmlAttrs::new();
    attributes.insert(name, value);
    attributes
}

/// The bytes that are written otherwise in attributes.
static ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"\"<>&\n";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};

impl Writer {
    fn start(&mut self, name: &str, attributes: &XmlAttrs<'_>) {
        self.text.extend(std::iter::repeat_n(b' ', 2 * self.level));
        self.text.push(b'<');
        self.text.extend_from_slice(name.as_bytes());
        for (name, value) in &attributes.0 {
            self.text.push(b' ');
            self.text.extend_from_slice(name.as_bytes());
            self.text.extend_from_slice(b"=\"");
            let mut rest: &[u8] = value;
            while let Some(at) = rest.iter().position(|byte| ESCAPED[usize::from(*byte)]) {
                self.text.extend_from_slice(&rest[..at]);
                self.text.extend_from_slice(match rest[at] {
                    b'"' => b"&quot;",
                    b'<' => b"&lt;",
                    b'>' => b"&gt;",
                    b'&' => b"&amp;",
                    // A bare newline in an attribute would be read as a space.
                    _ => b"&#xA;",
                });
                rest = &rest[at + 1..];
            }
            self.text.extend_from_slice(rest);
            self.text.push(b'"');
        }
    }

    fn open(&mut self, name: &str, attributes: &XmlAttrs<'_>) {
        self.start(name, attributes);
        self.text.extend_from_slice(b">\n");
        self.level += 1;
    }

    fn close(&mut self, name: &str) {
        self.level -= 1;
        self.text.extend(std::iter::repeat_n(b' ', 2 * self.level));
        self.text.extend_from_slice(b"</");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b">\n");
    }

    fn empty(&mut self, name: &str, attributes: &XmlAttrs<'_>) {
        self.start(name, attributes);
        self.text.extend_from_slice(b" />\n");
    }

    fn force(&self, e: &mut Evaluator, value: Value) -> Result<Value> {
        if self.strict { e.force(value) } else { Ok(value.resolve()) }
    }

    fn value(&mut self, e: &mut Evaluator, value: Value, pos: Pos) -> Result<()> {
        let value = self.force(e, value)?;
        e.check_stack(pos)?;
        // Indentation makes the text grow with the square of the depth.
        if self.level > e.settings().max_call_depth as usize {
            let message = "stack overflow; max-call-depth exceeded";
            return Err(EvalError::new(ErrorKind::StackOverflow, pos, message));
        }
        match value.kind() {
            Kind::Null => self.empty("null", &XmlAttrs::new()),
            Kind::Bool(value) => self.empty("bool", &one("value", value.to_string().as_bytes())),
            Kind::Int(value) => self.empty("int", &one("value", value.to_string().as_bytes())),
            Kind::Float(value) => self.empty("float", &one("value", float_text::short(value).as_bytes())),
            Kind::String(text) => {
                self.context = self.context.union(text.context());
                self.empty("string", &one("value", text.as_bytes()));
            }
            Kind::Path(path) => self.empty("path", &one("value", path.as_bytes())),
            Kind::List(list) => {
                self.open("list", &XmlAttrs::new());
                for item in list.iter() {
                    self.value(e, item, pos)?;
                }
                self.close("list");
            }
            Kind::Attrs(attrs) if e.is_derivation(attrs)? => self.derivation(e, attrs)?,
            Kind::Attrs(attrs) => {
                self.open("attrs", &XmlAttrs::new());
                self.attributes(e, attrs)?;
                self.close("attrs");
            }
            // A function inside of a value is a thunk until somebody asks for it.
            Kind::Lambda(closure) if !self.strict && self.level > 1 && closure.is_delayed() => {
                self.empty("unevaluated", &XmlAttrs::new());
            }
            Kind::Lambda(closure) => self.function(e, closure),
            Kind::Builtin(_) | Kind::Partial(_) | Kind::Thunk(_) => {
                self.empty("unevaluated", &XmlAttrs::new());
            }
        }
        Ok(())
    }

    fn derivation(&mut self, e: &mut Evaluator, attrs: Attrs) -> Result<()> {
        let mut attributes = XmlAttrs::new();
        let mut path = None;
        for (name, symbol) in [("drvPath", e.names.drv_path), ("outPath", e.names.out_path)] {
            let Some(value) = attrs.get(symbol) else { continue };
            if let Some(text) = self.force(e, value)?.as_str() {
                attributes.insert(name, text.as_bytes());
                if symbol == e.names.drv_path {
                    path = Some(text.as_bytes());
                }
            }
        }
        self.open("derivation", &attributes);
        if path.is_some_and(|path| !path.is_empty() && self.seen.insert(path)) {
            self.attributes(e, attrs)?;
        } else {
            self.empty("repeated", &XmlAttrs::new());
        }
        self.close("derivation");
        Ok(())
    }

    fn attributes(&mut self, e: &mut Evaluator, attrs: Attrs) -> Result<()> {
        for attr in attrs.in_order() {
            let mut attributes = one("name", attr.name.as_bytes());
            self.position(e, attr.pos, &mut attributes);
            self.open("attr", &attributes);
            self.value(e, attr.value, attr.pos)?;
            self.close("attr");
        }
        Ok(())
    }

    fn function(&mut self, e: &Evaluator, closure: Closure) {
        let code = closure.0.code.get();
        let mut attributes = XmlAttrs::new();
        self.position(e, code.pos, &mut attributes);
        self.open("function", &attributes);
        let name = code.argument.map(Symbol::as_bytes);
        match &code.formals {
            None => self.empty("varpat", &one("name", name.unwrap_or_default())),
            Some(formals) => {
                let mut attributes = name.map_or_else(XmlAttrs::new, |name| one("name", name));
                if formals.ellipsis {
                    attributes.insert("ellipsis", b"1".as_slice());
                }
                self.open("attrspat", &attributes);
                let mut names: Vec<_> = formals.names.iter().map(|name| name.as_bytes()).collect();
                names.sort_unstable();
                for name in names {
                    self.empty("attr", &one("name", name));
                }
                self.close("attrspat");
            }
        }
        self.close("function");
    }

    /// Adds where something was defined.
    fn position(&self, e: &Evaluator, pos: Pos, attributes: &mut XmlAttrs<'_>) {
        if !self.locations {
            return;
        }
        let Some(location) = e.sources().resolve(pos) else { return };
        if let Origin::File(path) = &location.file.origin {
            attributes.insert("path", path.to_string_lossy().into_owned().into_bytes());
        }
        attributes.insert("line", location.line.to_string().into_bytes());
        attributes.insert("column", location.column.to_string().into_bytes());
    }
}
