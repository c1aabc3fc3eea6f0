//! Downloads from a server on the loopback interface.

use crate::{Download, Downloader, FetchError, Observer, Options, Unobserved};
use saltire_debian::Mirrors;
use saltire_store_model::Hash;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers each connection with the next of its answers; the first line and the
/// range of each request are kept.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((stream, _)) = listener.accept() else { return };
                serve(stream, &answer, &kept);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: &str, kept: &Mutex<Vec<String>>) {
    let mut request = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("get") || lower.starts_with("range") {
            request += &format!("{} ", lower.trim_end_matches(" http/1.1"));
        }
    }
    kept.lock().unwrap().push(request.trim_end().to_owned());
    let _ = stream.write_all(answer.as_bytes());
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn downloader(cache: &Path, mirrors: &[String]) -> Downloader {
    let mirrors = Mirrors::choose::<&str, &str>(mirrors, &[], None);
    let mut options = Options::new(cache.to_owned(), mirrors);
    options.pause = Duration::from_millis(1);
    Downloader::new(options)
}

fn hello(urls: &[String]) -> Download {
    Download { name: "hello".into(), urls: urls.to_vec(), hash: Hash::sha256("hello world") }
}

/// Fetches "hello world" from servers with these answers; the text of the file or
/// of the error, with the servers' addresses as `A`, `B`, ….
fn check(answers: &[&[String]], expected: &str, expected_requests: &[&str]) {
    let servers: Vec<Server> = answers.iter().map(|answers| Server::start(answers.to_vec())).collect();
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let roots: Vec<String> = servers.iter().map(|server| server.address.clone()).collect();
    let downloader = downloader(&directory.path().join("cache"), &roots);
    let download = hello(&["mirror://debian/f".to_owned()]);
    let found = downloader.fetch(&download, &target, &Unobserved, &AtomicBool::new(false));
    let mut text = match found {
        Ok(()) => std::fs::read_to_string(&target).unwrap(),
        Err(error) => error.to_string(),
    };
    for (letter, root) in ["A", "B"].iter().zip(&roots) {
        text = text.replace(root.as_str(), letter);
    }
    assert_eq!(text, expected);
    let requests: Vec<String> = servers.iter().flat_map(Server::requests).collect();
    assert_eq!(requests, expected_requests);
    assert_eq!(target.exists(), expected == "hello world");
}

#[test]
fn a_file_is_fetched() {
    check(&[&[ok("hello world")]], "hello world", &["get /f"]);
}

#[test]
fn what_was_cut_off_is_resumed() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nhello ".to_owned();
    let rest = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 6-10/11\r\nContent-Length: 5\r\nConnection: close\r\n\r\nworld".to_owned();
    check(&[&[cut.clone(), rest]], "hello world", &["get /f", "get /f range: bytes=6-"]);
    // A server that knows no ranges sends all again.
    check(&[&[cut, ok("hello world")]], "hello world", &["get /f", "get /f range: bytes=6-"]);
}

#[test]
fn a_passing_failure_is_tried_again() {
    check(&[&[status("503 Busy"), ok("hello world")]], "hello world", &["get /f", "get /f"]);
}

#[test]
fn the_next_mirror_is_tried_when_a_file_is_gone_or_wrong() {
    check(&[&[status("404 Not Found")], &[ok("hello world")]], "hello world", &["get /f", "get /f"]);
    check(&[&[ok("other bytes")], &[ok("hello world")]], "hello world", &["get /f", "get /f"]);
}

#[test]
fn wrong_bytes_are_an_error_with_both_hashes() {
    let got = Hash::sha256("other").to_sri();
    let specified = Hash::sha256("hello world").to_sri();
    check(
        &[&[ok("other")]],
        &format!(
            "can't fetch hello\nA/f: other bytes than pinned\n  specified: {specified}\n  got:       {got}"
        ),
        &["get /f"],
    );
}

#[test]
fn each_address_is_named_with_its_failure() {
    check(
        &[&[status("404 Not Found")], &[status("403 Forbidden")]],
        "can't fetch hello\nA/f: HTTP error 404\nB/f: HTTP error 403",
        &["get /f", "get /f"],
    );
}

#[test]
fn the_cache_makes_the_second_time_offline() {
    let server = Server::start(vec![ok("hello world")]);
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let download = hello(&[format!("{}/f", server.address)]);
    let target = |name: &str| directory.path().join(name);
    let go = AtomicBool::new(false);
    downloader(&cache, &[]).fetch(&download, &target("1"), &Unobserved, &go).unwrap();

    let mut options = Options::new(cache.clone(), Mirrors::choose::<&str, &str>(&[], &[], None));
    options.offline = true;
    let offline = Downloader::new(options);
    assert!(offline.is_cached(&download.hash));
    offline.fetch(&download, &target("2"), &Unobserved, &go).unwrap();
    assert_eq!(std::fs::read_to_string(target("2")).unwrap(), "hello world");

    // A damaged cache file is noticed, and dropped.
    let cached = cache.join(format!("sha256-{}", download.hash.to_base16()));
    std::fs::write(&cached, "damaged").unwrap();
    let error = offline.fetch(&download, &target("3"), &Unobserved, &go).unwrap_err();
    assert!(matches!(error, FetchError::Offline { .. }), "{error}");
    assert!(!cached.exists() && !target("3").exists());
}

