//! Text files that name places: linker scripts, first lines of scripts.

use std::path::{Path, PathBuf};

/// How a linker script that stands for a library starts.
pub(crate) const LINKER_SCRIPT: &[u8] = b"/* GNU ld script";

/// A linker script in which the files to link (in `GROUP`, `INPUT`, `AS_NEEDED`)
/// are bare names, so that they are looked for in the library path; absolute
/// paths would be taken below the sysroot. `None` if nothing changes.
pub(crate) fn bare_linker_script(script: &[u8]) -> Option<Vec<u8>> {
    let mut result = Vec::with_capacity(script.len());
    let mut rest = script;
    let mut depth = 0_usize;
    while let Some(byte) = rest.first() {
        if rest.starts_with(b"/*") {
            let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
            let length = end.map_or(rest.len(), |end| end + 4);
            result.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let is_delimiter = |byte: &u8| byte.is_ascii_whitespace() || b"(),".contains(byte);
        if is_delimiter(byte) {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            result.push(*byte);
            rest = &rest[1..];
            continue;
        }
        let length = rest.iter().position(is_delimiter).unwrap_or(rest.len());
        let word = &rest[..length];
        let name = word.rsplit(|byte| *byte == b'/').next().unwrap_or(word);
        let is_path = depth > 0 && word.starts_with(b"/") && !name.is_empty();
        result.extend_from_slice(if is_path { name } else { word });
        rest = &rest[length..];
    }
    (result != script).then_some(result)
}

/// The program that a script's first line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shebang {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// The rest of the line, trimmed.
    pub arguments: Vec<u8>,
    /// Bytes of the line, without the line's end.
    length: usize,
}

impl Shebang {
    /// Reads the first line of a script. A line `#!/usr/bin/env program` names
    /// `/usr/bin/program`: `env` is only there to find it.
    pub(crate) fn parse(script: &[u8]) -> Option<Shebang> {
        let line = script.split(|byte| *byte == b'\n').next()?;
        let text = line.strip_prefix(b"#!")?.trim_ascii();
        let (mut program, mut arguments) = split_word(text);
        if Path::new(bytes_as_path(program)).file_name() == Some("env".as_ref()) {
            let (name, rest) = split_word(arguments);
            // Options and assignments are env's own business.
            if !name.is_empty() && !name.starts_with(b"-") && !name.contains(&b'=') {
                program = name;
                arguments = rest;
                if !name.contains(&b'/') {
                    return Some(Shebang {
                        program: Path::new("/usr/bin").join(bytes_as_path(name)),
                        arguments: arguments.to_vec(),
                        length: line.len(),
                    });
                }
            }
        }
        program.starts_with(b"/").then(|| Shebang {
            program: bytes_as_path(program).to_owned(),
            arguments: arguments.to_vec(),
            length: line.len(),
        })
    }

    /// The script with another program in its first line.
    pub(crate) fn replace(&self, script: &[u8], program: &Path) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let mut result = b"#!".to_vec();
        result.extend_from_slice(program.as_os_str().as_bytes());
        if !self.arguments.is_empty() {
            result.push(b' ');
            result.extend_from_slice(&self.arguments);
        }
        result.extend_from_slice(script.get(self.length..).unwrap_or_default());
        result
    }
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_ascii())
}

fn bytes_as_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_script(input: &str, expected: &str) {
        let result = bare_linker_script(input.as_bytes());
        let result = result.unwrap_or_else(|| input.as_bytes().to_vec());
        assert_eq!(String::from_utf8_lossy(&result), expected);
    }

    #[test]
    fn linker_scripts_name_bare_files() {
        check_script(
            "/* GNU ld script\n   /usr/lib (x) */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/x/libc.so.6 /usr/lib/x/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )\n",
            "/* GNU ld script\n   /usr/lib (x) */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( libc.so.6 libc_nonshared.a  AS_NEEDED ( ld-linux-x86-64.so.2 ) )\n",
        );
        check_script("/* GNU ld script", "/* GNU ld script");
        check_script("/* x */ INPUT(libgcc_s.so.1 -lgcc /)", "/* x */ INPUT(libgcc_s.so.1 -lgcc /)");
        check_script("GROUP ( /a", "GROUP ( a");
        check_script("", "");
    }

    #[track_caller]
    fn check_shebang(input: &str, program: Option<&str>, replaced: &str) {
        let shebang = Shebang::parse(input.as_bytes());
        let found = shebang.as_ref().map(|s| s.program.to_str().expect("ASCII"));
        assert_eq!(found, program);
        if let Some(shebang) = shebang {
            let result = shebang.replace(input.as_bytes(), Path::new("/s/bin/p"));
            assert_eq!(String::from_utf8_lossy(&result), replaced);
        }
    }

    #[test]
    fn first_lines_name_programs() {
        check_shebang("#!/bin/sh\nx\n", Some("/bin/sh"), "#!/s/bin/p\nx\n");
        check_shebang("#! /bin/sh -e \nx", Some("/bin/sh"), "#!/s/bin/p -e\nx");
        check_shebang("#!/usr/bin/env perl -w\n", Some("/usr/bin/perl"), "#!/s/bin/p -w\n");
        check_shebang("#!/usr/bin/env /opt/x", Some("/opt/x"), "#!/s/bin/p");
        check_shebang("#!/usr/bin/env -S awk -f\n", Some("/usr/bin/env"), "#!/s/bin/p -S awk -f\n");
        check_shebang("#!/bin/sh", Some("/bin/sh"), "#!/s/bin/p");
        check_shebang("#!perl\n", None, "");
        check_shebang("#!\n", None, "");
        check_shebang("text", None, "");
    }
}
