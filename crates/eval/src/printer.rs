//! Values as text, in the forms that the reference program prints.
//!
//! | form | of | here |
//! |---|---|---|
//! | plain | `nix-instantiate --eval` | [`Evaluator::print_plain`] |
//! | one line | `nix eval`, `builtins.trace` | [`Evaluator::print_value`] with [`PrintOptions::EVAL`], [`Evaluator::print`] |
//! | indented | `nix repl` | [`Evaluator::print_value`] with [`PrintOptions::REPL`] |
//! | shortened | error messages | [`PrintOptions::MESSAGE`] |
//!
//! JSON is in `json`, XML in `builtins::xml`. A set or list that was printed
//! before, in the same text, is `«repeated»`.

use std::collections::HashSet;

use saltire_diagnostics::Pos;

use crate::attrs::{Attr, Attrs};
use crate::builtins::float_text::short;
use crate::error::{ErrorKind, EvalError, Result};
use crate::evaluator::Evaluator;
use crate::list::List;
use crate::nesting::check_nesting;
use crate::print::{attribute_name, quote, shown_name};
use crate::string::Str;
use crate::value::{Kind, Pending, Value};

/// What printing does with an error in an attribute or element that it evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintErrors {
    /// Prints `«error: MESSAGE»` in its place.
    Print,
    /// As `Print`, but an error of the whole value is given to the caller.
    PrintInside,
    /// Gives it to the caller.
    Fail,
}

/// How a value is printed.
#[derive(Clone, Copy, Debug)]
pub struct PrintOptions {
    /// Whether to evaluate what isn't yet; else it is `«thunk»`.
    pub force: bool,
    /// Whether a derivation is `«derivation PATH»` (only with `force`).
    pub derivation_paths: bool,
    /// Sets and lists nested deeper are `{ ... }` and `[ ... ]`.
    pub max_depth: usize,
    /// Attributes to print in all, `type` and `_type` first.
    pub max_attributes: usize,
    /// List elements to print in all.
    pub max_items: usize,
    /// Bytes of each string to print.
    pub max_string: usize,
    /// Spaces that each level is indented by; 0 prints one line.
    pub indent: usize,
    /// What to do with errors.
    pub errors: PrintErrors,
}

impl PrintOptions {
    /// Everything, without evaluating anything.
    pub const LAZY: Self = Self {
        force: false,
        derivation_paths: false,
        max_depth: usize::MAX,
        max_attributes: usize::MAX,
        max_items: usize::MAX,
        max_string: usize::MAX,
        indent: 0,
        errors: PrintErrors::Print,
    };

    /// As `nix eval` prints its result.
    pub const EVAL: Self = Self { force: true, derivation_paths: true, ..Self::LAZY };

    /// As `nix repl` prints: indented, and one level unless told to print all.
    pub const REPL: Self = Self { max_depth: 1, indent: 2, errors: PrintErrors::PrintInside, ..Self::EVAL };

    /// As in error messages: shortened.
    pub const MESSAGE: Self =
        Self { max_depth: 10, max_attributes: 10, max_items: 10, max_string: 1024, ..Self::LAZY };
}

/// The value, shortened, for messages.
pub(crate) fn short_text(value: Value) -> String {
    let mut printer = Printer::new(PrintOptions::MESSAGE, Access::None);
    // Without evaluation there are no errors.
    let _ = printer.value(value, 0);
    String::from_utf8_lossy(&printer.out).into_owned()
}

impl Evaluator {
    /// The value, shortened, for messages.
    pub(crate) fn short_text(&self, value: Value) -> String {
        let mut printer = Printer::new(PrintOptions::MESSAGE, Access::Read(self));
        // Without evaluation there are no errors.
        let _ = printer.value(value, 0);
        String::from_utf8_lossy(&printer.out).into_owned()
    }

    /// The value as text in one line, as far as it is evaluated.
    pub fn print(&self, value: Value) -> Vec<u8> {
        let mut printer = Printer::new(PrintOptions::LAZY, Access::Read(self));
        // Without evaluation there are no errors.
        let _ = printer.value(value, 0);
        printer.out
    }

