//! What a platform and a CPU are.

use serde::Deserialize;

use crate::data::database;
use crate::emulator::Emulator;

/// Order of the bytes of a number in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Value of `EI_DATA`, byte 5 of an ELF file.
    pub fn elf_data(self) -> u8 {
        match self {
            Self::Little => 1,
            Self::Big => 2,
        }
    }
}

/// Word size of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 32-bit addresses.
    Elf32,
    /// 64-bit addresses.
    Elf64,
}

impl Class {
    /// Value of `EI_CLASS`, byte 4 of an ELF file.
    pub fn elf_class(self) -> u8 {
        match self {
            Self::Elf32 => 1,
            Self::Elf64 => 2,
        }
    }

    /// Number of bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Self::Elf32 => 32,
            Self::Elf64 => 64,
        }
    }
}

/// How floating-point numbers are computed and passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Float {
    /// Instructions, and arguments in floating-point registers.
    Hard,
    /// Library functions.
    Soft,
    /// Instructions, but arguments passed as for [`Float::Soft`].
    Softfp,
}

/// An instruction set, as the first part of a triple names it.
#[derive(Debug)]
pub struct Cpu {
    /// Name, the first part of a Nix system (`armv7l`).
    pub name: String,
    /// The architecture of which this is one version, word size and byte order.
    pub family: String,
    /// Word size.
    pub bits: u8,
    /// Byte order.
    pub byte_order: ByteOrder,
    /// ELF `e_machine`; `None` where programs are not ELF.
    pub elf_machine: Option<u16>,
    /// Linux's `ARCH=`; `None` where Linux does not exist.
    pub kernel_arch: Option<String>,
    /// Names of the CPUs whose Linux programs this one always runs.
    pub executes: Vec<String>,
    /// The same, where it depends on the model or on the kernel.
    pub may_execute: Vec<String>,
    /// Further names, as printed by `uname -m` or used by other projects.
    pub other_names: Vec<String>,
}

/// What the ELF header of a platform's programs says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfFacts {
    /// `e_machine`.
    pub machine: u16,
    /// `EI_CLASS`.
    pub class: Class,
    /// `EI_DATA`.
    pub byte_order: ByteOrder,
    /// Value of the bits of `e_flags` selected by `flags_mask`.
    pub flags: u32,
    /// Bits of `e_flags` that are the same in all of the platform's programs.
    pub flags_mask: u32,
}

/// What a compiler must be told beyond what the triple implies; each is the
/// value of GCC's `-m<field>=` option.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GccOptions {
    /// `-march=`
    pub arch: Option<String>,
    /// `-mcpu=`
    pub cpu: Option<String>,
    /// `-mfpu=`
    pub fpu: Option<String>,
    /// `-mfloat-abi=`
    pub float: Option<String>,
    /// `-mabi=`
    pub abi: Option<String>,
}

/// What kind of toolchain the package set's bootstrap seed has for a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrebuiltKind {
    /// Only the kernel's headers: compiler and C library come from source.
    Headers,
    /// GCC and glibc.
    Glibc,
    /// The GCC of the glibc platform; musl is built from source.
    Musl,
    /// The GCC of the glibc platform; uClibc-ng is built from source.
    Uclibc,
    /// GCC and MinGW-w64.
    Mingw,
    /// GCC and a C library for machines without an operating system.
    Bare,
    /// GCC and avr-libc.
    Avr,
    /// Clang, LLD and wasi-libc.
    Wasi,
}

/// A toolchain of the package set's bootstrap seed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prebuilt {
    /// What it consists of.
    pub kind: PrebuiltKind,
    /// Debian's triple of the compiler.
    pub triple: String,
    /// Debian's architecture with the same instruction set, where there is one.
    pub arch: Option<String>,
}

