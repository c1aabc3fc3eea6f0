//! Stores on other machines: builds there, copies, and this program as the other machine.
//! `ssh` is a script that leaves out the host's name and runs the rest here, but for one
//! test with a real server.

mod support;

#[path = "support/hermetic.rs"]
#[allow(dead_code)]
mod hermetic;

use hermetic::text;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{copy_executable, write_executable};

/// What `/bin/sh` in a sandbox can build.
fn expression(name: &str, script: &str) -> String {
    format!(
        "derivation {{ name = \"{name}\"; system = builtins.currentSystem; builder = \"/bin/sh\"; \
         args = [ \"-c\" ''{script}'' ]; input = builtins.toFile \"input\" \"text of the input\"; }}"
    )
}

/// Stands in for `ssh`: what is up to the command is the host's business.
const SSH: &str = "#!/bin/sh\nwhile [ $# -gt 0 ]; do case \"$1\" in\n--) shift; break;;\n*' --'*|*/nix-*) break;;\nesac; shift; done\nexec sh -c \"$*\"\n";

/// Two stores, and programs by which the second one is another machine's.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// Nothing, with the reason printed, where builds can't be made.
    fn new() -> Option<Self> {
        if !saltire_driver::probe().can_build() {
            println!("skipped: the kernel does not allow a sandbox; 'saltire doctor' says why");
            return None;
        }
        let shell = support::saltire("build sandboxShell --no-link").output().unwrap();
        if !shell.status.success() {
            println!("skipped: {}", text(&shell.stderr));
            return None;
        }
        let world = Self { directory: tempfile::tempdir().unwrap() };
        world.script("bin/ssh", SSH);
        for name in ["nix-daemon", "nix-store"] {
            world.script(
                name,
                &format!(
                    "#!/bin/sh\necho $$ > {0}/pid\nexport SALTIRE_STORE={0}/there XDG_CACHE_HOME={1} \
                     HOME={0} NIX_CONF_DIR={0} NIX_CONFIG='substituters ='\nexec {2} {name} \"$@\"\n",
                    world.path().display(),
                    support::home().join("cache").display(),
                    env!("CARGO_BIN_EXE_saltire"),
                ),
            );
        }
        Some(world)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn script(&self, name: &str, script: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_executable(&path, script);
    }

    fn with_environment(&self, mut command: Command, arguments: &[&str]) -> Command {
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.path().join("bin").display());
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", path).env("HOME", self.path()).env("NIX_CONF_DIR", self.path());
        command.env("NIX_CONFIG", "substituters =").env("XDG_CACHE_HOME", support::home().join("cache"));
        command.env("XDG_DATA_HOME", self.path()).env("SALTIRE_STORE", self.path().join("here"));
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.with_environment(Command::new(env!("CARGO_BIN_EXE_saltire")), arguments)
    }

    /// What a successful command wrote to standard output, and its messages.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> (String, String) {
        good(self.command(arguments).output().unwrap())
    }

    #[track_caller]
    fn failure(&self, arguments: &[&str]) -> String {
        hermetic::failure(&mut self.command(arguments))
    }

    fn address(&self, scheme: &str) -> String {
        let program = if scheme == "ssh" { "nix-store" } else { "nix-daemon" };
        format!("{scheme}://host?remote-program={}", self.path().join(program).display())
    }

    /// Where the files of a store path are on the other machine.
    fn there(&self, path: &str) -> PathBuf {
        self.path().join("there").join(path.trim().trim_start_matches('/'))
    }
}

#[track_caller]
fn good(output: Output) -> (String, String) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

const SYSTEM: &str = "x86_64-linux,aarch64-linux";

#[test]
fn other_machines_build() {
    let Some(world) = World::new() else { return };
    for scheme in ["ssh-ng", "ssh"] {
        let machine = format!("{} {SYSTEM} - 2", world.address(scheme));
        let name = format!("by-{scheme}");
        let source = expression(&name, "echo a line; echo $input > $out");
        let (path, messages) = world.run(&[
            "nix",
            "build",
            "-Lj0",
            "--no-link",
            "--print-out-paths",
            "--builders",
            &machine,
            "--impure",
            "--expr",
            &source,
        ]);
        assert!(messages.contains(&format!("{name}> a line\n")), "{messages}");
        assert!(messages.contains(&format!("remote: {scheme}://host builds for ")), "{messages}");
        assert!(world.there(&path).is_file(), "it was built there");
        // What it refers to was copied there, and is known of it here.
        let (references, _) = world.run(&["nix-store", "-q", "--references", path.trim()]);
        assert!(references.trim().ends_with("-input"), "{references}");
        assert!(world.there(&references).is_file());
        let (info, _) = world.run(&["nix", "path-info", "--json", path.trim()]);
        assert!(info.contains("\"ultimate\":false"), "{info}");
        let (log, _) = world.run(&["nix", "log", path.trim()]);
        assert_eq!(log, "a line\n");
        world.run(&["nix-store", "--verify", "--check-contents"]);
    }
}