    /// The value as text.
    ///
    /// # Errors
    ///
    /// Errors of evaluation as `options.errors` says; values nested too deeply.
    pub fn print_value(&mut self, value: Value, options: PrintOptions) -> Result<Vec<u8>> {
        let mut printer = Printer::new(options, Access::Evaluate(self));
        printer.value(value, 0)?;
        Ok(printer.out)
    }

    /// The value as `nix-instantiate --eval` prints it: what is not evaluated is
    /// `<CODE>`, and functions are `<LAMBDA>`, `<PRIMOP>` and `<PRIMOP-APP>`. For
    /// `--strict` evaluate it first with [`Evaluator::force_deep`].
    ///
    /// # Errors
    ///
    /// Values nested too deeply.
    pub fn print_plain(&self, value: Value) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.plain(value, &mut HashSet::new(), 0, &mut out)?;
        Ok(out)
    }

    fn plain(&self, value: Value, seen: &mut HashSet<usize>, depth: usize, out: &mut Vec<u8>) -> Result<()> {
        self.check_stack(Pos::NONE)?;
        check_nesting(depth, Pos::NONE)?;
        let value = value.resolve();
        match value.kind() {
            Kind::Thunk(thunk) => match thunk.pending() {
                Pending::Blackhole => out.extend(BLACKHOLE.as_bytes()),
                _ => out.extend(b"<CODE>"),
            },
            Kind::Lambda(closure) if depth > 0 && closure.is_delayed() => out.extend(b"<CODE>"),
            Kind::Lambda(_) => out.extend(b"<LAMBDA>"),
            Kind::Builtin(_) => out.extend(b"<PRIMOP>"),
            Kind::Partial(_) => out.extend(b"<PRIMOP-APP>"),
            Kind::List(list) if !list.is_empty() => {
                if !seen.insert(list_address(list)) {
                    out.extend(REPEATED.as_bytes());
                    return Ok(());
                }
                out.extend(b"[ ");
                for item in list.iter() {
                    self.plain(item, seen, depth + 1, out)?;
                    out.push(b' ');
                }
                out.push(b']');
            }
            Kind::Attrs(attrs) if !attrs.is_empty() => {
                if !seen.insert(attrs_address(attrs)) {
                    out.extend(REPEATED.as_bytes());
                    return Ok(());
                }
                out.extend(b"{ ");
                for attr in attrs.sorted() {
                    attribute_name(out, attr.name.as_bytes());
                    out.extend(b" = ");
                    self.plain(attr.value, seen, depth + 1, out)?;
                    out.extend(b"; ");
                }
                out.push(b'}');
            }
            _ => simple(value, usize::MAX, out),
        }
        Ok(())
    }
}

const REPEATED: &str = "«repeated»";
const BLACKHOLE: &str = "«potential infinite recursion»";

fn list_address(list: List) -> usize {
    list.slots().as_ptr() as usize
}

fn attrs_address(attrs: Attrs) -> usize {
    std::ptr::from_ref(attrs.0) as usize
}

/// Values without others inside. Empty lists and sets count as such.
fn simple(value: Value, max_string: usize, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Null => out.extend(b"null"),
        Kind::Bool(value) => out.extend(value.to_string().as_bytes()),
        Kind::Int(value) => out.extend(value.to_string().as_bytes()),
        Kind::Float(value) => out.extend(short(value).as_bytes()),
        Kind::String(text) => string(text, max_string, out),
        Kind::Path(path) => out.extend(path.as_bytes()),
        Kind::List(_) => out.extend(b"[ ]"),
        Kind::Attrs(_) => out.extend(b"{ }"),
        Kind::Thunk(_) | Kind::Lambda(_) | Kind::Builtin(_) | Kind::Partial(_) => {}
    }
}

