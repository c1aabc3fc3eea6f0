//! The kinds of token, with the names that error messages give them.

/// A kind of token. Text and value are found again from the token's span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    End,
    Identifier,
    /// A piece of text in an indented string; never made by the lexer proper.
    IndentedText,
    Int,
    Float,
    /// The literal start of a path; the parser reads on from its end.
    Path,
    /// The same, starting with `~/`.
    HomePath,
    SearchPath,
    Uri,
    If,
    Then,
    Else,
    Assert,
    With,
    Let,
    In,
    Rec,
    Inherit,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Update,
    Concat,
    AndAnd,
    OrOr,
    Implies,
    /// The keyword `or`.
    Or,
    PipeLeft,
    PipeRight,
    DollarBrace,
    IndentedOpen,
    /// Never made by the lexer proper.
    IndentedClose,
    Ellipsis,
    Less,
    Greater,
    Plus,
    Minus,
    Star,
    Slash,
    Question,
    Colon,
    At,
    Semicolon,
    Not,
    Dot,
    Quote,
    ParenOpen,
    ParenClose,
    BraceOpen,
    BraceClose,
    Assign,
    BracketOpen,
    BracketClose,
    Comma,
    /// A byte that starts no token.
    Invalid,
}

impl Token {
    /// The name in error messages; those of Nix, which people search for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Token::End => "end of file",
            Token::Identifier => "identifier",
            Token::IndentedText => "indented string",
            Token::Int => "integer",
            Token::Float => "floating-point literal",
            Token::Path => "path",
            Token::HomePath => "'~/…' path",
            Token::SearchPath => "'<…>' path",
            Token::Uri => "URI",
            Token::If => "'if'",
            Token::Then => "'then'",
            Token::Else => "'else'",
            Token::Assert => "'assert'",
            Token::With => "'with'",
            Token::Let => "'let'",
            Token::In => "'in'",
            Token::Rec => "'rec'",
            Token::Inherit => "'inherit'",
            Token::Equal => "'=='",
            Token::NotEqual => "'!='",
            Token::LessOrEqual => "'<='",
            Token::GreaterOrEqual => "'>='",
            Token::Update => "'//'",
            Token::Concat => "'++'",
            Token::AndAnd => "'&&'",
            Token::OrOr => "'||'",
            Token::Implies => "'->'",
            Token::Or => "'or'",
            Token::PipeLeft => "'<|'",
            Token::PipeRight => "'|>'",
            Token::DollarBrace => "'${'",
            Token::IndentedOpen => "start of an indented string",
            Token::IndentedClose => "end of an indented string",
            Token::Ellipsis => "'...'",
            Token::Less => "'<'",
            Token::Greater => "'>'",
            Token::Plus => "'+'",
            Token::Minus => "'-'",
            Token::Star => "'*'",
            Token::Slash => "'/'",
            Token::Question => "'?'",
            Token::Colon => "':'",
            Token::At => "'@'",
            Token::Semicolon => "';'",
            Token::Not => "'!'",
            Token::Dot => "'.'",
            Token::Quote => "'\"'",
            Token::ParenOpen => "'('",
            Token::ParenClose => "')'",
            Token::BraceOpen => "'{'",
            Token::BraceClose => "'}'",
            Token::Assign => "'='",
            Token::BracketOpen => "'['",
            Token::BracketClose => "']'",
            Token::Comma => "','",
            Token::Invalid => "invalid token",
        }
    }

    /// The keyword that a word is, if it is one.
    pub(crate) fn keyword(word: &[u8]) -> Option<Token> {
        Some(match word {
            b"if" => Token::If,
            b"in" => Token::In,
            b"or" => Token::Or,
            b"let" => Token::Let,
            b"rec" => Token::Rec,
            b"then" => Token::Then,
            b"else" => Token::Else,
            b"with" => Token::With,
            b"assert" => Token::Assert,
            b"inherit" => Token::Inherit,
            _ => return None,
        })
    }

    /// A word that is not a name.
    pub(crate) fn is_keyword(self) -> bool {
        matches!(
            self,
            Token::If
                | Token::Then
                | Token::Else
                | Token::Assert
                | Token::With
                | Token::Let
                | Token::In
                | Token::Rec
                | Token::Inherit
        )
    }

    /// Whether an operand can start with this token, so that behind an
    /// expression it is an argument.
    pub(crate) fn starts_operand(self) -> bool {
        matches!(
            self,
            Token::Identifier
                | Token::Int
                | Token::Float
                | Token::Quote
                | Token::IndentedOpen
                | Token::Path
                | Token::HomePath
                | Token::SearchPath
                | Token::Uri
                | Token::ParenOpen
                | Token::Let
                | Token::Rec
                | Token::BraceOpen
                | Token::BracketOpen
        )
    }
}
