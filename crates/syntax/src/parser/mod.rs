//! Tokens into the tree: recursive descent, with operators by precedence on a
//! stack of their own.

mod discouraged;
mod expressions;
mod hints;
mod sets;
mod strings;

use crate::ast::{AttrName, Expr, ExprKind, Formal, StringPart};
use crate::bindings::SetBuilder;
use crate::error::ParseError;
use crate::lexer::Lexer;
use crate::lints::Lints;
use crate::token::Token;
use bstr::BStr;
use bumpalo::Bump;
use saltire_diagnostics::Span;

/// How deeply expressions may stand in one another. Chains of operators,
/// arguments and selections do not count.
pub const MAX_NESTING: usize = 20_000;

/// What the parser accepts beyond the stable language, and what of it it complains of.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParseOptions {
    /// `x |> f` and `f <| x`: the experimental feature `pipe-operators`.
    pub pipe_operators: bool,
    /// What to do about discouraged ways of writing.
    pub lints: Lints,
}

/// The expression that a text is.
///
/// The tree lives in the arena and refers to the text, which need not be UTF-8
/// inside of strings and comments.
///
/// # Errors
///
/// For a text that is not exactly one expression, that binds a name twice, that
/// is nested more deeply than [`MAX_NESTING`] or that is longer than four
/// gigabytes.
pub fn parse<'a>(
    arena: &'a Bump,
    text: &'a [u8],
    options: &ParseOptions,
) -> std::result::Result<&'a Expr<'a>, ParseError> {
    parse_with_warnings(arena, text, options, &mut |_| {})
}

/// As [`parse`]; what [`ParseOptions::lints`] want to be warned of is passed to `warn`.
///
/// # Errors
///
/// As [`parse`], and for what a lint makes an error.
pub fn parse_with_warnings<'a>(
    arena: &'a Bump,
    text: &'a [u8],
    options: &ParseOptions,
    warn: &mut dyn FnMut(ParseError),
) -> std::result::Result<&'a Expr<'a>, ParseError> {
    if u32::try_from(text.len()).is_err() {
        let message = "the text is longer than four gigabytes";
        return Err(ParseError::new(message, Span::default()));
    }
    let mut parser = Parser {
        arena,
        text,
        lexer: Lexer::new(text),
        options: *options,
        token: Token::End,
        start: 0,
        end: 0,
        depth: 0,
        openers: Vec::new(),
        expressions: Vec::new(),
        operators: Vec::new(),
        path: Vec::new(),
        parts: Vec::new(),
        pieces: Vec::new(),
        formals: Vec::new(),
        buffer: Vec::new(),
        builders: Vec::new(),
        warnings: Vec::new(),
    };
    parser.advance();
    let result = parser.expression().and_then(|expression| {
        parser.expect_end()?;
        Ok(expression)
    });
    parser.warnings.into_iter().for_each(warn);
    match result {
        Ok(expression) => Ok(arena.alloc(expression)),
        Err(error) => Err(*error),
    }
}

/// Boxed, so that results stay small.
type Result<T> = std::result::Result<T, Box<ParseError>>;

/// Something that has to be closed, for messages about what was not.
#[derive(Clone, Copy, Debug)]
struct Opener {
    what: &'static str,
    closer: &'static str,
    start: usize,
}

/// A text in the middle of being parsed.
///
/// The vectors are stacks that all levels of the recursion share: a level
/// remembers the length at its start and takes what is above it at its end.
struct Parser<'a> {
    arena: &'a Bump,
    text: &'a [u8],
    lexer: Lexer<'a>,
    options: ParseOptions,
    /// The next token, not yet accepted; it ends at `lexer.position`.
    token: Token,
    /// Where it starts.
    start: usize,
    /// The end of the last accepted token.
    end: usize,
    depth: usize,
    openers: Vec<Opener>,
    expressions: Vec<Expr<'a>>,
    operators: Vec<expressions::Pending>,
    path: Vec<AttrName<'a>>,
    parts: Vec<StringPart<'a>>,
    pieces: Vec<strings::Piece<'a>>,
    formals: Vec<Formal<'a>>,
    buffer: Vec<u8>,
    builders: Vec<SetBuilder<'a>>,
    warnings: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    /// Accepts the token and reads the next one.
    #[inline]
    fn advance(&mut self) {
        self.end = self.lexer.position;
        (self.token, self.start) = self.lexer.next();
    }

    /// Goes on behind what was read without the lexer.
    fn resume(&mut self, position: usize) {
        self.lexer.position = position;
        self.advance();
    }

    /// Accepts the token, which has to be this one.
    #[inline]
    fn expect(&mut self, token: Token) -> Result<()> {
        if self.token != token {
            return Err(self.unexpected(&[token]));
        }
        self.advance();
        Ok(())
    }

    /// The token has to be the end of the text.
    fn expect_end(&mut self) -> Result<()> {
        match self.token {
            Token::End => Ok(()),
            _ => Err(self.unexpected(&[Token::End])),
        }
    }

    #[inline]
    fn open(&mut self, what: &'static str, closer: &'static str, start: usize) {
        self.openers.push(Opener { what, closer, start });
    }

    #[inline]
    fn close(&mut self) {
        self.openers.pop();
    }

    /// The text of the token.
    #[inline]
    fn token_text(&self) -> &'a BStr {
        BStr::new(&self.text[self.start..self.lexer.position])
    }

    fn token_span(&self) -> Span {
        span(self.start, self.lexer.position)
    }

    /// Calls a function one level deeper.
    #[inline]
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.too_deep());
        }
        let result = crate::deep(|| f(self));
        self.depth -= 1;
        result
    }

    #[cold]
    fn too_deep(&self) -> Box<ParseError> {
        let message = format!("expressions are nested more than {MAX_NESTING} levels deep");
        Box::new(ParseError::new(message, self.token_span()))
    }

    /// The expressions pushed since the stack had this length.
    fn take_expressions(&mut self, mark: usize) -> &'a [Expr<'a>] {
        let slice = self.arena.alloc_slice_copy(&self.expressions[mark..]);
        self.expressions.truncate(mark);
        slice
    }

    fn take_parts(&mut self, mark: usize) -> &'a [StringPart<'a>] {
        let slice = self.arena.alloc_slice_copy(&self.parts[mark..]);
        self.parts.truncate(mark);
        slice
    }

    fn alloc(&self, expression: Expr<'a>) -> &'a Expr<'a> {
        self.arena.alloc(expression)
    }
}

/// A range of the text; offsets fit, as the text's length was checked.
#[inline]
fn span(start: usize, end: usize) -> Span {
    Span::new(start as u32, end as u32)
}

/// An expression from its parts.
#[inline]
fn expression<'a>(start: u32, end: usize, kind: ExprKind<'a>) -> Expr<'a> {
    Expr { span: Span::new(start, end as u32), kind }
}
