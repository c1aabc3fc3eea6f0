//! Builds that take too long, and builds that are done again to be compared.

mod support;

use support::{saltire, text};

/// An expression for what `/bin/sh` in a sandbox builds.
fn expression(name: &str, script: &str) -> String {
    format!(
        "derivation {{ name = \"{name}\"; system = builtins.currentSystem; builder = \"/bin/sh\"; \
         args = [ \"-c\" ''{script}'' ]; }}"
    )
}

/// Whether builds can be made; if not, why is printed.
fn can_build() -> bool {
    if !saltire_driver::probe().can_build() {
        println!("skipped: the kernel does not allow a sandbox; 'saltire doctor' says why");
        return false;
    }
    let shell = saltire("build sandboxShell --no-link").output().unwrap();
    if !shell.status.success() {
        println!("skipped: {}", text(&shell.stderr));
    }
    shell.status.success()
}

/// Runs a command on an expression: whether it succeeded, and its output and messages.
fn run(arguments: &str, expression: &str) -> (bool, String, String) {
    let output = saltire(arguments).args(["-E", expression]).env("NIX_CONFIG", "substituters =").output();
    let output = output.unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn builds_that_take_too_long_are_ended() {
    if !can_build() {
        return;
    }
    let check = |options: &str, script: &str, expected: &str| {
        let (success, _, messages) =
            run(&format!("nix-build --no-out-link {options}"), &expression("late", script));
        assert!(!success && messages.contains(expected), "{messages}");
    };
    let noisy = "while :; do echo more; sleep 0.1; done";
    check("--timeout 1", noisy, "building 'late' timed out after 1 seconds\n");
    check("--max-silent-time 1", "sleep 1000", "building 'late' timed out after 1 seconds of silence\n");
    check("--option timeout 1", noisy, "building 'late' timed out after 1 seconds\n");
}

#[test]
fn what_is_built_again_is_compared() {
    if !can_build() {
        return;
    }
    // Other runs leave what they built.
    let marker = std::process::id();
    let same = expression("same", &format!("echo {marker} > $out"));
    let (success, _, messages) = run("nix-build --no-out-link --check", &same);
    assert!(!success && messages.contains("are not valid, so checking is not possible"), "{messages}");
    let (_, path, _) = run("nix-build --no-out-link", &same);
    let (success, again, messages) = run("nix-build --no-out-link --check", &same);
    assert!(success, "{messages}");
    assert_eq!(again, path);

    let other = expression("other", &format!("echo {marker}; cat /proc/sys/kernel/random/uuid > $out"));
    let (_, path, _) = run("nix-build --no-out-link", &other);
    let (success, _, messages) = run("nix-build --no-out-link --check", &other);
    let expected = format!("may not be deterministic: output '{}' differs\n", path.trim());
    assert!(!success && messages.contains(&expected), "{messages}");
    let (success, _, messages) = run("nix-build --no-out-link --check --keep-failed", &other);
    let kept = format!("{}.check'", path.trim().rsplit('/').next().unwrap());
    assert!(!success && messages.contains(&kept), "{messages}");
    run("nix-build --no-out-link", &other);
    let output = saltire("nix build --rebuild --no-link --impure --expr").arg(&other).output().unwrap();
    assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
    let (success, _, messages) = {
        let output = saltire("nix-store --verify-path").arg(path.trim()).output().unwrap();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    assert!(success, "what was there stays: {messages}");
}
