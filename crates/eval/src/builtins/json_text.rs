//! Reading and writing JSON text, without values in between and without
//! recursion: a reader that gives one event after the other, and the quoting of
//! strings.

use std::borrow::Cow;
use std::fmt;

/// A part of a JSON text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent that fits.
    Int(i64),
    /// The same, between 2^63 and 2^64, which the language cannot hold.
    TooLarge(u64),
    /// Any other number.
    Float(f64),
    /// A string, unescaped.
    String(Cow<'a, [u8]>),
    /// The name of the object member that follows.
    Key(Cow<'a, [u8]>),
    /// `[`
    ListStart,
    /// `]`
    ListEnd,
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
}

/// A syntax error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    offset: usize,
    line: usize,
    column: usize,
    expected: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, expected, .. } = self;
        write!(formatter, "JSON syntax error at line {line}, column {column}: expected {expected}")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    List,
    Object,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A value must follow.
    Value,
    /// A value or the end of the list.
    FirstInList,
    /// A member name or the end of the object.
    FirstInObject,
    /// A comma or the end of the container, or of the text.
    AfterValue,
}

/// Reads a JSON text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Container>,
    place: Place,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let byte_order_mark = text.starts_with(b"\xef\xbb\xbf");
        Self { text, at: if byte_order_mark { 3 } else { 0 }, open: Vec::new(), place: Place::Value }
    }

    /// The next event, or `None` after the end of the only value.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'a>>, SyntaxError> {
        self.skip_space();
        match (self.place, self.peek()) {
            (Place::FirstInList, Some(b']')) => self.close(Event::ListEnd),
            (Place::FirstInObject, Some(b'}')) => self.close(Event::ObjectEnd),
            (Place::FirstInObject, _) => self.key(),
            (Place::Value | Place::FirstInList, _) => self.value().map(Some),
            (Place::AfterValue, next) => match (self.open.last(), next) {
                (None, None) => Ok(None),
                (None, Some(_)) => Err(self.error("the end of the text")),
                (Some(Container::List), Some(b']')) => self.close(Event::ListEnd),
                (Some(Container::Object), Some(b'}')) => self.close(Event::ObjectEnd),
                (Some(Container::List), Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                    self.value().map(Some)
                }
                (Some(Container::Object), Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                    self.key()
                }
                (Some(Container::List), _) => Err(self.error("',' or ']'")),
                (Some(Container::Object), _) => Err(self.error("',' or '}'")),
            },
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        self.error_at(self.at, expected)
    }

    fn error_at(&self, offset: usize, expected: &'static str) -> SyntaxError {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n');
        SyntaxError {
            offset,
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: before.len() - line_start.map_or(0, |newline| newline + 1) + 1,
            expected,
        }
    }

    fn close(&mut self, event: Event<'a>) -> Result<Option<Event<'a>>, SyntaxError> {
        self.at += 1;
        self.open.pop();
        self.place = Place::AfterValue;
        Ok(Some(event))
    }

    fn key(&mut self) -> Result<Option<Event<'a>>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a member name in double quotes"));
        }
        let name = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.error("':'"));
        }
        self.at += 1;
        self.place = Place::Value;
        Ok(Some(Event::Key(name)))
    }

    fn value(&mut self) -> Result<Event<'a>, SyntaxError> {
        self.place = Place::AfterValue;
        match self.peek() {
            Some(b'[') => {
                self.at += 1;
                self.open.push(Container::List);
                self.place = Place::FirstInList;
                Ok(Event::ListStart)
            }
            Some(b'{') => {
                self.at += 1;
                self.open.push(Container::Object);
                self.place = Place::FirstInObject;
                Ok(Event::ObjectStart)
            }
            Some(b'"') => Ok(Event::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let literals =
                    [("null", Event::Null), ("true", Event::Bool(true)), ("false", Event::Bool(false))];
                for (text, event) in literals {
                    if self.text[self.at..].starts_with(text.as_bytes()) {
                        self.at += text.len();
                        return Ok(event);
                    }
                }
                Err(self.error("a value"))
            }
        }
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.error("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Event<'a>, SyntaxError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            whole = false;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
            whole = false;
        }
        // Only ASCII characters have been passed.
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        if whole {
            if let Ok(number) = text.parse() {
                return Ok(Event::Int(number));
            }
            if let Ok(number) = text.parse() {
                return Ok(Event::TooLarge(number));
            }
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Event::Float(number)),
            _ => Err(self.error_at(start, "a number in the range of 64-bit floats")),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, [u8]>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<Vec<u8>> = None;
        let mut copied = start;
        loop {
            match self.peek() {
                None | Some(0..=0x1f) => {
                    return Err(self.error("a '\"' or an escape for the control character"));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.extend_from_slice(&self.text[copied..self.at]);
                    self.at += 1;
                    let character = self.escape()?;
                    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    copied = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
        let end = self.at;
        self.at += 1;
        if let Err(error) = std::str::from_utf8(&self.text[start..end]) {
            return Err(self.error_at(start + error.valid_up_to(), "valid UTF-8"));
        }
        Ok(match owned {
            None => Cow::Borrowed(&self.text[start..end]),
            Some(mut text) => {
                text.extend_from_slice(&self.text[copied..end]);
                Cow::Owned(text)
            }
        })
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        const ESCAPE: &str = "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX";
        let Some(kind) = self.peek() else {
            return Err(self.error(ESCAPE));
        };
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.error_at(self.at - 1, ESCAPE)),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        const PAIR: &str = "a complete pair of surrogates";
        let start = self.at;
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text[self.at..].starts_with(b"\\u") {
                    return Err(self.error(PAIR));
                }
                self.at += 2;
                match self.four_digits()? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(self.error_at(start, PAIR)),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.error_at(start, PAIR))
    }

    fn four_digits(&mut self) -> Result<u32, SyntaxError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.error("four hexadecimal digits"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// Appends `text` as a JSON string. If it is not UTF-8, gives the offset of the
/// first wrong byte.
pub(crate) fn quote(text: &[u8], output: &mut Vec<u8>) -> Result<(), usize> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(error.valid_up_to());
    }
    output.push(b'"');
    let mut copied = 0;
    for (at, byte) in text.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => *byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            0..=31 => 0,
            _ => continue,
        };
        output.extend_from_slice(&text[copied..at]);
        copied = at + 1;
        if short == 0 {
            output.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            output.extend_from_slice(&[b'\\', short]);
        }
    }
    output.extend_from_slice(&text[copied..]);
    output.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Result<Vec<Event<'_>>, String> {
        let mut reader = Reader::new(text.as_bytes());
        let mut events = Vec::new();
        while let Some(event) = reader.next_event().map_err(|error| error.to_string())? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn reads_every_kind() {
        let string = |text: &'static str| Event::String(Cow::Borrowed(text.as_bytes()));
        let key = |text: &'static str| Event::Key(Cow::Borrowed(text.as_bytes()));
        assert_eq!(
            events(r#" {"a":[1,-2.5,null , true,false,[]],"b":{} ,"c":"x\n\u00e9\ud83d\ude00"} "#),
            Ok(vec![
                Event::ObjectStart,
                key("a"),
                Event::ListStart,
                Event::Int(1),
                Event::Float(-2.5),
                Event::Null,
                Event::Bool(true),
                Event::Bool(false),
                Event::ListStart,
                Event::ListEnd,
                Event::ListEnd,
                key("b"),
                Event::ObjectStart,
                Event::ObjectEnd,
                key("c"),
                string("x\né😀"),
                Event::ObjectEnd,
            ])
        );
    }

    #[test]
    fn numbers() {
        assert_eq!(events("-0"), Ok(vec![Event::Int(0)]));
        assert_eq!(events("1e2"), Ok(vec![Event::Float(100.0)]));
        assert_eq!(events("9223372036854775808"), Ok(vec![Event::TooLarge(9_223_372_036_854_775_808)]));
        assert_eq!(events("-9223372036854775809"), Ok(vec![Event::Float(-9_223_372_036_854_775_809.0)]));
        assert_eq!(events("18446744073709551616"), Ok(vec![Event::Float(18_446_744_073_709_551_616.0)]));
    }

    #[test]
    fn errors_name_the_place() {
        let wrong = [
            ("", "line 1, column 1: expected a value"),
            ("[1,]", "line 1, column 4: expected a value"),
            ("{\"a\":1,}", "line 1, column 8: expected a member name in double quotes"),
            ("{\n 1", "line 2, column 2: expected a member name in double quotes"),
            ("1 2", "line 1, column 3: expected the end of the text"),
            ("01", "line 1, column 2: expected the end of the text"),
            ("1.", "line 1, column 3: expected a digit"),
            ("[1", "line 1, column 3: expected ',' or ']'"),
            ("\"\\ud800x\"", "line 1, column 8: expected a complete pair of surrogates"),
            ("\"\\udc00\"", "line 1, column 4: expected a complete pair of surrogates"),
            ("1e999", "line 1, column 1: expected a number in the range of 64-bit floats"),
            ("nul", "line 1, column 1: expected a value"),
        ];
        for (text, message) in wrong {
            let expected = format!("JSON syntax error at {message}");
            assert_eq!(events(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let depth = 200_000;
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(events(&text).map(|events| events.len()), Ok(2 * depth));
    }

    #[test]
    fn quoting() {
        let mut output = Vec::new();
        assert_eq!(quote("a\"\\\u{1}\n\u{7f}é".as_bytes(), &mut output), Ok(()));
        assert_eq!(output, "\"a\\\"\\\\\\u0001\\n\u{7f}é\"".as_bytes());
        assert_eq!(quote(b"ab\xff", &mut output), Err(2));
    }
}
