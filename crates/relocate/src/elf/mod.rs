//! What a dynamic ELF file says about what it needs.
//!
//! Constants: System V ABI (gABI) chapters 4 and 5; MIPS flags from the MIPS
//! supplement.

mod codec;
mod edit;
#[cfg(test)]
mod tests;

pub(crate) use codec::Codec;
use codec::{Section, Segment, slice};
pub(crate) use edit::{Change, edit};

/// What is wrong with a file, without its name.
pub(crate) type Problem = String;

pub(crate) const ET_EXEC: u64 = 2;
pub(crate) const ET_DYN: u64 = 3;
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const SHT_NOBITS: u64 = 8;
const EM_MIPS: u64 = 8;
/// The N32 calling convention, of the 32-bit class as O32 is.
const EF_MIPS_ABI2: u64 = 0x20;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// More segments than any real file has; bounds the work on hostile ones.
const MAX_SEGMENTS: u64 = 4096;
/// Entries of a dynamic section, likewise.
const MAX_DYNAMIC: u64 = 1 << 16;

/// Which files can be loaded into one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Machine {
    codec: Codec,
    machine: u64,
    abi: u64,
}

/// Machine of the ELF file that starts with `start` (64 bytes suffice), and its
/// `e_type`; `None` if it is none.
pub(crate) fn identify(start: &[u8]) -> Option<(Machine, u64)> {
    if start.get(..4)? != b"\x7fELF" {
        return None;
    }
    let codec = Codec {
        wide: match start.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        },
        big: match start.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        },
    };
    let kind = codec.get(start, 16, 2).ok()?;
    let machine = codec.get(start, 18, 2).ok()?;
    let flags = codec.get(start, 24 + 3 * codec.word(), 4).ok()?;
    let abi = if machine == EM_MIPS { flags & EF_MIPS_ABI2 } else { 0 };
    let machine = Machine { codec, machine, abi };
    Some((machine, kind))
}

/// The dynamic section.
#[derive(Debug, Clone)]
pub(crate) struct Dynamic {
    /// Its program header's place in [`Elf::segments`].
    segment: usize,
    /// Tags and values before the terminating `DT_NULL`.
    entries: Vec<(u64, u64)>,
    /// Number of `DT_NULL`s at the end, the terminating one included.
    nulls: usize,
    /// Offset in the file, address and size of the string table.
    strings: (u64, u64, u64),
}

/// An executable or a shared library.
#[derive(Debug, Clone)]
pub(crate) struct Elf {
    /// What it runs on.
    pub machine: Machine,
    codec: Codec,
    segments_offset: u64,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    dynamic: Option<Dynamic>,
    /// Program interpreter, without the terminating NUL.
    pub interpreter: Option<Vec<u8>>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<Vec<u8>>,
    /// `DT_SONAME`.
    pub soname: Option<Vec<u8>>,
    /// `DT_RUNPATH`, else `DT_RPATH`.
    pub runpath: Option<Vec<u8>>,
    /// Whether there is a `DT_RPATH`, which is to become a `DT_RUNPATH`.
    pub has_rpath: bool,
}

impl Elf {
    /// Parses an executable or shared library; `None` if the file is something
    /// else (not ELF, an object file, a core, separate debug information).
    pub(crate) fn parse(data: &[u8]) -> Result<Option<Elf>, Problem> {
        let Some((machine, kind)) = identify(data) else {
            return Ok(None);
        };
        if kind != ET_EXEC && kind != ET_DYN {
            return Ok(None);
        }
        let codec = machine.codec;
        let word = codec.word();
        let segments_offset = codec.get_word(data, 24 + word)?;
        let segments = read_segments(codec, data, segments_offset)?;
        let sections = read_sections(codec, data)?;
        let mut elf = Elf {
            machine,
            codec,
            segments_offset,
            segments,
            sections,
            dynamic: None,
            interpreter: None,
            needed: Vec::new(),
            soname: None,
            runpath: None,
            has_rpath: false,
        };
        if elf.is_only_debug_information() {
            return Ok(None);
        }
        elf.read_interpreter(data)?;
        elf.read_dynamic(data)?;
        Ok(Some(elf))
    }

