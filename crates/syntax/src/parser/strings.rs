//! Strings, indented strings and paths, with what is interpolated in them.

use super::{Parser, Result, span};
use crate::ast::{Expr, ExprKind, PathBase, StringPart};
use crate::error::ParseError;
use crate::lexer::is_path_byte;
use crate::token::Token;
use bstr::{BStr, ByteSlice};
use saltire_diagnostics::Span;

/// A piece of an indented string as written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece<'a> {
    /// Text, whose lines are indented.
    Text(&'a [u8], Span),
    /// What an escape, or a single `$` or `'`, stands for. It ends the
    /// indentation of its line.
    Escape(&'a [u8], Span),
    Interpolation(&'a Expr<'a>),
}

impl<'a> Parser<'a> {
    fn byte(&self, index: usize) -> u8 {
        self.text.get(index).copied().unwrap_or(0)
    }

    /// From `${` to its `}`; returns the index behind that. The lexer has no
    /// part in what follows.
    fn interpolation(&mut self, start: usize) -> Result<(Expr<'a>, usize)> {
        self.open("'${'", "'}'", start);
        self.resume(start + 2);
        let expression = self.expression()?;
        if self.token != Token::BraceClose {
            return Err(self.unexpected(&[Token::BraceClose]));
        }
        self.close();
        Ok((expression, self.lexer.position))
    }

    /// A string, from its opening quote.
    pub(super) fn string(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        self.open("string", "'\"'", start);
        let mark = self.parts.len();
        let mut position = self.lexer.position;
        loop {
            let (text, end) = self.string_text(position)?;
            let closed = self.byte(end) == b'"';
            if closed && self.parts.len() == mark {
                self.close();
                self.resume(end + 1);
                return Ok(Expr { span: span(start, self.end), kind: ExprKind::String(text) });
            }
            if !text.is_empty() {
                let part = StringPart::Literal(text, span(position, end));
                self.parts.push(part);
            }
            if closed {
                position = end + 1;
                break;
            }
            let (expression, end) = self.interpolation(end)?;
            position = end;
            let part = StringPart::Interpolation(self.alloc(expression));
            self.parts.push(part);
        }
        self.close();
        self.resume(position);
        let parts = self.take_parts(mark);
        Ok(Expr { span: span(start, self.end), kind: ExprKind::Interpolated(parts) })
    }

    /// Text up to the closing quote or the next `${`, which is at the index
    /// returned.
    fn string_text(&mut self, start: usize) -> Result<(&'a BStr, usize)> {
        let text = self.text;
        let mut index = start;
        let mut copied = start;
        self.buffer.clear();
        loop {
            let Some(&byte) = text.get(index) else {
                return Err(self.end_of_text(&[Token::Quote]));
            };
            match byte {
                b'"' => break,
                b'$' => match self.byte(index + 1) {
                    b'{' => break,
                    b'"' | b'\\' | b'\r' | 0 => index += 1,
                    _ => index += 2,
                },
                b'\\' => {
                    self.buffer.extend_from_slice(&text[copied..index]);
                    let Some(&escaped) = text.get(index + 1) else {
                        return Err(self.end_of_text(&[Token::Quote]));
                    };
                    if escaped == 0 {
                        return Err(self.nul(start, index + 1));
                    }
                    self.buffer.push(unescape(escaped));
                    index += 2;
                    copied = index;
                }
                b'\r' => {
                    self.buffer.extend_from_slice(&text[copied..index]);
                    self.buffer.push(b'\n');
                    index += 1 + usize::from(self.byte(index + 1) == b'\n');
                    copied = index;
                }
                0 => return Err(self.nul(start, index)),
                _ => index += 1,
            }
        }
        if copied == start {
            return Ok((text[start..index].as_bstr(), index));
        }
        self.buffer.extend_from_slice(&text[copied..index]);
        let text = self.arena.alloc_slice_copy(&self.buffer);
        Ok((BStr::new(text), index))
    }

    #[cold]
    fn nul(&self, start: usize, index: usize) -> Box<ParseError> {
        let after = &self.text[index..];
        let length = after.iter().position(|byte| b"\"'$\\\n".contains(byte)).unwrap_or(after.len());
        let piece = String::from_utf8_lossy(&self.text[start..index + length]).replace('\0', "␀");
        let message = format!(
            "input string '{piece}' cannot be represented as Nix string because it contains null bytes"
        );
        Box::new(ParseError::new(message, span(start, start + 1)))
    }

    /// An indented string, from its opening quotes.
    pub(super) fn indented_string(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        self.open("indented string", "''", start);
        let mark = self.pieces.len();
        let mut position = self.lexer.position;
        loop {
            position = self.indented_text(position)?;
            let piece = match self.indented_special(position)? {
                Special::Close => break,
                Special::Interpolation => {
                    let (expression, end) = self.interpolation(position)?;
                    position = end;
                    Piece::Interpolation(self.alloc(expression))
                }
                Special::Escape(text, length) => {
                    let place = span(position, position + length);
                    position += length;
                    Piece::Escape(text, place)
                }
            };
            self.pieces.push(piece);
        }
        self.close();
        self.resume(position + 2);
        let kind = self.strip_indentation(mark);
        self.pieces.truncate(mark);
        Ok(Expr { span: span(start, self.end), kind })
    }

    /// Pushes text up to what is special; returns the index of that.
    fn indented_text(&mut self, start: usize) -> Result<usize> {
        let mut index = start;
        loop {
            let Some(&byte) = self.text.get(index) else {
                return Err(self.end_of_text(&[
                    Token::IndentedText,
                    Token::DollarBrace,
                    Token::IndentedClose,
                ]));
            };
            match byte {
                b'$' => match self.byte(index + 1) {
                    b'{' | b'\'' => break,
                    0 => index += 1,
                    _ => index += 2,
                },
                b'\'' => match self.byte(index + 1) {
                    b'$' | b'\'' => break,
                    0 => index += 1,
                    _ => index += 2,
                },
                0 => return Err(self.nul(start, index)),
                _ => index += 1,
            }
        }
        if index > start {
            let piece = Piece::Text(&self.text[start..index], span(start, index));
            self.pieces.push(piece);
        }
        Ok(index)
    }

    /// What starts at a `$` or `'` where [`Self::indented_text`] stopped.
    fn indented_special(&self, start: usize) -> Result<Special<'a>> {
        let rest = &self.text[start..];
        Ok(match rest {
            [b'$', b'{', ..] => Special::Interpolation,
            [b'\'', b'\'', b'$', ..] => Special::Escape(b"$", 3),
            [b'\'', b'\'', b'\'', ..] => Special::Escape(b"''", 3),
            [b'\'', b'\'', b'\\', 0, ..] => return Err(self.nul(start, start + 3)),
            [b'\'', b'\'', b'\\', escaped, ..] => {
                let text = match unescape(*escaped) {
                    byte if byte == *escaped => &rest[3..4],
                    b'\n' => b"\n",
                    b'\r' => b"\r",
                    _ => b"\t",
                };
                Special::Escape(text, 4)
            }
            [b'\'', b'\'', ..] => Special::Close,
            _ => Special::Escape(&rest[..1], 1),
        })
    }

    /// Takes the common indentation from the pieces since the mark.
    fn strip_indentation(&mut self, mark: usize) -> ExprKind<'a> {
        let indentation = common_indentation(&self.pieces[mark..]);
        let parts = self.parts.len();
        self.buffer.clear();
        let mut line = Line { at_start: true, dropped: 0, indentation };
        for i in mark..self.pieces.len() {
            let piece = self.pieces[i];
            let (text, place) = match piece {
                Piece::Text(text, place) | Piece::Escape(text, place) => (text, place),
                Piece::Interpolation(expression) => {
                    line.at_start = false;
                    line.dropped = 0;
                    self.parts.push(StringPart::Interpolation(expression));
                    continue;
                }
            };
            self.buffer.clear();
            line.strip(text, &mut self.buffer);
            if i + 1 == self.pieces.len() {
                drop_blank_last_line(&mut self.buffer);
            }
            if !self.buffer.is_empty() {
                let text = BStr::new(self.arena.alloc_slice_copy(&self.buffer));
                self.parts.push(StringPart::Literal(text, place));
            }
        }
        let plain = match self.parts[parts..] {
            [] => BStr::new(b""),
            [StringPart::Literal(text, _)] => text,
            // As in the reference, what is escaped is a part of its own.
            _ => return ExprKind::Interpolated(self.take_parts(parts)),
        };
        self.parts.truncate(parts);
        ExprKind::String(plain)
    }

    /// A path, from its first token.
    pub(super) fn path_literal(&mut self) -> Result<Expr<'a>> {
        let start = self.start;
        let (base, from) = match (self.token, self.byte(start)) {
            (Token::HomePath, _) => (PathBase::Home, start + 2),
            (_, b'/') => (PathBase::Absolute, start),
            _ => (PathBase::Relative, start),
        };
        self.lint_path(base)?;
        let mark = self.parts.len();
        let mut position = self.lexer.position;
        self.parts.push(StringPart::Literal(self.text[from..position].as_bstr(), span(from, position)));
        let mut pieces = 0;
        let mut interpolated = false;
        loop {
            if self.text[position..].starts_with(b"${") {
                let (expression, end) = self.interpolation(position)?;
                interpolated = true;
                position = end;
                let part = StringPart::Interpolation(self.alloc(expression));
                self.parts.push(part);
            } else if let Some(end) = self.lexer.path_piece(position) {
                pieces += 1;
                self.path_text(mark, position, end);
                let place = span(position, end);
                position = end;
                let ends = !self.continues_path(end) && self.byte(end - 1) != b'/';
                if !interpolated && (pieces > 1 || ends) {
                    return Err(doubled_slash(place, pieces > 1));
                }
            } else {
                break;
            }
        }
        if self.byte(position - 1) == b'/' {
            return Err(self.trailing_slash(start, position));
        }
        self.resume(position);
        let parts = self.take_parts(mark);
        Ok(Expr { span: span(start, self.end), kind: ExprKind::Path(base, parts) })
    }

    /// Adds text to a path, to the last part if that is text as well, and not
    /// the start of the path, which the parts' mark is for.
    fn path_text(&mut self, mark: usize, start: usize, end: usize) {
        match self.parts[mark + 1..].last_mut() {
            Some(StringPart::Literal(text, place)) if place.end as usize == start => {
                *place = span(place.start as usize, end);
                *text = self.text[place.start as usize..end].as_bstr();
            }
            _ => {
                let text = self.text[start..end].as_bstr();
                let part = StringPart::Literal(text, span(start, end));
                self.parts.push(part);
            }
        }
    }

    fn continues_path(&self, position: usize) -> bool {
        let byte = self.byte(position);
        byte == b'/' || is_path_byte(byte) || self.text[position..].starts_with(b"${")
    }

    #[cold]
    fn trailing_slash(&self, start: usize, end: usize) -> Box<ParseError> {
        let place = match self.byte(end) {
            0 => span(start, end),
            _ => span(end, end + 1),
        };
        let without = self.text[start..end - 1].as_bstr();
        let mut error = ParseError::new("path has a trailing slash", place);
        if !without.contains(&b'$') {
            error = error.hint(format!("write '{without}' without the last slash"));
        }
        Box::new(error)
    }
}

