//! Values where strings, paths, lists or sets are needed.

use saltire_diagnostics::Pos;
use saltire_store_model::Ingestion;
use smallvec::SmallVec;

use crate::attrs::{Attr, Attrs};
use crate::builtins::float_text::fixed;
use crate::context::{Context, ContextElement};
use crate::derivation::FETCHURL_PATH;
use crate::error::{EvalError, Result, Traced};
use crate::evaluator::{Evaluator, host_error};
use crate::host::AddPath;
use crate::ir::{ExprRef, Operator};
use crate::list::List;
use crate::nesting::check_memory;
use crate::paths;
use crate::string::{MAX_LEN, Str};
use crate::value::{Env, Kind, Value};

/// How to turn a value into a string.
#[derive(Clone, Copy, Debug)]
pub struct Coerce {
    /// Also numbers, booleans, null and lists.
    pub more: bool,
    /// Paths become store paths (their contents are added to the store).
    pub copy: bool,
}

impl Coerce {
    /// In interpolations.
    pub const INTERPOLATION: Self = Self { more: false, copy: true };
    /// As `toString` does.
    pub const TO_STRING: Self = Self { more: true, copy: false };
    /// As attributes of derivations.
    pub const ENVIRONMENT: Self = Self { more: true, copy: true };
    /// Strings and paths as they are.
    pub const PLAIN: Self = Self { more: false, copy: false };
}

impl Evaluator {
    /// The integer that a value must be.
    pub fn int_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<i64> {
        let value = self.forced(value, pos, what)?;
        value.as_int().ok_or_else(|| self.expected("an integer", value, pos, what))
    }

    /// The boolean that a value must be.
    pub fn bool_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<bool> {
        let value = self.forced(value, pos, what)?;
        value.as_bool().ok_or_else(|| self.expected("a Boolean", value, pos, what))
    }

    /// The value, evaluated; errors say `what` was being done, unless that is empty.
    #[inline]
    fn forced(&mut self, value: Value, pos: Pos, what: &str) -> Result<Value> {
        match self.force(value) {
            Err(error) if !what.is_empty() => Err(error.traced(pos, what)),
            result => result,
        }
    }

    /// The string that a value must be; nothing is converted.
    pub fn string_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<Str> {
        let value = self.forced(value, pos, what)?;
        value.as_str().ok_or_else(|| self.expected("a string", value, pos, what))
    }

    /// The string without context that a value must be.
    pub fn plain_string(&mut self, value: Value, pos: Pos, what: &str) -> Result<Str> {
        let text = self.string_value(value, pos, what)?;
        if text.context().is_empty() { Ok(text) } else { Err(self.refers_to_store(text, pos, what)) }
    }

    #[cold]
    fn refers_to_store(&self, text: Str, pos: Pos, what: &str) -> Box<EvalError> {
        let element = text.context().iter().next();
        let element = element.map_or_else(String::new, |element| element.display(self.host().store_dir()));
        let text = text.as_bstr();
        let message =
            format!("the string '{text}' is not allowed to refer to a store path (such as '{element}')");
        EvalError::other(Pos::NONE, message).traced(pos, what)
    }

    /// The list that a value must be.
    pub fn list_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<List> {
        let value = self.force(value)?;
        value.as_list().ok_or_else(|| self.expected("a list", value, pos, what))
    }

    /// The set that a value must be.
    pub fn attrs_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<Attrs> {
        let value = self.force(value)?;
        value.as_attrs().ok_or_else(|| self.expected("a set", value, pos, what))
    }

    /// Checks that a value is a function (or a set with `__functor`).
    pub fn function_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<Value> {
        let value = self.forced(value, pos, what)?;
        let functor = self.names.functor;
        if let Some(closure) = value.as_closure() {
            closure.mark_used();
        }
        if value.is_function() || value.as_attrs().is_some_and(|attrs| attrs.contains(functor)) {
            return Ok(value);
        }
        Err(self.expected("a function", value, pos, what))
    }

    /// The value as a string with its context.
    pub fn coerce(&mut self, value: Value, mode: Coerce, pos: Pos, what: &str) -> Result<Str> {
        let value = self.force(value)?;
        if let Some(text) = value.as_str() {
            return Ok(text);
        }
        let mut text = Vec::new();
        let mut context = Context::EMPTY;
        self.coerce_into(value, mode, pos, what, &mut text, &mut context)?;
        Ok(Str::new(&mut self.region, &text, context))
    }