#[test]
fn a_failure_elsewhere_is_one_here() {
    let Some(world) = World::new() else { return };
    for scheme in ["ssh-ng", "ssh"] {
        let machine = format!("{} {SYSTEM}", world.address(scheme));
        let source = expression("failing", "echo half > $out; echo oh no; exit 3");
        let messages = world.failure(&["nix-build", "--no-out-link", "--builders", &machine, "-E", &source]);
        let end = "failed with exit status: 3; last 1 log lines:\n       > oh no\n";
        assert!(
            messages.contains(&format!(
                "error: building 'failing' on '{scheme}://host' failed: builder for '/nix/store/"
            )),
            "{messages}"
        );
        assert!(messages.ends_with(end), "{messages}");
    }
    let names: Vec<_> = std::fs::read_dir(world.path().join("here/nix/store")).unwrap().flatten().collect();
    assert!(
        names.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with("-failing")),
        "{names:?}"
    );
}

#[test]
fn what_no_machine_does_is_done_here_unless_that_is_forbidden() {
    let Some(world) = World::new() else { return };
    let source = expression("stranded", "echo x > $out");
    world.script(
        "cut",
        &format!(
            "#!/bin/sh\ndd bs=1 count=100 2>/dev/null | {}/nix-daemon --stdio\n",
            world.path().display()
        ),
    );
    let program = world.path().join("cut");
    let machine = format!("ssh-ng://host?remote-program={} {SYSTEM}", program.display());
    let messages =
        world.failure(&["nix-build", "-j0", "--no-out-link", "--builders", &machine, "-E", &source]);
    let cut = "warning: can't build 'stranded' on 'ssh-ng://host': the connection to 'host' was cut: ";
    assert!(messages.contains(cut), "{messages}");
    assert!(
        messages.contains("error: none of the machines of 'builders' that could build 'stranded'"),
        "{messages}"
    );
    let messages = world.failure(&["nix-build", "-j0", "--no-out-link", "--builders", "", "-E", &source]);
    assert!(messages.contains("nothing may be built here, as 'max-jobs' is 0"), "{messages}");
    let arguments = ["nix-build", "--no-out-link", "--builders", &machine, "-E", &source];
    let (path, messages) = world.run(&arguments);
    assert!(messages.contains("warning: none of the machines that could build 'stranded'"), "{messages}");
    assert!(path.trim().ends_with("-stranded") && !world.there(&path).exists());
    let mut command =
        world.command(&["nix-build", "-j0", "--builders", &machine, "-E", &expression("b", "")]);
    let messages = hermetic::failure(command.env("PATH", "/nowhere"));
    assert!(messages.contains("can't run 'ssh': No such file or directory"), "{messages}");
    let messages = world.failure(&["nix-build", "--builders", "ssh-ng://h - - many", "-E", &source]);
    assert!(messages.contains("bad machine specification 'ssh-ng://h - - many'"), "{messages}");
}

#[test]
fn plans_name_the_machine() {
    let Some(world) = World::new() else { return };
    std::fs::write(world.path().join("machines"), format!("ssh-ng://board {SYSTEM} - - - - must\n")).unwrap();
    let plan = |feature: &str, via: &str| {
        let source = format!(
            "({}) // {{ }}",
            expression("x", "").replace("name =", &format!("requiredSystemFeatures = [ {feature} ]; name ="))
        );
        let output = world.command(&["plan", "--via", via, "--expr", &source]).output().unwrap();
        text(&output.stdout)
    };
    assert!(plan("\"must\"", "auto").contains("1. remote    x (ssh-ng://board builds for "));
    assert!(plan("", "auto").contains("1. native    x ("));
    let forced = plan("", "remote");
    assert!(
        forced.contains("problem: 'x' needs a ") && forced.contains("the setting 'builders' names none"),
        "{forced}"
    );
}

