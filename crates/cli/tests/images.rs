//! System images (docs/images.md): the book's flakes with the embedded package set
//! as their `nixpkgs`, and what is built of them in QEMU.

mod support;

use saltire_driver::probe;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::{saltire, stdout, text};

/// The longest that a machine may take to say the next thing. Emulated machines on a
/// busy computer are slow; nothing waits for longer than it has to.
const PATIENCE: Duration = Duration::from_secs(600);

fn set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pkgs").canonicalize().unwrap()
}

/// A flake of one configuration, `lp4a`, with these lines in it.
fn flake(directory: &Path, arguments: &str) {
    let text = format!(
        "{{
          inputs.nixpkgs.url = \"github:nixos/nixpkgs/nixos-23.11\";
          outputs = inputs@{{ self, nixpkgs, ... }}: {{
            nixosConfigurations.lp4a = nixpkgs.lib.nixosSystem {{ {arguments} }};
          }};
        }}"
    );
    std::fs::write(directory.join("flake.nix"), text).unwrap();
}

/// `saltire nix <verb>` on an attribute of the configuration.
fn nix(directory: &Path, verb: &str, attribute: &str) -> Command {
    let mut command = saltire(&format!("nix {verb}"));
    command
        .arg("--override-input")
        .arg("nixpkgs")
        .arg(format!("path:{}", set().display()))
        .arg(format!("path:{}#nixosConfigurations.lp4a.config.{attribute}", directory.display()));
    command
}

const CROSS: &str = r#"
    # native platform
    system = "x86_64-linux";
    modules = [
      # add this module, to enable cross-compilation.
      {
        nixpkgs.crossSystem = {
          # target platform
          system = "riscv64-linux";
        };
      }
    ];"#;

/// Programs built by emulated tools; the kernel, which is none, is cross-built, and QEMU
/// is that of this machine. More modules follow.
fn emulated(system: &str, platform: &str, modules: &str) -> String {
    format!(
        "
    # native platform
    system = \"{system}\";
    modules = [
      {{
        boot.kernelPackages.kernel = nixpkgs.legacyPackages.x86_64-linux.pkgsCross.{platform}.linux;
        virtualisation.host.pkgs = nixpkgs.legacyPackages.x86_64-linux;
      }}
      {modules}
    ];"
    )
}

fn check(arguments: &str, attribute: &str, expected: Result<&str, &str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    flake(directory.path(), arguments);
    let output = nix(directory.path(), "eval --raw", attribute).output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    match expected {
        Ok(part) => assert!(output.status.success() && out.contains(part), "{out}{err}"),
        Err(part) => assert!(!output.status.success() && err.contains(part), "{out}{err}"),
    }
    err
}

#[test]
fn the_books_flakes_evaluate() {
    let toplevel = "system.build.toplevel.drvPath";
    check(CROSS, toplevel, Ok("-nixos-system-saltire-riscv64-unknown-linux-gnu.drv"));
    let native = |system: &str| format!("system = \"{system}\"; modules = [ ];");
    check(&native("aarch64-linux"), toplevel, Ok("-nixos-system-saltire.drv"));
    check(&native("riscv64-linux"), toplevel, Ok("-nixos-system-saltire.drv"));
    let overlay = r#"
        system = "x86_64-linux";
        modules = [
          {
            nixpkgs.crossSystem = { config = "riscv64-unknown-linux-gnu"; };
            nixpkgs.overlays = [ (self: super: { gcc = self.gcc12; }) ];
            boot.binfmt.emulatedSystems = [ "aarch64-linux" "riscv64-linux" ];
          }
        ];"#;
    check(
        overlay,
        "nixpkgs.pkgs.stdenv.cc.name",
        Ok("riscv64-unknown-linux-gnu-stage-final-gcc-wrapper-12.2.0"),
    );
}

#[test]
fn a_kernel_and_qemu_may_come_from_another_platform() {
    let emulated = emulated("aarch64-linux", "aarch64-multiplatform", "");
    check(&emulated, "system.build.image.system", Ok("aarch64-linux"));
    check(&emulated, "system.build.kernel.system", Ok("x86_64-linux"));
    check(&emulated, "system.build.vm.system", Ok("x86_64-linux"));
    let native = "system = \"aarch64-linux\"; modules = [ ];";
    check(native, "system.build.kernel.system", Ok("aarch64-linux"));
    check(native, "system.build.vm.system", Ok("aarch64-linux"));
}

#[test]
fn a_package_set_of_its_own_arrives_by_special_args() {
    let scoped = r#"
        system = "x86_64-linux";
        specialArgs.pkgs-gcc12 = import nixpkgs {
          localSystem = "x86_64-linux";
          crossSystem = { config = "riscv64-unknown-linux-gnu"; };
          overlays = [ (self: super: { gcc = self.gcc12; }) ];
        };
        modules = [
          { nixpkgs.crossSystem = { config = "riscv64-unknown-linux-gnu"; }; }
          ({ pkgs-gcc12, ... }: { environment.systemPackages = [ pkgs-gcc12.hello ]; })
        ];"#;
    check(scoped, "system.build.image.drvPath", Ok("-image-saltire-riscv64-unknown-linux-gnu.drv"));
}

