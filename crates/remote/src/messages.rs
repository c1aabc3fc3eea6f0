//! What both sides say about builds and while they work.

use crate::error::{RemoteError, malformed};
use crate::wire::{WireRead, WireWrite};
use std::io;

/// A field of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// What the other side says while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A line of its log.
    Line(Vec<u8>),
    /// Something begins.
    Started {
        /// Identifies it until it ends.
        id: u64,
        /// How important it is: 0 for errors, 3 for what users see, more for details.
        level: u64,
        /// What kind of thing, see [`Message::BUILD`].
        kind: u64,
        /// What it is, for display.
        text: String,
        /// Details by kind.
        fields: Vec<Field>,
        /// What it is part of.
        parent: u64,
    },
    /// It ended.
    Stopped(u64),
    /// Something came of it, see [`Message::LOG_LINE`].
    Result {
        /// Of what.
        id: u64,
        /// What kind of result.
        kind: u64,
        /// Details by kind.
        fields: Vec<Field>,
    },
}

impl Message {
    /// The kind of an activity that is a build; its first field is the derivation.
    pub const BUILD: u64 = 105;
    /// The kind of a result that is a line of a builder's output, its only field.
    pub const LOG_LINE: u64 = 101;

    /// The line of a builder's output that this is.
    pub fn log_line(&self) -> Option<&str> {
        match self {
            Self::Result { kind: Self::LOG_LINE, fields, .. } => match fields.first() {
                Some(Field::Text(line)) => Some(line),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The numbers in front of what the other side says.
pub(crate) mod tag {
    pub const LINE: u64 = 0x6f6c_6d67;
    pub const LAST: u64 = 0x616c_7473;
    pub const ERROR: u64 = 0x6378_7470;
    pub const START: u64 = 0x5354_5254;
    pub const STOP: u64 = 0x5354_4f50;
    pub const RESULT: u64 = 0x5253_4c54;
}

/// Reads what the other side says until it has done what was asked; its error, if it
/// has one.
pub(crate) fn read_messages(
    input: &mut (impl io::Read + ?Sized),
    log: &mut dyn FnMut(Message),
) -> Result<(), RemoteError> {
    loop {
        match input.number()? {
            tag::LAST => return Ok(()),
            tag::ERROR => return Err(RemoteError::Refused(read_error(input)?)),
            tag::LINE => log(Message::Line(input.data()?)),
            tag::START => log(Message::Started {
                id: input.number()?,
                level: input.number()?,
                kind: input.number()?,
                text: String::from_utf8_lossy(&input.data()?).into_owned(),
                fields: read_fields(input)?,
                parent: input.number()?,
            }),
            tag::STOP => log(Message::Stopped(input.number()?)),
            tag::RESULT => log(Message::Result {
                id: input.number()?,
                kind: input.number()?,
                fields: read_fields(input)?,
            }),
            other => return Err(malformed(format_args!("there is no message {other:#x}")).into()),
        }
    }
}

fn read_fields(input: &mut (impl io::Read + ?Sized)) -> io::Result<Vec<Field>> {
    let count = WireRead::length(input)?;
    let field = |_| match input.number()? {
        0 => Ok(Field::Number(input.number()?)),
        1 => Ok(Field::Text(String::from_utf8_lossy(&input.data()?).into_owned())),
        other => Err(malformed(format_args!("there is no field of type {other}"))),
    };
    (0..count).map(field).collect()
}

fn read_error(input: &mut (impl io::Read + ?Sized)) -> io::Result<String> {
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let _kind = input.data()?;
    let _level = input.number()?;
    let _name = input.data()?;
    let text = lossy(input.data()?);
    let _position = input.number()?;
    for _ in 0..input.length()? {
        let _position = input.number()?;
        let _step = input.data()?;
    }
    Ok(without_colours(text.strip_prefix("error: ").unwrap_or(&text)))
}

/// Text without the control sequences that colour it.
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\x1b' && characters.peek() == Some(&'[') {
            characters.next();
            // The rest of a control sequence up to its final byte (ECMA-48, 5.4).
            let _ = characters.by_ref().find(|c| ('\x40'..='\x7e').contains(c));
        } else if matches!(character, '\n' | '\t') || !character.is_control() {
            plain.push(character);
        }
    }
    plain
}

/// Writes a message of the server's side.
pub(crate) fn write_message(output: &mut (impl io::Write + ?Sized), message: &Message) -> io::Result<()> {
    match message {
        Message::Line(line) => {
            output.put_number(tag::LINE)?;
            output.put_bytes(line)
        }
        Message::Started { id, level, kind, text, fields, parent } => {
            output.put_number(tag::START)?;
            [*id, *level, *kind].into_iter().try_for_each(|number| output.put_number(number))?;
            output.put_text(text)?;
            write_fields(output, fields)?;
            output.put_number(*parent)
        }
        Message::Stopped(id) => {
            output.put_number(tag::STOP)?;
            output.put_number(*id)
        }
        Message::Result { id, kind, fields } => {
            output.put_number(tag::RESULT)?;
            output.put_number(*id)?;
            output.put_number(*kind)?;
            write_fields(output, fields)
        }
    }
}

fn write_fields(output: &mut (impl io::Write + ?Sized), fields: &[Field]) -> io::Result<()> {
    output.put_number(fields.len() as u64)?;
    fields.iter().try_for_each(|field| match field {
        Field::Number(number) => output.put_number(0).and_then(|()| output.put_number(*number)),
        Field::Text(text) => output.put_number(1).and_then(|()| output.put_text(text)),
    })
}

/// Writes the error that ends what was asked for.
pub(crate) fn write_error(output: &mut (impl io::Write + ?Sized), text: &str) -> io::Result<()> {
    output.put_number(tag::ERROR)?;
    output.put_text("Error")?;
    output.put_number(0)?;
    output.put_text("Error")?;
    output.put_text(text)?;
    output.put_number(0)?;
    output.put_number(0)
}

/// What to do with outputs that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildMode {
    /// Nothing.
    #[default]
    Normal,
    /// Make them again where their files are damaged.
    Repair,
    /// Build again and compare.
    Check,
}

impl BuildMode {
    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    pub(crate) fn from_number(number: u64) -> io::Result<Self> {
        match number {
            0 => Ok(Self::Normal),
            1 => Ok(Self::Repair),
            2 => Ok(Self::Check),
            other => Err(malformed(format_args!("there is no build mode {other}"))),
        }
    }
}

/// How to build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Builds that are wanted at the same time; 0 for the other side's own setting.
    pub jobs: u64,
    /// Cores for one build; 0 for all.
    pub cores: u64,
    /// Whether build directories of failed builds are kept.
    pub keep_failed: bool,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// How many seconds a build may take; 0 for any time.
    pub timeout: u64,
    /// How many seconds a build may write nothing; 0 for any time.
    pub max_silence: u64,
    /// Whether the other side may take from its binary caches what it is asked to build.
    pub use_substitutes: bool,
}

