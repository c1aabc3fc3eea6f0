//! Bytes that workers send and that are kept in files: numbers of fixed size,
//! little-endian, and texts with their length in front.

use saltire_eval::Dependency;

use super::trace::{Input, Kind, STAMP_WORDS};
use super::{Mode, Outcome};

/// The largest text that is read, in bytes.
const LARGEST: usize = 256 << 20;

/// Appends values to a buffer.
#[derive(Default)]
pub(super) struct Encoder(pub Vec<u8>);

impl Encoder {
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn number(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u32);
        self.0.extend_from_slice(text);
    }

    pub fn texts(&mut self, texts: &[Vec<u8>]) {
        self.number(texts.len() as u32);
        texts.iter().for_each(|text| self.text(text));
    }

    pub fn numbers(&mut self, numbers: &[u32]) {
        self.number(numbers.len() as u32);
        numbers.iter().for_each(|number| self.number(*number));
    }

    /// None is a number that no dependency has.
    pub fn dependency(&mut self, dependency: Option<Dependency>) {
        self.number(dependency.map_or(u32::MAX, Dependency::to_bits));
    }

    pub fn dependencies(&mut self, dependencies: &[Dependency]) {
        self.number(dependencies.len() as u32);
        dependencies.iter().for_each(|dependency| self.number(dependency.to_bits()));
    }

    pub fn input(&mut self, input: &Input) {
        self.byte(input.kind as u8);
        self.text(&input.name);
        self.0.extend_from_slice(&input.digest);
        self.byte(u8::from(input.stamp.is_some()));
        input.stamp.iter().flatten().for_each(|word| self.long(*word));
    }

    pub fn messages(&mut self, messages: &[String]) {
        self.number(messages.len() as u32);
        messages.iter().for_each(|message| self.text(message.as_bytes()));
    }

    pub fn outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Nothing => self.byte(0),
            Outcome::Found { name, derivation, class, row } => {
                self.byte(1);
                self.text(name);
                self.text(derivation);
                self.long(*class);
                self.byte(u8::from(row.is_some()));
                row.iter().for_each(|row| self.text(row));
            }
            Outcome::Set { mode, names } => {
                self.byte(2);
                self.byte(*mode as u8);
                self.texts(names);
            }
            Outcome::Failed(text) => {
                self.byte(3);
                self.text(text.as_bytes());
            }
        }
    }
}

/// Takes values from a buffer; `None` where they are not what was written.
pub(super) struct Decoder<'a>(pub &'a [u8]);

impl<'a> Decoder<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub fn byte(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    pub fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub fn text(&mut self) -> Option<&'a [u8]> {
        let count = self.number()? as usize;
        if count > LARGEST { None } else { self.bytes(count) }
    }

    pub fn string(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.text()?).into_owned())
    }

    /// As many as a number in front says, of at least `size` bytes each.
    pub fn many<T>(&mut self, size: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()? as usize;
        if count.checked_mul(size)? > self.0.len() {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    pub fn texts(&mut self) -> Option<Vec<Vec<u8>>> {
        self.many(4, |decoder| decoder.text().map(<[u8]>::to_vec))
    }

    pub fn numbers(&mut self) -> Option<Vec<u32>> {
        self.many(4, Self::number)
    }

    pub fn dependency(&mut self) -> Option<Option<Dependency>> {
        Some(Some(self.number()?).filter(|bits| *bits != u32::MAX).map(Dependency::from_bits))
    }

    pub fn dependencies(&mut self) -> Option<Vec<Dependency>> {
        self.many(4, |decoder| decoder.number().map(Dependency::from_bits))
    }

    pub fn input(&mut self) -> Option<Input> {
        let kind = Kind::from_number(self.byte()?)?;
        let name = self.text()?.into();
        let digest = self.bytes(16)?.try_into().ok()?;
        let mut stamp = None;
        if self.byte()? != 0 {
            let mut words = [0; STAMP_WORDS];
            for word in &mut words {
                *word = self.long()?;
            }
            stamp = Some(words);
        }
        Some(Input { kind, name, digest, stamp })
    }

    pub fn messages(&mut self) -> Option<Vec<String>> {
        self.many(4, Self::string)
    }

    pub fn outcome(&mut self) -> Option<Outcome> {
        Some(match self.byte()? {
            0 => Outcome::Nothing,
            1 => {
                let (name, derivation) = (self.text()?.to_vec(), self.text()?.to_vec());
                let class = self.long()?;
                let row = if self.byte()? != 0 { Some(self.text()?.to_vec()) } else { None };
                Outcome::Found { name, derivation, class, row }
            }
            2 => Outcome::Set { mode: Mode::from_number(self.byte()?)?, names: self.texts()? },
            3 => Outcome::Failed(self.string()?),
            _ => return None,
        })
    }
}
