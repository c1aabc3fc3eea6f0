//! Telling from a file's first bytes which platform it is for.
//!
//! Layouts are those of the ELF gABI (System V Application Binary Interface,
//! chapters 4 and 5). Every offset in a file is untrusted and checked.

use std::fmt;

use crate::emulator::{Emulator, emulator_for_bytes};
use crate::platform::{ByteOrder, Class, Platform, cpus, platforms};

/// Size of a 32-bit ELF header.
const HEADER_32: usize = 52;
/// Size of a 64-bit ELF header.
const HEADER_64: usize = 64;
/// Program header type: a part of the file to load.
const PT_LOAD: u32 = 1;
/// Program header type: path of the interpreter.
const PT_INTERP: u32 = 3;
/// Program header type: dynamic linking information.
const PT_DYNAMIC: u32 = 2;

/// Kind of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfKind {
    /// `ET_REL`: an object file.
    Relocatable,
    /// `ET_EXEC`: a program at fixed addresses.
    Executable,
    /// `ET_DYN`: a shared library or a position-independent program.
    SharedObject,
    /// `ET_CORE`: a memory dump.
    Core,
    /// Something else.
    Other(u16),
}

/// What an ELF file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfIdentity {
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub byte_order: ByteOrder,
    /// Kind of file.
    pub kind: ElfKind,
    /// `EI_OSABI`: 0 System V, 3 GNU, 9 FreeBSD, …
    pub os_abi: u8,
    /// `e_machine`.
    pub machine: u16,
    /// `e_flags`.
    pub flags: u32,
    /// The dynamic linker it asks for, when it has one and the given bytes
    /// reached that far.
    pub interpreter: Option<String>,
    /// Whether it has dynamic linking information (as far as was seen).
    pub is_dynamic: bool,
    /// Bytes that the file must have at least, as far as its program headers were
    /// seen: a shorter one is truncated.
    pub size: u64,
    /// QEMU's emulator for it.
    pub emulator: Option<&'static Emulator>,
}

/// Why bytes are not a usable ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Not ELF at all; with what it looks like instead.
    NotElf(Option<&'static str>),
    /// Ends inside its header.
    Truncated {
        /// Bytes there are.
        have: usize,
        /// Bytes the header needs.
        need: usize,
    },
    /// `EI_CLASS` is neither 1 nor 2.
    UnknownClass(u8),
    /// `EI_DATA` is neither 1 nor 2.
    UnknownByteOrder(u8),
}

impl fmt::Display for ElfError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf(None) => write!(out, "not an ELF file"),
            Self::NotElf(Some(what)) => write!(out, "not an ELF file, but {what}"),
            Self::Truncated { have, need } => {
                write!(out, "truncated ELF file: it ends after {have} of the {need} bytes of its header")
            }
            Self::UnknownClass(class) => {
                write!(out, "broken ELF file: class is {class}, not 1 (32-bit) or 2 (64-bit)")
            }
            Self::UnknownByteOrder(data) => {
                write!(out, "broken ELF file: byte order is {data}, not 1 (little) or 2 (big)")
            }
        }
    }
}

impl std::error::Error for ElfError {}

/// Reads an ELF header from the start of a file.
///
/// 64 bytes suffice for the machine; the interpreter is found when the bytes
/// reach it (it is usually within the first 1024).
///
/// # Errors
/// The bytes are not ELF, or end inside the header.
pub fn identify_elf(start: &[u8]) -> Result<ElfIdentity, ElfError> {
    if !start.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf(other_format(start)));
    }
    let truncated = |need| ElfError::Truncated { have: start.len(), need };
    let (Some(&class), Some(&data)) = (start.get(4), start.get(5)) else {
        return Err(truncated(HEADER_32));
    };
    let (class, need) = match class {
        1 => (Class::Elf32, HEADER_32),
        2 => (Class::Elf64, HEADER_64),
        other => return Err(ElfError::UnknownClass(other)),
    };
    let byte_order = match data {
        1 => ByteOrder::Little,
        2 => ByteOrder::Big,
        other => return Err(ElfError::UnknownByteOrder(other)),
    };
    if start.len() < need {
        return Err(truncated(need));
    }
    let reader = Reader { bytes: start, class, byte_order };
    let field = |offset, width| reader.number(offset, width).unwrap_or_default();
    let kind = match field(16, 2) as u16 {
        1 => ElfKind::Relocatable,
        2 => ElfKind::Executable,
        3 => ElfKind::SharedObject,
        4 => ElfKind::Core,
        other => ElfKind::Other(other),
    };
    let flags_offset = match class {
        Class::Elf32 => 36,
        Class::Elf64 => 48,
    };
    let Segments { interpreter, is_dynamic, end } = reader.segments();
    Ok(ElfIdentity {
        class,
        byte_order,
        kind,
        os_abi: start[7],
        machine: field(18, 2) as u16,
        flags: field(flags_offset, 4) as u32,
        interpreter,
        is_dynamic,
        size: end.max(need as u64),
        emulator: emulator_for_bytes(start),
    })
}

