//! Text into tokens, one at a time, on demand.
//!
//! The lexer has no modes: what stands in strings and paths is read by the
//! parser, which then sets the lexer's position behind it. As in the reference,
//! the longest token wins, so that `a/b` is a path, `a:b` a URI and `a->b` the
//! name `a-` and a `>`.

use crate::token::Token;

/// May start an identifier.
const NAME_START: u8 = 1;
/// May continue an identifier.
const NAME: u8 = 2;
/// May stand in a path, between slashes.
const PATH: u8 = 4;
/// May stand behind the colon of a URI.
const URI: u8 = 8;
/// May stand before the colon of a URI.
const SCHEME: u8 = 16;
/// A decimal digit.
const DIGIT: u8 = 32;
/// White space.
const SPACE: u8 = 64;

static CLASSES: [u8; 256] = {
    let mut classes = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        let mut class = 0;
        if byte.is_ascii_alphabetic() {
            class |= NAME_START | NAME | PATH | URI | SCHEME;
        }
        if byte.is_ascii_digit() {
            class |= NAME | PATH | URI | SCHEME | DIGIT;
        }
        match byte {
            b'_' => class |= NAME_START | NAME | PATH | URI,
            b'\'' => class |= NAME | URI,
            b'-' => class |= NAME | PATH | URI | SCHEME,
            b'.' | b'+' => class |= PATH | URI | SCHEME,
            b'%' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'$' | b',' | b'!' | b'~' | b'*' => {
                class |= URI;
            }
            b' ' | b'\t' | b'\r' | b'\n' => class |= SPACE,
            _ => {}
        }
        classes[i] = class;
        i += 1;
    }
    classes
};

/// Whether the byte may stand in a path, between slashes.
pub(crate) fn is_path_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & PATH != 0
}

