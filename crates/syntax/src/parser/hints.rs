//! Syntax errors: the reference's words, and what to do.

use super::Parser;
use crate::ast::{Expr, ExprKind};
use crate::error::{ParseError, line_and_column};
use crate::token::Token;
use bstr::ByteSlice;

impl Parser<'_> {
    /// The token can't stand here, only one of `expected`; nothing is said of
    /// what is expected if that is empty.
    #[cold]
    pub(super) fn unexpected(&self, expected: &[Token]) -> Box<ParseError> {
        let mut message = format!("syntax error, unexpected {}", self.token.name());
        for (i, token) in expected.iter().enumerate() {
            message.push_str(if i == 0 { ", expecting " } else { " or " });
            message.push_str(token.name());
        }
        let mut error = ParseError::new(message, self.token_span());
        error.hints.extend(self.token_hint(expected));
        error.hints.extend(self.opener_hint());
        Box::new(error)
    }

    /// The text ends in a string.
    #[cold]
    pub(super) fn end_of_text(&mut self, expected: &[Token]) -> Box<ParseError> {
        self.lexer.position = self.text.len();
        self.start = self.text.len();
        self.token = Token::End;
        self.unexpected(expected)
    }

    /// Behind the value of a binding is no semicolon.
    #[cold]
    pub(super) fn missing_semicolon(&self, value: &Expr) -> Box<ParseError> {
        let mut error = self.unexpected(&[Token::Semicolon]);
        // In `a = 1 b = 2;` the `b` was taken for an argument.
        let swallowed = match value.kind {
            ExprKind::Apply { arguments, .. } if self.token == Token::Assign => arguments.last(),
            _ => None,
        };
        let place = match swallowed {
            Some(argument) => {
                let before = self.text[..argument.span.start as usize].trim_end();
                before.len()
            }
            None if self.token == Token::Assign => return error,
            None => self.end,
        };
        let at = line_and_column(self.text, place);
        let hint = format!("a ';' seems to be missing at {at}");
        error.hints.insert(0, hint);
        error
    }

    /// `a == b == c`
    #[cold]
    pub(super) fn not_associative(&self) -> Box<ParseError> {
        let mut error = self.unexpected(&[]);
        let hint =
            format!("{} cannot follow another comparison; put one of them in parentheses", self.token.name());
        error.hints.insert(0, hint);
        error
    }

    fn token_hint(&self, expected: &[Token]) -> Option<String> {
        let text = self.token_text();
        let wants_name = expected.contains(&Token::Identifier);
        let wants_binding = expected.contains(&Token::Inherit);
        let in_list = self.openers.last().is_some_and(|o| o.closer == "']'");
        Some(match self.token {
            token if token.is_keyword() && (wants_name || wants_binding) => {
                format!("'{text}' is a keyword; as a name, write it in quotes: \"{text}\"")
            }
            Token::Int if wants_binding => {
                format!("a name that starts with a digit is written in quotes: \"{text}\"")
            }
            Token::Identifier if expected.contains(&Token::Assign) => {
                "a '=' is missing, or in the arguments of a function a ','".into()
            }
            Token::Colon if expected.contains(&Token::Assign) => {
                "attributes are written 'name = value;'".into()
            }
            Token::Assign if expected.contains(&Token::Then) => "to compare, write '=='".into(),
            Token::Assign if expected.contains(&Token::ParenClose) => {
                "to compare, write '=='; a set is written in braces".into()
            }
            Token::Comma if in_list => "the elements of a list are separated by spaces only".into(),
            Token::Colon | Token::If | Token::With | Token::Assert | Token::Not | Token::Minus if in_list => {
                "in a list, put parentheses around functions, operators and keywords".into()
            }
            Token::Slash if text.len() == 1 && self.text[self.start..].starts_with(b"/*") => {
                "the comment that starts here is not closed by '*/'".into()
            }
            Token::Semicolon if self.opener_is("'('") => "a ')' may be missing before the ';'".into(),
            Token::PipeLeft | Token::PipeRight if !expected.is_empty() => {
                "'<|' and '|>' can only be mixed with parentheses".into()
            }
            Token::Invalid => return self.invalid_hint(),
            _ => return None,
        })
    }

    fn opener_is(&self, what: &str) -> bool {
        self.openers.last().is_some_and(|o| o.what == what)
    }

    /// About bytes that start no token.
    fn invalid_hint(&self) -> Option<String> {
        let text = self.token_text();
        Some(match text.as_bytes() {
            b"&" => "logical and is '&&'".into(),
            b"|" => "logical or is '||'".into(),
            b"'" => "strings are written in double quotes or in two single quotes".into(),
            b"$" => "interpolation, as in '${name}', is for strings, paths and names".into(),
            b"~" => "a path in the home directory starts with '~/'".into(),
            b"\xEF\xBB\xBF" => "the file starts with a byte order mark; remove it".into(),
            [0] => "this is a NUL byte".into(),
            [byte] if !byte.is_ascii() => {
                format!("the byte 0x{byte:02x} here is not valid UTF-8")
            }
            _ if !text.is_ascii() => {
                format!("'{text}' can only stand in strings and comments")
            }
            _ => return None,
        })
    }

    /// At the end of the text, or at a wrong closing bracket: what is open.
    fn opener_hint(&self) -> Option<String> {
        let closing =
            matches!(self.token, Token::End | Token::ParenClose | Token::BraceClose | Token::BracketClose);
        if !closing {
            return None;
        }
        let Some(opener) = self.openers.last() else {
            return (self.token != Token::End)
                .then(|| format!("there is nothing open that this {} could close", self.token.name()));
        };
        if opener.closer == self.token.name() {
            return None;
        }
        let at = line_and_column(self.text, opener.start);
        Some(format!("the {} at {at} has no {} yet", opener.what, opener.closer))
    }
}
