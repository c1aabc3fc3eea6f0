//! QEMU's user-mode emulators, and the bytes by which Linux's `binfmt_misc`
//! recognises their programs.

use crate::data::database;
use crate::platform::{ByteOrder, Class};

/// Offset of `e_type` in an ELF header of either class.
const E_TYPE: usize = 16;
/// Offset of `e_machine`.
const E_MACHINE: usize = 18;
/// Offset of `e_flags` in a 32-bit ELF header.
const E_FLAGS_32: usize = 36;
/// Offset of `e_flags` in a 64-bit ELF header.
const E_FLAGS_64: usize = 48;

/// A user-mode emulator.
#[derive(Debug, PartialEq, Eq)]
pub struct Emulator {
    /// QEMU's name: the program is `qemu-<name>`, or `qemu-<name>-static`.
    pub name: String,
    /// `e_machine` of what it runs.
    pub machine: u16,
    /// Class of what it runs.
    pub class: Class,
    /// Byte order of what it runs.
    pub byte_order: ByteOrder,
    pub(crate) os_abi_mask: u8,
    pub(crate) abi_version_mask: u8,
    pub(crate) machine_high_mask: u8,
    pub(crate) flags: u32,
    pub(crate) flags_mask: u32,
    /// Value for `QEMU_CPU`, where its default model is slow or too old for
    /// what distributions are compiled for.
    pub cpu_model: Option<String>,
}

impl Emulator {
    /// File name of the statically linked program.
    pub fn program(&self) -> String {
        format!("qemu-{}-static", self.name)
    }

    /// Environment variables that make it run well.
    pub fn environment(&self) -> Vec<(&'static str, &str)> {
        self.cpu_model.iter().map(|model| ("QEMU_CPU", model.as_str())).collect()
    }

    /// The start of a program: identification, type and machine, and where two
    /// emulators share these, the flags.
    pub fn magic(&self) -> Vec<u8> {
        let mut magic = vec![0; self.length()];
        magic[..7].copy_from_slice(&[
            0x7f,
            b'E',
            b'L',
            b'F',
            self.class.elf_class(),
            self.byte_order.elf_data(),
            1,
        ]);
        // ET_EXEC; the mask makes it match ET_DYN (3) too.
        magic[E_TYPE..E_TYPE + 2].copy_from_slice(&self.half(2));
        magic[E_MACHINE..E_MACHINE + 2].copy_from_slice(&self.half(self.machine));
        self.put_flags(&mut magic, self.flags);
        magic
    }

    /// The bits of [`magic`](Self::magic) that count.
    pub fn mask(&self) -> Vec<u8> {
        let mut mask = vec![0; self.length()];
        mask[..E_MACHINE + 2].fill(0xff);
        mask[7] = self.os_abi_mask;
        mask[8] = self.abi_version_mask;
        mask[E_TYPE..E_TYPE + 2].copy_from_slice(&self.half(0xfffe));
        mask[E_MACHINE + 1] = self.machine_high_mask;
        self.put_flags(&mut mask, self.flags_mask);
        mask
    }

    /// Whether a file that starts with these bytes is a program for it.
    pub fn matches(&self, start: &[u8]) -> bool {
        let (magic, mask) = (self.magic(), self.mask());
        start.len() >= magic.len()
            && magic.iter().zip(&mask).zip(start).all(|((magic, mask), byte)| (byte ^ magic) & mask == 0)
    }

    fn flags_offset(&self) -> usize {
        match self.class {
            Class::Elf32 => E_FLAGS_32,
            Class::Elf64 => E_FLAGS_64,
        }
    }

    /// Up to the last byte that counts.
    fn length(&self) -> usize {
        let flags = self.word(self.flags_mask);
        match flags.iter().rposition(|byte| *byte != 0) {
            Some(last) => self.flags_offset() + last + 1,
            None => E_MACHINE + 2,
        }
    }

    fn put_flags(&self, bytes: &mut [u8], flags: u32) {
        let offset = self.flags_offset();
        if let Some(target) = bytes.get_mut(offset..) {
            for (byte, value) in target.iter_mut().zip(self.word(flags)) {
                *byte = value;
            }
        }
    }

    fn half(&self, value: u16) -> [u8; 2] {
        match self.byte_order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    fn word(&self, value: u32) -> [u8; 4] {
        match self.byte_order {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }
}

/// Every emulator, by name.
pub fn emulators() -> &'static [Emulator] {
    &database().emulators
}

/// The emulator that QEMU calls so.
pub fn emulator_by_name(name: &str) -> Option<&'static Emulator> {
    emulators().iter().find(|emulator| emulator.name == name)
}

/// The emulator of a program that starts with these bytes (40 suffice).
pub fn emulator_for_bytes(start: &[u8]) -> Option<&'static Emulator> {
    emulators().iter().find(|emulator| emulator.matches(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks the computed entry against the one that distributions register.
    fn check(name: &str, magic: &str, mask: &str) {
        let emulator = emulator_by_name(name).expect(name);
        assert_eq!(hex(&emulator.magic()), magic, "{name}: magic");
        assert_eq!(hex(&emulator.mask()), mask, "{name}: mask");
        assert!(emulator.matches(&emulator.magic()));
    }

    #[test]
    fn entries_are_the_well_known_ones() {
        check(
            "aarch64",
            "7f454c460201010000000000000000000200b700",
            "ffffffffffffff00fffffffffffffffffeffffff",
        );
        check(
            "armeb",
            "7f454c4601020100000000000000000000020028",
            "ffffffffffffff00fffffffffffffffffffeffff",
        );
        check(
            "loongarch64",
            "7f454c4602010100000000000000000002000201",
            "fffffffffffffffc00fffffffffffffffeffffff",
        );
        check(
            "ppc64le",
            "7f454c4602010100000000000000000002001500",
            "fffffffffffffffcfffffffffffffffffeffff00",
        );
        check(
            "s390x",
            "7f454c4602020100000000000000000000020016",
            "fffffffffffffffcfffffffffffffffffffeffff",
        );
        check(
            "alpha",
            "7f454c4602010100000000000000000002002690",
            "ffffffffffffff00fffffffffffffffffeffffff",
        );
        // Distributions' mask has fe, and leaves out what Release 6 is compiled for.
        check(
            "mipsel",
            "7f454c460101010000000000000000000200080000000000000000000000000000000000\
             00",
            "ffffffffffffff00f8fffffffffffffffeffffff00000000000000000000000000000000\
             20",
        );
        check(
            "mipsn32",
            "7f454c460102010000000000000000000002000800000000000000000000000000000000\
             00000020",
            "ffffffffffffff00f8fffffffffffffffffeffff00000000000000000000000000000000\
             00000020",
        );
    }

    #[test]
    fn no_program_has_two_emulators() {
        for one in emulators() {
            for other in emulators() {
                let mut start = one.magic();
                start.resize(64, 0);
                assert_eq!(one.name == other.name, other.matches(&start));
            }
        }
    }

    #[test]
    fn a_short_start_matches_nothing() {
        assert_eq!(emulator_for_bytes(b"\x7fELF"), None);
        assert_eq!(emulator_for_bytes(b""), None);
    }
}
