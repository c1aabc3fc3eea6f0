//! Changing interpreter and run-time library path of an ELF file.
//!
//! The new strings are longer than the old ones, so they go into one more
//! segment, appended to the file and loaded above all others: the interpreter's
//! path, a copy of the string table with the library path at its end, and, only
//! where the dynamic section has no spare entry, a copy of that section.
//! Nothing else moves, so all addresses in code and relocations stay right.
//!
//! The additional program header takes the place of one that the run-time does
//! without (an unused one, or `PT_NOTE`), because the table had better stay where
//! it is: Linux before 5.18 and QEMU compute its address from its offset in the
//! file and the first segment. Where there is no such header, the table itself
//! moves to the start of the new segment, and that is placed in the file so that
//! the same computation yields the right address.
//!
//! The segment is writable, since QEMU clears the rest of the page after it when
//! a program first asks for heap, and since a moved dynamic section may have to
//! be written to.

use super::codec::{Segment, slice};
use super::{DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, Dynamic, Elf, PT_INTERP, PT_LOAD, Problem};

const PT_NULL: u64 = 0;
const PT_NOTE: u64 = 4;
const PT_PHDR: u64 = 6;
const PT_GNU_PROPERTY: u64 = 0x6474_e553;
const PF_W: u64 = 2;
const PF_R: u64 = 4;
const SHT_PROGBITS: u64 = 1;
const SHT_STRTAB: u64 = 3;
const SHT_DYNAMIC: u64 = 6;
const SHF_ALLOC: u64 = 2;
/// Distance from this entry to the debugger's variable; MIPS supplement.
const DT_MIPS_RLD_MAP_REL: u64 = 0x7000_0035;
/// Smallest page of any machine here.
const MIN_PAGE: u64 = 0x1000;
/// Largest alignment that real files ask for: huge pages.
const MAX_ALIGNMENT: u64 = 1 << 30;
/// How much a file may grow when the program header table has to move.
const MAX_PADDING: u64 = 64 << 20;

/// What to change; `None` leaves things as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The new program interpreter.
    pub interpreter: Option<Vec<u8>>,
    /// The new `DT_RUNPATH`, which replaces a `DT_RPATH` too; empty for none.
    pub runpath: Option<Vec<u8>>,
}

/// The new segment while it is put together.
struct Addition {
    offset: u64,
    address: u64,
    bytes: Vec<u8>,
}

impl Addition {
    /// Appends `bytes` aligned to `alignment`; returns offset and address.
    fn push(&mut self, bytes: &[u8], alignment: u64) -> (u64, u64) {
        while !(self.offset + self.bytes.len() as u64).is_multiple_of(alignment) {
            self.bytes.push(0);
        }
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        (self.offset + at, self.address + at)
    }
}

/// The file `data`, which `elf` describes, with `change` made.
pub(crate) fn edit(data: &[u8], elf: &Elf, change: &Change) -> Result<Vec<u8>, Problem> {
    let mut file = data.to_vec();
    let mut segments = elf.segments.clone();
    let reused = reusable_segment(&segments);
    let mut addition = place_addition(elf, data.len() as u64, reused.is_none())?;
    if reused.is_none() {
        // Filled in at the end, when all is known.
        let size = (segments.len() as u64 + 1) * elf.codec.segment_size();
        addition.push(&vec![0; size as usize], 8);
    }
    if let Some(interpreter) = &change.interpreter {
        move_interpreter(elf, &mut file, &mut segments, &mut addition, interpreter)?;
    }
    if let (Some(runpath), Some(dynamic)) = (&change.runpath, &elf.dynamic) {
        set_runpath(elf, dynamic, &mut file, &mut segments, &mut addition, runpath)?;
    }
    if addition.bytes.is_empty() {
        return Ok(file);
    }
    let load = Segment {
        kind: PT_LOAD,
        flags: PF_R | PF_W,
        offset: addition.offset,
        address: addition.address,
        physical_address: addition.address,
        file_size: addition.bytes.len() as u64,
        memory_size: addition.bytes.len() as u64,
        alignment: page_size(elf)?,
    };
    if let Some(index) = reused {
        segments.remove(index);
    }
    // Loaded segments have to be in the order of their addresses.
    let last =
        segments.iter().rposition(|segment| segment.kind == PT_LOAD).ok_or("it has no loaded segment")?;
    segments.insert(last + 1, load);
    let mut table = elf.segments_offset;
    file.resize(addition.offset as usize, 0);
    file.extend_from_slice(&addition.bytes);
    if reused.is_none() {
        table = addition.offset;
        move_table(elf, &mut file, &mut segments, &addition)?;
    }
    for (index, segment) in segments.iter().enumerate() {
        let at = table + index as u64 * elf.codec.segment_size();
        segment.write(elf.codec, &mut file, at)?;
    }
    Ok(file)
}

