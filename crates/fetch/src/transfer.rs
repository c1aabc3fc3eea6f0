//! Bytes from one address.
//!
//! Each request runs on a thread of its own that hands its bytes over through a
//! short queue. Whoever waits for them can so be called off at once, whatever the
//! request is stuck in (a name that does not resolve, a server that accepts and
//! says nothing). The thread then ends at its next byte, or when the server has
//! been silent for too long.

use crate::download::Options;
use crate::error::Reason;
use crate::netrc::Netrc;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// How often a waiting transfer looks whether it was called off.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes handed over at a time.
const CHUNK: usize = 128 * 1024;

/// Chunks that wait to be written before the network has to.
const QUEUE: usize = 4;

/// What to ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// The address.
    pub url: String,
    /// The first byte wanted.
    pub offset: u64,
    /// Only if the file is another one than that with this entity tag.
    pub unless: Option<String>,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<(String, String)>,
}

/// What the server said about the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where in the file the body begins: the offset that was asked for, or 0.
    pub offset: u64,
    /// The file's whole size, if the server told.
    pub size: Option<u64>,
    /// Whether the file is the one that the caller has already; there is no body.
    pub not_modified: bool,
    /// The file's entity tag.
    pub etag: Option<String>,
    /// The value of `Link` with `rel="immutable"`: where this version stays.
    pub immutable: Option<String>,
    /// How the body is compressed on the way.
    pub encoding: Option<String>,
    /// Where redirections led.
    pub url: String,
}

/// An answer: the bytes from some offset on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub head: Head,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Local(File),
    Remote(Receiver<Message>),
}

/// Why there are no more bytes.
#[derive(Debug)]
pub(crate) enum Stop {
    /// This attempt failed.
    Failed(Reason),
    /// The user called it off.
    Cancelled,
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Failed(reason)
    }
}

/// What a request's thread hands over.
#[derive(Debug)]
enum Message {
    Head(Head),
    Bytes(Vec<u8>),
    Failed(Reason),
    End,
}

/// A client for `http`, `https` and `file` addresses.
pub(crate) struct Client {
    agent: ureq::Agent,
    stall: Duration,
    netrc: Option<PathBuf>,
    /// What is in that file, read when it is first needed.
    accounts: OnceLock<Netrc>,
}

impl Client {
    /// Connecting, the wait for an answer's header and each wait for further bytes are
    /// bounded; nothing bounds the whole transfer.
    pub fn new(options: &Options) -> Self {
        let connect = Some(options.connect).filter(|time| !time.is_zero());
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .timeout_resolve(connect)
            .timeout_connect(connect)
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.stall))
            .http_status_as_error(false)
            .user_agent(concat!("saltire/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let (stall, netrc) = (options.stall, options.netrc.clone());
        Self { agent: config.into(), stall, netrc, accounts: OnceLock::new() }
    }

    /// Asks for a file, and waits for the answer's header.
    pub fn get(&self, ask: &Ask, cancelled: &AtomicBool) -> Result<Answer, Stop> {
        if let Some(path) = ask.url.strip_prefix("file://") {
            return Ok(local(path, &ask.url)?);
        }
        if !ask.url.starts_with("http://") && !ask.url.starts_with("https://") {
            return Err(Reason::Scheme.into());
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let (agent, stall, mut request) = (self.agent.clone(), self.stall, ask.clone());
        if let Some(path) = &self.netrc
            && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            let accounts = self.accounts.get_or_init(|| Netrc::read(path));
            let account = accounts.authorization(&ask.url);
            request.headers.extend(account.map(|value| ("Authorization".to_owned(), value)));
        }
        let run = move || {
            if let Err(reason) = transfer(&agent, &request, stall, &sender) {
                let _ = sender.send(Message::Failed(reason));
            }
        };
        let spawned = std::thread::Builder::new().name("download".into()).spawn(run);
        spawned.map_err(|error| Reason::Connection(format!("can't start a thread: {error}")))?;
        match receive(&receiver, cancelled)? {
            Message::Head(head) => Ok(Answer { head, body: Body::Remote(receiver) }),
            Message::Failed(reason) => Err(reason.into()),
            Message::Bytes(_) | Message::End => Err(Reason::Connection("it sent no header".into()).into()),
        }
    }
}

impl Answer {
    /// The next bytes; none at the end.
    pub fn next(&mut self, cancelled: &AtomicBool) -> Result<Option<Vec<u8>>, Stop> {
        match &mut self.body {
            Body::Local(file) => {
                if cancelled.load(Ordering::SeqCst) {
                    return Err(Stop::Cancelled);
                }
                Ok(read_chunk(file).map_err(|error| Reason::Connection(error.to_string()))?)
            }
            Body::Remote(receiver) => match receive(receiver, cancelled)? {
                Message::Bytes(bytes) => Ok(Some(bytes)),
                Message::Failed(reason) => Err(reason.into()),
                Message::Head(_) | Message::End => Ok(None),
            },
        }
    }
}