#[test]
fn an_interrupt_ends_both_sides() {
    let Some(world) = World::new() else { return };
    let machine = format!("{} {SYSTEM}", world.address("ssh-ng"));
    let source = expression("endless", "echo begun; sleep 1000");
    let mut command = world.command(&[
        "nix",
        "build",
        "-L",
        "--no-link",
        "--builders",
        &machine,
        "--impure",
        "--expr",
        &source,
    ]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("> begun") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut messages, &mut line).unwrap() > 0, "it began");
    }
    let process = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let pid = std::fs::read_to_string(world.path().join("pid")).unwrap();
    wait_until(|| !Path::new("/proc").join(pid.trim()).exists());
    let left: Vec<_> = std::fs::read_dir(world.path().join("there/nix/store")).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with("tmp-")), "{left:?}");
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn paths_are_copied_to_and_from_other_machines() {
    let Some(world) = World::new() else { return };
    std::fs::write(world.path().join("file"), "content").unwrap();
    let (path, _) = world.run(&["nix-store", "--add", "file"]);
    let path = path.trim();
    let worker = world.address("ssh-ng");
    let (_, messages) = world.run(&["nix", "copy", "--to", &worker, path]);
    assert_eq!(messages, format!("copying path '{path}' to 'ssh-ng://host'...\n"));
    assert_eq!(std::fs::read_to_string(world.there(path)).unwrap(), "content");
    let (_, messages) = world.run(&["nix", "copy", "--to", &worker, path]);
    assert_eq!(messages, "", "it is there");
    for scheme in ["ssh-ng", "ssh"] {
        let address = world.address(scheme);
        world.run(&["nix-store", "--delete", path]);
        world.run(&["nix", "copy", "--from", &address, path]);
        let (info, _) = world.run(&["nix", "path-info", "-s", "--store", &address, path]);
        assert_eq!(info, format!("{path}\t        120\n"));
        let (_, messages) = world.run(&["nix", "store", "info", "--store", &address]);
        assert!(messages.starts_with(&format!("Store URL: {scheme}://host\n")), "{messages}");
    }
    world.run(&["nix-store", "--verify", "--check-contents"]);
    let messages =
        world.failure(&["nix", "copy", "--from", &worker, "/nix/store/00000000000000000000000000000000-x"]);
    assert!(messages.contains("00000000000000000000000000000000-x"), "{messages}");
    // Logs can be sent there by the newer protocol, and not be had from there.
    let derivation = world
        .run(&["nix-instantiate", "-E", "derivation { name = \"a\"; system = \"b\"; builder = \"c\"; }"])
        .0;
    let log = world.path().join("cache/log").join(derivation.trim().rsplit('/').next().unwrap());
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "what was built\n").unwrap();
    let cache = format!("file://{}/cache", world.path().display());
    let copy = |to: &str| {
        ["nix", "store", "copy-log", "--from", &cache, "--to", to, derivation.trim()].map(str::to_owned)
    };
    let copy = |to: &str| world.command(&copy(to).each_ref().map(String::as_str)).output().unwrap();
    good(copy(&worker));
    let there = world.path().join("there");
    let there = ["nix", "log", "--store", there.to_str().unwrap(), derivation.trim()];
    assert_eq!(world.run(&there).0, "what was built\n");
    let messages = text(&copy(&world.address("ssh")).stderr);
    assert!(messages.contains("has nothing for this"), "{messages}");
    let messages = world.failure(&["nix", "store", "copy-log", "--from", &worker, derivation.trim()]);
    assert!(messages.contains("does not support retrieving build logs"), "{messages}");
    // The host's name alone: its programs are found on its PATH.
    copy_executable(world.path().join("nix-store"), world.path().join("bin/nix-store"));
    world.run(&["nix-store", "--delete", path]);
    let (_, messages) = world.run(&["nix-copy-closure", "--from", "user@host", path]);
    assert_eq!(messages, format!("copying path '{path}' from 'ssh://user@host'...\n"));
}

#[test]
fn unsigned_results_need_trust_unless_checks_are_off() {
    let Some(world) = World::new() else { return };
    let worker = world.address("ssh-ng");
    let (path, _) = world.run(&[
        "nix-build",
        "--no-out-link",
        "--builders",
        "",
        "-E",
        &expression("unsigned", "echo > $out"),
    ]);
    world.run(&["nix", "copy", "--to", &worker, "--no-check-sigs", path.trim()]);
    world.run(&["nix-store", "--delete", path.trim()]);
    let messages = world.failure(&["nix", "copy", "--from", &worker, path.trim()]);
    assert!(messages.contains("lacks a signature by a trusted key"), "{messages}");
    world.run(&["nix", "copy", "--from", &worker, "--no-check-sigs", path.trim()]);
}