/// A platform: what programs are built for.
#[derive(Debug)]
pub struct Platform {
    /// Name, as an attribute of `pkgsCross`.
    pub name: String,
    /// Further names.
    pub aliases: Vec<String>,
    /// One line for people.
    pub description: String,
    /// GNU configuration triple.
    pub config: String,
    /// Nix's name, `<cpu>-<kernel>`.
    pub system: String,
    pub(crate) cpu_index: usize,
    /// Operating system as in Nix's system names: `linux`, `windows`, `darwin`,
    /// `none`, …
    pub kernel: String,
    /// C library: `glibc`, `musl`, `newlib`, …
    pub libc: Option<String>,
    /// The compiler's name of the calling convention.
    pub abi: Option<String>,
    /// Floating point.
    pub float: Option<Float>,
    /// ELF header; `None` where programs are not ELF or it is not known.
    pub elf: Option<ElfFacts>,
    pub(crate) emulator_index: Option<usize>,
    /// Conventional path of the dynamic linker.
    pub dynamic_linker: Option<String>,
    /// Debian's architecture name.
    pub debian_arch: Option<String>,
    /// Prefix of Debian's cross compiler, and (with `_` as `-`) suffix of its
    /// packages' names.
    pub debian_triple: Option<String>,
    /// The toolchain that the package set's bootstrap seed has for it.
    pub prebuilt: Option<Prebuilt>,
    /// Compiler options.
    pub gcc: GccOptions,
}

impl Platform {
    /// The platform that this program was compiled for and so runs on, when it
    /// is one of the list.
    ///
    /// Compiled-in rather than asked of the kernel: a 32-bit build of this
    /// program on a 64-bit kernel makes 32-bit programs by default.
    pub fn current() -> Option<&'static Self> {
        let cpu = match std::env::consts::ARCH {
            "x86" => "i686",
            "arm" if cfg!(target_feature = "v7") => "armv7l",
            "arm" if cfg!(target_feature = "v6") => "armv6l",
            "arm" => "armv5tel",
            "powerpc64" if cfg!(target_endian = "little") => "powerpc64le",
            "mips" if cfg!(target_endian = "little") => "mipsel",
            "mips64" if cfg!(target_endian = "little") => "mips64el",
            "aarch64" if cfg!(target_endian = "big") => "aarch64_be",
            other => other,
        };
        let kernel = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        crate::by_system(&format!("{cpu}-{kernel}"))
    }

    /// The instruction set.
    pub fn cpu(&self) -> &'static Cpu {
        &database().cpus[self.cpu_index]
    }

    /// QEMU's user-mode emulator of it; `None` where there is none.
    pub fn emulator(&self) -> Option<&'static Emulator> {
        self.emulator_index.map(|index| &database().emulators[index])
    }

    /// File name of the dynamic linker (`ld-linux-riscv64-lp64d.so.1`).
    pub fn dynamic_linker_name(&self) -> Option<&str> {
        self.dynamic_linker.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path))
    }

    /// Linux's `ARCH=`; `None` for other kernels.
    pub fn kernel_arch(&self) -> Option<&'static str> {
        if self.is_linux() { self.cpu().kernel_arch.as_deref() } else { None }
    }

    /// Whether its programs run on Linux.
    pub fn is_linux(&self) -> bool {
        self.kernel == "linux"
    }

    /// Whether programs run without an operating system.
    pub fn is_embedded(&self) -> bool {
        self.kernel == "none"
    }

    /// The system feature by which a derivation asks for programs of this
    /// platform to be runnable (`emulate-riscv64-linux`).
    pub fn emulate_feature(&self) -> String {
        format!("emulate-{}", self.system)
    }

    /// Whether it is what its [`system`](Self::system) alone stands for.
    pub fn is_default_of_system(&self) -> bool {
        crate::by_system(&self.system).is_some_and(|default| default.name == self.name)
    }
}

/// Every platform, in the order of the data file: the usual ones first.
pub fn platforms() -> &'static [Platform] {
    &database().platforms
}

/// Every CPU, by name.
pub fn cpus() -> &'static [Cpu] {
    &database().cpus
}

/// The CPU of that name or further name.
pub fn cpu_by_name(name: &str) -> Option<&'static Cpu> {
    cpus()
        .iter()
        .find(|cpu| cpu.name == name)
        .or_else(|| cpus().iter().find(|cpu| cpu.other_names.iter().any(|other| other == name)))
}
