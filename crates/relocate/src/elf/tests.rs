//! Files built by hand for each class and byte order, edited and read back by
//! an independent parser, and damaged ones.

use object::Object as _;
use object::read::elf::{ElfFile32, ElfFile64};

use super::*;

const PT_NOTE: u64 = 4;
const PT_PHDR: u64 = 6;
const DT_MIPS_RLD_MAP_REL: u64 = 0x7000_0035;
const CODECS: [Codec; 4] = [
    Codec { wide: false, big: false },
    Codec { wide: false, big: true },
    Codec { wide: true, big: false },
    Codec { wide: true, big: true },
];
/// Where the dynamic section of [`file`] starts, in the file and in memory.
const DYNAMIC: u64 = 0x400;
const BASE: u64 = 0x10000;

/// A small dynamic executable: headers, interpreter, strings, dynamic section.
fn file(codec: Codec, spare: usize, note: bool) -> Vec<u8> {
    let mut data = vec![0; 0x600];
    let word = codec.word();
    data[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(codec.wide), 1 + u8::from(codec.big)]);
    data[6] = 1;
    let interpreter = b"/lib/ld.so.1\0";
    let strings = b"\0libneeded.so.1\0libself.so\0";
    data[0x300..][..interpreter.len()].copy_from_slice(interpreter);
    data[0x340..][..strings.len()].copy_from_slice(strings);
    let mut put = |at, size, value| codec.put(&mut data, at, size, value).expect("inside");
    put(16, 2, ET_EXEC);
    put(18, 2, EM_MIPS);
    put(20, 4, 1);
    let table = 40 + 3 * word;
    put(24 + word, word, table);
    put(28 + 3 * word, 2, table);
    put(30 + 3 * word, 2, codec.segment_size());
    let segment = |kind, at, size| Segment {
        kind,
        flags: 6,
        offset: at,
        address: BASE + at,
        physical_address: BASE + at,
        file_size: size,
        memory_size: size,
        alignment: 4,
    };
    let mut entries = vec![
        (DT_NEEDED, 1),
        (DT_SONAME, 16),
        (DT_MIPS_RLD_MAP_REL, 0x100),
        (DT_RPATH, 1),
        (DT_STRTAB, BASE + 0x340),
        (DT_STRSZ, strings.len() as u64),
        (DT_RPATH, 16),
    ];
    if spare == 0 {
        entries.retain(|entry| entry.0 != DT_RPATH);
    }
    entries.extend(std::iter::repeat_n((DT_NULL, 0), spare.max(1)));
    for (index, (tag, value)) in entries.iter().enumerate() {
        let at = DYNAMIC + 2 * word * index as u64;
        put(at, word, *tag);
        put(at + word, word, *value);
    }
    let mut load = segment(PT_LOAD, 0, 0x600);
    load.memory_size = 0x1234;
    load.alignment = 0x10000;
    let mut segments = vec![segment(PT_INTERP, 0x300, interpreter.len() as u64), load];
    segments.push(segment(PT_DYNAMIC, DYNAMIC, 2 * word * entries.len() as u64));
    if note {
        segments.push(segment(PT_NOTE, 0x380, 8));
    }
    let size = (segments.len() as u64 + 1) * codec.segment_size();
    segments.insert(0, segment(PT_PHDR, table, size));
    put(32 + 3 * word, 2, segments.len() as u64);
    for (index, segment) in segments.iter().enumerate() {
        let at = table + index as u64 * codec.segment_size();
        segment.write(codec, &mut data, at).expect("inside");
    }
    data
}

fn parse(data: &[u8]) -> Elf {
    Elf::parse(data).expect("well-formed").expect("an ELF file")
}

/// What the other parser says is needed.
fn accepted_by_object(codec: Codec, data: &[u8]) {
    let kind = if codec.wide {
        ElfFile64::<object::Endianness>::parse(data).map(|file| file.kind())
    } else {
        ElfFile32::<object::Endianness>::parse(data).map(|file| file.kind())
    };
    assert_eq!(kind.expect("well-formed"), object::ObjectKind::Executable);
}

const LONG_INTERPRETER: &[u8] = b"/nix/store/00000000000000000000000000000000-libc/lib/ld.so.1";

