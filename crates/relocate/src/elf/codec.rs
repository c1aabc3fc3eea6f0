//! Numbers and tables of an ELF file of either class and byte order.
//!
//! Layouts: System V ABI (gABI), chapters 4 and 5.

use super::Problem;

/// Class and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Codec {
    /// 64-bit class.
    pub wide: bool,
    /// Most significant byte first.
    pub big: bool,
}

impl Codec {
    /// Bytes of an address.
    pub(crate) fn word(self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    /// Bytes of a program header.
    pub(crate) fn segment_size(self) -> u64 {
        if self.wide { 56 } else { 32 }
    }

    /// Bytes of a section header.
    pub(crate) fn section_size(self) -> u64 {
        if self.wide { 64 } else { 40 }
    }

    /// The unsigned number of `size` (2, 4 or 8) bytes at offset `at`.
    pub(crate) fn get(self, data: &[u8], at: u64, size: u64) -> Result<u64, Problem> {
        let bytes = slice(data, at, size)?;
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Ok(if self.big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    /// The address-sized number at offset `at`.
    pub(crate) fn get_word(self, data: &[u8], at: u64) -> Result<u64, Problem> {
        self.get(data, at, self.word())
    }

    /// Stores `value` in `size` bytes at offset `at`.
    pub(crate) fn put(self, data: &mut [u8], at: u64, size: u64, value: u64) -> Result<(), Problem> {
        if size < 8 && value >> (8 * size) != 0 {
            return Err(format!("the value {value:#x} does not fit in {size} bytes"));
        }
        slice(data, at, size)?;
        for (index, place) in data[at as usize..(at + size) as usize].iter_mut().enumerate() {
            let index = index as u64;
            let shift = if self.big { size - 1 - index } else { index };
            *place = (value >> (8 * shift)) as u8;
        }
        Ok(())
    }

    /// Stores an address-sized number.
    pub(crate) fn put_word(self, data: &mut [u8], at: u64, value: u64) -> Result<(), Problem> {
        self.put(data, at, self.word(), value)
    }
}

/// `size` bytes at offset `at`, if the file has them.
pub(crate) fn slice(data: &[u8], at: u64, size: u64) -> Result<&[u8], Problem> {
    at.checked_add(size)
        .and_then(|end| data.get(usize::try_from(at).ok()?..usize::try_from(end).ok()?))
        .ok_or_else(|| format!("it should have {size} bytes at offset {at:#x}, but ends before"))
}

/// A program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub kind: u64,
    pub flags: u64,
    pub offset: u64,
    pub address: u64,
    pub physical_address: u64,
    pub file_size: u64,
    pub memory_size: u64,
    pub alignment: u64,
}

impl Segment {
    /// Reads the program header at offset `at`.
    pub(crate) fn read(codec: Codec, data: &[u8], at: u64) -> Result<Segment, Problem> {
        let word = codec.word();
        let field = |index: u64| codec.get_word(data, at + index);
        // The flags stand at the end in the 32-bit class.
        let (flags, first) =
            if codec.wide { (codec.get(data, at + 4, 4)?, 8) } else { (codec.get(data, at + 24, 4)?, 4) };
        let last = if codec.wide { 48 } else { 28 };
        Ok(Segment {
            kind: codec.get(data, at, 4)?,
            flags,
            offset: field(first)?,
            address: field(first + word)?,
            physical_address: field(first + 2 * word)?,
            file_size: field(first + 3 * word)?,
            memory_size: field(first + 4 * word)?,
            alignment: field(last)?,
        })
    }

    /// Writes the program header to offset `at`.
    pub(crate) fn write(self, codec: Codec, data: &mut [u8], at: u64) -> Result<(), Problem> {
        let word = codec.word();
        let (flags, first, last) = if codec.wide { (4, 8, 48) } else { (24, 4, 28) };
        codec.put(data, at, 4, self.kind)?;
        codec.put(data, at + flags, 4, self.flags)?;
        codec.put_word(data, at + first, self.offset)?;
        codec.put_word(data, at + first + word, self.address)?;
        codec.put_word(data, at + first + 2 * word, self.physical_address)?;
        codec.put_word(data, at + first + 3 * word, self.file_size)?;
        codec.put_word(data, at + first + 4 * word, self.memory_size)?;
        codec.put_word(data, at + last, self.alignment)
    }

    /// End of the segment in memory.
    pub(crate) fn memory_end(&self) -> Result<u64, Problem> {
        self.address
            .checked_add(self.memory_size)
            .ok_or_else(|| "a segment ends beyond the address space".to_owned())
    }
}

/// The part of a section header that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    /// Offset of the header itself.
    pub header: u64,
    pub kind: u64,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

impl Section {
    /// Reads the section header at offset `at`.
    pub(crate) fn read(codec: Codec, data: &[u8], at: u64) -> Result<Section, Problem> {
        let word = codec.word();
        Ok(Section {
            header: at,
            kind: codec.get(data, at + 4, 4)?,
            flags: codec.get_word(data, at + 8)?,
            address: codec.get_word(data, at + 8 + word)?,
            offset: codec.get_word(data, at + 8 + 2 * word)?,
            size: codec.get_word(data, at + 8 + 3 * word)?,
        })
    }

    /// Writes address, offset and size back to the header.
    pub(crate) fn write_place(self, codec: Codec, data: &mut [u8]) -> Result<(), Problem> {
        let word = codec.word();
        let at = self.header + 8 + word;
        codec.put_word(data, at, self.address)?;
        codec.put_word(data, at + word, self.offset)?;
        codec.put_word(data, at + 2 * word, self.size)
    }
}
