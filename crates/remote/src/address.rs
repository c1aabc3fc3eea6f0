//! Addresses of stores on other machines: `ssh-ng://user@host:port?ssh-key=…`.

use crate::error::RemoteError;
use data_encoding::BASE64;

/// How a store is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The worker protocol (`ssh-ng://`).
    Worker,
    /// The serve protocol (`ssh://`).
    Serve,
}

/// Where a store is and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// `host` or `user@host`, as `ssh` takes it.
    pub host: String,
    /// The port, if it is not the usual one.
    pub port: Option<u16>,
    /// The file with the secret key (`ssh-key`).
    pub key: Option<String>,
    /// The line of a `known_hosts` file without the host's name
    /// (`base64-ssh-public-host-key`).
    pub host_key: Option<String>,
    /// Whether `ssh` compresses (`compress`).
    pub compress: bool,
    /// The program and its first arguments on the other machine (`remote-program`).
    pub program: Vec<String>,
    /// The store that the program is to use there (`remote-store`).
    pub store: Option<String>,
    text: String,
}

impl Address {
    /// Whether a text is meant to be such an address.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("ssh-ng://") || text.starts_with("ssh://")
    }

    /// Reads an address. Parameters that matter only to Nix are accepted.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        let wrong = |reason: String| RemoteError::Address { address: text.to_owned(), reason };
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (protocol, program) = match scheme {
            "ssh-ng" => (Protocol::Worker, "nix-daemon"),
            "ssh" => (Protocol::Serve, "nix-store"),
            _ => return Err(wrong("it begins neither with 'ssh-ng://' nor with 'ssh://'".into())),
        };
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = split_port(place).map_err(&wrong)?;
        // Else `ssh` would take it for an option.
        if host.is_empty() || host.starts_with('-') || host.contains(['/', ' ']) {
            return Err(wrong(format!("'{host}' is no name of a host")));
        }
        let mut address = Self {
            protocol,
            host,
            port,
            key: None,
            host_key: None,
            compress: false,
            program: vec![program.to_owned()],
            store: None,
            text: text.to_owned(),
        };
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decode(value);
            match name {
                "ssh-key" => address.key = Some(value).filter(|key| !key.is_empty()),
                "base64-ssh-public-host-key" => address.set_host_key(&value)?,
                "compress" => address.compress = matches!(value.as_str(), "true" | "yes" | "1"),
                "remote-program" => {
                    address.program = value.split_whitespace().map(str::to_owned).collect();
                    if address.program.is_empty() {
                        return Err(wrong("'remote-program' is empty".into()));
                    }
                }
                "remote-store" => address.store = Some(value).filter(|store| !store.is_empty()),
                _ => {}
            }
        }
        Ok(address)
    }

    /// Takes the public key of the host, in base 64 as the setting `builders` has it.
    pub fn set_host_key(&mut self, text: &str) -> Result<(), RemoteError> {
        if text.is_empty() {
            return Ok(());
        }
        let line = BASE64.decode(text.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let line = line.filter(|line| !line.trim().is_empty()).ok_or_else(|| RemoteError::Address {
            address: self.text.clone(),
            reason: "the public key of the host is not in base 64".into(),
        })?;
        self.host_key = Some(line.trim().to_owned());
        Ok(())
    }

    /// The address as it was written, without parameters: what messages name it by.
    pub fn name(&self) -> &str {
        self.text.split('?').next().unwrap_or_default()
    }

    /// What runs on the other machine.
    pub(crate) fn command(&self) -> Vec<String> {
        let mut command = self.program.clone();
        let arguments: &[&str] = match self.protocol {
            Protocol::Worker => &["--stdio"],
            Protocol::Serve => &["--serve", "--write"],
        };
        command.extend(arguments.iter().copied().map(str::to_owned));
        if let Some(store) = &self.store {
            command.extend(["--store".to_owned(), store.clone()]);
        }
        command
    }
}

/// Splits `user@host:port` and `user@[address]:port`.
fn split_port(place: &str) -> Result<(String, Option<u16>), String> {
    let start = place.rfind('@').map_or(0, |at| at + 1);
    let (user, host) = place.split_at(start);
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        // More than one colon: an address of version 6 without brackets.
        None => match host.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (host, None),
        },
    };
    let number = |port: &str| port.parse().map_err(|_| format!("'{port}' is no port"));
    Ok((format!("{user}{host}"), port.map(number).transpose()?))
}

/// Decodes `%2F` and the like.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| first == b'%').and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = match Address::parse(text) {
            Ok(address) => {
                let mut words = vec![address.host.clone()];
                words.extend(address.port.map(|port| format!("-p{port}")));
                words.extend(address.key.iter().map(|key| format!("-i {key}")));
                words.extend(address.host_key.iter().map(|key| format!("key={key}")));
                words.extend(address.compress.then(|| "-C".to_owned()));
                words.push("--".into());
                words.extend(address.command());
                words.join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn addresses_say_where_and_how() {
        check("ssh-ng://h", "h -- nix-daemon --stdio");
        check("ssh://u@h/", "u@h -- nix-store --serve --write");
        check(
            "ssh-ng://u@h:2222?ssh-key=/a%20b&compress=true",
            "u@h -p2222 -i /a b -C -- nix-daemon --stdio",
        );
        check(
            "ssh-ng://u@[::1]:7?remote-program=saltire%20nix-daemon",
            "u@::1 -p7 -- saltire nix-daemon --stdio",
        );
        check("ssh-ng://h?remote-store=/r&max-connections=4", "h -- nix-daemon --stdio --store /r");
        check("ssh-ng://h?base64-ssh-public-host-key=c3NoIEEK", "h key=ssh A -- nix-daemon --stdio");
    }

    #[test]
    fn mistakes_are_told() {
        let wrong =
            |text: &str, reason: &str| check(text, &format!("'{text}' is no address of a store: {reason}"));
        wrong("http://h", "it begins neither with 'ssh-ng://' nor with 'ssh://'");
        wrong("ssh-ng://", "'' is no name of a host");
        wrong("ssh-ng://-oProxyCommand=x", "'-oProxyCommand=x' is no name of a host");
        wrong("ssh-ng://h:x", "'x' is no port");
        wrong("ssh-ng://h?remote-program=", "'remote-program' is empty");
        wrong("ssh-ng://h?base64-ssh-public-host-key=!", "the public key of the host is not in base 64");
    }
}