/// How a build ended, by the numbers of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildStatus {
    /// It was built.
    Built,
    /// It came from a binary cache.
    Substituted,
    /// It was there.
    AlreadyValid,
    /// The builder failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// Something about it is wrong; no other machine could build it.
    Permanent,
    /// Another try, or another machine, may do better.
    Transient,
    /// What it needs failed.
    DependencyFailed,
    /// Built again, it came out differently.
    NotDeterministic,
}

impl BuildStatus {
    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Built,
            1 => Self::Substituted,
            2 | 13 => Self::AlreadyValid,
            6 => Self::Transient,
            8 => Self::TimedOut,
            10 => Self::DependencyFailed,
            12 => Self::NotDeterministic,
            4 | 5 | 7 | 9 | 11 | 14.. => Self::Permanent,
            3 => Self::Failed,
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Built => 0,
            Self::Substituted => 1,
            Self::AlreadyValid => 2,
            Self::Failed => 3,
            Self::Transient => 6,
            Self::TimedOut => 8,
            Self::Permanent => 9,
            Self::DependencyFailed => 10,
            Self::NotDeterministic => 12,
        }
    }

    /// Whether the outputs are there now.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Built | Self::Substituted | Self::AlreadyValid)
    }
}

/// What came of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildResult {
    /// How it ended.
    pub status: BuildStatus,
    /// Why, if it failed.
    pub error: String,
    /// When it began, in seconds since the epoch.
    pub started: u64,
    /// When it ended, in seconds since the epoch.
    pub stopped: u64,
    /// The store paths of outputs by name, as far as they were told.
    pub outputs: Vec<(String, String)>,
}

impl BuildResult {
    /// One without details.
    pub fn new(status: BuildStatus, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), started: 0, stopped: 0, outputs: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let fields = vec![Field::Number(7), Field::Text("x".into())];
        let all = [
            Message::Line(b"building\xff".to_vec()),
            Message::Started {
                id: 1,
                level: 3,
                kind: Message::BUILD,
                text: "building 'x'".into(),
                fields: fields.clone(),
                parent: 0,
            },
            Message::Result { id: 1, kind: Message::LOG_LINE, fields: vec![Field::Text("line".into())] },
            Message::Stopped(1),
        ];
        let mut bytes = Vec::new();
        all.iter().for_each(|message| write_message(&mut bytes, message).unwrap());
        write_error(&mut bytes, "\x1b[31;1merror:\x1b[0m no").unwrap();
        let mut got = Vec::new();
        let error = read_messages(&mut bytes.as_slice(), &mut |message| got.push(message)).unwrap_err();
        assert_eq!(got, all);
        assert_eq!(got.iter().filter_map(Message::log_line).collect::<Vec<_>>(), ["line"]);
        assert_eq!(error.to_string(), "error: no");
    }

    #[test]
    fn unknown_messages_are_errors() {
        let error = read_messages(&mut [1u8; 8].as_slice(), &mut |_| {}).unwrap_err();
        let expected = "the other side does not keep to the protocol: there is no message 0x101010101010101";
        assert_eq!(error.to_string(), expected);
    }
}
