//! Whole trees: described as text, relocated, listed as text.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use saltire_relocate::{RelocateError, Report, Request, Tree, relocate_tree};

/// Makes files: `path = text`, `path* = text` (executable), `path -> target`.
fn make(root: &Path, description: &str) {
    for line in description.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (path, target, link) = match line.split_once(" -> ") {
            Some((path, target)) => (path, target, true),
            None => line.split_once(" = ").map(|(p, t)| (p, t, false)).expect("a line"),
        };
        let place = root.join(path.trim_end_matches('*'));
        fs::create_dir_all(place.parent().expect("a parent")).expect("a directory");
        if link {
            symlink(target, place).expect("a link");
            continue;
        }
        fs::write(&place, target.replace("\\n", "\n")).expect("a file");
        // With set-user-id: no such bit may be left.
        let mode = if path.ends_with('*') { 0o4755 } else { 0o640 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).expect("a mode");
    }
}

/// The tree in the notation of [`make`], sorted.
fn list(root: &Path) -> String {
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let place = entry.expect("an entry").path();
            let path = place.strip_prefix(root).expect("below").display().to_string();
            let metadata = fs::symlink_metadata(&place).expect("a file");
            if metadata.is_symlink() {
                let target = fs::read_link(&place).expect("a link");
                lines.push(format!("{path} -> {}\n", target.display()));
            } else if metadata.is_dir() {
                assert_eq!(metadata.mode() & 0o7777, 0o755, "{path}");
                pending.push(place);
            } else {
                let text = fs::read_to_string(&place).expect("text").replace('\n', "\\n");
                let star = match metadata.mode() & 0o7777 {
                    0o555 => "*",
                    0o444 => "",
                    mode => panic!("{path} has mode {mode:o}"),
                };
                lines.push(format!("{path}{star} = {text}\n"));
            }
        }
    }
    lines.sort();
    lines.concat()
}

#[derive(Default)]
struct Options {
    subtree: Option<&'static str>,
    keep: &'static [&'static str],
    remove: &'static [&'static str],
    links: &'static [&'static str],
    dependency: &'static str,
    shell: Option<&'static str>,
}

fn run(files: &str, options: &Options) -> Result<(String, Report), RelocateError> {
    let place = tempfile::tempdir().expect("a directory");
    let (out, dep, shell) = (place.path().join("out"), place.path().join("dep"), place.path().join("shell"));
    for (root, text) in [(&out, files), (&dep, options.dependency), (&shell, options.shell.unwrap_or(""))] {
        fs::create_dir(root).expect("a directory");
        make(root, text);
    }
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let report = relocate_tree(&Request {
        output: Tree { physical: &out, logical: Path::new("/s/out") },
        dependencies: &[Tree { physical: &dep, logical: Path::new("/s/dep") }],
        subtree: options.subtree,
        keep: &strings(options.keep),
        remove: &strings(options.remove),
        links: &strings(options.links),
        shell: options.shell.map(|_| Tree { physical: &shell, logical: Path::new("/s/shell") }),
    })?;
    Ok((list(&out), report))
}

#[track_caller]
fn check(files: &str, options: &Options, expected: &str) -> Report {
    let (result, report) = run(files, options).expect("a tree");
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(result, expected);
    report
}

