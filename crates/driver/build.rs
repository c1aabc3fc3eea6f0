//! Embeds the package set `pkgs/`: a table of its files and a hash over them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by Cargo");
    let root = Path::new(&manifest).join("../../pkgs");
    let root = root.canonicalize().expect("the package set lies in pkgs/");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut code = String::from(
        "/// Relative path, whether it is executable, contents.\nstatic FILES: &[(&str, bool, &[u8])] = &[\n",
    );
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for file in &files {
        let relative = file.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8 names");
        let executable = is_executable(file);
        let contents = std::fs::read(file).expect("a readable file");
        hash.update(relative.as_bytes());
        hash.update(&[0, u8::from(executable)]);
        hash.update(&contents);
        writeln!(code, "    ({relative:?}, {executable}, include_bytes!({:?})),", file.display())
            .expect("a string");
    }
    write!(code, "];\n/// Changes when any file does.\nconst FINGERPRINT: &str = \"{:016x}\";\n", hash.0)
        .expect("a string");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("set by Cargo")).join("package_set.rs");
    std::fs::write(out, code).expect("OUT_DIR is writable");
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).expect("a readable file").permissions().mode() & 0o111 != 0
}

/// FNV-1a: tells versions of the set apart; nothing relies on it for safety.
struct Fnv(u64);

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
