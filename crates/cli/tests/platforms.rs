//! The list of platforms, as it is on an x86-64 machine.

mod support;

use support::stdout;

/// The list. `SALTIRE_UPDATE_SNAPSHOTS=1 cargo test -p saltire --test platforms`
/// writes it anew.
const LIST: &str = include_str!("platforms.txt");

/// Whether this machine is the one that the list is for.
fn is_expected_machine() -> bool {
    let expected = cfg!(target_arch = "x86_64");
    if !expected {
        println!("skipped: not an x86-64 machine");
    }
    expected
}

#[test]
fn every_platform_is_listed() {
    if !is_expected_machine() {
        return;
    }
    let list = stdout("platforms");
    if std::env::var_os("SALTIRE_UPDATE_SNAPSHOTS").is_some() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/platforms.txt");
        std::fs::write(file, &list).unwrap();
        return;
    }
    for (line, expected) in list.lines().zip(LIST.lines()) {
        assert_eq!(line, expected, "see the comment at LIST");
    }
    assert_eq!(list.lines().count(), LIST.lines().count());
}

#[test]
fn a_platform_that_is_named_has_its_names_and_facts() {
    if !is_expected_machine() {
        return;
    }
    assert_eq!(
        stdout("platforms armel riscv64-linux-gnu"),
        "\
sheevaplug: SheevaPlug and other ARMv5TE, soft float
  also called  armv5tel-linux, armv5tel-unknown-linux-gnueabi, armel, armv5tel, linux/arm/v5
  system       armv5tel-linux
  triple       armv5tel-unknown-linux-gnueabi
  C library    glibc, /lib/ld-linux.so.3
  build        cross
  toolchain    GCC, glibc
  run          qemu-arm

riscv64: 64-bit RISC-V (RV64GC)
  also called  riscv64-linux, riscv64-unknown-linux-gnu
  system       riscv64-linux
  triple       riscv64-unknown-linux-gnu
  C library    glibc, /lib/ld-linux-riscv64-lp64d.so.1
  build        cross
  toolchain    GCC, glibc
  run          qemu-riscv64
"
    );
}

#[test]
fn the_list_as_json() {
    let text = stdout("platforms --json riscv64 mingwW64");
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    let all: serde_json::Value = serde_json::from_str(&stdout("platforms --json")).unwrap();
    assert_eq!(all.as_array().unwrap().len(), LIST.lines().count() - 1);
    if is_expected_machine() {
        assert_eq!(rows[0]["build"], serde_json::json!(["cross"]));
        assert_eq!(rows[0]["emulator"], "qemu-riscv64-static");
        assert_eq!((&rows[1]["run"], &rows[1]["toolchain"]), (&serde_json::Value::Null, &"mingw".into()));
    }
}
