//! A forgiving scanner of the Nix language, for text that is being typed: nothing is
//! an error, and what is not closed reaches to the end.

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Space,
    Comment,
    /// Text of a string or its quotes; what is interpolated is pieces of its own.
    String,
    Number,
    Word,
    /// A path, `<…>` or a URL.
    Path,
    /// Brackets, operators and other signs, one by one.
    Sign,
}

/// A piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// Offset of its first byte.
    pub start: usize,
}

/// Where the scanner is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Brace,
    Interpolation,
    Quoted,
    Indented,
}

/// The keywords of the language.
pub(crate) const KEYWORDS: [&str; 10] =
    ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// All pieces of a text.
pub(crate) fn scan(text: &str) -> Vec<Piece<'_>> {
    let mut scanner = Scanner { text, at: 0, inside: Vec::new(), pieces: Vec::new() };
    while scanner.at < text.len() {
        let start = scanner.at;
        let kind = match scanner.inside.last() {
            Some(quotes @ (Inside::Quoted | Inside::Indented)) => scanner.string(*quotes),
            _ => scanner.code(),
        };
        if scanner.at > start {
            scanner.pieces.push(Piece { kind, text: &text[start..scanner.at], start });
        }
    }
    scanner.pieces
}

/// Whether a text ends inside of a string.
pub(crate) fn ends_in_string(text: &str) -> bool {
    let mut scanner = Scanner { text, at: 0, inside: Vec::new(), pieces: Vec::new() };
    while scanner.at < text.len() {
        match scanner.inside.last() {
            Some(quotes @ (Inside::Quoted | Inside::Indented)) => scanner.string(*quotes),
            _ => scanner.code(),
        };
    }
    matches!(scanner.inside.last(), Some(Inside::Quoted | Inside::Indented))
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    inside: Vec<Inside>,
    pieces: Vec<Piece<'t>>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '-')
}

fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '~')
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !accept(c)).unwrap_or(rest.len());
    }

    /// Text of a string up to its end or an interpolation.
    fn string(&mut self, quotes: Inside) -> Kind {
        while self.at < self.text.len() {
            let rest = self.rest();
            if rest.starts_with("${") {
                // The sign comes as a piece of its own.
                if self.pieces.last().is_some_and(|piece| piece.start + piece.text.len() == self.at)
                    || self.pieces.is_empty()
                {
                    self.at += 2;
                    self.inside.push(Inside::Interpolation);
                    return Kind::Sign;
                }
                return Kind::String;
            }
            let skip = match quotes {
                Inside::Quoted if rest.starts_with('\\') => 2,
                Inside::Quoted if rest.starts_with('"') => {
                    self.at += 1;
                    self.inside.pop();
                    return Kind::String;
                }
                Inside::Indented if rest.starts_with("''$") || rest.starts_with("'''") => 3,
                Inside::Indented if rest.starts_with("''\\") => 4,
                Inside::Indented if rest.starts_with("''") => {
                    self.at += 2;
                    self.inside.pop();
                    return Kind::String;
                }
                _ if rest.starts_with("$$") => 2,
                _ => 1,
            };
            self.skip_characters(skip);
        }
        Kind::String
    }

    fn skip_characters(&mut self, count: usize) {
        let rest = self.rest();
        self.at += rest.char_indices().nth(count).map_or(rest.len(), |(index, _)| index);
    }

    fn code(&mut self) -> Kind {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            self.take_while(char::is_whitespace);
            return Kind::Space;
        }
        if first == '#' {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Kind::Comment;
        }
        if rest.starts_with("/*") {
            self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            return Kind::Comment;
        }
        if rest.starts_with("''") || first == '"' {
            let quotes = if first == '"' { Inside::Quoted } else { Inside::Indented };
            self.at += if first == '"' { 1 } else { 2 };
            self.inside.push(quotes);
            return Kind::String;
        }
        if rest.starts_with("//") {
            return self.sign(first);
        }
        if let Some(length) = path_length(rest) {
            self.at += length;
            return Kind::Path;
        }
        if first.is_ascii_digit() {
            self.take_while(|c| c.is_ascii_digit() || c == '.');
            return Kind::Number;
        }
        if first.is_ascii_alphabetic() || first == '_' {
            self.take_while(is_word);
            return Kind::Word;
        }
        self.sign(first)
    }

    fn sign(&mut self, first: char) -> Kind {
        if self.rest().starts_with("//") {
            self.at += 2;
            return Kind::Sign;
        }
        match first {
            '$' if self.rest().starts_with("${") => {
                self.at += 2;
                self.inside.push(Inside::Interpolation);
                return Kind::Sign;
            }
            '{' => self.inside.push(Inside::Brace),
            '}' if matches!(self.inside.last(), Some(Inside::Brace | Inside::Interpolation)) => {
                self.inside.pop();
            }
            _ => {}
        }
        self.at += first.len_utf8();
        Kind::Sign
    }
}

/// The length of a path at the beginning: one that has a slash, or `<…>`.
fn path_length(text: &str) -> Option<usize> {
    if let Some(inner) = text.strip_prefix('<') {
        let length = inner.find(|c| !is_path(c))?;
        return (length > 0 && inner[length..].starts_with('>')).then_some(length + 2);
    }
    let length = text.find(|c| !is_path(c)).unwrap_or(text.len());
    let word = &text[..length];
    let slash = word.find('/')?;
    let begins = word.starts_with("~/") || word[..slash].chars().all(|c| is_path(c) && c != '~');
    let follows = word[slash + 1..].starts_with(|c: char| is_path(c) && c != '/');
    let known = word.starts_with("./") || word.starts_with("../") || word.starts_with("~/");
    (begins && (follows || known)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let letter = |kind| match kind {
            Kind::Space => ' ',
            Kind::Comment => 'c',
            Kind::String => 's',
            Kind::Number => 'n',
            Kind::Word => 'w',
            Kind::Path => 'p',
            Kind::Sign => '.',
        };
        let pieces = scan(text);
        let found: String = pieces.iter().map(|piece| letter(piece.kind)).collect();
        assert_eq!(found, expected, "{text}: {pieces:?}");
        assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), text);
    }

    #[test]
    fn texts_fall_into_pieces() {
        check("let a = 1; in a", "w w . n. w w");
        check("a.b-c' # x", "w.w c");
        check("./a/b + <nixpkgs> / 2", "p . p . n");
        check("a//b", "w.w");
        check("\"a${b}c\" ''d''", "ss.w.s ss");
        check("{ a = { }; }", ". w . . .. .");
        check("", "");
    }

    #[test]
    fn what_is_not_closed_reaches_to_the_end() {
        check("\"a b", "ss");
        check("/* a", "c");
        assert!(ends_in_string("\"a ${b} c"));
        assert!(!ends_in_string("\"a ${b"));
        assert!(ends_in_string("''\n a"));
        assert!(!ends_in_string("\"a\""));
    }
}
