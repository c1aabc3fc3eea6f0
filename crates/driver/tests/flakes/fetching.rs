//! Inputs that come over the network, and the builtins that fetch.

use crate::world::{World, cache_key};
use saltire_driver::LockFlags;

const REV: &str = "0123456789abcdef0123456789abcdef01234567";

/// A tar archive of a flake.
fn archive(directory: &str, value: u32) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let content = format!("{{ outputs = {{ self }}: {{ x = {value}; }}; }}");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(1_000_000_000);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, format!("{directory}/flake.nix"), content.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn forges() {
    let world = World::new();
    let serve = |path: &str, content: &[u8]| world.server.serve(path, content);
    serve("/api/v3/repos/o/r/commits/HEAD", format!("{{\"sha\":\"{REV}\"}}").as_bytes());
    serve(&format!("/api/v3/repos/o/r/tarball/{REV}"), &archive("o-r-0123456", 5));
    serve(
        "/api/v4/projects/o%2Fr/repository/commits?ref_name=dev",
        format!("[{{\"id\":\"{REV}\"}}]").as_bytes(),
    );
    serve(&format!("/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha={REV}"), &archive("r", 6));
    serve("/~u/r/HEAD", b"ref: refs/heads/main\n");
    serve("/~u/r/info/refs", format!("{REV}\trefs/heads/main\n").as_bytes());
    serve(&format!("/~u/r/archive/{REV}.tar.gz"), &archive("r", 7));
    world.write(
        "top/flake.nix",
        "{ inputs.a.url = \"github:o/r?host=$SERVER\"; inputs.b.url = \"gitlab:o/r/dev?host=$SERVER\"; \
           inputs.c.url = \"sourcehut:~u/r?host=$SERVER\"; \
           outputs = { self, a, b, c }: { x = [ a.x b.x c.x ]; rev = a.shortRev; date = a.lastModifiedDate; }; }",
    );
    let lock = world.shorten(&world.lock("./top", &LockFlags::default()));
    let hash = "\"narHash\": \"";
    let start = lock.find(hash).unwrap() + hash.len();
    let expected = format!(
        r#"    "a": {{
      "locked": {{
        "host": "$SERVER",
        "lastModified": 1000000000,
        "narHash": "{}",
        "owner": "o",
        "repo": "r",
        "rev": "{REV}",
        "type": "github"
      }},
      "original": {{
        "host": "$SERVER",
        "owner": "o",
        "repo": "r",
        "type": "github"
      }}
    }},"#,
        &lock[start..start + 51]
    );
    assert!(lock.contains(&expected), "{lock}");
    world.server.requests();
    assert_eq!(world.evaluate("./top#x"), "[ 5 6 7 ]");
    assert_eq!(world.evaluate("./top#rev"), "\"0123456\"");
    assert_eq!(world.evaluate("./top#date"), "\"20010909014640\"");
    assert_eq!(world.server.requests(), [""; 0], "locked and in the store: nothing is asked");
}

