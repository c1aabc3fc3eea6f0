//! What stands in braces: bindings and function patterns; and attribute paths.

use super::{Parser, Result, span};
use crate::ast::{AttrName, AttributeValue, Bindings, ExprKind, Formal, Formals, Name};
use crate::bindings::{Duplicate, SetBuilder};
use crate::error::ParseError;
use crate::print::write_name;
use crate::token::Token;
use bstr::{BStr, BString};
use hashbrown::HashSet;
use saltire_diagnostics::Span;

/// Patterns up to this size are searched linearly.
const LINEAR: usize = 16;

impl<'a> Parser<'a> {
    /// Whether the brace that comes next opens the pattern of a function.
    pub(super) fn is_pattern(&self) -> bool {
        let mut lexer = self.lexer;
        match lexer.next().0 {
            Token::Ellipsis => true,
            Token::BraceClose => matches!(lexer.next().0, Token::Colon | Token::At),
            Token::Identifier => matches!(lexer.next().0, Token::Comma | Token::Question | Token::BraceClose),
            _ => false,
        }
    }

    /// From an opening brace to behind the closing one.
    pub(super) fn formals(&mut self) -> Result<Formals<'a>> {
        let start = self.start;
        self.open("'{'", "'}'", start);
        self.advance();
        let mark = self.formals.len();
        let mut ellipsis = false;
        if self.token != Token::BraceClose {
            loop {
                if self.token == Token::Ellipsis {
                    self.advance();
                    ellipsis = true;
                    break;
                }
                if self.token != Token::Identifier {
                    return Err(self.unexpected(&[Token::Identifier, Token::Ellipsis, Token::BraceClose]));
                }
                let name = self.name();
                self.advance();
                let mut default = None;
                if self.token == Token::Question {
                    self.advance();
                    let value = self.expression()?;
                    default = Some(self.alloc(value));
                }
                self.formals.push(Formal { name, default });
                match self.token {
                    Token::Comma => self.advance(),
                    Token::BraceClose => break,
                    _ => return Err(self.unexpected(&[Token::BraceClose, Token::Comma])),
                }
                if self.token == Token::BraceClose {
                    break;
                }
            }
        }
        self.expect(Token::BraceClose)?;
        self.close();
        let formals = self.arena.alloc_slice_copy(&self.formals[mark..]);
        self.formals.truncate(mark);
        Ok(Formals { formals, ellipsis, span: span(start, self.end) })
    }

    /// Finds a name that is twice in a pattern.
    pub(super) fn check_formals(
        &self,
        formals: Formals<'a>,
        argument: Option<Name<'a>>,
        start: u32,
    ) -> Result<()> {
        let names = formals.formals;
        let twice = |name: Name, span| {
            let message = format!("duplicate formal function argument '{}'", name.text);
            Err(Box::new(ParseError::new(message, span)))
        };
        if names.len() <= LINEAR {
            for (i, formal) in names.iter().enumerate() {
                if names[..i].iter().any(|f| f.name.text == formal.name.text) {
                    return twice(formal.name, formal.name.span);
                }
            }
        } else {
            let mut seen: HashSet<&BStr> = HashSet::with_capacity(names.len());
            for formal in names {
                if !seen.insert(formal.name.text) {
                    return twice(formal.name, formal.name.span);
                }
            }
        }
        match argument {
            Some(name) if names.iter().any(|f| f.name.text == name.text) => {
                twice(name, Span::new(start, formals.span.end))
            }
            _ => Ok(()),
        }
    }

    /// `{ … }`, of which what may be missing at its end is given.
    pub(super) fn braced_bindings(&mut self, missing: &[Token]) -> Result<&'a Bindings<'a>> {
        self.open("'{'", "'}'", self.start);
        self.advance();
        let bindings = self.bindings(missing)?;
        if self.token != Token::BraceClose {
            return Err(self.unexpected(missing));
        }
        self.advance();
        self.close();
        Ok(bindings)
    }

    /// Bindings as far as they go.
    pub(super) fn bindings(&mut self, missing: &[Token]) -> Result<&'a Bindings<'a>> {
        let mut set = self.builders.pop().unwrap_or_default();
        loop {
            match self.token {
                Token::Identifier | Token::Or | Token::Quote | Token::DollarBrace => {
                    self.binding(&mut set)?;
                }
                Token::Inherit => self.inherit(&mut set)?,
                Token::BraceClose | Token::In => break,
                _ => return Err(self.unexpected(missing)),
            }
        }
        let bindings = self.arena.alloc(set.finish(self.arena));
        self.builders.push(set);
        Ok(bindings)
    }

    /// `path = value;`
    fn binding(&mut self, set: &mut SetBuilder<'a>) -> Result<()> {
        let start = self.start;
        let mark = self.path.len();
        self.attr_path()?;
        if self.depth + self.path.len() - mark > super::MAX_NESTING {
            return Err(self.too_deep());
        }
        if self.token != Token::Assign {
            return Err(self.unexpected(&[Token::Dot, Token::Assign]));
        }
        self.advance();
        let value = self.expression()?;
        if self.token != Token::Semicolon {
            return Err(self.missing_semicolon(&value));
        }
        self.advance();
        let value = self.alloc(value);
        let path = &self.path[mark..];
        set.add(self.arena, path, start as u32, value).map_err(already_defined)?;
        self.path.truncate(mark);
        Ok(())
    }

    /// `inherit a b;` or `inherit (source) a b;`
    fn inherit(&mut self, set: &mut SetBuilder<'a>) -> Result<()> {
        self.advance();
        let mut value = AttributeValue::Inherited;
        if self.token == Token::ParenOpen {
            self.open("'('", "')'", self.start);
            self.advance();
            let source = self.expression()?;
            self.expect(Token::ParenClose)?;
            self.close();
            value = AttributeValue::InheritedFrom(set.add_source(source));
        }
        while self.token != Token::Semicolon {
            if !matches!(self.token, Token::Identifier | Token::Or | Token::Quote | Token::DollarBrace) {
                return Err(self.unexpected(&[]));
            }
            let start = self.start;
            let name = match self.attr_name()? {
                AttrName::Static(name) => name,
                AttrName::Dynamic(_) => {
                    let message = "dynamic attributes not allowed in inherit";
                    let error = ParseError::new(message, span(start, self.end))
                        .hint("write 'name = source.${name};' instead");
                    return Err(Box::new(error));
                }
            };
            set.add_inherited(name, value).map_err(already_defined)?;
        }
        self.advance();
        Ok(())
    }

    /// `a."b".${c}`: pushes its names.
    pub(super) fn attr_path(&mut self) -> Result<()> {
        loop {
            let name = self.attr_name()?;
            self.path.push(name);
            if self.token != Token::Dot {
                return Ok(());
            }
            self.advance();
        }
    }

    /// The names pushed since the stack had this length.
    pub(super) fn take_path(&mut self, mark: usize) -> &'a [AttrName<'a>] {
        let path = self.arena.alloc_slice_copy(&self.path[mark..]);
        self.path.truncate(mark);
        path
    }

    fn attr_name(&mut self) -> Result<AttrName<'a>> {
        let start = self.start;
        let expression = match self.token {
            Token::Identifier | Token::Or => {
                let name = self.name();
                self.advance();
                return Ok(AttrName::Static(name));
            }
            Token::Quote => self.string()?,
            Token::DollarBrace => {
                self.open("'${'", "'}'", start);
                self.advance();
                let name = self.expression()?;
                self.expect(Token::BraceClose)?;
                self.close();
                name
            }
            _ => {
                return Err(self.unexpected(&[
                    Token::Identifier,
                    Token::Or,
                    Token::DollarBrace,
                    Token::Quote,
                ]));
            }
        };
        // As in the reference, `${"a"}` is as good as `a`.
        Ok(match expression.kind {
            ExprKind::String(text) => AttrName::Static(Name { text, span: span(start, self.end) }),
            _ => AttrName::Dynamic(self.alloc(expression)),
        })
    }
}

fn already_defined(duplicate: Duplicate<'_>) -> Box<ParseError> {
    let mut path = BString::default();
    for (i, name) in duplicate.path.iter().enumerate() {
        if i > 0 {
            path.push(b'.');
        }
        write_name(&mut path, name);
    }
    let message = format!("attribute '{path}' already defined");
    let mut error = ParseError::new(message, duplicate.again);
    error.earlier = Some(duplicate.earlier);
    Box::new(error)
}
