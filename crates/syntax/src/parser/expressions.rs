//! Expressions: functions, keywords, operators, application, selection, literals.

use super::{Parser, Result, expression, span};
use crate::ast::{BinaryOperator, Expr, ExprKind, Lambda, Name};
use crate::error::ParseError;
use crate::token::Token;
use bstr::BStr;
use saltire_diagnostics::Span;

/// An operator that waits for its right operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    Not { start: u32 },
    Negate { start: u32 },
    Binary { operator: BinaryOperator, span: Span },
}

/// How tightly `?` binds; it is the only operator behind its operand.
const HAS_ATTR: u8 = 11;

/// What happens between two operators of the same level.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Associativity {
    Left,
    Right,
    None,
}

impl Pending {
    /// How tightly it binds; `!` is looser than `+`.
    fn level(self) -> u8 {
        match self {
            Pending::Not { .. } => 7,
            Pending::Negate { .. } => 12,
            Pending::Binary { operator, .. } => level(operator).0,
        }
    }
}

fn level(operator: BinaryOperator) -> (u8, Associativity) {
    use Associativity::{Left, None, Right};
    match operator {
        BinaryOperator::PipeLeft => (0, Right),
        BinaryOperator::PipeRight => (0, Left),
        BinaryOperator::Implies => (1, Right),
        BinaryOperator::Or => (2, Left),
        BinaryOperator::And => (3, Left),
        BinaryOperator::Equal | BinaryOperator::NotEqual => (4, None),
        BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual => (5, None),
        BinaryOperator::Update => (6, Right),
        BinaryOperator::Add | BinaryOperator::Subtract => (8, Left),
        BinaryOperator::Multiply | BinaryOperator::Divide => (9, Left),
        BinaryOperator::Concat => (10, Right),
    }
}

fn binary_operator(token: Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Plus => BinaryOperator::Add,
        Token::Minus => BinaryOperator::Subtract,
        Token::Star => BinaryOperator::Multiply,
        Token::Slash => BinaryOperator::Divide,
        Token::Concat => BinaryOperator::Concat,
        Token::Update => BinaryOperator::Update,
        Token::Equal => BinaryOperator::Equal,
        Token::NotEqual => BinaryOperator::NotEqual,
        Token::Less => BinaryOperator::Less,
        Token::LessOrEqual => BinaryOperator::LessOrEqual,
        Token::Greater => BinaryOperator::Greater,
        Token::GreaterOrEqual => BinaryOperator::GreaterOrEqual,
        Token::AndAnd => BinaryOperator::And,
        Token::OrOr => BinaryOperator::Or,
        Token::Implies => BinaryOperator::Implies,
        Token::PipeLeft => BinaryOperator::PipeLeft,
        Token::PipeRight => BinaryOperator::PipeRight,
        _ => return None,
    })
}

