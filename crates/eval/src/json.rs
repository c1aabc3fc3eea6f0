//! Values as JSON.

use saltire_diagnostics::Pos;

use crate::attrs::Attrs;
use crate::builtins::{float_text, json_text};
use crate::coerce::Coerce;
use crate::context::Context;
use crate::error::{EvalError, Result};
use crate::evaluator::Evaluator;
use crate::nesting::check_nesting;
use crate::print::{shown_name, type_name};
use crate::value::{Kind, Value};

/// A value becoming a JSON text.
struct Writer<'e> {
    evaluator: &'e mut Evaluator,
    /// Whether to evaluate what isn't yet.
    strict: bool,
    out: Vec<u8>,
    context: Context,
    /// Levels above the value that is being written.
    depth: usize,
}

impl Evaluator {
    /// Appends a value as JSON, without spaces, keys sorted. Paths are copied to
    /// the store if `copy` says so. `context` gets what the text depends on.
    ///
    /// # Errors
    ///
    /// Errors of evaluation; functions; strings that are not UTF-8.
    pub fn to_json(
        &mut self,
        value: Value,
        copy: bool,
        pos: Pos,
        out: &mut Vec<u8>,
        context: &mut Context,
    ) -> Result<()> {
        let (text, all) = (std::mem::take(out), *context);
        let mut writer = Writer { evaluator: self, strict: true, out: text, context: all, depth: 0 };
        let result = writer.value(value, copy, pos);
        (*out, *context) = (writer.out, writer.context);
        result
    }

    /// A value as JSON as `nix-instantiate --eval --json` prints it: without
    /// `strict` what is not evaluated is an error.
    ///
    /// # Errors
    ///
    /// As [`Evaluator::to_json`].
    pub fn print_json(&mut self, value: Value, strict: bool, copy: bool) -> Result<Vec<u8>> {
        let mut writer =
            Writer { evaluator: self, strict, out: Vec::new(), context: Context::EMPTY, depth: 0 };
        writer.value(value, copy, Pos::NONE)?;
        Ok(writer.out)
    }
}

/// Appends a string.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8], pos: Pos) -> Result<()> {
    json_text::quote(text, out).map_err(|index| {
        let byte = text.get(index).copied().unwrap_or_default();
        // The wording of the library that the reference program uses: people search for it.
        let message = format!(
            "JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index {index}: 0x{byte:02X}"
        );
        EvalError::other(pos, message)
    })
}

impl Writer<'_> {
    fn value(&mut self, value: Value, copy: bool, pos: Pos) -> Result<()> {
        self.evaluator.check_stack(pos)?;
        check_nesting(self.depth, pos)?;
        self.depth += 1;
        let result = self.value_inside(value, copy, pos);
        self.depth -= 1;
        result
    }

    fn value_inside(&mut self, value: Value, copy: bool, pos: Pos) -> Result<()> {
        let value = if self.strict { self.evaluator.force(value)? } else { value.resolve() };
        match value.kind() {
            Kind::Null => self.out.extend(b"null"),
            Kind::Bool(value) => self.out.extend(value.to_string().as_bytes()),
            Kind::Int(value) => self.out.extend(value.to_string().as_bytes()),
            Kind::Float(value) => self.out.extend(float_text::json(value).as_bytes()),
            Kind::String(text) => {
                self.context = self.context.union(text.context());
                self.evaluator.reserve(&mut self.out, text.len(), pos)?;
                string(&mut self.out, text.as_bytes(), pos)?;
            }
            Kind::Path(path) if copy => {
                let (text, element) = self.evaluator.path_in_store(path.as_bytes())?;
                self.context = self.context.union(element);
                string(&mut self.out, text.as_bytes(), pos)?;
            }
            Kind::Path(path) => string(&mut self.out, path.as_bytes(), pos)?,
            Kind::List(list) => {
                self.out.push(b'[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.value(item, copy, pos).map_err(|error| {
                        error.traced(pos, format!("while evaluating list element at index {index}"))
                    })?;
                }
                self.out.push(b']');
            }
            Kind::Attrs(attrs) => self.attrs(value, attrs, copy, pos)?,
            Kind::Thunk(_) | Kind::Lambda(_) | Kind::Builtin(_) | Kind::Partial(_) => {
                let (mut pos, mut found) = (pos, type_name(value));
                match value.as_closure() {
                    // A function inside of a value is a thunk until somebody asks for it.
                    Some(closure) if !self.strict && self.depth > 1 && closure.is_delayed() => {
                        found = "a thunk".to_owned();
                    }
                    Some(closure) => pos = closure.0.code.pos,
                    None => {}
                }
                let message = format!("cannot convert {found} to JSON");
                return Err(EvalError::type_error(pos, message));
            }
        }
        Ok(())
    }

    fn attrs(&mut self, value: Value, attrs: Attrs, copy: bool, pos: Pos) -> Result<()> {
        let names = self.evaluator.names;
        if let Some(function) = attrs.get(names.to_string) {
            let text = self.evaluator.call(function, &[value], pos)?;
            let what = "while evaluating the result of the `__toString` attribute";
            let text = self.evaluator.coerce(text, Coerce::PLAIN, pos, what)?;
            self.context = self.context.union(text.context());
            return string(&mut self.out, text.as_bytes(), pos);
        }
        if let Some(out_path) = attrs.get(names.out_path) {
            return self.value(out_path, copy, pos);
        }
        self.out.push(b'{');
        for (index, attr) in attrs.in_order().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            string(&mut self.out, attr.name.as_bytes(), attr.pos)?;
            self.out.push(b':');
            self.value(attr.value, copy, attr.pos).map_err(|error| {
                error.traced(attr.pos, format!("while evaluating attribute '{}'", shown_name(attr.name)))
            })?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