fn receive(receiver: &Receiver<Message>, cancelled: &AtomicBool) -> Result<Message, Stop> {
    loop {
        if cancelled.load(Ordering::SeqCst) {
            return Err(Stop::Cancelled);
        }
        match receiver.recv_timeout(CANCEL_INTERVAL) {
            Ok(message) => return Ok(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Reason::Connection("the transfer's thread ended early".into()).into());
            }
        }
    }
}

/// Runs one request to its end; ends early when nobody listens any more.
fn transfer(
    agent: &ureq::Agent,
    ask: &Ask,
    stall: Duration,
    sender: &SyncSender<Message>,
) -> Result<(), Reason> {
    let mut request = agent.get(&ask.url);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    if ask.offset > 0 {
        // Compressed on the way, the offset would count other bytes.
        request = request.header("Range", format!("bytes={}-", ask.offset));
    }
    if let Some(tag) = &ask.unless {
        request = request.header("If-None-Match", tag);
    }
    let response = request.call().map_err(|error| reason(&error, stall))?;
    // The range can't be had: what was kept is as long as the file, or longer.
    if response.status().as_u16() == 416 && ask.offset > 0 {
        return transfer(agent, &Ask { offset: 0, ..ask.clone() }, stall, sender);
    }
    let head = head(&response, ask)?;
    let not_modified = head.not_modified;
    if sender.send(Message::Head(head)).is_err() || not_modified {
        return Ok(());
    }
    let mut body = response.into_body().into_reader();
    loop {
        let message = match read_chunk(&mut body) {
            Ok(Some(bytes)) => Message::Bytes(bytes),
            Ok(None) => Message::End,
            Err(error) => Message::Failed(io_reason(error, stall)),
        };
        let is_last = !matches!(message, Message::Bytes(_));
        if sender.send(message).is_err() || is_last {
            return Ok(());
        }
    }
}

fn head(response: &ureq::http::Response<ureq::Body>, ask: &Ask) -> Result<Head, Reason> {
    use ureq::ResponseExt;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
    let mut head = Head {
        etag: header("etag").map(str::to_owned),
        encoding: header("content-encoding").map(str::to_owned),
        immutable: response
            .headers()
            .get_all("link")
            .iter()
            .filter_map(|value| immutable_link(value.to_str().ok()?))
            .next(),
        url: response.get_uri().to_string(),
        ..Head::default()
    };
    match response.status().as_u16() {
        200 => head.size = length,
        206 => match header("content-range").and_then(content_range) {
            Some((start, size)) if start == ask.offset => {
                (head.offset, head.size) = (start, size.or(length.map(|length| length + start)));
            }
            _ => return Err(Reason::Connection("it sent another range than asked for".into())),
        },
        304 if ask.unless.is_some() => head.not_modified = true,
        other => return Err(Reason::Status(other)),
    }
    // A body that was decompressed on the way is longer than announced.
    if header("content-encoding").is_some() {
        head.size = None;
    }
    Ok(head)
}

fn reason(error: &ureq::Error, stall: Duration) -> Reason {
    match error {
        ureq::Error::Timeout(ureq::Timeout::PerRead) => Reason::Stalled(stall),
        // The library says first of which kind it is.
        ureq::Error::Io(error) => Reason::Connection(error.to_string()),
        other => Reason::Connection(other.to_string()),
    }
}

fn io_reason(error: io::Error, stall: Duration) -> Reason {
    match error.downcast::<ureq::Error>() {
        Ok(error) => reason(&error, stall),
        Err(error) => Reason::Connection(error.to_string()),
    }
}

/// As many bytes as come at once, none at the end.
fn read_chunk(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => {
                buffer.truncate(count);
                return Ok(Some(buffer));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn local(path: &str, url: &str) -> Result<Answer, Reason> {
    let path = PathBuf::from(path);
    let open = || {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::other("it is a directory"));
        }
        Ok((file, metadata.len()))
    };
    let (file, size) = open().map_err(|error| Reason::Connection(error.to_string()))?;
    let head = Head { size: Some(size), url: url.to_owned(), ..Head::default() };
    Ok(Answer { head, body: Body::Local(file) })
}

/// First byte and whole size of `bytes 5-9/10` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, size.trim().parse().ok()))
}

/// The target of `<URL>; rel="immutable"` (RFC 8288; the relation is that of the
/// "lockable HTTP tarball" protocol in the Nix reference manual).
fn immutable_link(text: &str) -> Option<String> {
    text.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_immutable = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim();
            parameter == "rel=\"immutable\"" || parameter == "rel=immutable"
        });
        is_immutable.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{content_range, immutable_link};

    #[test]
    fn content_range_gives_start_and_size() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("lines 5-9/10"), None);
    }

    #[test]
    fn immutable_links() {
        let link = "<https://a/b?x=1>; rel=\"immutable\"";
        assert_eq!(immutable_link(link), Some("https://a/b?x=1".into()));
        assert_eq!(immutable_link(&format!("<c>; rel=next, {link}")), Some("https://a/b?x=1".into()));
        assert_eq!(immutable_link("<c>; rel=next"), None);
    }
}