impl ElfIdentity {
    /// The platforms whose programs look like this, the most likely first:
    /// those whose dynamic linker it asks for, else in the order of the list.
    pub fn platforms(&self) -> Vec<&'static Platform> {
        let linker = self.interpreter.as_deref().and_then(|path| path.rsplit('/').next());
        let mut found: Vec<_> = platforms()
            .iter()
            .filter(|platform| {
                platform.kernel == self.kernel()
                    && platform.elf.is_some_and(|facts| {
                        facts.machine == self.machine
                            && facts.class == self.class
                            && facts.byte_order == self.byte_order
                            && self.flags & facts.flags_mask == facts.flags
                    })
            })
            .collect();
        // Stable, so that equals stay in the list's order.
        found.sort_by_key(|platform| linker.is_some() && platform.dynamic_linker_name() != linker);
        found
    }

    /// The most likely of [`platforms`](Self::platforms).
    pub fn platform(&self) -> Option<&'static Platform> {
        self.platforms().into_iter().next()
    }

    /// Whether the kernel would start it as a program.
    pub fn is_program(&self) -> bool {
        matches!(self.kind, ElfKind::Executable | ElfKind::SharedObject)
    }

    fn kernel(&self) -> &'static str {
        match self.os_abi {
            2 => "netbsd",
            9 => "freebsd",
            _ => "linux",
        }
    }
}

/// A name for an ELF machine number, when a CPU of the list has it: the family's
/// (`arm`), since one number stands for several CPUs.
pub fn machine_name(machine: u16) -> Option<&'static str> {
    cpus().iter().find(|cpu| cpu.elf_machine == Some(machine)).map(|cpu| match machine {
        62 | 183 | 21 => cpu.name.as_str(),
        _ => cpu.family.as_str(),
    })
}

/// What a file that is not ELF looks like.
fn other_format(start: &[u8]) -> Option<&'static str> {
    match start {
        [] => Some("empty"),
        [b'#', b'!', ..] => Some("a script"),
        [b'M', b'Z', ..] => Some("a Windows program"),
        [0, b'a', b's', b'm', ..] => Some("a WebAssembly module"),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Some("a macOS program"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Some("an archive"),
        _ => None,
    }
}

/// What the program headers say.
#[derive(Default)]
struct Segments {
    interpreter: Option<String>,
    is_dynamic: bool,
    /// End of the last thing that is loaded, in the file.
    end: u64,
}

/// Numbers at offsets that may lie anywhere.
struct Reader<'a> {
    bytes: &'a [u8],
    class: Class,
    byte_order: ByteOrder,
}