/// The program header that the new segment's may replace.
fn reusable_segment(segments: &[Segment]) -> Option<usize> {
    let find = |wanted: &dyn Fn(&Segment) -> bool| segments.iter().position(wanted);
    // A note that the GNU property header covers as well is redundant.
    let property =
        segments.iter().find(|segment| segment.kind == PT_GNU_PROPERTY).map(|segment| segment.offset);
    find(&|segment| segment.kind == PT_NULL)
        .or_else(|| find(&|segment| segment.kind == PT_NOTE && Some(segment.offset) == property))
        .or_else(|| find(&|segment| segment.kind == PT_NOTE))
}

/// Alignment of segments: the largest page size that the file is made for.
fn page_size(elf: &Elf) -> Result<u64, Problem> {
    let mut page = MIN_PAGE;
    for segment in &elf.segments {
        if segment.kind == PT_LOAD {
            page = page.max(segment.alignment);
        }
    }
    if !page.is_power_of_two() || page > MAX_ALIGNMENT {
        return Err(format!("a segment has the alignment {page:#x}"));
    }
    Ok(page)
}

/// Where the new segment goes in the file and in memory.
fn place_addition(elf: &Elf, length: u64, with_table: bool) -> Result<Addition, Problem> {
    let loaded = || elf.segments.iter().filter(|s| s.kind == PT_LOAD);
    let page = page_size(elf)?;
    let mut end = 0;
    for segment in loaded() {
        end = end.max(segment.memory_end()?);
    }
    let first = loaded().next().ok_or("it has no loaded segment")?;
    let too_high = || "there is no room above its highest segment".to_owned();
    // Half a page of room for what follows, so that sums below cannot overflow.
    let limit = if elf.codec.wide { 1 << 62 } else { 1 << 32 };
    let start = end.checked_next_multiple_of(page).ok_or_else(too_high)?;
    if start >= limit - page {
        return Err(too_high());
    }
    let offset = length.next_multiple_of(16);
    if !with_table {
        return Ok(Addition { offset, address: start + offset % page, bytes: Vec::new() });
    }
    let base = first
        .address
        .checked_sub(first.offset)
        .ok_or("its first segment lies before the start of the file")?;
    let address = start.max((base + offset).next_multiple_of(16));
    let offset = address - base;
    if !base.is_multiple_of(page) {
        return Err("its first segment is not aligned".to_owned());
    }
    if offset - length > MAX_PADDING {
        return Err(format!(
            "it has no program header to spare, and {} bytes of memory beyond its file",
            offset - length
        ));
    }
    Ok(Addition { offset, address, bytes: Vec::new() })
}

fn move_interpreter(
    elf: &Elf,
    file: &mut [u8],
    segments: &mut [Segment],
    addition: &mut Addition,
    path: &[u8],
) -> Result<(), Problem> {
    let Some(segment) = segments.iter_mut().find(|s| s.kind == PT_INTERP) else {
        return Ok(());
    };
    let old = *segment;
    let mut bytes = path.to_vec();
    bytes.push(0);
    let size = bytes.len() as u64;
    if size <= old.file_size {
        slice(file, old.offset, old.file_size)?;
        bytes.resize(old.file_size as usize, 0);
        file[old.offset as usize..][..bytes.len()].copy_from_slice(&bytes);
    } else {
        let (offset, address) = addition.push(&bytes, 1);
        segment.offset = offset;
        segment.address = address;
        segment.physical_address = address;
    }
    segment.file_size = size;
    segment.memory_size = size;
    let new = *segment;
    let is_it = |kind, offset| kind == SHT_PROGBITS && offset == old.offset;
    move_sections(elf, file, &new, |s| is_it(s.kind, s.offset) && s.size == old.file_size)
}

