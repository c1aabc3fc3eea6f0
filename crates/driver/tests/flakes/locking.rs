//! Lock files.

use crate::world::World;
use saltire_driver::{FlakeRef, LockFlags, is_input_path};

/// A flake whose output `x` is the sum of its inputs' and 1.
fn leaf(value: u32) -> String {
    format!("{{ outputs = {{ self }}: {{ x = {value}; }}; }}")
}

/// Locks with this program and with Nix; the files must be the same, byte for byte.
fn compare(world: &World, flake: &str) -> String {
    let ours = world.lock(&format!("./{flake}"), &LockFlags { write: false, ..LockFlags::default() });
    let file = world.root.join(flake).join("flake.lock");
    if world.nix(&["flake", "lock", &format!("$ROOT/{flake}")]).is_some() {
        let theirs = std::fs::read_to_string(&file).unwrap();
        // Old versions of Nix leave the directory in the address as well, and give
        // the branch that is checked out by its short name.
        let alike = |text: &str| text.replace("?dir=sub\"", "\"").replace("refs/heads/", "");
        match world.has_new_nix() {
            true => assert_eq!(ours, theirs),
            false => assert_eq!(alike(&ours), alike(&theirs)),
        }
        std::fs::remove_file(&file).unwrap();
        if world.root.join(flake).join(".git").exists() {
            world.git(flake, &["reset", "--quiet"]);
        }
    }
    ours
}

#[test]
fn paths_and_repositories_are_locked_as_nix_locks_them() {
    let world = World::new();
    world.write("a/flake.nix", &leaf(1));
    world.write(
        "b/sub/flake.nix",
        "{ inputs.a.url = \"path:$ROOT/a\"; outputs = { self, a }: { x = a.x + 1; }; }",
    );
    world.write("b/other", "o");
    world.commit("b");
    world.write("plain/file", "f");
    world.write(
        "top/flake.nix",
        "{ inputs.b.url = \"git+file://$ROOT/b?dir=sub\"; inputs.c.url = \"path:$ROOT/a\"; \
           inputs.b.inputs.a.follows = \"c\"; inputs.d.follows = \"b\"; \
           inputs.tree = { url = \"path:$ROOT/plain\"; flake = false; }; \
           inputs.again.url = \"git+file://$ROOT/b?dir=sub&ref=main\"; \
           outputs = { self, b, c, d, tree, again }: \
             { x = b.x + c.x + d.x + again.x; file = builtins.readFile (tree + \"/file\"); }; }",
    );
    let lock = compare(&world, "top");
    assert!(lock.contains("\"revCount\": 1") && lock.contains("\"ref\": \"refs/heads/main\""), "{lock}");
    assert_eq!(world.evaluate("./top#x"), "7");
    assert_eq!(world.evaluate("./top#file"), "\"f\"");

    // The same flake in a repository, with a lock file that is kept.
    world.commit("top");
    compare(&world, "top");
    world.lock("./top", &LockFlags::default());
    let written = world.read("top/flake.lock");
    assert!(world.warnings().iter().any(|text| {
        text.starts_with("creating lock file \"$ROOT/top/flake.lock\": \n• Added input 'again'")
    }));
    assert_eq!(world.git("top", &["ls-files"]), "flake.lock\nflake.nix");
    world.commit("top");
    assert_eq!(world.lock("./top", &LockFlags { update: false, ..LockFlags::default() }), written);
    assert_eq!(world.warnings(), [""; 0]);
}

#[test]
fn only_what_is_asked_for_is_updated() {
    let world = World::new();
    world.write("a/flake.nix", &leaf(1));
    world.write("b/flake.nix", &leaf(2));
    world.write(
        "top/flake.nix",
        "{ inputs.a.url = \"path:$ROOT/a\"; inputs.b.url = \"path:$ROOT/b\"; \
           outputs = { self, a, b }: { x = [ a.x b.x ]; }; }",
    );
    world.lock("./top", &LockFlags::default());
    world.write("a/flake.nix", &leaf(10));
    world.write("b/flake.nix", &leaf(20));
    assert_eq!(world.evaluate("./top#x"), "[ 1 2 ]");
    let updates = [is_input_path("a").unwrap()].into();
    world.lock("./top", &LockFlags { updates, ..LockFlags::default() });
    assert_eq!(world.evaluate("./top#x"), "[ 10 2 ]");
    let warnings = world.warnings();
    assert!(
        warnings.last().unwrap().starts_with(
            "updating lock file \"$ROOT/top/flake.lock\":\n• Updated input 'a':\n    'path:$ROOT/a?"
        ),
        "{warnings:?}"
    );

    // An override is used, and its place in the lock file is that of the original.
    let target = FlakeRef::parse(&format!("path:{}/a", world.root.display()), None).unwrap();
    let overrides = [(is_input_path("b").unwrap(), target)].into();
    let flags = LockFlags { overrides, write: false, ..LockFlags::default() };
    let lock = world.lock("./top", &flags);
    assert_eq!(lock.matches("$ROOT/b").count() + lock.matches("/b\"").count(), 1, "{lock}");
    world.lock("./top", &LockFlags { recreate: true, ..LockFlags::default() });
    assert_eq!(world.evaluate("./top#x"), "[ 10 20 ]");
}

