//! Checks of the data file itself: the records agree with one another.

use std::collections::BTreeSet;

use crate::{Platform, cpu_by_name, cpus, emulators, normalise_triple, platforms};

fn each(check: impl Fn(&Platform) -> Result<(), String>) {
    let wrong: Vec<_> = platforms()
        .iter()
        .filter_map(|platform| check(platform).err().map(|what| format!("{}: {what}", platform.name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_are_unique() {
    let mut seen = BTreeSet::new();
    for platform in platforms() {
        for name in std::iter::once(&platform.name).chain(&platform.aliases) {
            assert!(seen.insert(name), "{name} twice");
        }
    }
    let mut seen = BTreeSet::new();
    for cpu in cpus() {
        for name in std::iter::once(&cpu.name).chain(&cpu.other_names) {
            assert!(seen.insert(name), "cpu {name} twice");
        }
    }
}

#[test]
fn cpu_references_exist() {
    for cpu in cpus() {
        for other in cpu.executes.iter().chain(&cpu.may_execute) {
            let other = cpu_by_name(other).unwrap_or_else(|| panic!("{}: {other}", cpu.name));
            assert_eq!(cpu.family, other.family);
            assert_eq!(cpu.byte_order, other.byte_order);
        }
    }
}

#[test]
fn emulators_agree_with_elf_facts() {
    each(|platform| {
        let (Some(emulator), Some(elf)) = (platform.emulator(), platform.elf) else {
            return Ok(());
        };
        if emulator.machine != elf.machine
            || emulator.class != elf.class
            || emulator.byte_order != elf.byte_order
            || elf.flags & emulator.flags_mask != emulator.flags
        {
            return Err(format!("{emulator:?} against {elf:?}"));
        }
        Ok(())
    });
    for emulator in emulators() {
        assert!(
            platforms().iter().any(|platform| platform.emulator() == Some(emulator))
                || ["hexagon", "sh4eb", "sparc", "sparc32plus", "xtensa", "xtensaeb"]
                    .contains(&emulator.name.as_str())
                || emulator.name == "microblazeel",
            "{} is used by no platform",
            emulator.name
        );
    }
}

#[test]
fn flags_lie_within_their_mask() {
    each(|platform| match platform.elf {
        Some(elf) if elf.flags & !elf.flags_mask != 0 => Err(format!("{:#x}", elf.flags)),
        _ => Ok(()),
    });
}

#[test]
fn triples_start_with_the_cpu() {
    each(|platform| {
        let start = platform.config.split('-').next().unwrap_or_default();
        let fits =
            start == platform.cpu().name || platform.cpu().other_names.iter().any(|name| name == start);
        if fits { Ok(()) } else { Err(start.to_owned()) }
    });
}

#[test]
fn linux_platforms_are_complete() {
    each(|platform| {
        if !platform.is_linux() {
            return Ok(());
        }
        let linker = platform.dynamic_linker.as_deref().unwrap_or_default();
        if !linker.starts_with('/') {
            return Err("dynamicLinker".to_owned());
        }
        if platform.elf.is_none() || platform.kernel_arch().is_none() || platform.libc.is_none() {
            return Err("ELF machine, kernelArch or libc".to_owned());
        }
        let musl = normalise_triple(&platform.config).contains("-musl");
        if musl != (platform.libc.as_deref() == Some("musl")) || musl != linker.contains("musl") {
            return Err("musl".to_owned());
        }
        Ok(())
    });
}

#[test]
fn a_system_alone_means_glibc() {
    each(|platform| {
        if platform.is_linux() && platform.is_default_of_system() {
            let android = platform.config.contains("android");
            if platform.libc.as_deref() != Some("glibc") && !android {
                return Err(format!("{} means {:?}", platform.system, platform.libc));
            }
        }
        Ok(())
    });
}

#[test]
fn this_machine_is_known() {
    assert!(Platform::current().is_some_and(|platform| platform.is_default_of_system()));
}