    /// Appends the value as a string.
    pub(crate) fn coerce_into(
        &mut self,
        value: Value,
        mode: Coerce,
        pos: Pos,
        what: &str,
        text: &mut Vec<u8>,
        context: &mut Context,
    ) -> Result<()> {
        let value = self.force(value).map_err(|error| error.needed_at(pos))?;
        match value.kind() {
            Kind::String(string) => {
                self.reserve(text, string.len(), pos)?;
                text.extend_from_slice(string.as_bytes());
                *context = context.union(string.context());
            }
            Kind::Path(path) if mode.copy => {
                let (store_path, element) = self.path_in_store(path.as_bytes())?;
                text.extend_from_slice(store_path.as_bytes());
                *context = context.union(element);
            }
            Kind::Path(path) => text.extend_from_slice(path.as_bytes()),
            Kind::Attrs(attrs) => {
                if let Some(function) = attrs.get(self.names.to_string) {
                    let result = self.call(function, &[value], pos)?;
                    let what = "while evaluating the result of the `__toString` attribute";
                    return self.nested(pos, |this| this.coerce_into(result, mode, pos, what, text, context));
                }
                let Some(out_path) = attrs.get(self.names.out_path) else {
                    return Err(self.cannot_coerce(value, pos, what));
                };
                return self.nested(pos, |this| this.coerce_into(out_path, mode, pos, what, text, context));
            }
            Kind::Int(number) if mode.more => text.extend_from_slice(number.to_string().as_bytes()),
            Kind::Float(number) if mode.more => text.extend_from_slice(fixed(number).as_bytes()),
            Kind::Bool(true) if mode.more => text.push(b'1'),
            Kind::Bool(false) | Kind::Null if mode.more => {}
            Kind::List(list) if mode.more => self.nested(pos, |this| {
                for (index, item) in list.iter().enumerate() {
                    let inner = "while evaluating one element of the list";
                    let item = this.force(item).traced(pos, || what.to_owned())?;
                    let added = this.coerce_into(item, mode, pos, inner, text, context);
                    added.traced(pos, || what.to_owned())?;
                    // An empty list in the list gives no separator.
                    let empty = item.as_list().is_some_and(List::is_empty);
                    if index + 1 < list.len() && !empty {
                        text.push(b' ');
                    }
                }
                Ok(())
            })?,
            _ => return Err(self.cannot_coerce(value, pos, what)),
        }
        Ok(())
    }

    /// Adds a source to the store (once): its store path as text, and the context.
    pub(crate) fn path_in_store(&mut self, path: &[u8]) -> Result<(String, Context)> {
        let known = |this: &Self| {
            let known = this.shared.sources_in_store.lock();
            known.unwrap_or_else(std::sync::PoisonError::into_inner).get(path).cloned()
        };
        let store_path = match known(self) {
            Some(found) => {
                self.dependencies.recall(&source_key(path));
                found
            }
            None => {
                let before = self.dependencies.len();
                let name = paths::base_name(path);
                if name.ends_with(b".drv") {
                    let message = "file names are not allowed to end in '.drv'";
                    return Err(EvalError::other(Pos::NONE, message));
                }
                let name = String::from_utf8_lossy(name);
                let request =
                    AddPath { path, name: &name, ingestion: Ingestion::Nar, filter: None, expected: None };
                let added = self.host().add_path(request).map_err(host_error)?;
                self.dependencies.share(&source_key(path), before);
                let mut all = self.shared.sources_in_store.lock();
                all.as_mut().map(|all| all.insert(path.to_vec(), added.clone())).ok();
                added
            }
        };
        let text = self.host().store_dir().display(&store_path);
        Ok((text, Context::from_element(ContextElement::Opaque(store_path))))
    }

    /// The absolute path that a value names, and the context of its text.
    pub fn path_value(&mut self, value: Value, pos: Pos, what: &str) -> Result<(Vec<u8>, Context)> {
        let value = self.forced(value, pos, what)?;
        if let Some(function) = value.as_attrs().and_then(|attrs| attrs.get(self.names.to_string)) {
            let result = self.call(function, &[value], pos)?;
            return self.nested(pos, |this| this.path_value(result, pos, what));
        }
        if let Some(path) = value.as_path() {
            return Ok((path.as_bytes().to_vec(), Context::EMPTY));
        }
        let text = self.coerce(value, Coerce::PLAIN, pos, what)?;
        if !text.as_bytes().starts_with(b"/") {
            let message = format!("string '{}' doesn't represent an absolute path", text.as_bstr());
            return Err(EvalError::other(pos, message).traced(pos, what));
        }
        Ok((paths::normalise(text.as_bytes()), text.context()))
    }