#[test]
fn a_changed_lock_file_is_committed_if_asked_for() {
    let world = World::new();
    world.write("a/flake.nix", &leaf(1));
    world.write("top/flake.nix", "{ inputs.a.url = \"path:$ROOT/a\"; outputs = { self, a }: { }; }");
    world.commit("top");
    world.git("top", &["config", "user.name", "n"]);
    world.git("top", &["config", "user.email", "e@localhost"]);
    world.lock("./top", &LockFlags { commit: true, ..LockFlags::default() });
    let message = world.git("top", &["log", "-1", "--format=%B"]);
    assert!(
        message.starts_with("flake.lock: Add\n\nFlake lock file updates:\n\n• Added input 'a':"),
        "{message}"
    );
    assert_eq!(world.git("top", &["status", "--porcelain"]), "");
}

#[test]
fn relative_inputs_belong_to_the_tree_of_their_flake() {
    let world = World::new();
    world.write("top/sub/flake.nix", &leaf(3));
    world.write("top/data/file", "f");
    world.write(
        "top/flake.nix",
        "{ inputs.sub.url = \"path:./sub\"; inputs.literal.url = ./sub/../sub; inputs.data = { url = \"path:./data\"; flake = false; }; \
           outputs = { self, sub, data, literal }: { x = sub.x + literal.x; file = builtins.readFile (data + \"/file\"); }; }",
    );
    let lock = world.lock("./top", &LockFlags::default());
    let expected = r#"    "sub": {
      "locked": {
        "path": "./sub",
        "type": "path"
      },
      "original": {
        "path": "./sub",
        "type": "path"
      },
      "parent": []
    }"#;
    assert!(lock.contains(expected), "{lock}");
    if world.has_new_nix() {
        std::fs::remove_file(world.root.join("top/flake.lock")).unwrap();
        assert_eq!(compare(&world, "top"), lock);
        world.write("top/flake.lock", &lock);
    }
    assert_eq!(world.evaluate("./top#x"), "6");
    assert_eq!(world.evaluate("./top#file"), "\"f\"");
    // From outside, through the lock file and without.
    world.write(
        "user/flake.nix",
        "{ inputs.top.url = \"path:$ROOT/top\"; outputs = { self, top }: { x = top.x; }; }",
    );
    assert_eq!(world.evaluate("./user#x"), "6");
    world.lock("./user", &LockFlags::default());
    assert_eq!(world.evaluate("./user#x"), "6");
    world.write("out/flake.nix", "{ inputs.o.url = \"path:../user\"; outputs = _: { }; }");
    assert_eq!(
        world.lock("./out", &LockFlags::default()),
        "path '../user' does not exist in the tree of the flake that has the input 'o'\nwhile updating the flake input 'o'"
    );
}

#[test]
fn names_are_looked_up() {
    let world = World::new();
    world.write("a/flake.nix", &leaf(4));
    world.write(
        "registry.json",
        r#"{"version":2,"flakes":[{"from":{"type":"indirect","id":"test-a"},"to":{"type":"path","path":"$ROOT/a"}}]}"#,
    );
    world.write("top/flake.nix", "{ outputs = { self, test-a }: { x = test-a.x; }; }");
    assert_eq!(world.evaluate("./top#x"), "4");
    assert_eq!(world.evaluate("test-a#x"), "4");
    world.write("bad/flake.nix", "{ outputs = { self, test-b }: { }; }");
    assert_eq!(
        world.lock("./bad", &LockFlags::default()),
        "cannot find flake 'flake:test-b' in the flake registries\nwhile updating the flake input 'test-b'"
    );
}

