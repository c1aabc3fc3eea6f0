//! The line editor: completion, colours, lines that go on.

use crate::colour;
use crate::command::Takes;
use crate::command::{Line, find, parse};
use bumpalo::Bump;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use saltire_syntax::ParseOptions;
use std::borrow::Cow;

/// Gives the names that a text can be completed to.
pub(crate) trait Names {
    /// Where the part begins that is replaced, and what by: shown and put in.
    fn complete(&self, line: &str) -> (usize, Vec<(String, String)>);
}

/// What the editor asks.
pub(crate) struct Assistant<'n> {
    pub names: &'n dyn Names,
    pub colour: bool,
    pub parse_options: ParseOptions,
}

/// A line editor with its history.
pub(crate) fn editor(assistant: Assistant<'_>) -> rustyline::Result<Editor<Assistant<'_>, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .completion_prompt_limit(200)
        .max_history_size(10_000)?
        .history_ignore_dups(true)?
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(assistant));
    Ok(editor)
}

impl Helper for Assistant<'_> {}

impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, names) = self.names.complete(&line[..pos]);
        let pair = |(display, replacement)| Pair { display, replacement };
        Ok((start, names.into_iter().map(pair).collect()))
    }
}

impl Highlighter for Assistant<'_> {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.colour { Cow::Owned(colour::typed(line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colour
    }
}

impl Validator for Assistant<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = !goes_on(context.input(), &self.parse_options);
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether a line is an expression that is not at its end yet.
pub(crate) fn goes_on(line: &str, options: &ParseOptions) -> bool {
    let expression = match parse(line, true) {
        Line::Expression(text) | Line::Binding(_, text) => text,
        Line::Command(_, argument) => {
            let name = line.split_whitespace().next().unwrap_or_default();
            match find(name).map(|entry| entry.takes) {
                Some(Takes::Expression) if !argument.is_empty() => argument,
                _ => return false,
            }
        }
        Line::Empty | Line::Unknown(_) => return false,
    };
    let arena = Bump::new();
    match saltire_syntax::parse(&arena, expression.as_bytes(), options) {
        Ok(_) => false,
        // Bindings like `a.b = 1;` are no expression, but complete.
        Err(error) => {
            error.message.contains("unexpected end of file")
                && saltire_syntax::parse(&arena, format!("{{{expression}}}").as_bytes(), options).is_err()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_until_its_expression_ends() {
        let check = |line, expected| assert_eq!(goes_on(line, &ParseOptions::default()), expected, "{line}");
        check("1 + 1", false);
        check("{ a = 1;", true);
        check("let a = 1; in", true);
        check("''\n text", true);
        check("a = [", true);
        check("1 )", false);
        check(":p {", true);
        check(":l {", false);
        check("", false);
        check("inherit (a) b;", false);
    }
}