impl Reader<'_> {
    fn number(&self, offset: u64, width: usize) -> Option<u64> {
        let start = usize::try_from(offset).ok()?;
        let bytes = self.bytes.get(start..start.checked_add(width)?)?;
        let fold = |number, byte: &u8| (number << 8) | u64::from(*byte);
        Some(match self.byte_order {
            ByteOrder::Little => bytes.iter().rev().fold(0, fold),
            ByteOrder::Big => bytes.iter().fold(0, fold),
        })
    }

    fn segments(&self) -> Segments {
        // Offsets of e_phoff, e_phentsize; of p_offset, p_filesz; word size.
        let (table, entry_size, offset, size, word) = match self.class {
            Class::Elf32 => (28, 42, 4, 16, 4),
            Class::Elf64 => (32, 54, 8, 32, 8),
        };
        let mut found = Segments::default();
        let table = self.number(table, word).unwrap_or_default();
        let stride = self.number(entry_size, 2).unwrap_or_default();
        let count = self.number(entry_size + 2, 2).unwrap_or_default();
        found.end = table.saturating_add(stride * count);
        for index in 0..count {
            let Some(header) = (index * stride).checked_add(table) else {
                break;
            };
            let at = |field: u64, width| self.number(header.checked_add(field)?, width);
            let extent = || at(offset, word).zip(at(size, word));
            match at(0, 4) {
                Some(kind) if kind == u64::from(PT_LOAD) => {
                    let end = extent().map_or(0, |(start, length)| start.saturating_add(length));
                    found.end = found.end.max(end);
                }
                Some(kind) if kind == u64::from(PT_DYNAMIC) => found.is_dynamic = true,
                Some(kind) if kind == u64::from(PT_INTERP) => {
                    found.interpreter = extent().and_then(|(start, length)| self.text(start, length));
                }
                Some(_) => {}
                None => break,
            }
        }
        found
    }

    fn text(&self, offset: u64, length: u64) -> Option<String> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        let bytes = self.bytes.get(start..end)?;
        let bytes = bytes.split(|byte| *byte == 0).next()?;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{by_name, emulators};

    /// A minimal program: header, one PT_INTERP, the interpreter's path.
    fn program(platform: &Platform) -> Vec<u8> {
        let facts = platform.elf.expect("ELF facts");
        let wide = facts.class == Class::Elf64;
        let mut bytes = vec![0x7f, b'E', b'L', b'F'];
        bytes.extend([facts.class.elf_class(), facts.byte_order.elf_data(), 1]);
        bytes.resize(16, 0);
        let mut put = |value: u64, width: usize| {
            let little = value.to_le_bytes();
            match facts.byte_order {
                ByteOrder::Little => bytes.extend(&little[..width]),
                ByteOrder::Big => bytes.extend(little[..width].iter().rev()),
            }
        };
        let word = if wide { 8 } else { 4 };
        let (header, entry) = if wide { (64, 56) } else { (52, 32) };
        let linker = platform.dynamic_linker.clone().unwrap_or_default();
        let length = linker.len() as u64 + 1;
        put(3, 2);
        put(facts.machine.into(), 2);
        put(1, 4);
        put(0, word);
        put(header, word);
        put(0, word);
        put(facts.flags.into(), 4);
        for value in [header, entry, 1, 0, 0, 0] {
            put(value, 2);
        }
        put(PT_INTERP.into(), 4);
        if wide {
            put(4, 4);
        }
        put(header + entry, word);
        put(0, word);
        put(0, word);
        put(length, word);
        bytes.resize((header + entry) as usize, 0);
        bytes.extend(linker.as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn every_linux_platform_is_recognised_by_its_programs() {
        for platform in platforms().iter().filter(|platform| platform.is_linux()) {
            let identity = identify_elf(&program(platform)).expect("a valid header");
            let found = identity.platforms();
            assert!(found.iter().any(|one| one.name == platform.name), "{}: {found:?}", platform.name);
            assert_eq!(found[0].dynamic_linker, platform.dynamic_linker);
            let emulator = identity.emulator.map(|one| one.name.as_str());
            assert_eq!(emulator, platform.emulator().map(|one| one.name.as_str()), "{}", platform.name);
        }
    }

    #[test]
    fn libc_is_told_by_the_dynamic_linker() {
        let musl = by_name("aarch64-multiplatform-musl").expect("listed");
        let identity = identify_elf(&program(musl)).expect("a valid header");
        assert_eq!(identity.interpreter.as_deref(), Some("/lib/ld-musl-aarch64.so.1"));
        assert_eq!(identity.platform().expect("known").name, musl.name);
    }

    #[test]
    fn unknown_machine_has_no_platform() {
        let mut bytes = emulators()[0].magic();
        bytes.resize(64, 0);
        bytes[18..20].copy_from_slice(&[0xfe, 0xfe]);
        let identity = identify_elf(&bytes).expect("a valid header");
        assert_eq!(identity.emulator, None);
        assert!(identity.platform().is_none());
        assert_eq!(machine_name(identity.machine), None);
        assert_eq!(machine_name(243), Some("riscv"));
    }

    #[test]
    fn what_is_loaded_tells_the_size() {
        let mut bytes = program(by_name("riscv64").expect("listed"));
        assert_eq!(identify_elf(&bytes).expect("a valid header").size, 64 + 56);
        // Now the segment is to be loaded.
        bytes[64] = 1;
        assert_eq!(identify_elf(&bytes).expect("a valid header").size, bytes.len() as u64);
    }

    fn check_error(bytes: &[u8], expected: &str) {
        let error = identify_elf(bytes).expect_err("not a program");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_not_elf_is_named() {
        check_error(b"", "not an ELF file, but empty");
        check_error(b"#!/bin/sh\n", "not an ELF file, but a script");
        check_error(b"\0asm\x01", "not an ELF file, but a WebAssembly module");
        check_error(b"hello", "not an ELF file");
        check_error(
            b"\x7fELF\x02\x01\x01",
            "truncated ELF file: it ends after 7 of the 64 bytes of its header",
        );
        check_error(b"\x7fELF\x03\x01", "broken ELF file: class is 3, not 1 (32-bit) or 2 (64-bit)");
        check_error(b"\x7fELF\x01\x09", "broken ELF file: byte order is 9, not 1 (little) or 2 (big)");
    }

    /// Hostile headers: every prefix and every byte set to extremes.
    #[test]
    fn no_header_makes_it_fail_badly() {
        let valid = program(by_name("riscv64").expect("listed"));
        for length in 0..valid.len() {
            let _ = identify_elf(&valid[..length]);
        }
        for index in 4..valid.len() {
            let mut broken = valid.clone();
            broken[index] = 0xff;
            let _ = identify_elf(&broken);
        }
        let mut broken = valid;
        broken[32..].fill(0xff);
        let _ = identify_elf(&broken);
    }
}
