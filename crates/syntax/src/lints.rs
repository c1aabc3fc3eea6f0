//! Ways of writing that are allowed, but discouraged.

/// What to do about one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lint {
    /// Nothing.
    #[default]
    Ignore,
    /// Say so, and go on.
    Warn,
    /// Make it an error.
    Fatal,
}

/// What to do about each of them; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lints {
    /// URLs without quotes.
    pub url_literals: Lint,
    /// Relative paths without `./` or `../` in front.
    pub short_path_literals: Lint,
    /// Paths from the root or from the home directory.
    pub absolute_path_literals: Lint,
}

impl Lints {
    /// Whether there is nothing to look for.
    pub fn are_off(&self) -> bool {
        *self == Self::default()
    }
}
