//! The shape of `pkgs/platforms.toml`, and its one-time parsing.
//!
//! Invariant: the file is part of the program, so a mistake in it is a mistake
//! in the program. The tests of this crate parse it and check that the records
//! agree, which is why [`database`] may treat failure as impossible.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::emulator::Emulator;
use crate::platform::{ByteOrder, Class, Cpu, ElfFacts, Float, GccOptions, Platform, Prebuilt, PrebuiltKind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cpu: BTreeMap<String, CpuRecord>,
    emulator: BTreeMap<String, EmulatorRecord>,
    platform: Vec<PlatformRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CpuRecord {
    /// For the package set only.
    #[serde(default, rename = "arch")]
    _arch: serde::de::IgnoredAny,
    family: String,
    bits: u8,
    endian: ByteOrder,
    machine: Option<u16>,
    kernel_arch: Option<String>,
    #[serde(default)]
    executes: Vec<String>,
    #[serde(default)]
    may_execute: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EmulatorRecord {
    machine: u16,
    class: u8,
    endian: ByteOrder,
    #[serde(default)]
    os_abi_mask: u8,
    #[serde(default = "every_bit")]
    abi_version_mask: u8,
    #[serde(default = "every_bit")]
    machine_high_mask: u8,
    #[serde(default)]
    flags: u32,
    #[serde(default)]
    flags_mask: u32,
    cpu_model: Option<String>,
}

fn every_bit() -> u8 {
    0xff
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlatformRecord {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    description: String,
    config: String,
    cpu: String,
    kernel: String,
    libc: Option<String>,
    abi: Option<String>,
    float: Option<Float>,
    elf_class: Option<u8>,
    #[serde(default)]
    elf_flags: u32,
    #[serde(default)]
    elf_flags_mask: u32,
    qemu: Option<String>,
    dynamic_linker: Option<String>,
    debian_arch: Option<String>,
    debian_triple: Option<String>,
    prebuilt: Option<Prebuilt>,
    /// For the package set only.
    #[serde(default, rename = "facts")]
    _facts: serde::de::IgnoredAny,
    #[serde(default)]
    gcc: GccOptions,
}

/// Everything in the data file, linked up.
pub(crate) struct Database {
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) emulators: Vec<Emulator>,
    pub(crate) platforms: Vec<Platform>,
}

/// The data, parsed on first use (about a millisecond).
pub(crate) fn database() -> &'static Database {
    static DATABASE: LazyLock<Database> = LazyLock::new(|| {
        parse(crate::PLATFORMS_TOML)
            .unwrap_or_else(|message| unreachable!("built-in pkgs/platforms.toml: {message}"))
    });
    &DATABASE
}

/// Parses the text of a platform file.
pub(crate) fn parse(text: &str) -> Result<Database, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let cpus = file.cpu.into_iter().map(|(name, record)| record.into_cpu(name)).collect::<Vec<_>>();
    let emulators = file
        .emulator
        .into_iter()
        .map(|(name, record)| record.into_emulator(name))
        .collect::<Result<Vec<_>, _>>()?;
    let platforms = file
        .platform
        .into_iter()
        .map(|record| record.into_platform(&cpus, &emulators))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Database { cpus, emulators, platforms })
}

fn class(bits: u8) -> Option<Class> {
    match bits {
        64 => Some(Class::Elf64),
        // 8- and 16-bit machines use 32-bit ELF files as well.
        8 | 16 | 32 => Some(Class::Elf32),
        _ => None,
    }
}

impl CpuRecord {
    fn into_cpu(self, name: String) -> Cpu {
        Cpu {
            name,
            family: self.family,
            bits: self.bits,
            byte_order: self.endian,
            elf_machine: self.machine,
            kernel_arch: self.kernel_arch,
            executes: self.executes,
            may_execute: self.may_execute,
            other_names: self.names,
        }
    }
}

impl EmulatorRecord {
    fn into_emulator(self, name: String) -> Result<Emulator, String> {
        Ok(Emulator {
            class: class(self.class).ok_or_else(|| format!("emulator {name}: class"))?,
            name,
            machine: self.machine,
            byte_order: self.endian,
            os_abi_mask: self.os_abi_mask,
            abi_version_mask: self.abi_version_mask,
            machine_high_mask: self.machine_high_mask,
            flags: self.flags,
            flags_mask: self.flags_mask,
            cpu_model: self.cpu_model,
        })
    }
}

impl PlatformRecord {
    fn into_platform(self, cpus: &[Cpu], emulators: &[Emulator]) -> Result<Platform, String> {
        let wrong = |what: &str| format!("platform {}: {what}", self.name);
        let cpu_index =
            cpus.iter().position(|cpu| cpu.name == self.cpu).ok_or_else(|| wrong("no such cpu"))?;
        let cpu = &cpus[cpu_index];
        let emulator_index = self
            .qemu
            .as_deref()
            .map(|qemu| {
                emulators
                    .iter()
                    .position(|emulator| emulator.name == qemu)
                    .ok_or_else(|| wrong("no such emulator"))
            })
            .transpose()?;
        let class = class(self.elf_class.unwrap_or(cpu.bits)).ok_or_else(|| wrong("elfClass"))?;
        let elf = cpu.elf_machine.map(|machine| ElfFacts {
            machine,
            class,
            byte_order: cpu.byte_order,
            flags: self.elf_flags,
            flags_mask: self.elf_flags_mask,
        });
        Ok(Platform {
            system: format!("{}-{}", self.cpu, self.kernel),
            name: self.name,
            aliases: self.aliases,
            description: self.description,
            config: self.config,
            cpu_index,
            kernel: self.kernel,
            libc: self.libc,
            abi: self.abi,
            float: self.float,
            elf,
            emulator_index,
            dynamic_linker: self.dynamic_linker,
            prebuilt: self.prebuilt.or_else(|| {
                let (triple, arch) = (self.debian_triple.clone()?, self.debian_arch.clone());
                Some(Prebuilt { kind: PrebuiltKind::Glibc, triple, arch })
            }),
            debian_arch: self.debian_arch,
            debian_triple: self.debian_triple,
            gcc: self.gcc,
        })
    }
}
