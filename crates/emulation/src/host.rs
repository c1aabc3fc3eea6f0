//! What is registered for the whole machine.

use std::io;
use std::path::{Path, PathBuf};

use saltire_platforms::{Emulator, emulators};

/// Where the machine's instance of `binfmt_misc` is mounted.
const DIRECTORY: &str = "/proc/sys/fs/binfmt_misc";

/// One registration of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRegistration {
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// What it starts.
    pub interpreter: PathBuf,
    /// Letters of its flags.
    pub flags: String,
    /// Start of the programs that it is for; empty when it goes by file name.
    pub magic: Vec<u8>,
    /// Which bits of that count; empty for all.
    pub mask: Vec<u8>,
    /// Offset of the magic bytes in the file.
    pub offset: usize,
}

impl HostRegistration {
    /// Whether it runs programs of an emulator of ours.
    pub fn covers(&self, emulator: &Emulator) -> bool {
        let magic = emulator.magic();
        self.enabled
            && self.offset == 0
            && !self.magic.is_empty()
            && self.magic.iter().enumerate().all(|(index, byte)| {
                let mask = self.mask.get(index).copied().unwrap_or(0xff);
                magic.get(index).copied().unwrap_or(0) & mask == byte & mask
            })
    }

    /// The emulators of ours whose programs it runs.
    pub fn emulators(&self) -> Vec<&'static Emulator> {
        emulators().iter().filter(|emulator| self.covers(emulator)).collect()
    }

    /// Whether it works in other roots: containers, sandboxes.
    pub fn is_fixed(&self) -> bool {
        self.flags.contains('F')
    }
}

/// The registrations that hold for this process, by name. None when
/// `binfmt_misc` is not mounted.
///
/// # Errors
/// They can't be read.
pub fn host_registrations() -> io::Result<Vec<HostRegistration>> {
    read_directory(Path::new(DIRECTORY))
}

fn read_directory(directory: &Path) -> io::Result<Vec<HostRegistration>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "register" || name == "status" {
            continue;
        }
        let text = std::fs::read_to_string(directory.join(&name))?;
        found.extend(parse_host_registration(&name, &text));
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Parses what the kernel shows of a registration; `None` if it names no
/// interpreter.
pub fn parse_host_registration(name: &str, text: &str) -> Option<HostRegistration> {
    let mut registration = HostRegistration {
        name: name.to_owned(),
        enabled: false,
        interpreter: PathBuf::new(),
        flags: String::new(),
        magic: Vec::new(),
        mask: Vec::new(),
        offset: 0,
    };
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "enabled" => registration.enabled = true,
            "interpreter" => registration.interpreter = value.into(),
            "flags:" => value.clone_into(&mut registration.flags),
            "offset" => registration.offset = value.parse().ok()?,
            "magic" => registration.magic = parse_hex(value)?,
            "mask" => registration.mask = parse_hex(value)?,
            _ => {}
        }
    }
    (!registration.interpreter.as_os_str().is_empty()).then_some(registration)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RISCV: &str = "enabled\ninterpreter /usr/libexec/qemu-riscv64\nflags: POF\noffset 0\n\
        magic 7f454c460201010000000000000000000200f300\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn a_registration_of_the_machine() {
        let parsed = parse_host_registration("qemu-riscv64", RISCV).expect("valid");
        assert!(parsed.enabled && parsed.is_fixed());
        assert_eq!(parsed.interpreter, Path::new("/usr/libexec/qemu-riscv64"));
        let names: Vec<_> = parsed.emulators().iter().map(|one| &one.name).collect();
        assert_eq!(names, ["riscv64"]);
        let off = parse_host_registration("x", &RISCV.replace("enabled", "disabled"));
        assert!(off.expect("valid").emulators().is_empty());
    }

    #[test]
    fn other_kinds_and_damage() {
        let java = "enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n";
        let parsed = parse_host_registration("java", java).expect("valid");
        assert!(parsed.emulators().is_empty() && !parsed.is_fixed());
        assert_eq!(parse_host_registration("x", ""), None);
        assert_eq!(parse_host_registration("x", "interpreter /x\nmagic 7g\n"), None);
    }

    #[test]
    fn a_directory_as_the_kernel_shows_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("written");
        };
        write("status", "enabled\n");
        write("register", "");
        write("b", RISCV);
        write("a", RISCV);
        let found = read_directory(directory.path()).expect("readable");
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let missing = read_directory(&directory.path().join("none"));
        assert_eq!(missing.expect("not an error"), []);
    }
}