    /// Fails for a value that nothing can be added to, before what is added is looked at.
    #[inline]
    pub(crate) fn check_addable(&self, left: Value, pos: Pos) -> Result<()> {
        let names = &self.names;
        let addable = match left.kind() {
            Kind::Int(_) | Kind::Float(_) | Kind::String(_) | Kind::Path(_) => true,
            Kind::Attrs(attrs) => attrs.contains(names.to_string) || attrs.contains(names.out_path),
            _ => false,
        };
        if addable {
            return Ok(());
        }
        let error = self.cannot_coerce(left, pos, "while evaluating a path segment");
        Err(self.in_operand(error, pos, 0))
    }

    /// An error of one of the operands, or parts, of what is at `pos`: its place is
    /// that of the operand.
    #[cold]
    pub(crate) fn in_operand(&self, error: Box<EvalError>, pos: Pos, index: usize) -> Box<EvalError> {
        let Some((file, offset)) = self.sources().lookup(pos) else { return error };
        let options = self.settings().parse_options();
        match saltire_syntax::operand_offsets(file.text(), offset, &options).get(index) {
            Some(offset) => error.moved(pos, offset.map_or(Pos::NONE, |offset| file.pos(offset))),
            None => error,
        }
    }

    /// `left + right`
    pub(crate) fn add(&mut self, left: Value, right: Value, pos: Pos) -> Result<Value> {
        match left.kind() {
            Kind::Int(_) | Kind::Float(_) => match right.kind() {
                Kind::Int(_) | Kind::Float(_) => self.arithmetic(Operator::Add, left, right, pos),
                _ => {
                    let kind = if left.as_int().is_some() { "an integer" } else { "a float" };
                    let message = format!("cannot add {} to {kind}", crate::print::type_name(right));
                    Err(self.in_operand(EvalError::type_error(pos, message), pos, 1))
                }
            },
            Kind::Path(path) => {
                let what = "while evaluating a path segment";
                let mode = Coerce::PLAIN;
                let tail = self.coerce(right, mode, pos, what).map_err(|e| self.in_operand(e, pos, 1))?;
                if !tail.context().is_empty() {
                    let message = "a string that refers to a store path cannot be appended to a path";
                    return Err(EvalError::type_error(pos, message));
                }
                Ok(self.joined_path(&[path.as_bytes(), tail.as_bytes()]))
            }
            _ => {
                // Paths are copied to the store only behind a string, not behind a set.
                let what = "while evaluating a path segment";
                let mode = if left.as_str().is_some() { Coerce::INTERPOLATION } else { Coerce::PLAIN };
                let left = self.coerce(left, mode, pos, what).map_err(|e| self.in_operand(e, pos, 0))?;
                let right = self.coerce(right, mode, pos, what).map_err(|e| self.in_operand(e, pos, 1))?;
                self.check_length(left.len() + right.len(), pos)?;
                let context = left.context().union(right.context());
                Ok(Value::from_str(Str::append(&mut self.region, left, &[right.as_bytes()], context)))
            }
        }
    }

    pub(crate) fn check_length(&self, length: usize, pos: Pos) -> Result<()> {
        if length > MAX_LEN {
            return Err(EvalError::other(pos, format!("a string of {length} bytes is too long")));
        }
        // While it is made there may be two copies.
        check_memory(2 * length, pos)
    }

    /// Room for more bytes of a string, or an error if it would be too long for one or
    /// for the memory.
    #[inline]
    pub(crate) fn reserve(&self, text: &mut Vec<u8>, more: usize, pos: Pos) -> Result<()> {
        self.check_length(text.len() + more, pos)?;
        text.try_reserve(more).map_err(|_| {
            EvalError::other(pos, format!("there is no memory for a string of {} bytes", text.len() + more))
        })
    }

    fn joined_path(&mut self, parts: &[&[u8]]) -> Value {
        let normal = paths::normalise(&parts.concat());
        self.new_path(&normal)
    }

    /// `"a${b}c"`
    pub(crate) fn interpolate(
        &mut self,
        parts: &'static [ExprRef],
        pos: Pos,
        env: &'static Env,
    ) -> Result<Value> {
        let mut strings: SmallVec<[Str; 8]> = SmallVec::new();
        let mut context = Context::EMPTY;
        let mut length = 0;
        for (index, part) in parts.iter().enumerate() {
            let value = self.eval_operand(*part, env)?;
            let string = match value.as_str() {
                Some(string) => string,
                None => self
                    .coerce(value, Coerce::INTERPOLATION, pos, "while evaluating a path segment")
                    .map_err(|error| self.in_operand(error, pos, index))?,
            };
            context = context.union(string.context());
            length += string.len();
            strings.push(string);
        }
        self.check_length(length, pos)?;
        let [first, rest @ ..] = strings.as_slice() else { return Ok(self.new_string(b"")) };
        if rest.is_empty() {
            return Ok(Value::from_str(*first));
        }
        if let [second] = rest {
            let joined = Str::append(&mut self.region, *first, &[second.as_bytes()], context);
            return Ok(Value::from_str(joined));
        }
        let rest: SmallVec<[&[u8]; 8]> = rest.iter().map(|string| string.as_bytes()).collect();
        Ok(Value::from_str(Str::append(&mut self.region, *first, &rest, context)))
    }