impl<'a> Parser<'a> {
    /// Any expression.
    pub(super) fn expression(&mut self) -> Result<Expr<'a>> {
        self.nested(Self::any_expression)
    }

    fn any_expression(&mut self) -> Result<Expr<'a>> {
        let start = self.start as u32;
        match self.token {
            Token::Identifier => {
                let name = self.name();
                self.advance();
                match self.token {
                    Token::Colon => {
                        self.advance();
                        self.lambda(start, Some(name), None)
                    }
                    Token::At => {
                        self.advance();
                        if self.token != Token::BraceOpen {
                            return Err(self.unexpected(&[Token::BraceOpen]));
                        }
                        let formals = self.formals()?;
                        self.check_formals(formals, Some(name), start)?;
                        self.expect(Token::Colon)?;
                        self.lambda(start, Some(name), Some(formals))
                    }
                    _ => {
                        let variable = Expr { span: name.span, kind: ExprKind::Var(name.text) };
                        self.operators(Some(variable))
                    }
                }
            }
            Token::BraceOpen if self.is_pattern() => self.pattern_lambda(),
            Token::Let => self.let_in(),
            Token::With => self.with(),
            Token::Assert => self.assert(),
            Token::If => self.if_then_else(),
            _ => self.operators(None),
        }
    }

    /// The token as a name.
    pub(super) fn name(&self) -> Name<'a> {
        Name { text: self.token_text(), span: self.token_span() }
    }

    /// The rest of a function, from behind the colon.
    fn lambda(
        &mut self,
        start: u32,
        argument: Option<Name<'a>>,
        formals: Option<crate::ast::Formals<'a>>,
    ) -> Result<Expr<'a>> {
        let body = self.expression()?;
        let body = self.alloc(body);
        let lambda = self.arena.alloc(Lambda { argument, formals, body });
        Ok(expression(start, self.end, ExprKind::Lambda(lambda)))
    }

    /// `{ … }: body` or `{ … }@name: body`
    fn pattern_lambda(&mut self) -> Result<Expr<'a>> {
        let start = self.start as u32;
        let formals = self.formals()?;
        let mut argument = None;
        match self.token {
            Token::Colon => {}
            Token::At => {
                self.advance();
                if self.token != Token::Identifier {
                    return Err(self.unexpected(&[Token::Identifier]));
                }
                argument = Some(self.name());
                self.advance();
            }
            _ => return Err(self.unexpected(&[Token::Colon, Token::At])),
        }
        self.expect(Token::Colon)?;
        self.check_formals(formals, argument, start)?;
        self.lambda(start, argument, Some(formals))
    }

    fn let_in(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        self.advance();
        if self.token == Token::BraceOpen {
            let first = self.legacy_let(start)?;
            return self.operators(Some(first));
        }
        self.open("'let'", "'in'", start);
        let bindings = self.bindings(&[Token::In, Token::Inherit])?;
        if let Some(first) = bindings.dynamic.first() {
            let error = ParseError::new("dynamic attributes not allowed in let", {
                Span::new(start as u32, start as u32 + 3)
            });
            let at = crate::error::line_and_column(self.text, first.span.start as usize);
            let hint = format!(
                "the name at {at} is only known when evaluating; bind a set instead, as in 'let x = {{ ${{name}} = …; }}; in …'"
            );
            return Err(Box::new(error.hint(hint)));
        }
        if self.token != Token::In {
            return Err(self.unexpected(&[Token::In, Token::Inherit]));
        }
        self.advance();
        self.close();
        let body = self.expression()?;
        let kind = ExprKind::Let(bindings, self.alloc(body));
        Ok(expression(start as u32, self.end, kind))
    }

    /// From the brace of `let { … }`.
    fn legacy_let(&mut self, start: usize) -> Result<Expr<'a>> {
        let bindings = self.braced_bindings(&[Token::Inherit, Token::BraceClose])?;
        let kind = ExprKind::LegacyLet(bindings);
        Ok(expression(start as u32, self.end, kind))
    }

    fn with(&mut self) -> Result<Expr<'a>> {
        let start = self.start as u32;
        self.advance();
        let scope = self.expression()?;
        self.expect(Token::Semicolon)?;
        let body = self.expression()?;
        let kind = ExprKind::With(self.alloc(scope), self.alloc(body));
        Ok(expression(start, self.end, kind))
    }

    fn assert(&mut self) -> Result<Expr<'a>> {
        let start = self.start as u32;
        self.advance();
        let condition = self.expression()?;
        self.expect(Token::Semicolon)?;
        let body = self.expression()?;
        let kind = ExprKind::Assert(self.alloc(condition), self.alloc(body));
        Ok(expression(start, self.end, kind))
    }

    fn if_then_else(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        self.open("'if'", "'then' and 'else'", start);
        self.advance();
        let condition = self.expression()?;
        self.expect(Token::Then)?;
        let yes = self.expression()?;
        self.expect(Token::Else)?;
        self.close();
        let no = self.expression()?;
        let kind = ExprKind::If(self.alloc(condition), self.alloc(yes), self.alloc(no));
        Ok(expression(start as u32, self.end, kind))
    }

    /// Operands joined by operators; the first operand may have been read.
    fn operators(&mut self, first: Option<Expr<'a>>) -> Result<Expr<'a>> {
        let operators = self.operators.len();
        let operands = self.expressions.len();
        let mut operand = match first {
            Some(first) => {
                let start = first.span.start as usize;
                let first = self.select(first, start)?;
                self.application(first, start)?
            }
            None => self.operand()?,
        };
        loop {
            if self.token == Token::Question {
                operand = self.reduce(operators, operand, HAS_ATTR, None)?;
                operand = self.has_attr(operand)?;
                continue;
            }
            let Some(operator) = binary_operator(self.token) else {
                break;
            };
            let (level, associativity) = level(operator);
            if level == 0 && !self.may_pipe(operators, operator)? {
                break;
            }
            operand = self.reduce(operators, operand, level, Some(associativity))?;
            self.expressions.push(operand);
            self.operators.push(Pending::Binary { operator, span: self.token_span() });
            self.advance();
            operand = self.operand()?;
        }
        operand = self.reduce(operators, operand, 0, Some(Associativity::Left))?;
        debug_assert_eq!(self.expressions.len(), operands);
        Ok(operand)
    }

    /// Pipes have to be switched on, and their two directions do not mix: the
    /// second direction can't belong to the expression.
    fn may_pipe(&mut self, mark: usize, operator: BinaryOperator) -> Result<bool> {
        if !self.options.pipe_operators {
            let message = "experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it";
            return Err(Box::new(ParseError::new(message, self.token_span())));
        }
        let other = match self.operators.get(mark) {
            Some(&Pending::Binary { operator: first, .. }) => level(first).0 == 0 && first != operator,
            _ => false,
        };
        Ok(!other)
    }

    /// Builds the pending operators that bind more tightly than what follows.
    fn reduce(
        &mut self,
        mark: usize,
        mut right: Expr<'a>,
        following: u8,
        associativity: Option<Associativity>,
    ) -> Result<Expr<'a>> {
        while self.operators.len() > mark {
            let pending = self.operators[self.operators.len() - 1];
            let level = pending.level();
            if level < following {
                break;
            }
            if level == following {
                match associativity {
                    Some(Associativity::Left) => {}
                    Some(Associativity::None) => return Err(self.not_associative()),
                    Some(Associativity::Right) | None => break,
                }
            }
            self.operators.pop();
            right = match pending {
                Pending::Not { start } => {
                    let end = right.span.end as usize;
                    expression(start, end, ExprKind::Not(self.alloc(right)))
                }
                Pending::Negate { start } => {
                    let end = right.span.end as usize;
                    expression(start, end, ExprKind::Negate(self.alloc(right)))
                }
                Pending::Binary { operator, span } => {
                    // Each pending binary operator has pushed its left operand.
                    let Some(left) = self.expressions.pop() else {
                        return Ok(right);
                    };
                    Expr {
                        span: left.span.to(right.span),
                        kind: ExprKind::Binary {
                            operator,
                            operator_span: span,
                            left: self.alloc(left),
                            right: self.alloc(right),
                        },
                    }
                }
            };
        }
        Ok(right)
    }

    fn has_attr(&mut self, subject: Expr<'a>) -> Result<Expr<'a>> {
        self.advance();
        let mark = self.path.len();
        self.attr_path()?;
        let path = self.take_path(mark);
        let subject = self.alloc(subject);
        let kind = ExprKind::HasAttr { subject, path };
        Ok(expression(subject.span.start, self.end, kind))
    }

    /// Prefix operators, which are pushed, and an application.
    fn operand(&mut self) -> Result<Expr<'a>> {
        loop {
            let start = self.start as u32;
            match self.token {
                Token::Not => self.operators.push(Pending::Not { start }),
                Token::Minus => self.operators.push(Pending::Negate { start }),
                _ => break,
            }
            self.advance();
        }
        let start = self.start;
        let first = self.selection()?;
        self.application(first, start)
    }

    /// The arguments behind a function, if there are any.
    #[inline]
    fn application(&mut self, function: Expr<'a>, start: usize) -> Result<Expr<'a>> {
        if !self.token.starts_operand() {
            return Ok(function);
        }
        // The reference joins the arguments of `(f x) y`, whose place is f's.
        let start = match function.kind {
            ExprKind::Apply { .. } | ExprKind::Negate(_) => function.span.start,
            _ => start as u32,
        };
        let mark = self.expressions.len();
        while self.token.starts_operand() {
            let argument = self.selection()?;
            self.expressions.push(argument);
        }
        let arguments = self.take_expressions(mark);
        let function = self.alloc(function);
        let kind = ExprKind::Apply { function, arguments };
        Ok(expression(start, self.end, kind))
    }

    /// An element of a list or application: a simple expression and what is
    /// selected from it.
    pub(super) fn selection(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        let subject = self.simple()?;
        self.select(subject, start)
    }

    /// `.path`, `.path or default` or the odd `or` behind a simple expression.
    #[inline]
    fn select(&mut self, subject: Expr<'a>, start: usize) -> Result<Expr<'a>> {
        let start = start as u32;
        if self.token == Token::Dot {
            self.advance();
            let mark = self.path.len();
            self.attr_path()?;
            let path = self.take_path(mark);
            let mut default = None;
            if self.token == Token::Or {
                self.advance();
                let value = self.nested(Self::selection)?;
                default = Some(self.alloc(value));
            }
            let subject = self.alloc(subject);
            let kind = ExprKind::Select { subject, path, default };
            return Ok(expression(start, self.end, kind));
        }
        if self.token == Token::Or {
            // Not behind a selection, `or` is a variable as an argument.
            let kind = ExprKind::Var(self.token_text());
            self.advance();
            // As in the reference, it is where the call is.
            let or = expression(start, self.end, kind);
            let kind = ExprKind::Apply {
                function: self.alloc(subject),
                arguments: self.arena.alloc_slice_copy(&[or]),
            };
            return Ok(expression(start, self.end, kind));
        }
        Ok(subject)
    }

    /// A literal, a variable or something in brackets.
    fn simple(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        let kind = match self.token {
            Token::Identifier => ExprKind::Var(self.token_text()),
            Token::Int => self.integer()?,
            Token::Float => self.float()?,
            Token::Uri => {
                let text = self.token_text();
                self.lint(|lints| lints.url_literals, self.token_span(), |fatal| {
                    let are = if fatal { "disallowed" } else { "discouraged" };
                    format!("URL literals are {are}. Consider using a string literal \"{text}\" instead (lint-url-literals)")
                })?;
                ExprKind::String(text)
            }
            Token::SearchPath => {
                let text = self.token_text();
                ExprKind::SearchPath(BStr::new(&text[1..text.len() - 1]))
            }
            Token::Quote => return self.string(),
            Token::IndentedOpen => return self.indented_string(),
            Token::Path | Token::HomePath => return self.path_literal(),
            Token::ParenOpen => {
                self.open("'('", "')'", start);
                self.advance();
                let inner = self.expression()?;
                self.expect(Token::ParenClose)?;
                self.close();
                return Ok(inner);
            }
            Token::BracketOpen => return self.nested(Self::list),
            Token::BraceOpen => {
                let bindings = self.braced_bindings(&[Token::Inherit])?;
                return Ok(attr_set(start, self.end, false, bindings));
            }
            Token::Rec => {
                self.advance();
                if self.token != Token::BraceOpen {
                    return Err(self.unexpected(&[Token::BraceOpen]));
                }
                let bindings = self.braced_bindings(&[Token::Inherit, Token::BraceClose])?;
                return Ok(attr_set(start, self.end, true, bindings));
            }
            Token::Let => {
                self.advance();
                if self.token != Token::BraceOpen {
                    return Err(self.unexpected(&[Token::BraceOpen]));
                }
                return self.legacy_let(start);
            }
            _ => return Err(self.unexpected(&[])),
        };
        let span = self.token_span();
        self.advance();
        Ok(Expr { span, kind })
    }

    fn integer(&mut self) -> Result<ExprKind<'a>> {
        let mut value = 0i64;
        for &digit in self.token_text().iter() {
            let digit = i64::from(digit - b'0');
            let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add(digit)) else {
                let message = format!("invalid integer '{}'", self.token_text());
                let hint = format!("the largest integer is {}", i64::MAX);
                let error = ParseError::new(message, self.token_span()).hint(hint);
                return Err(Box::new(error));
            };
            value = next;
        }
        Ok(ExprKind::Int(value))
    }

    /// The reference rejects what is too large or too small to be exact.
    fn float(&mut self) -> Result<ExprKind<'a>> {
        let text = self.token_text();
        let digits = text.split(|b| matches!(b, b'e' | b'E')).next().unwrap_or_default();
        let is_zero = digits.iter().all(|b| matches!(b, b'0' | b'.'));
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        match value {
            Some(value) if value.is_normal() || is_zero => Ok(ExprKind::Float(value)),
            _ => {
                let message = format!("invalid float '{text}'");
                Err(Box::new(ParseError::new(message, self.token_span())))
            }
        }
    }

    fn list(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        self.open("'['", "']'", start);
        self.advance();
        let mark = self.expressions.len();
        while self.token != Token::BracketClose {
            let element = self.selection()?;
            self.expressions.push(element);
        }
        self.advance();
        self.close();
        let elements = self.take_expressions(mark);
        Ok(Expr { span: span(start, self.end), kind: ExprKind::List(elements) })
    }
}

fn attr_set<'a>(
    start: usize,
    end: usize,
    recursive: bool,
    bindings: &'a crate::ast::Bindings<'a>,
) -> Expr<'a> {
    let kind = ExprKind::AttrSet { recursive, bindings };
    expression(start as u32, end, kind)
}
