//! `comtrend.nix` of the wiki page "Cross building", as it is printed there, and the
//! calls of `nix-build` that the page says are the same.

mod support;

#[path = "support/elf.rs"]
mod elf;

use saltire_driver::{Capability, probe};
use saltire_platforms::lookup;
use std::path::Path;
use support::{saltire, text};

const COMTREND: &str = r#"
import ./default.nix   # The root nixpkgs default.nix
{
  crossSystem = {
    config = "mips-unknown-linux";
    bigEndian = true;
    arch = "mips";
    float = "soft";
    withTLS = true;
    libc = "uclibc";
    platform = {
      name = "comtrend";
      kernelMajor = "2.6";
      kernelBaseConfig = "bcm63xx_defconfig";
      kernelHeadersBaseConfig = "bcm63xx_defconfig";
      uboot = null;
      kernelArch = "mips";
      kernelAutoModules = false;
      kernelTarget = "vmlinux.bin";
    };
    openssl.system = "linux-generic32";
    gcc = {
      arch = "mips32";
    };
  };
}
"#;

/// A directory with `default.nix`, which is the package set, and `comtrend.nix`.
fn page() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap();
    std::fs::write(directory.path().join("default.nix"), format!("import {}", set.display())).unwrap();
    std::fs::write(directory.path().join("comtrend.nix"), COMTREND).unwrap();
    directory
}

/// What a command in that directory prints, and what it says besides.
fn call(command: &str, page: &Path) -> (String, String) {
    let output = saltire(command).current_dir(page).output().unwrap();
    assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_calls_of_the_page_mean_what_it_says() {
    let page = page();
    let derivation = |words: &str| call(&format!("nix-instantiate {words}"), page.path());
    let (native, quiet) = derivation("-A bison default.nix");
    assert!(native.ends_with("-bison-3.8.2.drv\n"), "{native}");
    assert!(!quiet.contains("old form"), "{quiet}");
    let (same, note) = derivation("-A bison comtrend.nix");
    assert_eq!(same, native);
    assert!(
        note.contains(
            "With crossSystem = { config = \"mips-unknown-linux\"; } `bison` is the cross-built one"
        ),
        "{note}"
    );
    assert_eq!(derivation("-A bison.buildDrv comtrend.nix").0, native);
    let (host, _) = derivation("-A bison.hostDrv comtrend.nix");
    assert!(host.ends_with("-bison-mips-unknown-linux-3.8.2.drv\n"), "{host}");
    // What it says of the platform arrives at the compiler and at the builder.
    let (facts, _) = call(
        "eval --json -f comtrend.nix bison.hostDrv --apply \
         p:[p.crossConfig(p.stdenv.hostPlatform.libc)p.stdenv.hostPlatform.gcc(p.stdenv.cc.libc.pname)p.stdenv.cc.version]",
        page.path(),
    );
    assert_eq!(
        facts.trim(),
        r#"["mips-unknown-linux","uclibc",{"arch":"mips32","float":"soft"},"uclibc-mips-unknown-linux","12.2.0"]"#
    );
}

#[test]
#[ignore = "compiles binutils, GCC and uClibc-ng: about 25 minutes of a processor"]
fn bison_is_cross_built_for_the_board_of_the_page() {
    if !probe().can_build() || !probe().has(Capability::NamespacedBinfmt) {
        println!("skipped: packages can't be built or emulated here");
        return;
    }
    let page = page();
    let (path, _) = call("nix-build --no-out-link -A bison.hostDrv comtrend.nix", page.path());
    assert_eq!(elf::check_elf_files(path.trim(), lookup("mips-linux-uclibc").unwrap()), 1);
    let version = elf::run(&format!("{}/bin/bison --version", path.trim()));
    assert!(version.starts_with("bison (GNU Bison) 3.8.2\n"), "{version}");
    let bytes = std::fs::read(elf::physical(path.trim()).join("bin/bison")).unwrap();
    assert_eq!(bytes[36] >> 4, 5, "MIPS32 in e_flags");
}