#[test]
fn the_reference_builds_here() {
    let Some(world) = World::new() else { return };
    let nix = std::env::var("SALTIRE_NIX").unwrap_or_else(|_| "/usr/bin".into());
    let program = Path::new(&nix).join("nix-build");
    if !program.exists() {
        println!("skipped: {} is not there", program.display());
        return;
    }
    for scheme in ["ssh-ng", "ssh"] {
        let machine = format!("{} {SYSTEM}", world.address(scheme));
        let store = world.path().join("reference").display().to_string();
        let source = expression(&format!("asked-by-{scheme}"), "echo heard; echo $input > $out");
        let arguments = ["--store", &store, "--no-out-link", "-j0", "--builders", &machine, "-E", &source];
        let mut command = world.with_environment(Command::new(&program), &arguments);
        let config = "build-users-group =\nsandbox = false\nfilter-syscalls = false\nsubstituters =";
        let (path, messages) = good(command.env("NIX_CONFIG", config).output().unwrap());
        assert!(world.there(&path).is_file(), "{messages}");
        assert!(messages.contains("heard") || scheme == "ssh", "{messages}");
        let copied = world.path().join("reference").join(path.trim().trim_start_matches('/'));
        assert_eq!(std::fs::read(copied).unwrap(), std::fs::read(world.there(&path)).unwrap());
    }
}

/// An ssh server of this test on a port of the machine itself, ended when this is dropped.
struct Server {
    child: Child,
    made_directory: bool,
}

/// Where the server, if it is root's, wants an empty directory.
const SEPARATION: &str = "/run/sshd";

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.made_directory {
            let _ = std::fs::remove_dir(SEPARATION);
        }
    }
}

/// Starts the server; its port.
fn start_server(directory: &Path) -> Option<(Server, u16)> {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    let (Some(program), true) = (program, Path::new("/usr/bin/ssh-keygen").exists()) else {
        println!("skipped: there is no sshd, or no ssh-keygen");
        return None;
    };
    for name in ["host", "user", "stranger"] {
        let mut command = Command::new("/usr/bin/ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(name));
        good(command.output().unwrap());
    }
    std::fs::copy(directory.join("user.pub"), directory.join("authorized")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = directory.display();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/authorized\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
    );
    std::fs::write(directory.join("config"), config).unwrap();
    let made_directory = hermetic::is_root() && std::fs::create_dir(SEPARATION).is_ok();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    let mut command = Command::new(program);
    command.arg("-Def").arg(directory.join("config")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Server { child: command.stderr(log).spawn().unwrap(), made_directory };
    let end = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if server.child.try_wait().unwrap().is_some() || Instant::now() > end {
            let log = std::fs::read_to_string(directory.join("log")).unwrap();
            println!("skipped: sshd does not run here: {log}");
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((server, port))
}

#[test]
fn a_real_server_builds() {
    let Some(world) = World::new() else { return };
    let Some((_server, port)) = start_server(world.path()) else { return };
    std::fs::remove_file(world.path().join("bin/ssh")).unwrap();
    let host_key = std::fs::read(world.path().join("host.pub")).unwrap();
    let host_key = saltire_store_model::encoding::base64(&host_key);
    let options = "-F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes";
    let program = world.path().join("nix-daemon");
    let build = |name: &str, key: &str| {
        let key = world.path().join(key);
        let machine = format!(
            "ssh-ng://127.0.0.1:{port}?remote-program={} {SYSTEM} {} 1 1 - - {host_key}",
            program.display(),
            key.display()
        );
        let source = expression(name, "echo a line; echo $input > $out");
        let arguments = ["nix-build", "-j0", "-v", "--no-out-link", "--builders", &machine, "-E", &source];
        world.command(&arguments).env("NIX_SSHOPTS", options).output().unwrap()
    };
    let (path, messages) = good(build("over-ssh", "user"));
    assert!(world.there(&path).is_file(), "{messages}");
    let refused = build("refused", "stranger");
    let messages = text(&refused.stderr);
    assert!(messages.contains("Permission denied ("), "{messages}");
    assert_eq!(refused.status.code(), Some(1));
}
