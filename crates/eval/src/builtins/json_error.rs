//! What is wrong with a text that is no JSON, in the words of the library that the
//! reference uses (nlohmann/json), which its users know and search for. Positions are
//! its, too: how many bytes of the line were read when the mistake was seen.

/// What a text consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    True,
    False,
    Null,
    String,
    Number,
    ListStart,
    ObjectStart,
    ListEnd,
    ObjectEnd,
    Colon,
    Comma,
    Wrong,
    End,
}

impl Token {
    fn name(self) -> &'static str {
        match self {
            Self::True => "true literal",
            Self::False => "false literal",
            Self::Null => "null literal",
            Self::String => "string literal",
            Self::Number => "number literal",
            Self::ListStart => "'['",
            Self::ObjectStart => "'{'",
            Self::ListEnd => "']'",
            Self::ObjectEnd => "'}'",
            Self::Colon => "':'",
            Self::Comma => "','",
            Self::Wrong => "<parse error>",
            Self::End => "end of input",
        }
    }
}

const ANY_VALUE: &str = "'[', '{', or a literal";

/// The message for a text that is not JSON; `None` if this finds no mistake.
pub(crate) fn explain(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lexer = Lexer { text, read: 0, line: 0, column: 0, start: 0, wrong: String::new() };
    let mut parser = Parser { lexer, token: Token::End, open: Vec::new() };
    parser.document().err()
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token,
    /// The containers that are open, whether they are lists.
    open: Vec<bool>,
}

impl Parser<'_> {
    fn next(&mut self) -> Token {
        self.token = self.lexer.token();
        self.token
    }

    fn document(&mut self) -> Result<(), String> {
        self.next();
        loop {
            if self.value()? {
                continue;
            }
            // A value is complete, and so may be what it is in.
            loop {
                let Some(is_list) = self.open.last().copied() else {
                    return if self.next() == Token::End {
                        Ok(())
                    } else {
                        Err(self.error("value", Some(Token::End.name())))
                    };
                };
                match (self.next(), is_list) {
                    (Token::Comma, true) => drop(self.next()),
                    (Token::Comma, false) => {
                        self.next();
                        self.key()?;
                    }
                    (Token::ListEnd, true) | (Token::ObjectEnd, false) => {
                        self.open.pop();
                        continue;
                    }
                    (_, true) => return Err(self.error("array", Some(Token::ListEnd.name()))),
                    (_, false) => return Err(self.error("object", Some(Token::ObjectEnd.name()))),
                }
                break;
            }
        }
    }

    /// A value, or the start of one, whose first token was read. True if the first value
    /// inside comes next.
    fn value(&mut self) -> Result<bool, String> {
        match self.token {
            Token::ListStart => {
                if self.next() != Token::ListEnd {
                    self.open.push(true);
                    return Ok(true);
                }
            }
            Token::ObjectStart => {
                if self.next() != Token::ObjectEnd {
                    self.key()?;
                    self.open.push(false);
                    return Ok(true);
                }
            }
            Token::Number => {
                let digits = self.lexer.last_read();
                if digits.parse::<f64>().is_ok_and(f64::is_infinite) {
                    let kind = "[json.exception.out_of_range.406]";
                    return Err(format!("{kind} number overflow parsing '{digits}'"));
                }
            }
            Token::True | Token::False | Token::Null | Token::String => {}
            Token::Wrong => return Err(self.error("value", None)),
            _ => return Err(self.error("value", Some(ANY_VALUE))),
        }
        Ok(false)
    }

    /// The name of a member, whose token was read, and the token after its colon.
    fn key(&mut self) -> Result<(), String> {
        if self.token != Token::String {
            return Err(self.error("object key", Some(Token::String.name())));
        }
        if self.next() != Token::Colon {
            return Err(self.error("object separator", Some(Token::Colon.name())));
        }
        self.next();
        Ok(())
    }

    fn error(&self, what: &str, expected: Option<&str>) -> String {
        let lexer = &self.lexer;
        let found = match self.token {
            Token::Wrong => format!("{}; last read: '{}'", lexer.wrong, lexer.last_read()),
            token => format!("unexpected {}", token.name()),
        };
        let expected = expected.map_or_else(String::new, |expected| format!("; expected {expected}"));
        let (line, column) = (lexer.line + 1, lexer.column);
        format!(
            "[json.exception.parse_error.101] parse error at line {line}, column {column}: \
             syntax error while parsing {what} - {found}{expected}"
        )
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    /// How far was read; the end counts as one more.
    read: usize,
    line: usize,
    column: usize,
    /// Where the last string or number starts, from which on messages show the text.
    start: usize,
    wrong: String,
}

