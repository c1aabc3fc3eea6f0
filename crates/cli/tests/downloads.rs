//! The settings of downloads, with a web server on the loopback interface.

mod support;

#[path = "support/hermetic.rs"]
mod hermetic;

use hermetic::{Answer, Home, Request, Server, failure, text};
use std::sync::{Arc, Mutex};

/// A server, and what it was asked.
struct Kept {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Kept {
    /// Keeps the path of each request, and behind it what was sent as `Authorization`; an
    /// answer may depend on how many there were.
    fn start(answers: impl Fn(&Request, usize) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let server = Server::answering(move |request| {
            let said = request.header.iter().find_map(|line| line.strip_prefix("authorization:"));
            let mut kept = kept.lock().unwrap();
            kept.push(format!("{}{}", request.path, said.unwrap_or_default()));
            answers(request, kept.len())
        });
        Self { server, asked }
    }

    /// What it was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The file that it serves as `/file`.
    fn file(&self) -> String {
        format!("{}/file", self.server.url)
    }

    fn host(&self) -> &str {
        self.server.url.trim_start_matches("http://")
    }
}

/// Options, and an expression that reads a file of a server.
fn read<'a>(url: &str, options: &[&'a str], expression: &'a mut String) -> Vec<&'a str> {
    *expression = format!("builtins.readFile (builtins.fetchurl \"{url}\")");
    let mut words = vec!["nix", "eval", "--raw", "--impure"];
    words.extend(options);
    words.extend(["--expr", expression.as_str()]);
    words
}

#[track_caller]
fn check(home: &Home, url: &str, options: &[&str], expected: &str) {
    assert_eq!(home.stdout(&read(url, options, &mut String::new())), expected, "{options:?}");
}

#[track_caller]
fn check_failure(home: &Home, url: &str, options: &[&str], expected: &str) {
    let said = failure(&mut home.saltire(&read(url, options, &mut String::new())));
    assert!(said.contains(expected), "{options:?}: {said}");
}

#[test]
fn an_address_is_tried_as_often_as_download_attempts_says() {
    let home = Home::new();
    let busy = Answer::Status("503 Service Unavailable");
    let server = Kept::start(move |_, count| match count % 3 {
        0 => Some(Answer::Bytes(b"at last".to_vec())),
        _ => Some(busy.clone()),
    });
    check_failure(&home, &server.file(), &["--download-attempts", "2"], "503");
    assert_eq!(server.asked(), ["/file", "/file"]);
    check(&home, &server.file(), &["--download-attempts", "3"], "at last");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_server_that_stops_sending_is_left_after_stalled_download_timeout() {
    let home = Home::new();
    let server = Kept::start(|_, _| Some(Answer::Stall(vec![0; 100_000])));
    let options = ["--stalled-download-timeout", "1", "--option", "download-attempts", "1"];
    check_failure(&home, &server.file(), &options, "sent nothing for 1 s");
}

#[test]
fn a_connection_that_is_not_accepted_is_left_after_connect_timeout() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    let address: std::net::SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
    // The queue of connections is full then, and further ones wait.
    let second = std::time::Duration::from_secs(1);
    let waiting: Vec<_> =
        (0..4).map_while(|_| std::net::TcpStream::connect_timeout(&address, second).ok()).collect();
    assert!(waiting.len() < 4, "the queue takes everything");
    let home = Home::new();
    let options = ["--connect-timeout", "1", "--download-attempts", "1"];
    check_failure(&home, &format!("http://{address}/file"), &options, "timeout: connect");
}

#[test]
fn names_and_passwords_come_from_netrc_file() {
    let home = Home::new();
    let server = Kept::start(|request, _| {
        let is_allowed = request.header.iter().any(|line| line == "authorization: Basic bWU6c2VjcmV0");
        Some(if is_allowed { Answer::Bytes(b"mine".to_vec()) } else { Answer::Status("401 Unauthorized") })
    });
    let file = home.path().join("netrc");
    std::fs::write(&file, "machine 127.0.0.1\nlogin me\npassword secret\n").unwrap();
    check_failure(&home, &server.file(), &[], "401");
    check(&home, &server.file(), &["--netrc-file", file.to_str().unwrap()], "mine");
    // A user in the address counts more.
    let other = server.file().replace("http://", "http://you:wrong@");
    check_failure(&home, &other, &["--netrc-file", file.to_str().unwrap(), "--refresh"], "401");
    assert_eq!(server.asked(), ["/file", "/file Basic bWU6c2VjcmV0", "/file Basic eW91Ondyb25n"]);
    // Unless another is named, the file is beside nix.conf.
    let mut command = home.saltire(&read(&server.file(), &["--refresh"], &mut String::new()));
    let output = command.env("NIX_CONF_DIR", home.path()).output().unwrap();
    assert_eq!(text(&output.stdout), "mine", "{}", text(&output.stderr));
}

#[test]
fn access_tokens_are_sent_to_their_forges() {
    let home = Home::new();
    let server = Kept::start(|_, _| None);
    let host = server.host();
    let tokens = format!("{host}=all {host}/owner=part {host}/owner/secret=one other.example=none");
    let check = |forge: &str, repository: &str, expected: &str| {
        let flake = format!("{forge}:{repository}?host={host}");
        home.failure(&["nix", "flake", "metadata", &flake, "--access-tokens", &tokens]);
        let asked = server.asked();
        assert!(asked.len() == 1 && asked[0].ends_with(expected), "{flake}: {asked:?}");
    };
    check("github", "someone/repo", " token all");
    check("github", "owner/repo", " token part");
    check("github", "owner/secret", " token one");
    check("github", "owners/repo", " token all");
    check("sourcehut", "~owner/repo", " Bearer all");
}

#[test]
fn what_was_downloaded_counts_as_long_as_tarball_ttl_says() {
    let home = Home::new();
    let server = Kept::start(|_, count| Some(Answer::Bytes(format!("version {count}").into_bytes())));
    let url = server.file();
    check(&home, &url, &[], "version 1");
    check(&home, &url, &[], "version 1");
    assert_eq!(server.asked().len(), 1);
    check(&home, &url, &["--tarball-ttl", "0"], "version 1");
    check(&home, &url, &["--refresh"], "version 2");
    assert_eq!(server.asked().len(), 2);
    // Without a network all that is known counts, and the rest is an error that says so.
    check(&home, &url, &["--offline"], "version 2");
    let config = home.path().join("nix.conf");
    std::fs::write(&config, "tarball-ttl = 0\n").unwrap();
    check_failure(&home, &format!("{url}-other"), &["--offline"], "no network is to be used");
    assert!(server.asked().is_empty());
}

#[test]
fn files_are_downloaded_to_the_store_and_their_hashes_said() {
    let home = Home::new();
    let server = Kept::start(|_, _| Some(Answer::Bytes(b"hello\n".to_vec())));
    let hash = "sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";
    let prefetch = ["nix", "store", "prefetch-file", &server.file()];
    let expected = home.stdout(&[&prefetch[..], &["--json", "--expected-hash", hash]].concat());
    assert!(
        expected.starts_with(&format!("{{\"hash\":\"{hash}\",\"storePath\":\"/nix/store/")),
        "{expected}"
    );
    let said = home.saltire(&prefetch).output().unwrap();
    assert!(text(&said.stderr).contains(&format!("(hash '{hash}').")), "{}", text(&said.stderr));
    let other = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let error = home.failure(&[&prefetch[..], &["--expected-hash", other]].concat());
    assert!(error.contains("hash mismatch for") && error.contains(hash), "{error}");
}