fn string(text: Str, max: usize, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if bytes.len() <= max {
        return quote(out, bytes);
    }
    quote(out, &bytes[..max]);
    out.push(b' ');
    elided(bytes.len() - max, "byte", out);
}

fn elided(count: usize, what: &str, out: &mut Vec<u8>) {
    let plural = if count == 1 { "" } else { "s" };
    out.extend(format!("«{count} {what}{plural} elided»").as_bytes());
}

/// What the printer may use of an evaluator.
enum Access<'e> {
    /// Nothing: functions have no place.
    None,
    /// The places of functions.
    Read(&'e Evaluator),
    /// All.
    Evaluate(&'e mut Evaluator),
}

struct Printer<'e> {
    out: Vec<u8>,
    options: PrintOptions,
    access: Access<'e>,
    seen: HashSet<usize>,
    attributes: usize,
    items: usize,
    indent: usize,
}

impl<'e> Printer<'e> {
    fn new(options: PrintOptions, access: Access<'e>) -> Self {
        Self { out: Vec::new(), options, access, seen: HashSet::new(), attributes: 0, items: 0, indent: 0 }
    }

    fn evaluator(&self) -> Option<&Evaluator> {
        match &self.access {
            Access::None => None,
            Access::Read(evaluator) => Some(evaluator),
            Access::Evaluate(evaluator) => Some(evaluator),
        }
    }

    /// Whether what is printed is evaluated first.
    fn forces(&self) -> bool {
        self.options.force && matches!(self.access, Access::Evaluate(_))
    }

    fn force(&mut self, value: Value) -> Result<Value> {
        match &mut self.access {
            Access::Evaluate(evaluator) if self.options.force => evaluator.force(value),
            _ => Ok(value.resolve()),
        }
    }