impl Lexer<'_> {
    /// The next byte, `None` at the end.
    fn get(&mut self) -> Option<u8> {
        let byte = self.text.get(self.read).copied();
        self.read += 1;
        self.column += 1;
        if byte == Some(b'\n') {
            self.line += 1;
            self.column = 0;
        }
        byte
    }

    /// Puts the last byte back, which is no line break as far as it matters.
    fn unget(&mut self) {
        self.read -= 1;
        match self.column {
            0 => self.line -= 1,
            _ => self.column -= 1,
        }
    }

    fn fail(&mut self, message: impl Into<String>) -> Token {
        self.wrong = message.into();
        Token::Wrong
    }

    /// What was read since the last string or number started.
    fn last_read(&self) -> String {
        let text = self.text.get(self.start..self.read.min(self.text.len())).unwrap_or_default();
        let mut shown = String::new();
        for character in String::from_utf8_lossy(text).chars() {
            match character {
                '\0'..='\u{1f}' => shown.push_str(&format!("<U+{:04X}>", character as u32)),
                other => shown.push(other),
            }
        }
        shown
    }

    fn token(&mut self) -> Token {
        let mut byte = self.get();
        while matches!(byte, Some(b' ' | b'\t' | b'\n' | b'\r')) {
            byte = self.get();
        }
        match byte {
            None => Token::End,
            Some(b'[') => Token::ListStart,
            Some(b']') => Token::ListEnd,
            Some(b'{') => Token::ObjectStart,
            Some(b'}') => Token::ObjectEnd,
            Some(b':') => Token::Colon,
            Some(b',') => Token::Comma,
            Some(b't') => self.literal(b"rue", Token::True),
            Some(b'f') => self.literal(b"alse", Token::False),
            Some(b'n') => self.literal(b"ull", Token::Null),
            Some(b'"') => self.string(),
            Some(first @ (b'-' | b'0'..=b'9')) => self.number(first),
            Some(_) => self.fail("invalid literal"),
        }
    }

    fn literal(&mut self, rest: &[u8], token: Token) -> Token {
        for expected in rest {
            if self.get() != Some(*expected) {
                return self.fail("invalid literal");
            }
        }
        token
    }

    fn number(&mut self, first: u8) -> Token {
        self.start = self.read - 1;
        let mut byte = Some(first);
        if first == b'-' {
            byte = self.get();
            if !is_digit(byte) {
                return self.fail("invalid number; expected digit after '-'");
            }
        }
        byte = if byte == Some(b'0') { self.get() } else { self.digits() };
        if byte == Some(b'.') {
            if !is_digit(self.get()) {
                return self.fail("invalid number; expected digit after '.'");
            }
            byte = self.digits();
        }
        if matches!(byte, Some(b'e' | b'E')) {
            let mut next = self.get();
            if matches!(next, Some(b'+' | b'-')) {
                next = self.get();
                if !is_digit(next) {
                    return self.fail("invalid number; expected digit after exponent sign");
                }
            } else if !is_digit(next) {
                return self.fail("invalid number; expected '+', '-', or digit after exponent");
            }
            self.digits();
        }
        self.unget();
        Token::Number
    }

    /// Reads up to the first byte that is no digit.
    fn digits(&mut self) -> Option<u8> {
        loop {
            let byte = self.get();
            if !is_digit(byte) {
                return byte;
            }
        }
    }

    fn string(&mut self) -> Token {
        self.start = self.read - 1;
        loop {
            match self.get() {
                None => return self.fail("invalid string: missing closing quote"),
                Some(b'"') => return Token::String,
                Some(b'\\') => {
                    if let Err(message) = self.escape() {
                        return self.fail(message);
                    }
                }
                Some(byte @ 0..=0x1f) => return self.fail(control(byte)),
                Some(0x20..=0x7f) => {}
                Some(byte) => {
                    if !self.rest_of_character(byte) {
                        return self.fail("invalid string: ill-formed UTF-8 byte");
                    }
                }
            }
        }
    }

    /// Whether the bytes after the first make it a character (Unicode, table 3-7).
    fn rest_of_character(&mut self, first: u8) -> bool {
        let (second, more) = match first {
            0xc2..=0xdf => (0x80..=0xbf, 0),
            0xe0 => (0xa0..=0xbf, 1),
            0xe1..=0xec | 0xee | 0xef => (0x80..=0xbf, 1),
            0xed => (0x80..=0x9f, 1),
            0xf0 => (0x90..=0xbf, 2),
            0xf1..=0xf3 => (0x80..=0xbf, 2),
            0xf4 => (0x80..=0x8f, 2),
            _ => return false,
        };
        let continues = |byte: Option<u8>| byte.is_some_and(|byte| (0x80..=0xbf).contains(&byte));
        self.get().is_some_and(|byte| second.contains(&byte)) && (0..more).all(|_| continues(self.get()))
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        const DIGITS: &str = "invalid string: '\\u' must be followed by 4 hex digits";
        const HIGH: &str = "invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF";
        match self.get() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.four_digits().ok_or(DIGITS)? {
                0xd800..=0xdbff => {
                    if self.get() != Some(b'\\') || self.get() != Some(b'u') {
                        return Err(HIGH);
                    }
                    match self.four_digits().ok_or(DIGITS)? {
                        0xdc00..=0xdfff => Ok(()),
                        _ => Err(HIGH),
                    }
                }
                0xdc00..=0xdfff => Err("invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"),
                _ => Ok(()),
            },
            _ => Err("invalid string: forbidden character after backslash"),
        }
    }

    fn four_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| Some(number * 16 + char::from(self.get()?).to_digit(16)?))
    }
}

