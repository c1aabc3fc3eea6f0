//! URLs and attributes of inputs.

use super::{Attribute, Attributes, Input, InputError, Kind, attributes};

const REV: &str = "0123456789abcdef0123456789abcdef01234567";

/// Parses a URL: its attributes as JSON and its URL, or the error.
fn check(url: &str, expected: &str) {
    let url = url.replace("REV", REV);
    let found = match Input::parse(&url, false) {
        Ok(input) => {
            // The URL of a download does not say what it is downloaded as.
            if !matches!(input.kind(), Kind::Tarball | Kind::File) {
                let again = Input::from_url(&input.to_url(), false).unwrap();
                assert_eq!(again, input, "{}", input.to_url());
            }
            let json = attributes::to_json(input.attributes()).to_string().replace('"', "");
            format!("{json} {}", input.to_url())
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(found.replace(REV, "REV"), expected);
}

#[test]
fn paths() {
    check("path:./a", "{path:./a,type:path} path:./a");
    check("path:/a b?lastModified=5", "{lastModified:5,path:/a b,type:path} path:/a%20b?lastModified=5");
    check("path:/a?dir=y", "path URL 'path:/a?dir=y' has unsupported parameter 'dir'");
    check("path://h/a", "path URL 'path://h/a' should not have an authority ('h')");
    check(
        "path:/a?revCount=-1",
        "URL 'path:/a?revCount=-1' has an invalid parameter 'revCount': it is not a number",
    );
}

#[test]
fn git() {
    check("git+file:///a", "{type:git,url:file:///a} git+file:///a");
    check(
        "git+https://h/r.git?ref=main&rev=REV&x=1&submodules=1",
        "{ref:main,rev:REV,submodules:true,type:git,url:https://h/r.git?x=1} \
         git+https://h/r.git?ref=main&rev=REV&submodules=1&x=1",
    );
    check("git://h/r", "{type:git,url:git://h/r} git://h/r");
    check("git+ssh://git@h/r", "{type:git,url:ssh://git@h/r} git+ssh://git@h/r");
    check("git+file:///a?ref=a..b", "input attribute 'ref' is wrong: invalid Git branch/tag name 'a..b'");
    check("git+file:///a?rev=x", "hash 'x' has wrong length for hash algorithm 'sha1'");
}

#[test]
fn mercurial() {
    check("hg+file:///a", "{type:hg,url:file:///a} hg+file:///a");
    check(
        "hg+https://h/r?ref=main&rev=REV&x=1",
        "{ref:main,rev:REV,type:hg,url:https://h/r?x=1} hg+https://h/r?ref=main&rev=REV&x=1",
    );
    check(
        "hg+file:///a?ref=a..b",
        "input attribute 'ref' is wrong: invalid Mercurial branch/tag name 'a..b'",
    );
    check("hg:/a", "input 'hg:/a' is unsupported");
}

#[test]
fn forges() {
    check("github:o/r", "{owner:o,repo:r,type:github} github:o/r");
    check("github:o/r/REV", "{owner:o,repo:r,rev:REV,type:github} github:o/r/REV");
    check("github:o/r?ref=a/b", "{owner:o,ref:a/b,repo:r,type:github} github:o/r/a%2Fb");
    check(
        "gitlab:g%2Fs/r/x?host=h.org",
        "{host:h.org,owner:g/s,ref:x,repo:r,type:gitlab} gitlab:g%2Fs/r/x?host=h.org",
    );
    check("sourcehut:~u/r", "{owner:~u,repo:r,type:sourcehut} sourcehut:~u/r");
    check("github:o", "URL 'github:o' is invalid: write it as github:OWNER/REPO");
    check("github:o/r/REV?rev=REV", "URL 'github:o/r/REV?rev=REV' contains multiple commit hashes");
    check(
        "github:o/r/main?rev=REV",
        "input 'github:o/r/REV' has both a commit hash ('REV') and a branch/tag name ('main')",
    );
    check("github:o/r?dir2=x", "input attribute 'dir2' not supported by scheme 'github'");
}

#[test]
fn downloads() {
    check("https://h/a.tar.gz", "{type:tarball,url:https://h/a.tar.gz} https://h/a.tar.gz");
    check("https://h/a", "{type:file,url:https://h/a} https://h/a");
    check("tarball+https://h/a", "{type:tarball,url:https://h/a} https://h/a");
    check("file+https://h/a.zip", "{type:file,url:https://h/a.zip} https://h/a.zip");
    check(
        "https://h/a.zip?x=1&narHash=sha256-47DEQpj8HBSa%2B/TImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D",
        "{narHash:sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=,type:tarball,url:https://h/a.zip?x=1} \
         https://h/a.zip?narHash=sha256-47DEQpj8HBSa%2B/TImW%2B5JCeuQeRkm5NMpJWZG3hSuFU%3D&x=1",
    );
    assert_eq!(Input::parse("https://h/a", true).unwrap().kind(), Kind::Tarball);
}

#[test]
fn indirect() {
    check("flake:nixpkgs", "{id:nixpkgs,type:indirect} flake:nixpkgs");
    check("flake:n/main/REV", "{id:n,ref:main,rev:REV,type:indirect} flake:n/main/REV");
    check("flake:n/main/x", "in flake URL 'flake:n/main/x', 'x' is not a commit hash or branch/tag name");
    check("flake:0", "'0' is not a valid flake ID");
}

#[test]
fn attributes_are_checked() {
    let from = |pairs: &[(&str, Attribute)]| {
        let attributes: Attributes =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Input::from_attributes(attributes).map_err(|error| error.to_string())
    };
    assert_eq!(from(&[]), Err(InputError::NoType.to_string()));
    assert_eq!(
        from(&[("type", "x".into())]).unwrap_err(),
        "cannot show unsupported input '{\"type\":\"x\"}'"
    );
    assert_eq!(from(&[("type", "git".into())]).unwrap_err(), "input attribute 'url' is missing");
    assert_eq!(
        from(&[("type", "path".into()), ("path", "/".into()), ("dir", "x".into())]).unwrap_err(),
        "input attribute 'dir' not supported by scheme 'path'"
    );
    assert_eq!(
        from(&[("type", "path".into()), ("path", "/".into()), ("lastModified", "x".into())]).unwrap_err(),
        "input attribute 'lastModified' is wrong: it is not an integer"
    );
    assert!(from(&[("type", "path".into()), ("path", "/".into()), ("narHash", "x".into())]).is_err());
}
