//! Complaints about discouraged ways of writing, in the reference's words.

use super::{Parser, Result};
use crate::ast::PathBase;
use crate::error::ParseError;
use crate::lints::{Lint, Lints};
use saltire_diagnostics::Span;

impl Parser<'_> {
    /// Complains if that is wanted; the message depends on whether it is an error.
    #[inline]
    pub(super) fn lint(
        &mut self,
        which: impl FnOnce(&Lints) -> Lint,
        place: Span,
        message: impl FnOnce(bool) -> String,
    ) -> Result<()> {
        match which(&self.options.lints) {
            Lint::Ignore => Ok(()),
            Lint::Warn => {
                self.warnings.push(ParseError::new(message(false), place));
                Ok(())
            }
            Lint::Fatal => Err(Box::new(ParseError::new(message(true), place))),
        }
    }

    /// Complains of the path whose first token is the present one.
    pub(super) fn lint_path(&mut self, base: PathBase) -> Result<()> {
        if self.options.lints.are_off() {
            return Ok(());
        }
        let (text, place) = (self.token_text(), self.token_span());
        match base {
            PathBase::Relative if text.starts_with(b".") => Ok(()),
            PathBase::Relative => self.lint(
                |lints| lints.short_path_literals,
                place,
                |_| format!("relative path literal '{text}' should be prefixed with '.' for clarity: './{text}' (lint-short-path-literals)"),
            ),
            PathBase::Absolute | PathBase::Home => self.lint(
                |lints| lints.absolute_path_literals,
                place,
                |_| {
                    let kind = if base == PathBase::Home { "home" } else { "absolute" };
                    format!("{kind} path literals are not portable. Consider replacing path literal '{text}' by a string, relative path, or parameter (lint-absolute-path-literals)")
                },
            ),
        }
    }
}