fn is_digit(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_digit())
}

/// A control character that is not escaped.
fn control(byte: u8) -> String {
    /// Their names in ASCII.
    const NAMES: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO",
        "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS",
        "RS", "US",
    ];
    let short = match byte {
        8 => " or \\b",
        9 => " or \\t",
        10 => " or \\n",
        12 => " or \\f",
        13 => " or \\r",
        _ => "",
    };
    let name = NAMES[usize::from(byte) % NAMES.len()];
    format!("invalid string: control character U+{byte:04X} ({name}) must be escaped to \\u{byte:04X}{short}")
}

#[cfg(test)]
mod tests {
    use super::explain;

    /// What follows "parse error at line ".
    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: &str) {
        let found = explain(text.as_ref()).unwrap_or_default();
        let found = found.strip_prefix("[json.exception.parse_error.101] parse error at line ");
        assert_eq!(found.unwrap_or_default().replace("syntax error while parsing ", ""), expected);
    }

    #[test]
    fn structure() {
        check("", "1, column 1: value - unexpected end of input; expected '[', '{', or a literal");
        check("[1", "1, column 3: array - unexpected end of input; expected ']'");
        check("[1 2]", "1, column 4: array - unexpected number literal; expected ']'");
        check("{\"a\" 1}", "1, column 6: object separator - unexpected number literal; expected ':'");
        check("{\"a\":1,}", "1, column 8: object key - unexpected '}'; expected string literal");
        check("[1,]", "1, column 4: value - unexpected ']'; expected '[', '{', or a literal");
        check("{\"a\":[{}] 1", "1, column 11: object - unexpected number literal; expected '}'");
        check("01", "1, column 2: value - unexpected number literal; expected end of input");
        check("[1]x", "1, column 4: value - invalid literal; last read: '1]x'; expected end of input");
        check("{a:1}", "1, column 2: object key - invalid literal; last read: '{a'; expected string literal");
    }

    #[test]
    fn tokens() {
        check("nul]", "1, column 4: value - invalid literal; last read: 'nul]'");
        check("[1,\n  x]", "2, column 3: value - invalid literal; last read: '1,<U+000A>  x'");
        check("-", "1, column 2: value - invalid number; expected digit after '-'; last read: '-'");
        check("1.", "1, column 3: value - invalid number; expected digit after '.'; last read: '1.'");
        let exponent = "invalid number; expected '+', '-', or digit after exponent; last read: '1e'";
        check("1e", &format!("1, column 3: value - {exponent}"));
        check(
            "1e+",
            "1, column 4: value - invalid number; expected digit after exponent sign; last read: '1e+'",
        );
        let overflow = "[json.exception.out_of_range.406] number overflow parsing '1e999'";
        assert_eq!(explain(b"1e999").as_deref(), Some(overflow));
    }

    #[test]
    fn strings() {
        check("\"a", "1, column 3: value - invalid string: missing closing quote; last read: '\"a'");
        let backslash = "invalid string: forbidden character after backslash; last read: '\"\\q'";
        check("\"\\q\"", &format!("1, column 3: value - {backslash}"));
        let digits = "invalid string: '\\u' must be followed by 4 hex digits; last read: '\"\\u12\"'";
        check("\"\\u12\"", &format!("1, column 6: value - {digits}"));
        let line =
            "control character U+000A (LF) must be escaped to \\u000A or \\n; last read: '\"a<U+000A>'";
        check("\"a\nb\"", &format!("2, column 0: value - invalid string: {line}"));
        check(
            b"\"\xc3",
            "1, column 3: value - invalid string: ill-formed UTF-8 byte; last read: '\"\u{fffd}'",
        );
        let low = "surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF; last read: '\"\\udc00'";
        check("\"\\udc00\"", &format!("1, column 7: value - invalid string: {low}"));
    }

    #[test]
    fn nothing_is_wrong_with_json() {
        let good = "\u{feff} {\"a\": [1, -2.5e3, true, false, null, {}, []], \"é\\ud83d\\ude00\": \"\"} ";
        assert_eq!(explain(good.as_bytes()), None);
    }
}