#[test]
fn mistakes_in_options_are_named() {
    let module = |module: &str| format!("system = \"x86_64-linux\"; modules = [ {module} ];");
    let toplevel = "system.build.toplevel.drvPath";
    let misspelt = module("{ nigpkgs.crossSystem.config = \"riscv64-unknown-linux-gnu\"; }");
    check(&misspelt, toplevel, Err("the option 'nigpkgs', which a module sets, does not exist"));
    let wrong = module("{ services.dropbear.port = \"ssh\"; }");
    check(&wrong, toplevel, Err("the option 'services.dropbear.port' has to be a port"));
    let twice = module("{ networking.hostName = \"a\"; } { networking.hostName = \"b\"; }");
    check(&twice, toplevel, Err("the option 'networking.hostName' has different values"));
}

/// A machine that was started, with its serial console.
struct Machine {
    child: Child,
    console: mpsc::Receiver<Vec<u8>>,
    said: String,
}

impl Machine {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, console) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, console, said: String::new() }
    }

    /// Reads until the console has said this.
    fn expect(&mut self, wanted: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.said.find(wanted) {
                self.said.drain(..at + wanted.len());
                return;
            }
            let rest = PATIENCE.saturating_sub(start.elapsed());
            match self.console.recv_timeout(rest) {
                Ok(bytes) => self.said += &text(&bytes),
                Err(error) => panic!("the machine did not say '{wanted}' ({error}), but:\n{}", self.said),
            }
        }
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the flake's machine and starts it; nothing where that can't be done here.
fn boot(arguments: &str) -> Option<Machine> {
    if !probe().can_build() {
        println!("skipped: the kernel allows no sandbox; 'saltire doctor' says why");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    flake(directory.path(), arguments);
    let output =
        nix(directory.path(), "build --no-link --print-out-paths", "system.build.vm").output().unwrap();
    let error = text(&output.stderr);
    if error.contains("can't fetch") {
        println!("skipped: no Debian mirror can be reached");
        return None;
    }
    assert!(output.status.success(), "{error}");
    let path = text(&output.stdout);
    Some(Machine::start(&mut saltire(&format!("exec {}/bin/run-saltire-vm", path.trim()))))
}

#[test]
#[ignore = "builds a kernel, 137 MB of source and 4 CPU minutes; 10 s when it is built"]
fn an_image_for_riscv64_boots_to_a_login_prompt() {
    if let Some(machine) = boot(CROSS) {
        let command = "ip -4 addr show eth0; pidof dropbear > /dev/null && echo ssh is up";
        check_login(machine, "Linux 6.1.176 riscv64", command, "\nssh is up");
    }
}

/// BusyBox as the seed has it, since emulated compilers take hours for it; Dropbear, and zlib
/// that it needs, are compiled by them.
const PREBUILT: &str = r#"
      {
        nixpkgs.overlays = [
          (final: prev: {
            busybox = final.runCommand "busybox" { } ''
              mkdir -p $out/bin
              cp ${prev.sandboxShell}/bin/busybox $out/bin/
              for applet in $($out/bin/busybox --list); do
                [ -e $out/bin/$applet ] || ln -s busybox $out/bin/$applet
              done
            '';
          })
        ];
      }"#;

#[test]
#[ignore = "builds a kernel, 4 CPU minutes, and a system with Dropbear by emulated tools, 16 CPU minutes"]
fn an_image_that_emulated_tools_made_boots_to_a_login_prompt() {
    if let Some(machine) = boot(&emulated("aarch64-linux", "aarch64-multiplatform", PREBUILT)) {
        check_login(machine, "Linux 6.1.176 aarch64", UNTIL_SSH, "\nssh is up");
    }
}

/// Debian 12 has no programs of this system; the tools that are emulated were cross-built.
#[test]
#[ignore = "builds GCC for riscv64, 25 CPU minutes, a kernel, and Dropbear by emulated tools"]
fn an_image_that_emulated_tools_made_for_riscv64_boots_to_a_login_prompt() {
    if let Some(machine) = boot(&emulated("riscv64-linux", "riscv64", PREBUILT)) {
        check_login(machine, "Linux 6.1.176 riscv64", UNTIL_SSH, "\nssh is up");
    }
}

/// The SSH server makes its key first, which takes a while.
const UNTIL_SSH: &str = "until pidof dropbear; do sleep 1; done; echo ssh is up";

/// Logs in, looks around, and shuts down.
fn check_login(mut machine: Machine, kernel: &str, command: &str, answer: &str) {
    machine.expect("saltire login: ");
    machine.type_line("root");
    machine.expect("# ");
    machine.type_line("uname -srm; ls -d /proc/1 /dev/vda");
    machine.expect(kernel);
    machine.expect("/dev/vda");
    machine.type_line(command);
    machine.expect(answer);
    machine.type_line("poweroff -f");
    machine.expect("Power down");
}

#[test]
#[ignore = "builds U-Boot, 16 MB of source and 1 CPU minute; 5 s when it is built"]
fn u_boot_for_aarch64_starts_to_its_prompt() {
    if !probe().can_build() {
        println!("skipped: the kernel allows no sandbox; 'saltire doctor' says why");
        return;
    }
    let built =
        |package: &str| stdout(&format!("build {package} --no-link --print-out-paths")).trim().to_owned();
    let (boot_loader, qemu) = (built("uboot --for aarch64-linux"), built("qemu-system"));
    let mut machine = Machine::start(&mut saltire(&format!(
        "exec {qemu}/bin/qemu-system-aarch64 -machine virt -cpu cortex-a57 -m 256 -nographic -nic none -bios {boot_loader}/u-boot.bin"
    )));
    machine.expect("Hit any key to stop autoboot");
    machine.type_line("");
    machine.expect("=> ");
    machine.type_line("version");
    machine.expect("U-Boot 2023.01");
}
