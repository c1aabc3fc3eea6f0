//! What a program sees and can do that a view is entered for.
//!
//! Entering needs a process of one thread, which a test of the usual kind has
//! not: this program starts itself again for each check (`view become …`).

#[path = "support/executable.rs"]
mod executable;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use executable::{copy_executable, write_executable};
use saltire_sandbox::{BinfmtEntry, Capability, Place, ViewSpec, probe};

/// An ordinary user, for checks that are started by root.
const NOBODY: u32 = 65534;

/// What a check asks for.
#[derive(Clone, Copy, Default)]
struct Wanted<'a> {
    /// Source and target.
    place: Option<(&'a Path, &'a Path)>,
    /// A program that files beginning with [`MAGIC`] are run by.
    emulator: Option<&'a str>,
}

const MAGIC: &str = "SALTIRE!";

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "become") {
        become_program(arguments);
    }
    let root = rustix::process::geteuid().is_root();
    let probe = probe();
    let namespaces = probe.has(Capability::UserNamespaces);
    let emulation = probe.has(Capability::NamespacedBinfmt);
    let work = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o777)).expect("own directory");
    for user in [None, root.then_some(NOBODY)].into_iter().enumerate().filter(|(i, u)| *i == 0 || u.is_some())
    {
        let check = Check { user: user.1, work: work.path().join(user.0.to_string()) };
        std::fs::create_dir(&check.work).expect("a directory");
        std::fs::set_permissions(&check.work, PermissionsExt::from_mode(0o777)).expect("own directory");
        if !check.can_start() {
            println!("skipped: user {NOBODY} can't execute this program");
            continue;
        }
        check.plain();
        if namespaces {
            check.places();
            check.background_jobs_survive();
        } else {
            println!("skipped: no user namespaces");
        }
        if namespaces && emulation {
            check.emulators();
        } else {
            println!("skipped: no binfmt_misc per namespace");
        }
        if namespaces && emulation && root && user.1.is_none() {
            check.root_keeps_its_powers();
        }
    }
    println!("view: ok");
}

/// `become <place's source> <target> <emulator> <program> <arguments>`; `-` is none.
fn become_program(mut arguments: impl Iterator<Item = OsString>) -> ! {
    let mut next = || arguments.next().filter(|one| one != "-");
    let (source, target, emulator) = (next(), next(), next());
    let mut spec = ViewSpec::new(next().expect("a program"));
    if let (Some(source), Some(target)) = (source, target) {
        spec.places.push(Place { source: source.into(), target: target.into() });
    }
    if let Some(emulator) = emulator {
        let line = format!(":saltire-test:M::{MAGIC}::{}:F", emulator.to_string_lossy());
        spec.binfmt.push(BinfmtEntry { label: "test".to_owned(), line: line.into_bytes() });
    }
    spec.env.push(("ADDED".into(), "yes".into()));
    spec.args.extend(arguments);
    eprintln!("{}", spec.exec());
    std::process::exit(99)
}

struct Check {
    user: Option<u32>,
    work: PathBuf,
}

