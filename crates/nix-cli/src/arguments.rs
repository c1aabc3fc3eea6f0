//! Command lines in the form that Nix takes them.

use saltire_terminal::Failure;
use std::ffi::OsString;
use std::fmt;

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `-x`
    Short(char),
    /// `--name`
    Long(String),
    /// Anything else, and everything behind `--`.
    Plain(OsString),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Short(letter) => write!(f, "-{letter}"),
            Word::Long(name) => write!(f, "--{name}"),
            Word::Plain(text) => f.write_str(&text.to_string_lossy()),
        }
    }
}

/// The rest of a command line.
pub struct Arguments {
    program: String,
    parser: lexopt::Parser,
}

impl Arguments {
    /// The words behind the program's name.
    pub fn new(program: &str, words: Vec<OsString>) -> Self {
        Self { program: program.to_owned(), parser: lexopt::Parser::from_args(words) }
    }

    /// The same words, to look at them first.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { program: self.program.clone(), parser: self.parser.clone() }
    }

    /// The same words as those of another program, for messages.
    #[must_use]
    pub fn named(self, program: &str) -> Self {
        Self { program: program.to_owned(), ..self }
    }

    /// The next word.
    pub fn next(&mut self) -> Result<Option<Word>, Failure> {
        let word = match self.parser.next() {
            Ok(word) => word,
            Err(error) => return Err(Failure::new(error)),
        };
        Ok(word.map(|word| match word {
            lexopt::Arg::Short(letter) => Word::Short(letter),
            lexopt::Arg::Long(name) => Word::Long(name.to_owned()),
            lexopt::Arg::Value(text) => Word::Plain(text),
        }))
    }

    /// The argument of an option.
    pub fn value(&mut self, option: &Word) -> Result<String, Failure> {
        let [text] = self.values(option)?;
        Ok(text)
    }

    /// The arguments of an option.
    pub fn values<const COUNT: usize>(&mut self, option: &Word) -> Result<[String; COUNT], Failure> {
        let mut all = std::array::from_fn(|_| String::new());
        for (given, place) in all.iter_mut().enumerate() {
            let missing = |_| {
                Failure::new(format_args!(
                    "flag '{option}' requires {COUNT} argument(s), but only {given} were given"
                ))
            };
            *place = text(self.parser.value().map_err(missing)?)?;
        }
        Ok(all)
    }

    /// All words that are left, as they are.
    pub fn rest(&mut self) -> Result<Vec<OsString>, Failure> {
        Ok(self.parser.raw_args().map_err(Failure::new)?.collect())
    }

    /// The error for an option that there is none of.
    pub fn unknown(&self, option: &Word) -> Failure {
        Failure::new(format_args!("unrecognised flag '{option}'"))
            .hint(format_args!("'{} --help' lists the options", self.program))
    }
}

/// So many operands, no fewer and no more.
pub fn exactly<const COUNT: usize>(operands: Vec<String>) -> Result<[String; COUNT], Failure> {
    operands.try_into().map_err(|operands: Vec<String>| match operands.get(COUNT) {
        Some(more) => Failure::new(format_args!("unexpected argument '{more}'")),
        None => Failure::new("more arguments are required"),
    })
}

/// A word as text.
pub fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::new(format_args!("'{}' is not UTF-8", word.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_options_are_bundled_and_a_double_dash_ends_options() {
        let words = ["-qaP", "--arg", "a", "-", "--", "-x"].map(OsString::from).to_vec();
        let mut arguments = Arguments::new("nix-env", words);
        let mut seen = String::new();
        while let Some(word) = arguments.next().unwrap() {
            seen += &format!("{word} ");
            if word == Word::Long("arg".into()) {
                seen += &format!("({}) ", arguments.value(&word).unwrap());
            }
        }
        assert_eq!(seen, "-q -a -P --arg (a) - -x ");
    }
}
