//! Bytes from one address.

use crate::error::Reason;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// An answer: the bytes from some offset on.
pub(crate) struct Answer {
    /// What is left to read.
    pub body: Box<dyn Read>,
    /// Where in the file the body begins: the offset that was asked for, or 0.
    pub offset: u64,
    /// The file's whole size, if the server told.
    pub size: Option<u64>,
}

/// A client for `http`, `https` and `file` addresses.
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// `patience` bounds connecting and each wait for an answer's header, not
    /// the whole transfer.
    pub fn new(patience: Duration) -> Self {
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .http_status_as_error(false)
            .user_agent(concat!("saltire/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self { agent: config.into() }
    }

    /// Asks for a file from `offset` on.
    pub fn get(&self, url: &str, offset: u64) -> Result<Answer, Reason> {
        if let Some(path) = url.strip_prefix("file://") {
            return local(path);
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Reason::Scheme);
        }
        let mut request = self.agent.get(url);
        if offset > 0 {
            request = request.header("Range", format!("bytes={offset}-"));
        }
        let response = request.call().map_err(|error| Reason::Connection(error.to_string()))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
        let (offset, size) = match status {
            200 => (0, length),
            206 => match header("content-range").and_then(content_range) {
                Some((start, size)) if start == offset => (offset, size.or(length.map(|l| l + offset))),
                _ => return Err(Reason::Connection("it sent another range than asked for".into())),
            },
            // The range can't be had: what was kept is as long as the file, or longer.
            416 if offset > 0 => return self.get(url, 0),
            other => return Err(Reason::Status(other)),
        };
        let body = Box::new(response.into_body().into_reader());
        Ok(Answer { body, offset, size })
    }
}

fn local(path: &str) -> Result<Answer, Reason> {
    let open = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok::<_, std::io::Error>((file, size))
    };
    let (file, size) = open().map_err(|error| Reason::Connection(error.to_string()))?;
    Ok(Answer { body: Box::new(file), offset: 0, size: Some(size) })
}

/// First byte and whole size of `bytes 5-9/10` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, size.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_range_gives_start_and_size() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("lines 5-9/10"), None);
    }
}