#[track_caller]
fn check_error(files: &str, options: &Options, expected: &str) {
    let error = run(files, options).expect_err("an error").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn usr_and_root_become_one() {
    check(
        "bin/a* = 1
         usr/bin/b* = 2
         usr/lib/x/y = 3
         lib/x/z = 4
         usr/bin/same = 5
         bin/same = 5
         usr/bin/a -> ../../bin/a
         bin/b -> /usr/bin/b
         usr/lib/x/l -> ../../../lib/x/z
         usr/lib/x/m -> ../../bin/b
         lib64 -> usr/lib64
         usr/lib64/q = 6",
        &Options::default(),
        "bin/a* = 1
         bin/b* = 2
         bin/same = 5
         lib/x/l -> z
         lib/x/m -> ../../bin/b
         lib/x/y = 3
         lib/x/z = 4
         lib64/q = 6
         usr -> .",
    );
    check_error("bin/a = 1\nusr/bin/a = 2", &Options::default(), "they differ");
    check_error("bin/a = 1\nusr/bin/a/b = 2", &Options::default(), "they differ");
    check_error("usr -> /etc", &Options::default(), "link to something else");
    check_error("usr/usr/x = 1", &Options::default(), "they differ");
    // A link out of the tree is not followed.
    check_error("lib -> /etc\nusr/lib/x = 1", &Options::default(), "they differ");
}

#[test]
fn a_subtree_becomes_the_tree() {
    let options = Options { subtree: Some("m-linux"), dependency: "lib/other = 1", ..Options::default() };
    check(
        "usr/m-linux/lib/a = 1
         usr/m-linux/lib/abs -> /usr/m-linux/lib/a
         usr/m-linux/lib/rel -> ../../m-linux/lib/a
         usr/m-linux/lib/out -> ../../lib/other
         usr/m-linux/lib/gone -> ../../lib/gone
         usr/lib/other = 2
         etc/x = 3",
        &options,
        "lib/a = 1
         lib/abs -> a
         lib/out -> /s/dep/lib/other
         lib/rel -> a
         usr -> .",
    );
    check_error("lib/a = 1", &options, "no directory 'm-linux'");
    check_error("lib/a = 1", &Options { subtree: Some("../x"), ..Options::default() }, "not a path inside");
    check_error("m-linux -> /etc", &options, "no directory 'm-linux'");
}

#[test]
fn patterns_choose_files() {
    let files = "usr/bin/a* = 1
         usr/bin/a-lto-x* = 2
         usr/share/doc/deep/x = 3
         usr/share/data = 4";
    check(
        files,
        &Options { remove: &["share/doc", "bin/*-lto-*"], ..Options::default() },
        "bin/a* = 1
         share/data = 4
         usr -> .",
    );
    check(
        files,
        &Options { keep: &["bin/**", "share/d?ta"], remove: &["bin/a"], ..Options::default() },
        "bin/a-lto-x* = 2
         share/data = 4",
    );
    check_error(files, &Options { keep: &["a["], ..Options::default() }, "not a valid pattern");
}

#[test]
fn links_are_made_and_mended() {
    let report = check(
        "usr/bin/bash* = 1
         usr/lib/a -> /lib/b
         usr/lib/b = 2
         usr/lib/c -> /usr/lib/inside-dep
         usr/lib/d -> /etc/alternatives/none
         usr/lib/e -> d
         usr/lib/null -> /dev/null
         usr/lib/high -> ../../../../lib/b
         usr/lib/loop -> loop",
        &Options {
            links: &["bin/sh=bash", "new/dir/x=../../lib/b", "usr/bin/ash=bash"],
            dependency: "lib/inside-dep = 1",
            ..Options::default()
        },
        "bin/ash -> bash
         bin/bash* = 1
         bin/sh -> bash
         lib/a -> b
         lib/b = 2
         lib/c -> /s/dep/lib/inside-dep
         lib/high -> b
         lib/null -> /dev/null
         new/dir/x -> ../../lib/b
         usr -> .",
    );
    assert_eq!(report.removed_links.len(), 3, "{report:?}");
    let with = |links| Options { links, ..Options::default() };
    check_error("bin/a = 1", &with(&["bin/sh=bash"]), "its target is not in the tree");
    check_error("bin/a = 1", &with(&["bin=x"]), "there is a directory");
    check_error("bin/a = 1", &with(&["sh"]), "path=target");
    check_error("bin/a = 1", &with(&["../sh=a"]), "not a path inside");
    // Made in the tree, not in the machine's directory of that name.
    check_error("etc -> /nonexistent", &with(&["etc/x=y"]), "cannot");
}

#[test]
fn scripts_and_linker_scripts() {
    let files = "usr/bin/sh* = 1
         usr/bin/a* = #!/bin/sh -e\\nx
         usr/bin/b* = #!/usr/bin/perl\\n
         usr/bin/c* = #!/usr/bin/env awk\\n
         usr/bin/d* = #!/opt/none/tool\\n
         usr/bin/plain = #!/bin/sh
         usr/lib/libc.so = /* GNU ld script */ GROUP ( /lib/libc.so.6 )";
    let options = |shell| Options {
        shell,
        dependency: "bin/perl* = 1\nbin/awk -> gawk\nbin/gawk* = 1",
        ..Options::default()
    };
    let expected = |sh: &str| {
        format!(
            "bin/a* = #!{sh} -e\\nx
             bin/b* = #!/s/dep/bin/perl\\n
             bin/c* = #!/s/dep/bin/awk\\n
             bin/d* = #!/opt/none/tool\\n
             bin/plain = #!/bin/sh
             bin/sh* = 1
             lib/libc.so = /* GNU ld script */ GROUP ( libc.so.6 )
             usr -> ."
        )
    };
    let report = check(files, &options(None), &expected("/s/out/bin/sh"));
    assert_eq!((report.scripts, report.linker_scripts), (3, 1));
    check(files, &options(Some("bin/sh* = 1")), &expected("/s/shell/bin/sh"));
}

#[test]
fn hostile_elf_is_an_error_that_names_it() {
    let program = Path::new("/proc/self/exe");
    let mut data = fs::read(program).expect("this test");
    data.truncate(2000);
    let place = tempfile::tempdir().expect("a directory");
    fs::create_dir(place.path().join("bin")).expect("a directory");
    fs::write(place.path().join("bin/broken"), data).expect("a file");
    let tree = Tree { physical: place.path(), logical: Path::new("/s/out") };
    let request = Request {
        output: tree,
        dependencies: &[],
        subtree: None,
        keep: &[],
        remove: &[],
        links: &[],
        shell: None,
    };
    let error = relocate_tree(&request).expect_err("an error").to_string();
    assert!(error.contains("bin/broken' is a damaged"), "{error}");
}

/// Start of an ELF file of the 64-bit little-endian class, which is enough to tell
/// what it is for.
fn elf_header(kind: u8, machine: u8) -> String {
    let mut header = [0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    header[16] = kind;
    header[18] = machine;
    String::from_utf8(header.to_vec()).expect("ASCII")
}

/// A cross compiler's directory holds object files of the target and plugins of
/// the machine it runs on; a link there means the target's library.
#[test]
fn a_link_leads_to_a_library_of_the_right_machine() {
    let (here, target) = (62, 8);
    let (library, object) = (3, 1);
    let plugin = elf_header(library, here);
    let start = elf_header(object, target);
    let both = format!(
        "lib/a-here/libx.so.1 = {}\nlib/target/libx.so.1 = {}",
        elf_header(library, here),
        elf_header(library, target)
    );
    let options = Options { dependency: both.leak(), ..Options::default() };
    let files = format!(
        "lib/gcc/crt.o = {start}
         lib/gcc/aplugin.so = {plugin}
         lib/gcc/libx.so -> ../../target/lib/libx.so.1
         lib/y/libx.so -> /target/lib/libx.so.1
         lib/y/plugin.so = {plugin}"
    );
    let (result, _) = run(&files, &options).expect("a tree");
    assert!(result.contains("lib/gcc/libx.so -> /s/dep/lib/target/libx.so.1\n"));
    assert!(result.contains("lib/y/libx.so -> /s/dep/lib/a-here/libx.so.1\n"));
}

/// A program and its library, built here, run from another place; with spare
/// dynamic entries and without, at fixed and at any addresses.
#[test]
fn a_moved_program_runs() {
    for flags in [&[][..], &["-Wl,--spare-dynamic-tags=0"], &["-no-pie"], &["-Wl,--build-id=none", "-no-pie"]]
    {
        for notes in [true, false] {
            if let Err(reason) = build_and_run(flags, notes) {
                println!("skipped: {reason}");
            }
        }
    }
}

/// Gives the program's note headers (type 4) a type that nothing knows, so that
/// the program header table has to move. For the 64-bit little-endian class.
fn hide_notes(program: &Path) -> Result<(), String> {
    let mut data = fs::read(program).expect("a program");
    if data[4..6] != [2, 1] {
        return Err("not a 64-bit little-endian machine".to_owned());
    }
    let word = |at: usize| u64::from_le_bytes(data[at..][..8].try_into().expect("8 bytes"));
    let (table, count) = (word(32) as usize, usize::from(data[56]));
    for header in (0..count).map(|index| table + 56 * index) {
        if data[header..][..4] == [4, 0, 0, 0] {
            data[header..][..4].copy_from_slice(&0x6fff_fff0_u32.to_le_bytes());
        }
    }
    fs::write(program, data).expect("written");
    Ok(())
}

fn build_and_run(flags: &[&str], notes: bool) -> Result<(), String> {
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().join("out");
    make(&root, "usr/bin/keep = x\nusr/lib/private/keep = x");
    let compile = |source: &str, arguments: &[&str]| -> Result<(), String> {
        let file = place.path().join("source.c");
        fs::write(&file, source).expect("a file");
        let output = Command::new("cc").args(flags).arg(&file).args(arguments).current_dir(&root).output();
        let output = output.map_err(|error| format!("no C compiler: {error}"))?;
        let message = String::from_utf8_lossy(&output.stderr);
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| format!("cc does not support {flags:?}: {message}"))
    };
    compile(
        "int twice(int x) { return 2 * x; }\n",
        &["-shared", "-fPIC", "-o", "usr/lib/private/libtwice.so"],
    )?;
    compile(
        "int twice(int); int big[100000]; int main(void) { return twice(21) + big[99999]; }\n",
        &["-o", "usr/bin/program", "-Lusr/lib/private", "-ltwice"],
    )?;
    if !notes {
        hide_notes(&root.join("usr/bin/program"))?;
    }
    let request = Request {
        output: Tree { physical: &root, logical: &root },
        dependencies: &[],
        subtree: None,
        keep: &[],
        remove: &[],
        links: &[],
        shell: None,
    };
    let report = relocate_tree(&request).expect("relocated");
    // Interpreter and C library are the machine's, so they are reported.
    assert!(report.missing.iter().any(|missing| missing.name.starts_with("libc.")), "{report:?}");
    let status = Command::new(root.join("bin/program")).status().expect("started");
    assert_eq!(status.code(), Some(42), "{flags:?}, notes: {notes}");
    Ok(())
}