    /// Whether it takes part in dynamic linking.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.dynamic.is_some()
    }

    /// Separate debug information keeps the headers, but none of the content.
    fn is_only_debug_information(&self) -> bool {
        let Some(dynamic) = self.segment(PT_DYNAMIC) else {
            return false;
        };
        self.sections.iter().any(|section| {
            section.kind == SHT_NOBITS
                && section.address == dynamic.address
                && section.size == dynamic.memory_size
                && section.size != 0
        })
    }

    fn segment(&self, kind: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    fn read_interpreter(&mut self, data: &[u8]) -> Result<(), Problem> {
        if let Some(segment) = self.segment(PT_INTERP) {
            let bytes = slice(data, segment.offset, segment.file_size)?;
            let end = bytes.iter().position(|byte| *byte == 0);
            self.interpreter = Some(bytes[..end.unwrap_or(bytes.len())].to_vec());
        }
        Ok(())
    }

    fn read_dynamic(&mut self, data: &[u8]) -> Result<(), Problem> {
        let codec = self.codec;
        let is_dynamic = |segment: &Segment| segment.kind == PT_DYNAMIC && segment.file_size > 0;
        let Some(segment) = self.segments.iter().position(is_dynamic) else {
            return Ok(());
        };
        let Segment { offset, file_size, .. } = self.segments[segment];
        slice(data, offset, file_size)?;
        let count = file_size / (2 * codec.word());
        if count > MAX_DYNAMIC {
            return Err(format!("its dynamic section has {count} entries"));
        }
        let mut entries = Vec::new();
        for index in 0..count {
            let at = offset + index * 2 * codec.word();
            let tag = codec.get_word(data, at)?;
            entries.push((tag, codec.get_word(data, at + codec.word())?));
        }
        let is_null = |entry: &(u64, u64)| entry.0 == DT_NULL;
        // Linkers told to leave no spare entries may leave out the last as well.
        let end = entries.iter().position(is_null).unwrap_or(entries.len());
        let nulls = entries[end..].iter().take_while(|e| is_null(e)).count();
        entries.truncate(end);
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|e| e.1);
        let (Some(address), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
            // Without strings it names no libraries: a static PIE may be so.
            return Ok(());
        };
        let strings = self.offset_of(address, size)?;
        let table = slice(data, strings, size)?;
        let string = |offset: u64| -> Result<Vec<u8>, Problem> {
            let rest = usize::try_from(offset).ok().and_then(|at| table.get(at..));
            let rest = rest.ok_or("a name lies outside its string table")?;
            let end = rest.iter().position(|byte| *byte == 0);
            Ok(rest[..end.ok_or("a name in its string table has no end")?].to_vec())
        };
        for (tag, value) in &entries {
            match *tag {
                DT_NEEDED => self.needed.push(string(*value)?),
                DT_SONAME => self.soname = Some(string(*value)?),
                DT_RUNPATH => self.runpath = Some(string(*value)?),
                DT_RPATH => {
                    self.has_rpath = true;
                    if self.runpath.is_none() {
                        self.runpath = Some(string(*value)?);
                    }
                }
                _ => {}
            }
        }
        self.dynamic = Some(Dynamic { segment, entries, nulls, strings: (strings, address, size) });
        Ok(())
    }

    /// Offset in the file of `size` bytes that are loaded at `address`.
    fn offset_of(&self, address: u64, size: u64) -> Result<u64, Problem> {
        let inside = |segment: &&Segment| {
            segment.kind == PT_LOAD
                && address >= segment.address
                && address - segment.address <= segment.file_size
                && size <= segment.file_size - (address - segment.address)
        };
        let segment = self.segments.iter().find(inside).ok_or_else(|| {
            format!("its string table, at address {address:#x}, is not loaded from the file")
        })?;
        segment
            .offset
            .checked_add(address - segment.address)
            .ok_or_else(|| "a segment lies beyond the end of every file".to_owned())
    }
}

fn read_segments(codec: Codec, data: &[u8], offset: u64) -> Result<Vec<Segment>, Problem> {
    let word = codec.word();
    let size = codec.get(data, 30 + 3 * word, 2)?;
    let count = codec.get(data, 32 + 3 * word, 2)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    if size != codec.segment_size() {
        return Err(format!("its program headers have {size} bytes each"));
    }
    if count > MAX_SEGMENTS {
        return Err(format!("it has {count} program headers"));
    }
    slice(data, offset, count * size)?;
    (0..count).map(|index| Segment::read(codec, data, offset + index * size)).collect()
}

/// Section headers; none if the file has none, or has the extended numbering
/// that only object files with more than 65,000 sections use.
fn read_sections(codec: Codec, data: &[u8]) -> Result<Vec<Section>, Problem> {
    let word = codec.word();
    let offset = codec.get_word(data, 24 + 2 * word)?;
    let size = codec.get(data, 34 + 3 * word, 2)?;
    let count = codec.get(data, 36 + 3 * word, 2)?;
    if offset == 0 || count == 0 || size != codec.section_size() {
        return Ok(Vec::new());
    }
    slice(data, offset, count * size)?;
    (0..count).map(|index| Section::read(codec, data, offset + index * size)).collect()
}