#[test]
fn files_of_this_machine_can_be_fetched() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f"), "hello world").unwrap();
    let download = hello(&[format!("file://{}/f", directory.path().display())]);
    let target = directory.path().join("target");
    let downloader = downloader(&directory.path().join("cache"), &[]);
    downloader.fetch(&download, &target, &Unobserved, &AtomicBool::new(false)).unwrap();
    assert_eq!(std::fs::read_to_string(target).unwrap(), "hello world");
}

#[test]
fn an_interrupted_download_leaves_no_target() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let cancelled = AtomicBool::new(true);
    let download = hello(&["http://127.0.0.1:9/f".to_owned()]);
    let error =
        downloader(&directory.path().join("cache"), &[]).fetch(&download, &target, &Unobserved, &cancelled);
    assert!(matches!(error, Err(FetchError::Interrupted)));
    assert!(cancelled.load(Ordering::SeqCst) && !target.exists());
}

#[test]
fn an_unknown_kind_of_address_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let download = hello(&["gopher://x/f".to_owned()]);
    let found = downloader(&directory.path().join("cache"), &[]).fetch(
        &download,
        &target,
        &Unobserved,
        &AtomicBool::new(false),
    );
    let text = found.unwrap_err().to_string();
    assert_eq!(text, "can't fetch hello\ngopher://x/f: not an http://, https:// or file:// address");
}

/// Accepts connections, sends `start` on each, and then says nothing more.
fn silent_server(start: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            open.push(stream.try_clone().unwrap());
            serve(stream, start, &kept);
        }
    });
    Server { address, requests }
}

/// Sets the flag when bytes arrive.
struct CancelOnBytes<'a>(&'a AtomicBool);

impl Observer for CancelOnBytes<'_> {
    fn received(&self, _: u64, _: Option<u64>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a server sends that says no more after some bytes.
const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello";

#[test]
fn a_transfer_that_is_stuck_ends_when_called_off() {
    // Far longer than the test may take: only the flag can end these.
    let stall = Duration::from_secs(3_600);
    for start in ["", BEGUN] {
        let server = silent_server(start);
        let directory = tempfile::tempdir().unwrap();
        let mut options =
            Options::new(directory.path().join("cache"), Mirrors::choose::<&str, &str>(&[], &[], None));
        (options.patience, options.stall) = (stall, stall);
        let cancelled = AtomicBool::new(false);
        let download = hello(&[format!("{}/f", server.address)]);
        let target = directory.path().join("target");
        std::thread::scope(|scope| {
            if start.is_empty() {
                scope.spawn(|| {
                    while server.requests().is_empty() {
                        std::thread::yield_now();
                    }
                    cancelled.store(true, Ordering::SeqCst);
                });
            }
            let observer = CancelOnBytes(&cancelled);
            let found = Downloader::new(options).fetch(&download, &target, &observer, &cancelled);
            assert!(matches!(found, Err(FetchError::Interrupted)), "{found:?}");
        });
        assert!(!target.exists());
    }
}

#[test]
fn a_server_that_stops_sending_is_given_up() {
    let server = silent_server(BEGUN);
    let directory = tempfile::tempdir().unwrap();
    let mut options =
        Options::new(directory.path().join("cache"), Mirrors::choose::<&str, &str>(&[], &[], None));
    (options.stall, options.tries) = (Duration::from_millis(50), 1);
    let url = format!("{}/f", server.address);
    let found = Downloader::new(options).fetch(
        &hello(std::slice::from_ref(&url)),
        &directory.path().join("target"),
        &Unobserved,
        &AtomicBool::new(false),
    );
    let text = found.unwrap_err().to_string();
    assert_eq!(text, format!("can't fetch hello\n{url}: it sent nothing for 0.05 s"));
}

#[test]
fn the_same_address_is_not_tried_twice() {
    let server = Server::start(vec![status("404 Not Found"), ok("hello world")]);
    let directory = tempfile::tempdir().unwrap();
    let download = hello(&["mirror://debian/f".into(), format!("{}/f", server.address)]);
    let downloader =
        downloader(&directory.path().join("cache"), &[server.address.clone(), server.address.clone()]);
    let target = directory.path().join("target");
    let found = downloader.fetch(&download, &target, &Unobserved, &AtomicBool::new(false));
    assert!(
        matches!(found, Err(FetchError::Unavailable { ref attempts, .. }) if attempts.len() == 1),
        "{found:?}"
    );
    assert_eq!(server.requests(), ["get /f"]);
}