impl Check {
    fn command(&self, wanted: Wanted<'_>, script: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.arg("become");
        match wanted.place {
            Some((source, target)) => command.args([source, target]),
            None => command.args(["-", "-"]),
        };
        command.arg(wanted.emulator.unwrap_or("-")).args(["/bin/sh", "-c", script]);
        command.current_dir(&self.work);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn run(&self, wanted: Wanted<'_>, script: &str) -> Output {
        self.command(wanted, script).stdin(Stdio::null()).output().expect("started")
    }

    #[track_caller]
    fn check(&self, wanted: Wanted<'_>, script: &str, expected: &str) {
        let output = self.run(wanted, script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            (text(&output.stdout).as_str(), text(&output.stderr).as_str()),
            (expected, ""),
            "{script} as {:?}",
            self.user
        );
    }

    fn can_start(&self) -> bool {
        self.command(Wanted::default(), "true").output().is_ok()
    }

    fn uid(&self) -> u32 {
        self.user.unwrap_or_else(|| rustix::process::getuid().as_raw())
    }

    /// Exit codes, signals, process number, groups, directory, environment.
    fn plain(&self) {
        let work = self.work.display().to_string();
        let directory = self.work.join("source");
        std::fs::create_dir(&directory).expect("a directory");
        std::fs::write(directory.join("file"), "content\n").expect("written");
        let places = [None, Some((directory.as_path(), Path::new("/srv")))];
        for place in places.into_iter().filter(|place| place.is_none_or(|(_, target)| target.is_dir())) {
            let wanted = Wanted { place, ..Wanted::default() };
            self.check(wanted, "pwd; id -u; echo $ADDED", &format!("{work}\n{}\nyes\n", self.uid()));
            assert_eq!(self.run(wanted, "exit 7").status.code(), Some(7));
            assert_eq!(self.run(wanted, "kill -TERM $$").status.signal(), Some(15));
            // The caller's process, its group and session.
            let mut command = self.command(wanted, "cut -d' ' -f5,6 /proc/self/stat; echo $$");
            let child = command.stdout(Stdio::piped()).spawn().expect("started");
            let id = child.id();
            let output = child.wait_with_output().expect("waited for");
            let own = std::fs::read_to_string("/proc/self/stat").expect("readable");
            let own: Vec<&str> = own.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let expected = format!("{} {}\n{id}\n", own[2], own[3]);
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
            // Neither an ignored SIGPIPE nor lost privileges.
            self.check(wanted, "grep -E '^(SigIgn|NoNewPrivs|Seccomp):' /proc/self/status", &own_status());
        }
    }

    fn places(&self) {
        let source = self.work.join("source");
        let missing = Path::new("/no-such-directory/store");
        let own = std::fs::read_dir("/").expect("readable").count();
        for (target, seen) in [(missing, own + 1), (Path::new("/srv"), own)] {
            if target != missing && !target.is_dir() {
                continue;
            }
            let wanted = Wanted { place: Some((&source, target)), ..Wanted::default() };
            let script = format!("cat {0}/file; ls -A / | wc -l; echo x >{0}/file", target.display());
            let output = self.run(wanted, &script);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(text, format!("content\n{seen}\n"), "{}", String::from_utf8_lossy(&output.stderr));
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(errors.contains("Read-only file system") || errors.contains("ermission"), "{errors}");
            // All else is as it was.
            let note = self.work.join("note");
            self.check(
                wanted,
                "echo written >note && cat note; test -c /dev/null && test -d /proc/1",
                "written\n",
            );
            assert_eq!(std::fs::read_to_string(&note).expect("written"), "written\n");
            std::fs::remove_file(&note).expect("there");
        }
        assert!(!missing.exists());
    }

    fn background_jobs_survive(&self) {
        let source = self.work.join("source");
        let target = Path::new("/no-such-directory");
        let wanted = Wanted { place: Some((&source, target)), ..Wanted::default() };
        let script = "(sleep 0.2; cat /no-such-directory/file >late.new; mv late.new late) >/dev/null 2>&1 &";
        assert!(self.run(wanted, script).status.success());
        let end = Instant::now() + Duration::from_secs(20);
        let late = self.work.join("late");
        while !late.exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(std::fs::read_to_string(late).expect("the job went on"), "content\n");
    }

    fn emulators(&self) {
        let before = machine_registrations();
        let foreign = self.work.join("foreign");
        write_executable(&foreign, MAGIC);
        let source = self.work.join("source");
        for place in [None, Some((source.as_path(), Path::new("/no-such-directory")))] {
            let wanted = Wanted { place, emulator: Some("/bin/echo") };
            let path = foreign.display();
            let script = format!("{path} one; env {path} two; id -u; ls /proc/sys/fs/binfmt_misc");
            let seen = "register\nsaltire-test\nstatus\n";
            self.check(wanted, &script, &format!("{path} one\n{path} two\n{}\n{seen}", self.uid()));
            let output = self.run(wanted, "echo 0 >/proc/sys/fs/binfmt_misc/status");
            assert!(!output.status.success(), "registrations can't be changed by accident");
        }
        assert_eq!(machine_registrations(), before);
        let wanted = Wanted { emulator: Some("/no/such/emulator"), ..Wanted::default() };
        let output = self.run(wanted, "true");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(99) && errors.contains("register emulator test"), "{errors}");
    }

    /// With emulators, hence in a user namespace: other users are still there.
    fn root_keeps_its_powers(&self) {
        let file = self.work.join("of-nobody");
        std::fs::write(&file, "").expect("written");
        let wanted = Wanted { emulator: Some("/bin/echo"), ..Wanted::default() };
        self.check(
            wanted,
            &format!("chown {NOBODY}:{NOBODY} of-nobody && chmod 600 of-nobody && echo x >of-nobody && cat of-nobody"),
            "x\n",
        );
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(&file).expect("there").uid(), NOBODY);
        if !Path::new("/usr/bin/setpriv").exists() {
            println!("skipped: setpriv is missing");
            return;
        }
        // As sudo: a setuid program that somebody else starts.
        let id = self.work.join("id");
        copy_executable("/usr/bin/id", &id);
        std::fs::set_permissions(&id, PermissionsExt::from_mode(0o4755)).expect("own file");
        let other = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups");
        let plain = self.run(Wanted::default(), &format!("{other} ./id -u"));
        if plain.stdout != b"0\n" {
            println!("skipped: setuid programs do not work in {}", self.work.display());
            return;
        }
        self.check(wanted, &format!("{other} /usr/bin/id -u; {other} ./id -u"), &format!("{NOBODY}\n0\n"));
    }
}

/// What a program that this one starts says of itself, if nothing is changed.
fn own_status() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().to_owned()
    };
    let ignored = u64::from_str_radix(&value("SigIgn"), 16).expect("a number");
    // Only Rust programs ignore SIGPIPE, number 13.
    let ignored = ignored & !(1 << 12);
    let (privileges, filter) = (value("NoNewPrivs"), value("Seccomp"));
    format!("SigIgn:\t{ignored:016x}\nNoNewPrivs:\t{privileges}\nSeccomp:\t{filter}\n")
}

fn machine_registrations() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    names.sort();
    names
}