    fn value(&mut self, value: Value, depth: usize) -> Result<()> {
        match self.try_value(value, depth) {
            Err(error) if self.gives(&error, depth) => Err(error),
            Err(error) => {
                self.out.extend("«error: ".as_bytes());
                self.out.extend(error.message.as_bytes());
                self.out.extend("»".as_bytes());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether an error at this depth is the caller's.
    fn gives(&self, error: &EvalError, depth: usize) -> bool {
        match self.options.errors {
            PrintErrors::Fail => true,
            PrintErrors::PrintInside if depth == 0 => true,
            _ => matches!(error.kind, ErrorKind::StackOverflow | ErrorKind::Interrupted),
        }
    }

    fn try_value(&mut self, value: Value, depth: usize) -> Result<()> {
        if let Some(evaluator) = self.evaluator() {
            evaluator.check_stack(Pos::NONE)?;
        }
        check_nesting(depth, Pos::NONE)?;
        let value = self.force(value)?;
        match value.kind() {
            Kind::Thunk(thunk) => self.out.extend(match thunk.pending() {
                Pending::Blackhole => BLACKHOLE.as_bytes(),
                _ => "«thunk»".as_bytes(),
            }),
            Kind::List(list) => return self.list(list, depth),
            Kind::Attrs(attrs) => return self.attrs(attrs, depth),
            Kind::Lambda(closure) if depth > 0 && closure.is_delayed() && !self.forces() => {
                self.out.extend("«thunk»".as_bytes());
            }
            Kind::Lambda(closure) => {
                let code = closure.0.code.get();
                let name = code.name.map(|name| format!(" {}", shown_name(name))).unwrap_or_default();
                let at = self.evaluator().map(|e| format!(" @ {}", e.describe_pos(code.pos)));
                self.out.extend(format!("«lambda{name}{}»", at.unwrap_or_default()).as_bytes());
            }
            Kind::Builtin(builtin) => {
                self.out.extend(format!("«primop {}»", builtin.name).as_bytes());
            }
            Kind::Partial(partial) => {
                let name = partial.builtin.name;
                self.out.extend(format!("«partially applied primop {name}»").as_bytes());
            }
            _ => simple(value, self.options.max_string, &mut self.out),
        }
        Ok(())
    }

    /// Whether an object is printed for the first time; else says so.
    fn first(&mut self, address: usize) -> bool {
        let first = self.seen.insert(address);
        if !first {
            self.out.extend(REPEATED.as_bytes());
        }
        first
    }

    /// Whether the only item of a set or list is large enough for a line of its own.
    fn spreads(&mut self, count: usize, first: Option<Value>) -> Result<bool> {
        if self.options.indent == 0 {
            return Ok(false);
        }
        match first {
            None => Ok(false),
            Some(_) if count > 1 => Ok(true),
            Some(only) => {
                Ok(matches!(self.force(only)?.kind(), Kind::List(_) | Kind::Attrs(_) | Kind::Thunk(_)))
            }
        }
    }

    fn space(&mut self, lines: bool) {
        if lines {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', self.indent));
        } else {
            self.out.push(b' ');
        }
    }

    fn list(&mut self, list: List, depth: usize) -> Result<()> {
        if !list.is_empty() && !self.first(list_address(list)) {
            return Ok(());
        }
        if depth >= self.options.max_depth {
            self.out.extend(b"[ ... ]");
            return Ok(());
        }
        let outer = self.indent;
        self.indent += self.options.indent;
        self.out.push(b'[');
        let lines = self.spreads(list.len(), list.get(0))?;
        for (index, item) in list.iter().enumerate() {
            self.space(lines);
            if self.items >= self.options.max_items {
                elided(list.len() - index, "item", &mut self.out);
                break;
            }
            self.value(item, depth + 1)?;
            self.items += 1;
        }
        self.indent = outer;
        self.space(lines);
        self.out.push(b']');
        Ok(())
    }

    fn attrs(&mut self, attrs: Attrs, depth: usize) -> Result<()> {
        if !attrs.is_empty() && !self.first(attrs_address(attrs)) {
            return Ok(());
        }
        if self.derivation(attrs)? {
            return Ok(());
        }
        if depth >= self.options.max_depth {
            self.out.extend(b"{ ... }");
            return Ok(());
        }
        let outer = self.indent;
        self.indent += self.options.indent;
        self.out.push(b'{');
        let sorted = self.order(attrs);
        let lines = self.spreads(sorted.len(), sorted.first().map(|attr| attr.value))?;
        for (index, attr) in sorted.iter().enumerate() {
            self.space(lines);
            if self.attributes >= self.options.max_attributes {
                elided(sorted.len() - index, "attribute", &mut self.out);
                break;
            }
            attribute_name(&mut self.out, attr.name.as_bytes());
            self.out.extend(b" = ");
            self.value(attr.value, depth + 1)?;
            self.out.push(b';');
            self.attributes += 1;
        }
        self.indent = outer;
        self.space(lines);
        self.out.push(b'}');
        Ok(())
    }

    /// By name; where not all are shown, those first that say what it is.
    fn order(&self, attrs: Attrs) -> Vec<Attr> {
        let mut sorted = attrs.sorted();
        if self.options.max_attributes != usize::MAX {
            sorted.sort_by_key(|attr| !matches!(attr.name.as_bytes(), b"type" | b"_type"));
        }
        sorted
    }

    /// Prints a derivation by its path, if so asked and it is one.
    fn derivation(&mut self, attrs: Attrs) -> Result<bool> {
        let Access::Evaluate(evaluator) = &mut self.access else { return Ok(false) };
        if !self.options.force || !self.options.derivation_paths || !evaluator.is_derivation(attrs)? {
            return Ok(false);
        }
        let path = match attrs.get(evaluator.names.drv_path) {
            Some(path) => {
                let what = "while evaluating the drvPath of a derivation";
                let text = evaluator.coerce(path, crate::coerce::Coerce::PLAIN, Pos::NONE, what)?;
                [b" ", text.as_bytes()].concat()
            }
            None => Vec::new(),
        };
        self.out.extend("«derivation".as_bytes());
        self.out.extend(path);
        self.out.extend("»".as_bytes());
        Ok(true)
    }
}