/// Sets `DT_RUNPATH`, and removes `DT_RPATH`.
fn set_runpath(
    elf: &Elf,
    dynamic: &Dynamic,
    file: &mut [u8],
    segments: &mut [Segment],
    addition: &mut Addition,
    runpath: &[u8],
) -> Result<(), Problem> {
    let (strings, strings_address, strings_size) = dynamic.strings;
    let is_path = |tag| tag == DT_RUNPATH || tag == DT_RPATH;
    // Each entry with its former place, for what is relative to that.
    let mut entries: Vec<(Option<usize>, u64, u64)> = Vec::new();
    for (index, (tag, value)) in dynamic.entries.iter().enumerate() {
        if !is_path(*tag) {
            entries.push((Some(index), *tag, *value));
        }
    }
    if !runpath.is_empty() {
        let mut table = slice(file, strings, strings_size)?.to_vec();
        let name = table.len() as u64;
        table.extend_from_slice(runpath);
        table.push(0);
        let (offset, address) = addition.push(&table, 8);
        for (_, tag, value) in &mut entries {
            match *tag {
                DT_STRTAB => *value = address,
                DT_STRSZ => *value = table.len() as u64,
                _ => {}
            }
        }
        entries.push((None, DT_RUNPATH, name));
        let place = Segment {
            kind: PT_NULL,
            flags: 0,
            offset,
            address,
            physical_address: address,
            file_size: table.len() as u64,
            memory_size: table.len() as u64,
            alignment: 1,
        };
        move_sections(elf, file, &place, |section| {
            section.kind == SHT_STRTAB && section.flags & SHF_ALLOC != 0 && section.address == strings_address
        })?;
    }
    write_dynamic(elf, dynamic, file, segments, addition, &entries)
}

/// Writes the dynamic section to its place if it fits there, else to a new one.
/// What is not written is zero, which ends the section (`DT_NULL`).
fn write_dynamic(
    elf: &Elf,
    dynamic: &Dynamic,
    file: &mut [u8],
    segments: &mut [Segment],
    addition: &mut Addition,
    entries: &[(Option<usize>, u64, u64)],
) -> Result<(), Problem> {
    let codec = elf.codec;
    let entry_size = 2 * codec.word();
    let old = segments.get(dynamic.segment).copied().ok_or("its dynamic section has no program header")?;
    let capacity = dynamic.entries.len() + dynamic.nulls;
    let count = capacity.max(entries.len() + 1);
    let size = count as u64 * entry_size;
    let moves = count > capacity;
    let (offset, address) =
        if moves { addition.push(&vec![0; size as usize], 16) } else { (old.offset, old.address) };
    let mut bytes = vec![0; size as usize];
    for (index, (former, tag, value)) in entries.iter().enumerate() {
        let at = index as u64 * entry_size;
        let mut value = *value;
        if let (DT_MIPS_RLD_MAP_REL, Some(former)) = (*tag, former) {
            let from = old.address.wrapping_add(*former as u64 * entry_size);
            let moved = value.wrapping_add(from).wrapping_sub(address.wrapping_add(at));
            value = if codec.wide { moved } else { moved & 0xffff_ffff };
        }
        codec.put_word(&mut bytes, at, *tag)?;
        codec.put_word(&mut bytes, at + codec.word(), value)?;
    }

    if !moves {
        file[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
        return Ok(());
    }
    let start = (offset - addition.offset) as usize;
    addition.bytes[start..][..bytes.len()].copy_from_slice(&bytes);
    let segment = &mut segments[dynamic.segment];
    segment.offset = offset;
    segment.address = address;
    segment.physical_address = address;
    segment.file_size = size;
    segment.memory_size = size;
    let new = *segment;
    move_sections(elf, file, &new, |section| section.kind == SHT_DYNAMIC && section.address == old.address)
}

/// Makes the section headers that `wanted` chooses describe the place of `new`.
fn move_sections(
    elf: &Elf,
    file: &mut [u8],
    new: &Segment,
    wanted: impl Fn(&super::Section) -> bool,
) -> Result<(), Problem> {
    for section in &elf.sections {
        if wanted(section) {
            let mut section = *section;
            section.offset = new.offset;
            section.address = new.address;
            section.size = new.file_size;
            section.write_place(elf.codec, file)?;
        }
    }
    Ok(())
}

/// Makes the file header and `PT_PHDR` describe the table's new place, at the
/// start of the new segment.
fn move_table(
    elf: &Elf,
    file: &mut [u8],
    segments: &mut [Segment],
    addition: &Addition,
) -> Result<(), Problem> {
    let codec = elf.codec;
    let count = segments.len() as u64;
    let size = count * codec.segment_size();
    codec.put_word(file, 24 + codec.word(), addition.offset)?;
    codec.put(file, 32 + 3 * codec.word(), 2, count)?;
    if let Some(table) = segments.iter_mut().find(|s| s.kind == PT_PHDR) {
        table.offset = addition.offset;
        table.address = addition.address;
        table.physical_address = addition.address;
        table.file_size = size;
        table.memory_size = size;
    }
    Ok(())
}
