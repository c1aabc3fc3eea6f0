//! The flakes of "Cross-platform Compilation" in the NixOS & Flakes Book, with a nixpkgs
//! tree that is on this machine. `cargo xtask parity-book` compares what they give with
//! the reference.

use std::path::Path;
use std::process::Command;

const EMULATED: &str = include_str!("../../../xtask/book/emulated.nix");
const BUILDER: &str = include_str!("../../../xtask/book/builder.nix");
const OVERLAY: &str = include_str!("../../../xtask/book/overlay.nix");
const MACHINE: &str = include_str!("../../../xtask/book/machine.nix");

/// Standard output and standard error of evaluating a flake's system.
fn evaluate(flake: &str, tree: &Path) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("flake.nix"), flake).unwrap();
    std::fs::write(directory.path().join("machine.nix"), MACHINE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_saltire"));
    command.args(["nix", "eval", "--raw", "--override-input", "nixpkgs"]);
    command.arg(format!("path:{}", tree.display()));
    command.arg(".#nixosConfigurations.lp4a.config.system.build.toplevel.drvPath");
    command.current_dir(&directory).env("SALTIRE_STORE", directory.path().join("store"));
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[ignore = "takes half a minute and a nixpkgs tree, which SALTIRE_NIXPKGS names"]
fn the_flakes_of_the_book_evaluate() {
    let Some(tree) = std::env::var_os("SALTIRE_NIXPKGS") else {
        println!("skipped: SALTIRE_NIXPKGS names no nixpkgs tree");
        return;
    };
    let tree = Path::new(&tree);
    for flake in [EMULATED.replace("riscv64-linux", "aarch64-linux"), BUILDER.to_owned()] {
        let (path, error) = evaluate(&flake, tree);
        assert!(path.starts_with("/nix/store/") && path.contains("-nixos-system-nixos-"), "{error}");
    }
    // As it is printed, with its mistake.
    let (_, error) = evaluate(OVERLAY, tree);
    assert!(error.contains("The option `nigpkgs'"), "{error}");
}