#[test]
fn what_is_wrong_leaves_the_lock_file_alone() {
    let world = World::new();
    let check = |flake: &str, expected: &str| {
        let lock = world.root.join(flake).join("flake.lock");
        let before = std::fs::read_to_string(&lock).ok();
        assert_eq!(world.lock(&format!("./{flake}"), &LockFlags::default()), expected);
        assert_eq!(std::fs::read_to_string(&lock).ok(), before);
    };
    world.write("future/flake.nix", &leaf(1));
    world.write("future/flake.lock", r#"{"version":8,"root":"root","nodes":{"root":{}}}"#);
    let text = world.lock("./future", &LockFlags::default());
    assert!(
        text.ends_with("has unsupported version 8; versions 5 to 7 are known: a newer Nix wrote it"),
        "{text}"
    );

    world.write("one/flake.nix", "{ inputs.t.url = \"path:$ROOT/two\"; outputs = _: { }; }");
    world.write("two/flake.nix", "{ inputs.o.url = \"path:$ROOT/one\"; outputs = _: { }; }");
    check(
        "one",
        "found circular import of flake 'path:$ROOT/one'\nwhile updating the flake input 't/o'\n\
         hint: let one of the flakes follow the other, or name it without the cycle",
    );

    world.write("new/other", "");
    world.commit("new");
    world.write("new/flake.nix", &leaf(1));
    check(
        "new",
        "path 'flake.nix' in the repository '$ROOT/new' is not tracked by Git\n\
         hint: to make it visible, run: git -C \"$ROOT/new\" add \"flake.nix\"",
    );

    let hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    world.write("a/flake.nix", &leaf(1));
    world.write(
        "hash/flake.nix",
        &format!(
            "{{ inputs.a = {{ type = \"path\"; path = \"$ROOT/a\"; narHash = \"{hash}\"; }}; outputs = _: {{ }}; }}"
        ),
    );
    let text = world.lock("./hash", &LockFlags::default());
    assert!(text.starts_with("NAR hash mismatch in input 'path:$ROOT/a?narHash="), "{text}");
    assert!(text.contains(&format!("expected '{hash}' but got 'sha256-")), "{text}");

    world.write("follows/flake.nix", "{ inputs.a.follows = \"b/c\"; outputs = _: { }; }");
    check("follows", "input 'a' follows a non-existent input 'b/c'");

    world.write("offline/flake.nix", "{ inputs.a.url = \"http://$SERVER/gone.tar.gz\"; outputs = _: { }; }");
    let text = world.lock("./offline", &LockFlags::default());
    assert!(text.contains("unable to download 'http://$SERVER/gone.tar.gz': HTTP error 404"), "{text}");
    assert!(!world.root.join("offline/flake.lock").exists());
}

#[test]
fn overrides_reach_down_as_in_nix() {
    let world = World::new();
    world.write("n/flake.nix", &leaf(1));
    world.write("m/flake.nix", &leaf(2));
    let two = |inputs: &str| format!("{{ {inputs} outputs = {{ self, n, ... }}: {{ x = n.x; }}; }}");
    world.write("a/flake.nix", &two("inputs.n.url = \"path:$ROOT/n\";"));
    world.write("b/flake.nix", &two("inputs.n.url = \"path:$ROOT/n\"; inputs.a.url = \"path:$ROOT/a\"; inputs.a.inputs.n.follows = \"n\";"));
    world.lock("./b", &LockFlags::default());
    for (number, inputs) in [
        "inputs.b.inputs.a.inputs.n.url = \"path:$ROOT/m\";",
        "inputs.b.inputs.a.inputs.n.follows = \"n\";",
        "inputs.b.inputs.n.follows = \"n\";",
        "inputs.b.inputs.n.follows = \"\"; inputs.b.inputs.a.follows = \"b/n\";",
        "inputs.c.follows = \"b/a\"; inputs.b.inputs.a.url = \"path:$ROOT/m\";",
        "inputs.b.flake = false;",
        "inputs.again = { type = \"path\"; path = \"$ROOT/b\"; }; inputs.again.inputs.n.follows = \"b/n\";",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("top{number}");
        let all = two(&format!("inputs.n.url = \"path:$ROOT/m\"; inputs.b.url = \"path:$ROOT/b\"; {inputs}"));
        world.write(&format!("{name}/flake.nix"), &all);
        if world.has_new_nix() {
            compare(&world, &name);
        } else {
            world.lock(&format!("./{name}"), &LockFlags { write: false, ..LockFlags::default() });
        }
    }
}

#[test]
fn a_lock_file_is_kept_up_to_date_as_by_nix() {
    let world = World::new();
    if !world.has_new_nix() {
        return;
    }
    world.write("n/flake.nix", &leaf(1));
    world.write("a/flake.nix", "{ inputs.n.url = \"path:$ROOT/n\"; outputs = _: { }; }");
    let top = |inputs: &str| {
        world.write("top/flake.nix", &format!("{{ {inputs} outputs = _: {{ }}; }}"));
        let flags = LockFlags { write: false, ..LockFlags::default() };
        let ours = world.lock("./top", &flags);
        world.nix(&["flake", "lock", "$ROOT/top"]);
        assert_eq!(ours, world.read("top/flake.lock"), "{inputs}");
    };
    top("inputs.a.url = \"path:$ROOT/a\";");
    top("inputs.a.url = \"path:$ROOT/a\"; inputs.n.url = \"path:$ROOT/n\";");
    top(
        "inputs.a.url = \"path:$ROOT/a\"; inputs.n.url = \"path:$ROOT/n\"; inputs.a.inputs.n.follows = \"n\";",
    );
    world.write(
        "a/flake.nix",
        "{ inputs.n.url = \"path:$ROOT/n\"; inputs.k.url = \"path:$ROOT/n\"; outputs = _: { }; }",
    );
    top(
        "inputs.a.url = \"path:$ROOT/a\"; inputs.n.url = \"path:$ROOT/n\"; inputs.a.inputs.n.follows = \"n\";",
    );
    top("inputs.a.url = \"path:$ROOT/a\"; inputs.n.url = \"path:$ROOT/n\";");
    top("inputs.a.url = \"path:$ROOT/a?lastModified=1\";");
    top("");
}