/// As in the reference, `a/b//c` is two pieces of text, which is only allowed
/// behind an interpolation or, for the first of them, before one.
#[cold]
fn doubled_slash(place: Span, again: bool) -> Box<ParseError> {
    let what = if again { "string" } else { "end of path" };
    let message = format!("syntax error, unexpected {what}, expecting '${{'");
    let hint = "a path literal cannot contain '//'; write a single slash";
    Box::new(ParseError::new(message, place).hint(hint))
}

/// What interrupts the text of an indented string.
enum Special<'a> {
    Close,
    Interpolation,
    /// Text and how many bytes stand for it.
    Escape(&'a [u8], usize),
}

/// The byte that a byte behind a backslash stands for.
fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        byte => byte,
    }
}

/// The fewest spaces at the start of any line that holds something else.
fn common_indentation(pieces: &[Piece]) -> usize {
    let mut least = usize::MAX;
    let mut current = 0;
    let mut at_start = true;
    for piece in pieces {
        let Piece::Text(text, _) = piece else {
            if at_start {
                at_start = false;
                least = least.min(current);
            }
            continue;
        };
        for &byte in *text {
            match byte {
                b'\n' => {
                    at_start = true;
                    current = 0;
                }
                b' ' if at_start => current += 1,
                _ if at_start => {
                    at_start = false;
                    least = least.min(current);
                }
                _ => {}
            }
        }
    }
    least
}

/// Where in a line the removal of indentation is.
struct Line {
    at_start: bool,
    dropped: usize,
    indentation: usize,
}

impl Line {
    /// Appends text without the indentation of its lines.
    fn strip(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while let Some(&byte) = rest.first() {
            if !self.at_start {
                let end = rest.find_byte(b'\n').map_or(rest.len(), |i| i + 1);
                self.at_start = rest[end - 1] == b'\n';
                out.extend_from_slice(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            match byte {
                b' ' => {
                    if self.dropped >= self.indentation {
                        out.push(byte);
                    }
                    self.dropped += 1;
                }
                b'\n' => {
                    self.dropped = 0;
                    out.push(byte);
                }
                _ => {
                    self.at_start = false;
                    self.dropped = 0;
                    continue;
                }
            }
            rest = &rest[1..];
        }
    }
}

/// Removes a last line that holds only spaces.
fn drop_blank_last_line(buffer: &mut Vec<u8>) {
    if let Some(newline) = buffer.rfind_byte(b'\n') {
        let line = newline + 1;
        if buffer[line..].iter().all(|&b| b == b' ') {
            buffer.truncate(line);
        }
    }
}
