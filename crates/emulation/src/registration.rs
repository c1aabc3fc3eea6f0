//! The text of registrations.
//!
//! Format, from the kernel's `Documentation/admin-guide/binfmt-misc.rst`:
//! `:name:type:offset:magic:mask:interpreter:flags`, where `:` may be any
//! character, `type` is `M` for magic bytes, bytes may be written `\xHH`, and the
//! whole is shorter than 1920 bytes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use saltire_platforms::Emulator;
use saltire_sandbox::BinfmtEntry;

/// Largest length of a registration (`MAX_REGISTER_LENGTH` in
/// `fs/binfmt_misc.c`).
const LONGEST: usize = 1920;
/// Largest length of the interpreter's path (`BINPRM_BUF_SIZE` less one).
const LONGEST_INTERPRETER: usize = 255;

/// How the kernel starts the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `P`: the program's own `argv[0]` is passed. Without it, programs that
    /// look at their name (busybox) break.
    pub preserve_name: bool,
    /// `O`: the program is opened by the kernel. Without it, programs that may
    /// be executed but not read fail.
    pub open_binary: bool,
    /// `F`: the emulator is opened now. Without it, it must exist at its path
    /// wherever programs run, in other roots too.
    pub fix_binary: bool,
    /// `C`: setuid bits and owners of programs count. Dangerous with emulators
    /// that are not part of the system, so off by default.
    pub credentials: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { preserve_name: true, open_binary: true, fix_binary: true, credentials: false }
    }
}

impl Flags {
    fn letters(self) -> String {
        [(self.preserve_name, 'P'), (self.open_binary, 'O'), (self.credentials, 'C'), (self.fix_binary, 'F')]
            .into_iter()
            .filter_map(|(set, letter)| set.then_some(letter))
            .collect()
    }
}

/// Why an emulator can't be registered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistrationError {
    /// The kernel takes no path as long as this.
    #[error(
        "the path of the emulator is {length} bytes long, but the kernel takes at most \
         {LONGEST_INTERPRETER}: {}\nUse a shorter path for the store, or a link to it.",
        path.display()
    )]
    TooLong {
        /// The emulator.
        path: PathBuf,
        /// Length of its path.
        length: usize,
    },
    /// The path is relative or has a line end in it.
    #[error("'{}' cannot be an emulator's path: it is not absolute or has a line end", .0.display())]
    BadPath(PathBuf),
}

/// The registration of an emulator, which must be a statically linked program at
/// this path, for a sandbox.
///
/// # Errors
/// The kernel would not take the path.
pub fn registration(emulator: &Emulator, path: &Path) -> Result<BinfmtEntry, RegistrationError> {
    Ok(BinfmtEntry {
        label: path.display().to_string(),
        line: registration_line(emulator, path, &emulator.name, Flags::default())?,
    })
}

/// The line to be written to `binfmt_misc/register`, under any name and with any
/// flags.
///
/// # Errors
/// The kernel would not take the path.
pub fn registration_line(
    emulator: &Emulator,
    path: &Path,
    name: &str,
    flags: Flags,
) -> Result<Vec<u8>, RegistrationError> {
    let bytes = path.as_os_str().as_bytes();
    let bad = || RegistrationError::BadPath(path.to_owned());
    let too_long = || RegistrationError::TooLong { path: path.to_owned(), length: bytes.len() };
    if !path.is_absolute() || bytes.contains(&b'\n') || bytes.contains(&0) {
        return Err(bad());
    }
    if bytes.len() > LONGEST_INTERPRETER {
        return Err(too_long());
    }
    // The separator must not be in the path, which is taken as it is.
    let separator = b":;,|!#"
        .iter()
        .find(|separator| !bytes.contains(separator) && !name.as_bytes().contains(separator))
        .ok_or_else(bad)?;
    let (magic, mask) = (escape(&emulator.magic()), escape(&emulator.mask()));
    let flags = flags.letters();
    let fields: [&[u8]; 8] =
        [b"", name.as_bytes(), b"M", b"", magic.as_bytes(), mask.as_bytes(), bytes, flags.as_bytes()];
    let line = fields.join(separator);
    if line.len() >= LONGEST {
        return Err(too_long());
    }
    Ok(line)
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The command that runs one foreign program where the kernel can't be told of
/// emulators: the emulator itself, started on the program. Programs that it
/// starts in turn are not emulated.
pub fn direct_command(emulator: &Path, program: &Path, args: &[OsString]) -> Vec<OsString> {
    // -0 gives the program its own name rather than a path.
    let mut command: Vec<OsString> = vec![emulator.into(), "-0".into()];
    command.push(args.first().map_or_else(|| program.into(), Clone::clone));
    command.push(program.into());
    command.extend(args.iter().skip(1).cloned());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use saltire_platforms::emulator_by_name;

    fn check(name: &str, path: &str, expected: &str) {
        let emulator = emulator_by_name(name).expect(name);
        let text = match registration(emulator, Path::new(path)) {
            Ok(entry) => String::from_utf8(entry.line).expect("text"),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    const RISCV: &str = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00";
    const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

    #[test]
    fn lines() {
        check(
            "riscv64",
            "/e/qemu-riscv64-static",
            &format!(":riscv64:M::{RISCV}:{MASK}:/e/qemu-riscv64-static:POF"),
        );
        check("riscv64", "/with:colon/q", &format!(";riscv64;M;;{RISCV};{MASK};/with:colon/q;POF"));
        check(
            "riscv64",
            "relative",
            "'relative' cannot be an emulator's path: it is not absolute or has a line end",
        );
    }

    #[test]
    fn long_paths_are_refused_before_the_kernel_does() {
        let emulator = emulator_by_name("riscv64").expect("known");
        let path = PathBuf::from(format!("/{}", "x".repeat(300)));
        let error = registration(emulator, &path).expect_err("too long");
        assert_eq!(error, RegistrationError::TooLong { path, length: 301 });
    }

    #[test]
    fn flags() {
        let emulator = emulator_by_name("mips").expect("known");
        let flags = Flags { credentials: true, ..Flags::default() };
        let line = registration_line(emulator, Path::new("/q"), "qemu-mips", flags);
        let line = String::from_utf8(line.expect("fine")).expect("text");
        assert!(line.starts_with(":qemu-mips:M::"));
        assert!(line.ends_with(":/q:POCF"));
    }

    #[test]
    fn direct() {
        let args: Vec<OsString> = vec!["hello".into(), "-g".into()];
        let command = direct_command(Path::new("/q"), Path::new("/p/hello"), &args);
        assert_eq!(command, ["/q", "-0", "hello", "/p/hello", "-g"]);
    }
}