#[test]
fn interpreter_and_path_of_every_class_and_byte_order() {
    for codec in CODECS {
        for spare in [0, 1, 3] {
            for note in [false, true] {
                let old = file(codec, spare, note);
                let before = parse(&old);
                assert_eq!(before.has_rpath, spare > 0);
                let change = Change {
                    interpreter: Some(LONG_INTERPRETER.to_vec()),
                    runpath: Some(b"/a/lib:/b/lib".to_vec()),
                };
                let new = edit(&old, &before, &change).expect("editable");
                check_edited(codec, &new, spare, note);
                // Doing it again from the result changes only what it has to.
                let again = edit(&new, &parse(&new), &change).expect("editable");
                check_edited(codec, &again, spare, false);
            }
        }
    }
}

fn check_edited(codec: Codec, new: &[u8], spare: usize, note: bool) {
    accepted_by_object(codec, new);
    let elf = parse(new);
    assert_eq!(elf.interpreter.as_deref(), Some(LONG_INTERPRETER));
    assert_eq!(elf.runpath.as_deref(), Some(&b"/a/lib:/b/lib"[..]));
    assert!(!elf.has_rpath);
    assert_eq!(elf.needed, [b"libneeded.so.1"]);
    assert_eq!(elf.soname.as_deref(), Some(&b"libself.so"[..]));
    // The interpreter before the first loaded segment, those in order.
    let loads: Vec<_> = elf.segments.iter().filter(|s| s.kind == PT_LOAD).collect();
    assert!(loads.windows(2).all(|pair| pair[0].memory_end().expect("fits") <= pair[1].address));
    for load in &loads {
        assert_eq!(load.address % load.alignment, load.offset % load.alignment);
        assert!(load.offset + load.file_size <= new.len() as u64);
    }
    // Where loaders compute the table to be: at its offset from the start.
    assert_eq!(elf.segments_offset == 40 + 3 * codec.word(), note || loads.len() == 1);
    let table = elf.segments.iter().find(|s| s.kind == PT_PHDR).expect("kept");
    assert_eq!(table.address, BASE + elf.segments_offset);
    assert_eq!(table.offset, elf.segments_offset);
    let covered = |s: &&&Segment| s.offset <= table.offset && table.offset < s.offset + s.file_size;
    assert_eq!(loads.iter().filter(covered).count(), 1);
    // The debugger's variable is where it was, however the section moved.
    let dynamic = elf.dynamic.expect("dynamic");
    let place = elf.segments[dynamic.segment];
    assert_eq!(place.offset == DYNAMIC, spare > 0);
    let index = dynamic.entries.iter().position(|e| e.0 == DT_MIPS_RLD_MAP_REL);
    let index = index.expect("kept");
    let step = 2 * codec.word();
    let from = place.address + index as u64 * step;
    let mask = if codec.wide { u64::MAX } else { 0xffff_ffff };
    let variable = from.wrapping_add(dynamic.entries[index].1) & mask;
    assert_eq!(variable, BASE + DYNAMIC + 2 * step + 0x100);
}

#[test]
fn short_interpreter_stays_in_place() {
    for codec in CODECS {
        let old = file(codec, 1, true);
        let change = Change { interpreter: Some(b"/ld".to_vec()), runpath: Some(Vec::new()) };
        let new = edit(&old, &parse(&old), &change).expect("editable");
        assert_eq!(new.len(), old.len());
        let elf = parse(&new);
        assert_eq!(elf.interpreter.as_deref(), Some(&b"/ld"[..]));
        assert_eq!((elf.runpath, elf.has_rpath), (None, false));
    }
}

#[test]
fn other_files_are_left_alone() {
    let codec = CODECS[2];
    let mut object_file = file(codec, 1, true);
    codec.put(&mut object_file, 16, 2, 1).expect("inside");
    for data in [&object_file[..], b"", b"\x7fELF", b"#!/bin/sh", &[0; 100]] {
        assert!(matches!(Elf::parse(data), Ok(None)));
    }
}

/// Every shortened file, and many with changed bytes, give an answer.
#[test]
fn damaged_files_do_no_harm() {
    let change = Change { interpreter: Some(LONG_INTERPRETER.to_vec()), runpath: Some(b"/a/lib".to_vec()) };
    let attempt = |data: &[u8]| {
        if let Ok(Some(elf)) = Elf::parse(data)
            && let Ok(new) = edit(data, &elf, &change)
        {
            assert!(new.len() >= data.len());
        }
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for codec in CODECS {
        let good = file(codec, 1, true);
        for length in 0..good.len() {
            attempt(&good[..length]);
        }
        for _ in 0..4000 {
            let mut bad = good.clone();
            for _ in 0..=random(3) {
                let limit = if random(2) == 0 { 0x180 } else { 0x600 };
                let at = random(limit) as usize;
                bad[at] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6) as usize];
            }
            attempt(&bad);
        }
    }
}