    /// `./a/${b}`
    pub(crate) fn interpolate_path(
        &mut self,
        parts: &'static [ExprRef],
        pos: Pos,
        env: &'static Env,
    ) -> Result<Value> {
        let mut text = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let value = self.eval(*part, env)?;
            let string = self
                .coerce(value, Coerce::PLAIN, pos, "while evaluating a path segment")
                .map_err(|error| self.in_operand(error, pos, index))?;
            if index > 0 && !string.context().is_empty() {
                let message = "a string that refers to a store path cannot be appended to a path";
                return Err(EvalError::type_error(pos, message));
            }
            text.extend_from_slice(string.as_bytes());
        }
        Ok(self.joined_path(&[&text]))
    }

    /// The first entry of a search path that has a file of this name; links are followed.
    pub fn find_file(&mut self, entries: &[(String, String)], name: &[u8], pos: Pos) -> Result<Vec<u8>> {
        let host = std::sync::Arc::clone(self.host());
        for (prefix, value) in entries {
            let suffix: &[u8] = if prefix.is_empty() {
                name
            } else {
                match name.strip_prefix(prefix.as_bytes()) {
                    Some(b"") => b"",
                    Some([b'/', rest @ ..]) => rest,
                    _ => continue,
                }
            };
            let resolved = host.resolve_search_path_entry(value).map_err(|e| host_error(e).at(pos))?;
            let Some(base) = resolved else { continue };
            let path = paths::normalise(&[base.as_slice(), b"/", suffix].concat());
            if host.path_exists(&path).map_err(|e| host_error(e).at(pos))? {
                return host.resolve_symlinks(&path).map_err(|e| host_error(e).at(pos));
            }
        }
        if name == b"nix/fetchurl.nix" {
            return Ok(FETCHURL_PATH.to_vec());
        }
        let text = String::from_utf8_lossy(name);
        let message = if self.settings().pure {
            format!("cannot look up '<{text}>' in pure evaluation mode (use '--impure' to override)")
        } else {
            format!("file '{text}' was not found in the Nix search path (add it using $NIX_PATH or -I)")
        };
        Err(EvalError::new(crate::error::ErrorKind::Throw, pos, message))
    }

    /// A position as `{ file, line, column }`, null if there is none in a file.
    pub fn position(&mut self, pos: Pos) -> Value {
        let Some(location) = self.sources().resolve(pos) else { return Value::NULL };
        if !matches!(location.file.origin, saltire_diagnostics::Origin::File(_)) {
            return Value::NULL;
        }
        let file = self.new_string(location.file.origin.to_string().as_bytes());
        let line = self.new_int(i64::from(location.line));
        let column = self.new_int(i64::from(location.column));
        let names = self.names;
        let attr = |name, value| Attr { name, value, pos: Pos::NONE };
        self.new_attrs_at(vec![attr(names.file, file), attr(names.line, line), attr(names.column, column)])
    }

    /// A position for messages.
    pub(crate) fn describe_pos(&self, pos: Pos) -> String {
        let location = self.sources().resolve(pos);
        location.map_or_else(|| "«none»".to_owned(), |location| self.sources().describe(&location))
    }

    #[cold]
    fn expected(&self, kind: &str, value: Value, pos: Pos, what: &str) -> Box<EvalError> {
        let message = format!("expected {kind} but found {}", self.describe(value));
        match (what, kind) {
            ("", _) => EvalError::type_error(pos, message),
            // As in the reference, which shows the place of these once only.
            (what, "a set" | "a list") => EvalError::type_error(Pos::NONE, message).traced(pos, what),
            (what, _) => EvalError::type_error(pos, message).traced(pos, what),
        }
    }

    #[cold]
    fn cannot_coerce(&self, value: Value, pos: Pos, what: &str) -> Box<EvalError> {
        let (kind, shown) = (crate::print::type_name(value), self.short_text(value));
        let error = EvalError::type_error(Pos::NONE, format!("cannot coerce {kind} to a string: {shown}"));
        if what.is_empty() { error.at(pos) } else { error.traced(pos, what) }
    }
}

/// What a source is called among what is read once: no path of a file begins so.
fn source_key(path: &[u8]) -> Vec<u8> {
    [b"source ", path].concat()
}
