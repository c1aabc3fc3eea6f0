//! Sets of bytes, and the named classes of the C locale.

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// Every byte but NUL: what `.` matches.
    pub(crate) fn any() -> Self {
        let mut set = Self([u64::MAX; 4]);
        set.0[0] &= !1;
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    pub(crate) fn insert_where(&mut self, predicate: impl Fn(u8) -> bool) {
        for byte in 0..=u8::MAX {
            if predicate(byte) {
                self.insert(byte);
            }
        }
    }

    pub(crate) fn union(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    pub(crate) fn negate(&mut self) {
        for word in &mut self.0 {
            *word = !*word;
        }
    }

    /// The only member, if there is exactly one.
    pub(crate) fn single(&self) -> Option<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        if count != 1 {
            return None;
        }
        (0..=u8::MAX).find(|byte| self.contains(*byte))
    }
}

/// The predicate of a class name such as `space`; names ignore case.
pub(crate) fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    let name = name.to_ascii_lowercase();
    Some(match name.as_slice() {
        b"d" | b"digit" => u8::is_ascii_digit,
        b"w" => |byte| byte.is_ascii_alphanumeric() || *byte == b'_',
        b"s" | b"space" => |byte| matches!(byte, b' ' | 9..=13),
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, 32..=126),
        b"punct" => u8::is_ascii_punctuation,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// Names of the control characters 0 to 31, from POSIX's portable character set.
const CONTROL_NAMES: [&str; 32] = [
    "NUL",
    "SOH",
    "STX",
    "ETX",
    "EOT",
    "ENQ",
    "ACK",
    "alert",
    "backspace",
    "tab",
    "newline",
    "vertical-tab",
    "form-feed",
    "carriage-return",
    "SO",
    "SI",
    "DLE",
    "DC1",
    "DC2",
    "DC3",
    "DC4",
    "NAK",
    "SYN",
    "ETB",
    "CAN",
    "EM",
    "SUB",
    "ESC",
    "IS4",
    "IS3",
    "IS2",
    "IS1",
];

/// Names of the other bytes that are not letters.
const SYMBOL_NAMES: [(&str, u8); 43] = [
    ("space", b' '),
    ("exclamation-mark", b'!'),
    ("quotation-mark", b'"'),
    ("number-sign", b'#'),
    ("dollar-sign", b'$'),
    ("percent-sign", b'%'),
    ("ampersand", b'&'),
    ("apostrophe", b'\''),
    ("left-parenthesis", b'('),
    ("right-parenthesis", b')'),
    ("asterisk", b'*'),
    ("plus-sign", b'+'),
    ("comma", b','),
    ("hyphen", b'-'),
    ("period", b'.'),
    ("slash", b'/'),
    ("zero", b'0'),
    ("one", b'1'),
    ("two", b'2'),
    ("three", b'3'),
    ("four", b'4'),
    ("five", b'5'),
    ("six", b'6'),
    ("seven", b'7'),
    ("eight", b'8'),
    ("nine", b'9'),
    ("colon", b':'),
    ("semicolon", b';'),
    ("less-than-sign", b'<'),
    ("equals-sign", b'='),
    ("greater-than-sign", b'>'),
    ("question-mark", b'?'),
    ("commercial-at", b'@'),
    ("left-square-bracket", b'['),
    ("backslash", b'\\'),
    ("right-square-bracket", b']'),
    ("circumflex", b'^'),
    ("underscore", b'_'),
    ("grave-accent", b'`'),
    ("left-curly-bracket", b'{'),
    ("vertical-line", b'|'),
    ("right-curly-bracket", b'}'),
    ("tilde", b'~'),
];

/// The byte that a collating symbol such as `hyphen` or `a` names.
pub(crate) fn collating_symbol(name: &[u8]) -> Option<u8> {
    if let [letter] = name
        && letter.is_ascii_alphabetic()
    {
        return Some(*letter);
    }
    if name == b"DEL" {
        return Some(127);
    }
    if let Some(index) = CONTROL_NAMES.iter().position(|n| n.as_bytes() == name) {
        return u8::try_from(index).ok();
    }
    SYMBOL_NAMES.iter().find(|(n, _)| n.as_bytes() == name).map(|(_, byte)| *byte)
}