/// The state of the lexer: a text and a place in it.
#[derive(Clone, Copy)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    /// Where to read on.
    pub(crate) position: usize,
    /// The end of the run of path bytes last looked at. Any token that starts
    /// before it is in that run, which therefore is looked through once only.
    run_end: usize,
    /// Behind the last byte of that run that no URI scheme can have.
    scheme_start: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, position: 0, run_end: 0, scheme_start: 0 }
    }

    /// The byte at an index; 0, which is in no token, behind the end.
    #[inline(always)]
    fn at(&self, index: usize) -> u8 {
        self.text.get(index).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn is(&self, index: usize, class: u8) -> bool {
        CLASSES[self.at(index) as usize] & class != 0
    }

    #[inline(always)]
    fn skip(&self, mut index: usize, class: u8) -> usize {
        while self.is(index, class) {
            index += 1;
        }
        index
    }

    /// The next token and where it starts; `position` is then its end.
    #[inline]
    pub(crate) fn next(&mut self) -> (Token, usize) {
        self.skip_blanks();
        let start = self.position;
        let Some(&byte) = self.text.get(start) else {
            return (Token::End, start);
        };
        let token =
            if CLASSES[byte as usize] & NAME_START != 0 { self.word(start) } else { self.other(start, byte) };
        (token, start)
    }

    /// White space and comments. An unclosed `/*` is left to be a `/`.
    #[inline]
    fn skip_blanks(&mut self) {
        loop {
            self.position = self.skip(self.position, SPACE);
            match self.at(self.position) {
                b'#' => {
                    let rest = &self.text[self.position..];
                    let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
                    self.position += end.unwrap_or(rest.len());
                }
                b'/' if self.at(self.position + 1) == b'*' => {
                    let from = self.position + 2;
                    let close = self.text[from..].windows(2).position(|pair| pair == b"*/");
                    let Some(close) = close else { return };
                    self.position = from + close + 2;
                }
                _ => return,
            }
        }
    }

    fn word(&mut self, start: usize) -> Token {
        let end = self.skip(start + 1, NAME);
        if matches!(self.at(end), b'.' | b'/' | b':' | b'+')
            && let Some(token) = self.path_or_uri(start)
        {
            return token;
        }
        self.position = end;
        Token::keyword(&self.text[start..end]).unwrap_or(Token::Identifier)
    }

    /// The path or URI that starts here, if one does.
    fn path_or_uri(&mut self, start: usize) -> Option<Token> {
        if start >= self.run_end {
            let mut end = start;
            let mut scheme_start = start;
            while self.is(end, PATH) {
                if !self.is(end, SCHEME) {
                    scheme_start = end + 1;
                }
                end += 1;
            }
            self.run_end = end;
            self.scheme_start = scheme_start;
        }
        let end = self.run_end;
        match self.at(end) {
            b'/' if self.is(end + 1, PATH) => {
                self.position = self.path_end(end);
                Some(Token::Path)
            }
            b'/' if self.at(end + 1) == b'$' && self.at(end + 2) == b'{' => {
                self.position = end + 1;
                Some(Token::Path)
            }
            b':' if start >= self.scheme_start
                && self.at(start).is_ascii_alphabetic()
                && self.is(end + 1, URI) =>
            {
                self.position = self.skip(end + 1, URI);
                Some(Token::Uri)
            }
            _ => None,
        }
    }

    /// From a slash: the end of `(/ name)* /?`.
    fn path_end(&self, mut index: usize) -> usize {
        while self.at(index) == b'/' && self.is(index + 1, PATH) {
            index = self.skip(index + 1, PATH);
        }
        index + usize::from(self.at(index) == b'/')
    }

    /// The end of the piece of path text that starts here, behind an earlier
    /// piece or an interpolation; `None` if there is none.
    pub(crate) fn path_piece(&self, start: usize) -> Option<usize> {
        let end = self.skip(start, PATH);
        let end = if self.at(end) == b'/' { self.path_end(end) } else { end };
        (end > start).then_some(end)
    }

    /// A token that starts with none of the bytes of an identifier.
    fn other(&mut self, start: usize, byte: u8) -> Token {
        if matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'/')
            && let Some(token) = self.path_or_uri(start)
        {
            return token;
        }
        let second = self.at(start + 1);
        let (token, length) = match (byte, second) {
            (b'0'..=b'9', _) => return self.number(start),
            (b'.', b'0'..=b'9') => return self.number(start),
            (b'.', b'.') if self.at(start + 2) == b'.' => (Token::Ellipsis, 3),
            (b'.', _) => (Token::Dot, 1),
            (b'-', b'>') => (Token::Implies, 2),
            (b'-', _) => (Token::Minus, 1),
            (b'+', b'+') => (Token::Concat, 2),
            (b'+', _) => (Token::Plus, 1),
            (b'/', b'/') => (Token::Update, 2),
            (b'/', _) => (Token::Slash, 1),
            (b'~', b'/') if self.is(start + 2, PATH) => {
                self.position = self.path_end(start + 1);
                return Token::HomePath;
            }
            (b'~', b'/') if self.at(start + 2) == b'$' && self.at(start + 3) == b'{' => (Token::HomePath, 2),
            (b'<', b'=') => (Token::LessOrEqual, 2),
            (b'<', b'|') => (Token::PipeLeft, 2),
            (b'<', _) => match self.search_path_end(start) {
                Some(end) => (Token::SearchPath, end - start),
                None => (Token::Less, 1),
            },
            (b'>', b'=') => (Token::GreaterOrEqual, 2),
            (b'>', _) => (Token::Greater, 1),
            (b'=', b'=') => (Token::Equal, 2),
            (b'=', _) => (Token::Assign, 1),
            (b'!', b'=') => (Token::NotEqual, 2),
            (b'!', _) => (Token::Not, 1),
            (b'&', b'&') => (Token::AndAnd, 2),
            (b'|', b'|') => (Token::OrOr, 2),
            (b'|', b'>') => (Token::PipeRight, 2),
            (b'$', b'{') => (Token::DollarBrace, 2),
            (b'\'', b'\'') => (Token::IndentedOpen, self.indented_open(start) - start),
            (b'*', _) => (Token::Star, 1),
            (b'?', _) => (Token::Question, 1),
            (b':', _) => (Token::Colon, 1),
            (b'@', _) => (Token::At, 1),
            (b';', _) => (Token::Semicolon, 1),
            (b'"', _) => (Token::Quote, 1),
            (b'(', _) => (Token::ParenOpen, 1),
            (b')', _) => (Token::ParenClose, 1),
            (b'{', _) => (Token::BraceOpen, 1),
            (b'}', _) => (Token::BraceClose, 1),
            (b'[', _) => (Token::BracketOpen, 1),
            (b']', _) => (Token::BracketClose, 1),
            (b',', _) => (Token::Comma, 1),
            _ => (Token::Invalid, self.character_length(start)),
        };
        self.position = start + length;
        token
    }

    /// `1`, `1.`, `1.5`, `.5`, `0.5`, each float with or without exponent; a
    /// zero can only be before the point of a float if it is the only digit
    /// there and one follows.
    fn number(&mut self, start: usize) -> Token {
        let integer_end = self.skip(start, DIGIT);
        self.position = integer_end;
        if self.at(integer_end) != b'.' {
            return Token::Int;
        }
        let end = self.skip(integer_end + 1, DIGIT);
        let has_fraction = end > integer_end + 1;
        let is_float = match self.at(start) {
            b'1'..=b'9' => true,
            b'0' => has_fraction && integer_end == start + 1,
            _ => has_fraction,
        };
        if !is_float {
            return Token::Int;
        }
        self.position = end;
        if matches!(self.at(end), b'e' | b'E') {
            let digits = end + 1 + usize::from(matches!(self.at(end + 1), b'+' | b'-'));
            if self.is(digits, DIGIT) {
                self.position = self.skip(digits, DIGIT);
            }
        }
        Token::Float
    }

    /// `<name/name>`
    fn search_path_end(&self, start: usize) -> Option<usize> {
        let mut index = start;
        loop {
            let end = self.skip(index + 1, PATH);
            if end == index + 1 {
                return None;
            }
            index = end;
            match self.at(index) {
                b'/' => {}
                b'>' => return Some(index + 1),
                _ => return None,
            }
        }
    }

    /// `''` with the rest of the line if that is blank.
    fn indented_open(&self, start: usize) -> usize {
        let open = start + 2;
        let mut end = open;
        while self.at(end) == b' ' {
            end += 1;
        }
        if self.at(end) == b'\n' { end + 1 } else { open }
    }

    /// The bytes of the UTF-8 character that starts here, or one byte.
    fn character_length(&self, start: usize) -> usize {
        let rest = &self.text[start..self.text.len().min(start + 4)];
        let (_, length) = bstr::decode_utf8(rest);
        length.max(1)
    }
}