#[test]
fn archives_are_asked_for_again_only_if_they_changed() {
    let world = World::new();
    world.server.serve("/a.tar", archive("a", 1));
    let url = "builtins.fetchTarball \"http://$SERVER/a.tar\"";
    let first = world.expression(url);
    assert_eq!(world.expression(url), first);
    assert_eq!(world.server.requests(), ["/a.tar 200", "/a.tar 304"]);
    let hash = world
        .expression("(builtins.fetchTree { type = \"tarball\"; url = \"http://$SERVER/a.tar\"; }).narHash");
    let with_hash = |hash: &str| {
        world.expression(&format!(
            "builtins.fetchTarball {{ url = \"http://$SERVER/a.tar\"; sha256 = {hash}; }}"
        ))
    };
    world.server.requests();
    assert_eq!(with_hash(&hash), first);
    assert_eq!(world.server.requests(), [""; 0]);
    let error = with_hash("\"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"");
    assert!(error.contains("hash mismatch in file downloaded from 'http://$SERVER/a.tar':"), "{error}");
    world.server.stop_serving("/a.tar");
    assert!(world.expression(url).contains("HTTP error 404"));
}

#[test]
fn fetched_files_and_archives_have_the_paths_that_nix_gives_them() {
    let world = World::new();
    world.server.serve("/f.txt", "text");
    world.server.serve("/a.tar", archive("a", 1));
    let expressions = [
        "builtins.fetchurl \"http://$SERVER/f.txt\"",
        "builtins.fetchurl { url = \"http://$SERVER/f.txt\"; name = \"n\"; sha256 = builtins.hashString \"sha256\" \"text\"; }",
        "builtins.fetchTarball \"http://$SERVER/a.tar\"",
        "builtins.fetchTarball { url = \"http://$SERVER/a.tar\"; name = \"n\"; }",
    ];
    for expression in expressions {
        let ours = world.expression(expression);
        if let Some(theirs) = world.nix(&["eval", "--impure", "--expr", expression]) {
            assert_eq!(ours, theirs.trim(), "{expression}");
        }
    }
}

#[test]
fn archives_are_locked_as_by_nix() {
    let world = World::new();
    if !world.has_new_nix() {
        return;
    }
    world.server.serve("/a.tar", archive("a", 1));
    world.server.serve("/b", archive("b", 2));
    world.server.serve("/c", "text");
    world.write(
        "top/flake.nix",
        "{ inputs.a.url = \"http://$SERVER/a.tar\"; inputs.b.url = \"http://$SERVER/b\"; \
           inputs.c = { url = \"file+http://$SERVER/c\"; flake = false; }; \
           inputs.d = { url = \"http://$SERVER/a.tar\"; flake = false; }; outputs = _: { }; }",
    );
    let ours = world.lock("./top", &LockFlags { write: false, ..LockFlags::default() });
    world.nix(&["flake", "lock", "$ROOT/top"]);
    assert_eq!(ours, world.read("top/flake.lock"));
}

#[test]
fn repositories_are_what_nix_makes_of_them() {
    let world = World::new();
    world.write("r/file", "1");
    world.write("r/dir/exec", "#!x");
    std::fs::set_permissions(
        world.root.join("r/dir/exec"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    std::os::unix::fs::symlink("dir/exec", world.root.join("r/link")).unwrap();
    world.commit("r");
    let first = world.git("r", &["rev-parse", "HEAD"]);
    world.git("r", &["tag", "v1"]);
    world.write("r/file", "2");
    world.commit("r");
    let shown = "{ inherit (t) narHash rev shortRev revCount lastModified outPath; }";
    let expressions = [
        format!("let t = builtins.fetchGit $ROOT/r; in {shown}"),
        format!(
            "let t = builtins.fetchGit {{ url = \"file://$ROOT/r\"; ref = \"refs/tags/v1\"; }}; in {shown}"
        ),
        format!(
            "let t = builtins.fetchGit {{ url = $ROOT/r; rev = \"{first}\"; name = \"n\"; }}; in {shown}"
        ),
    ];
    for expression in &expressions {
        let ours = world.expression(expression);
        if let Some(theirs) = world.nix(&["eval", "--impure", "--expr", expression]) {
            assert_eq!(ours, theirs.trim(), "{expression}");
        }
    }
    // Changed files are taken as they are, unknown ones are not.
    world.write("r/file", "3");
    world.write("r/unknown", "u");
    let dirty = "let t = builtins.fetchGit $ROOT/r; in { inherit (t) narHash rev revCount outPath; }";
    let ours = world.expression(dirty);
    assert_eq!(world.warnings(), ["Git tree '$ROOT/r' is dirty"]);
    if let Some(theirs) = world.nix(&["eval", "--impure", "--expr", dirty]) {
        assert_eq!(ours, theirs.trim());
    }
    let error = world.expression("builtins.fetchGit { url = $ROOT/r; ref = \"gone\"; }");
    assert!(error.contains("there is no branch, tag or commit 'gone'"), "{error}");
}

#[test]
fn submodules_are_part_of_the_tree_if_asked_for() {
    let world = World::new();
    world.write("module/m", "M");
    world.commit("module");
    world.write("r/file", "1");
    world.commit("r");
    let url = world.root.join("module").display().to_string();
    world.git("r", &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    world.commit("r");
    let rev = world.git("r", &["rev-parse", "HEAD"]);
    let read = |more: &str| {
        world.expression(&format!(
            "let t = builtins.fetchGit {{ url = $ROOT/r; {more} }}; in \
             [ (builtins.pathExists (t + \"/sub/m\")) t.submodules (builtins.attrNames (builtins.readDir t)) ]"
        ))
    };
    let all = "[ \".gitmodules\" \"file\" \"sub\" ]";
    assert_eq!(read("submodules = true;"), format!("[ true true {all} ]"));
    assert_eq!(read(&format!("submodules = true; rev = \"{rev}\";")), format!("[ true true {all} ]"));
    // As in the reference, a commit has a directory in their place, a working tree has not.
    assert_eq!(read(&format!("rev = \"{rev}\";")), format!("[ false false {all} ]"));
    assert_eq!(read(""), "[ false false [ \".gitmodules\" \"file\" ] ]");
}

#[test]
fn flakes_by_builtins() {
    let world = World::new();
    world.write(
        "a/flake.nix",
        "{ outputs = { self }: { x = 1; hello = 2; where = self.outPath == self.sourceInfo.outPath; }; }",
    );
    let of = |expression: &str| world.expression(expression);
    assert_eq!(of("(builtins.getFlake \"path:$ROOT/a\").x"), "1");
    assert_eq!(of("(builtins.getFlake \"$ROOT/a\").outputs.where"), "true");
    assert_eq!(
        of("builtins.parseFlakeRef \"github:o/r/b?dir=d\""),
        "{ dir = \"d\"; owner = \"o\"; ref = \"b\"; repo = \"r\"; type = \"github\"; }"
    );
    assert_eq!(
        of("builtins.flakeRefToString { type = \"path\"; path = \"/x\"; dir = \"d\"; }"),
        "\"path:/x?dir=d\""
    );
    assert_eq!(
        world.evaluate("./a#helo"),
        "error: flake 'path:$ROOT/a' does not provide attribute 'packages.x86_64-linux.helo' or 'helo'\n       Did you mean hello?"
    );
}

#[test]
fn files_and_archives_are_fetched_by_derivations() {
    let world = World::new();
    world.server.serve("/f.txt", "text");
    world.server.serve("/a.tar", archive("a", 1));
    let nar_of_text = saltire_store_model::nar::nar_of_file(b"text", true);
    let of_text = saltire_store_model::Hash::sha256(nar_of_text).to_sri();
    let of_tree = "(builtins.fetchTree { type = \"tarball\"; url = \"http://$SERVER/a.tar\"; }).narHash";
    let build = |attributes: &str| {
        world.build(&format!(
            "derivation {{ name = \"n\"; system = \"builtin\"; builder = \"builtin:fetchurl\"; \
               outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\"; {attributes} }}"
        ))
    };
    let path =
        build(&format!("url = \"http://$SERVER/f.txt\"; executable = true; outputHash = \"{of_text}\";"));
    let metadata = std::fs::metadata(path.unwrap()).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o555);
    let archive = format!("url = \"http://$SERVER/a.tar\"; unpack = true; outputHash = {of_tree};");
    assert!(build(&archive).unwrap().join("flake.nix").exists());
    let wrong = build("url = \"http://$SERVER/a.tar\"; outputHash = builtins.hashString \"sha256\" \"\";");
    let wrong = wrong.unwrap_err();
    assert!(wrong.contains("hash mismatch"), "{wrong}");
}

#[test]
fn references_are_read_and_written_as_by_nix() {
    let world = World::new();
    if !world.has_new_nix() {
        return;
    }
    let references = [
        "nixpkgs",
        "nixpkgs/nixos-23.11",
        "nixpkgs/0123456789abcdef0123456789abcdef01234567",
        "flake:n/main/0123456789abcdef0123456789abcdef01234567",
        "github:o/r",
        "github:o/r/b?dir=d",
        "github:o/r/a/b",
        "github:o/r?ref=x&host=h.org",
        "github:o/r/0123456789abcdef0123456789abcdef01234567",
        "gitlab:g%2Fs/r/x",
        "sourcehut:~u/r",
        "git+https://h/r.git?ref=main&submodules=1",
        "git+https://h/r?dir=d&shallow=1&x=y",
        "git+ssh://git@h/r?rev=0123456789abcdef0123456789abcdef01234567",
        "git+file:///a",
        "git://h/r",
        "path:/a",
        "path:/a?dir=x",
        "path:./a",
        "/a/b",
        "https://h/a.tar.gz",
        "https://h/a.tar.gz?x=1",
        "https://h/a",
        "tarball+https://h/a",
        "file+https://h/a",
        "https://h/a.zip?narHash=sha256-47DEQpj8HBSa%2B%2FTImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D",
        "path:/a%20b",
    ];
    let mut different = Vec::new();
    for reference in references {
        let parse = format!("builtins.parseFlakeRef \"{reference}\"");
        for expression in [parse.clone(), format!("builtins.flakeRefToString ({parse})")] {
            let (ours, theirs) = (world.expression(&expression), world.nix_or_error(&expression));
            let is_same = ours == theirs || ours.starts_with("error:") && theirs.starts_with("error:");
            if !is_same {
                different.push(format!("{expression}\n  ours:   {ours}\n  theirs: {theirs}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn trees_have_the_attributes_that_nix_gives_them() {
    let world = World::new();
    if !world.has_new_nix() {
        return;
    }
    world.server.serve("/a.tar", archive("a", 1));
    world.server.serve("/f", "text");
    world.write("p/file", "1");
    world.write(
        "r/flake.nix",
        "{ outputs = { self }: { x = builtins.attrNames self; i = self.sourceInfo; }; }",
    );
    world.write("r/kept", "k");
    world.write("r/left", "l");
    world.write("r/.gitattributes", "left export-ignore\n");
    world.write("r/module/m", "M");
    world.commit("r/module");
    world.commit("r");
    world.write("d/flake.nix", "{ outputs = { self }: { i = self.sourceInfo; }; }");
    world.write("d/.gitattributes", "left export-ignore\ndir/ export-ignore\n");
    world.write("d/sub/left", "l");
    world.write("d/sub/right", "r");
    world.write("d/dir/file", "f");
    world.commit("d");
    world.write("d/new", "n");
    world.git("d", &["add", "new"]);
    let mut different = Vec::new();
    for expression in [
        "builtins.fetchGit $ROOT/r",
        "builtins.fetchGit { url = $ROOT/r; ref = \"HEAD\"; }",
        "builtins.fetchGit { url = $ROOT/r; submodules = true; }",
        "builtins.fetchGit { url = $ROOT/r; shallow = true; }",
        "builtins.fetchGit { url = \"file://$ROOT/r\"; ref = \"main\"; exportIgnore = false; }",
        "builtins.fetchGit $ROOT/d",
        "builtins.fetchGit { url = $ROOT/d; name = \"n\"; }",
        "builtins.fetchTree { type = \"git\"; url = \"file://$ROOT/r\"; }",
        "builtins.fetchTree { type = \"git\"; url = \"file://$ROOT/d\"; }",
        "builtins.fetchTree { type = \"git\"; url = \"file://$ROOT/r\"; ref = \"main\"; shallow = true; }",
        "builtins.fetchTree { type = \"path\"; path = \"$ROOT/p\"; }",
        "builtins.fetchTree { type = \"tarball\"; url = \"http://$SERVER/a.tar\"; }",
        "builtins.fetchTree { type = \"file\"; url = \"http://$SERVER/f\"; }",
        "builtins.fetchTree \"http://$SERVER/a.tar\"",
        "(builtins.getFlake \"git+file://$ROOT/r\").x",
        "(builtins.getFlake \"git+file://$ROOT/r\").i",
        "(builtins.getFlake \"git+file://$ROOT/d\").i",
        "(builtins.getFlake \"path:$ROOT/r\").i",
        "(builtins.getFlake \"http://$SERVER/a.tar\").sourceInfo",
        "builtins.fetchGit { url = $ROOT/r; rev = \"0123456789abcdef0123456789abcdef01234567\"; }",
        "builtins.fetchGit { url = $ROOT/r; foo = 1; }",
        "builtins.fetchTree { type = \"git\"; }",
        "builtins.fetchTree { type = \"x\"; }",
        "builtins.fetchTree { type = \"path\"; path = \"relative\"; }",
        "builtins.fetchTree { type = \"path\"; path = \"$ROOT/gone\"; }",
    ] {
        let (ours, theirs) = (world.expression(expression), world.nix_or_error(expression));
        let is_same = ours == theirs || ours.starts_with("error:") && theirs.contains("error:");
        if !is_same {
            different.push(format!("{expression}\n  ours:   {ours}\n  theirs: {theirs}"));
        } else if ours.starts_with("error:") {
            println!("{expression}\n  ours:   {ours}\n  theirs: {theirs}");
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn closures_of_binary_caches() {
    use saltire_store_model::{Hash, NarInfo, PathInfo, StoreDir, StorePath, nar::nar_of_file};
    let world = World::new();
    let store = StoreDir::default();
    let path = |number: u8, name: &str| StorePath::from_parts(&[number; 20], name).unwrap();
    let (leaf, top, unsigned) = (path(1, "leaf"), path(2, "top"), path(3, "unsigned"));
    let serve = |path: &StorePath, content: &str, references: &[&StorePath], is_signed: bool| {
        let nar = nar_of_file(content.as_bytes(), false);
        let mut info = PathInfo::new(path.clone(), Hash::sha256(&nar), nar.len() as u64);
        info.references = references.iter().map(|path| (*path).clone()).collect();
        if is_signed {
            cache_key().sign_path(&mut info, &store);
        }
        let url = format!("nar/{}.nar", path.hash_part());
        world.server.serve(&format!("/{url}"), nar);
        let info = NarInfo { info, url, compression: "none".into(), file_hash: None, file_size: None };
        world.server.serve(&format!("/{}.narinfo", path.hash_part()), info.print(&store));
    };
    world.server.serve("/nix-cache-info", "StoreDir: /nix/store\n");
    serve(&leaf, "leaf", &[], true);
    serve(&top, &format!("refers to {}", store.display(&leaf)), &[&leaf, &top], true);
    serve(&unsigned, "text", &[], false);
    let fetch = |path: &StorePath, more: &str| {
        let path = store.display(path);
        world.expression(&format!(
            "builtins.fetchClosure {{ fromStore = \"http://$SERVER\"; fromPath = {path}; {more} }}"
        ))
    };
    let addressed = "inputAddressed = true;";
    assert_eq!(fetch(&top, addressed), format!("\"{}\"", store.display(&top)));
    assert!(world.session.store().is_valid(&leaf).unwrap());
    let error = fetch(&top, "");
    assert!(
        error.contains("is input-addressed, but 'inputAddressed' is set to 'false' (default)"),
        "{error}"
    );
    // Rewritten, it is addressed by its content, and so is what it refers to.
    let error = fetch(&top, "toPath = \"\";");
    assert!(error.contains("Use this value for the 'toPath' attribute"), "{error}");
    let rewritten = error.split("yielded '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert_eq!(fetch(&top, &format!("toPath = {rewritten};")), format!("\"{rewritten}\""));
    let parsed = store.parse(rewritten).unwrap();
    let info = world.session.store().path_info(&parsed).unwrap();
    assert!(info.content_address.is_some() && info.references.len() == 2 && !info.references.contains(&leaf));
    let error = fetch(&top, &format!("toPath = {};", store.display(&path(9, "top"))));
    assert!(error.contains("was expected"), "{error}");
    let error = fetch(&unsigned, addressed);
    assert!(error.contains("because it lacks a signature by a trusted key"), "{error}");
    assert!(fetch(&path(4, "gone"), addressed).contains("does not exist in the store 'http://$SERVER'"));
}
