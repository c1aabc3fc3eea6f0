//! Values as JSON.

use saltire_diagnostics::Pos;

use crate::builtins::{float_text, json_text};
use crate::context::Context;
use crate::error::{EvalError, Result};
use crate::evaluator::Evaluator;
use crate::print::type_name;
use crate::value::{Kind, Value};

/// A string as JSON. Bytes that are not UTF-8 become replacement characters.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    if json_text::quote(text, out).is_err() {
        let text = String::from_utf8_lossy(text);
        // Replaced text is UTF-8, which can always be quoted.
        let _ = json_text::quote(text.as_bytes(), out);
    }
}

impl Evaluator {
    /// Appends a value as JSON, without spaces, keys sorted. Paths are copied to
    /// the store if `copy` says so. `context` gets what the text depends on.
    pub fn to_json(
        &mut self,
        value: Value,
        copy: bool,
        pos: Pos,
        out: &mut Vec<u8>,
        context: &mut Context,
    ) -> Result<()> {
        let value = self.force(value)?;
        self.check_stack(pos)?;
        match value.kind() {
            Kind::Null => out.extend(b"null"),
            Kind::Bool(value) => out.extend(value.to_string().as_bytes()),
            Kind::Int(value) => out.extend(value.to_string().as_bytes()),
            Kind::Float(value) => out.extend(float_text::json(value).as_bytes()),
            Kind::String(text) => {
                *context = context.union(text.context());
                string(out, text.as_bytes());
            }
            Kind::Path(path) if copy => {
                let (text, element) = self.path_in_store(path.as_bytes(), pos)?;
                *context = context.union(element);
                string(out, text.as_bytes());
            }
            Kind::Path(path) => string(out, path.as_bytes()),
            Kind::List(list) => {
                out.push(b'[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.to_json(item, copy, pos, out, context).map_err(|error| {
                        error.traced(pos, format!("while evaluating list element at index {index}"))
                    })?;
                }
                out.push(b']');
            }
            Kind::Attrs(attrs) => {
                if let Some(function) = attrs.get(self.names.to_string) {
                    let text = self.call(function, &[value], pos)?;
                    return self.to_json(text, copy, pos, out, context);
                }
                if let Some(out_path) = attrs.get(self.names.out_path) {
                    return self.to_json(out_path, copy, pos, out, context);
                }
                out.push(b'{');
                for (index, attr) in attrs.sorted().into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    string(out, attr.name.as_bytes());
                    out.push(b':');
                    self.to_json(attr.value, copy, attr.pos, out, context).map_err(|error| {
                        error.traced(attr.pos, format!("while evaluating attribute '{}'", attr.name))
                    })?;
                }
                out.push(b'}');
            }
            Kind::Thunk(_) | Kind::Lambda(_) | Kind::Builtin(_) | Kind::Partial(_) => {
                let message = format!("cannot convert {} to JSON", type_name(value));
                return Err(EvalError::type_error(pos, message));
            }
        }
        Ok(())
    }
}
