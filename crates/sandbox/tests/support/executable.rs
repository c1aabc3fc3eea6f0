//! Programs that tests write and then start.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file by another process.
///
/// A process that another test starts at the same time holds what this one has open until
/// it executes its program, and a file that is open for writing can't be executed
/// (`ETXTBSY`).
#[allow(dead_code)]
pub fn write_executable(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path.as_ref()).stdin(Stdio::piped());
    let mut install = install.spawn().expect("install can be run");
    install.stdin.take().expect("a pipe").write_all(content.as_ref()).expect("it is read");
    assert!(install.wait().expect("own child").success(), "{}", path.as_ref().display());
}

/// Copies an executable file; see [`write_executable`].
#[allow(dead_code)]
pub fn copy_executable(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let status = Command::new("install").arg("-m755").arg(from.as_ref()).arg(to.as_ref()).status();
    assert!(status.expect("install can be run").success(), "{}", to.as_ref().display());
}
