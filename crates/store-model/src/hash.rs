//! Hashes: algorithms, values, text forms, and hashing of streams.

use std::fmt;
use std::io::{self, Write};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::encoding;

/// A hash algorithm that Nix knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// MD5, 16 bytes; only for old fixed outputs.
    Md5,
    /// SHA-1, 20 bytes; only for old fixed outputs.
    Sha1,
    /// SHA-256, 32 bytes; what the store itself uses.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// The longest hash, in bytes.
pub const MAX_HASH_LEN: usize = 64;

impl HashAlgorithm {
    /// All algorithms, weakest first.
    pub const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// Length of a hash in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name as written before `:` or `-`: `md5`, `sha1`, `sha256`, `sha512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that name.
    pub fn from_name(name: &str) -> Result<Self, HashError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| HashError::UnknownAlgorithm(name.to_owned()))
    }

    /// The hash of `data`.
    pub fn hash(self, data: impl AsRef<[u8]>) -> Hash {
        let mut hasher = Hasher::new(self);
        hasher.update(data.as_ref());
        hasher.finish()
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text form of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFormat {
    /// Lower-case hexadecimal.
    Base16,
    /// Nix's base 32.
    NixBase32,
    /// Padded base 64.
    Base64,
    /// Subresource integrity: `<algorithm>-<base 64>`.
    Sri,
}

/// What is wrong with the text of a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No such algorithm.
    #[error("unknown hash algorithm '{0}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'")]
    UnknownAlgorithm(String),
    /// Neither the text nor the context says which algorithm it is.
    #[error("hash '{0}' does not include a type, nor is the type otherwise known from context")]
    NoAlgorithm(String),
    /// The text names another algorithm than the context asks for.
    #[error("hash '{text}' should have type '{expected}'")]
    WrongAlgorithm {
        /// The text.
        text: String,
        /// What was asked for.
        expected: HashAlgorithm,
    },
    /// The length fits none of the text forms.
    #[error("hash '{text}' has wrong length for hash algorithm '{algorithm}'")]
    WrongLength {
        /// The text.
        text: String,
        /// What it was to be.
        algorithm: HashAlgorithm,
    },
    /// A character does not belong to the text form that the length says it is.
    #[error("hash '{text}' is not valid {form}")]
    BadDigits {
        /// The text.
        text: String,
        /// The text form, in words.
        form: &'static str,
    },
}

/// A hash value with its algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash {
    algorithm: HashAlgorithm,
    /// Zero behind the algorithm's length.
    bytes: [u8; MAX_HASH_LEN],
}

impl Hash {
    /// The hash with these bytes. None if their number is not the algorithm's.
    pub fn from_bytes(algorithm: HashAlgorithm, bytes: &[u8]) -> Option<Self> {
        let mut hash = Self::zero(algorithm);
        if bytes.len() != algorithm.size() {
            return None;
        }
        hash.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(hash)
    }

    /// All bytes zero: what an empty text stands for ("not known yet").
    pub fn zero(algorithm: HashAlgorithm) -> Self {
        Self { algorithm, bytes: [0; MAX_HASH_LEN] }
    }

    /// SHA-256 of `data`.
    pub fn sha256(data: impl AsRef<[u8]>) -> Self {
        Self::from_sha256(Sha256::digest(data.as_ref()).into())
    }

    /// A SHA-256 hash from its bytes.
    pub fn from_sha256(digest: [u8; 32]) -> Self {
        let mut hash = Self::zero(HashAlgorithm::Sha256);
        hash.bytes[..32].copy_from_slice(&digest);
        hash
    }

    /// The algorithm.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size()]
    }

    /// The text form. `with_algorithm` puts `<algorithm>:` in front; SRI always names it.
    pub fn to_text(&self, format: HashFormat, with_algorithm: bool) -> String {
        let digits = match format {
            HashFormat::Base16 => encoding::base16(self.as_bytes()),
            HashFormat::NixBase32 => encoding::nix_base32(self.as_bytes()),
            HashFormat::Base64 => encoding::base64(self.as_bytes()),
            HashFormat::Sri => {
                return format!("{}-{}", self.algorithm, encoding::base64(self.as_bytes()));
            }
        };
        if with_algorithm { format!("{}:{digits}", self.algorithm) } else { digits }
    }

    /// Lower-case hexadecimal without the algorithm.
    pub fn to_base16(&self) -> String {
        self.to_text(HashFormat::Base16, false)
    }

    /// Nix's base 32 without the algorithm.
    pub fn to_nix_base32(&self) -> String {
        self.to_text(HashFormat::NixBase32, false)
    }

    /// The SRI form.
    pub fn to_sri(&self) -> String {
        self.to_text(HashFormat::Sri, true)
    }

    /// Reads any text form, with the algorithm in the text, in `expected`, or in
    /// both (then they must agree).
    pub fn parse(text: &str, expected: Option<HashAlgorithm>) -> Result<Self, HashError> {
        let (named, digits, is_sri) = match text.split_once([':', '-']) {
            Some((name, digits)) => {
                let algorithm = HashAlgorithm::from_name(name)?;
                (Some(algorithm), digits, text.as_bytes()[name.len()] == b'-')
            }
            None => (None, text, false),
        };
        let algorithm = match (named, expected) {
            (Some(named), Some(expected)) if named != expected => {
                return Err(HashError::WrongAlgorithm { text: text.to_owned(), expected });
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => return Err(HashError::NoAlgorithm(text.to_owned())),
        };
        Self::parse_digits(text, digits, algorithm, is_sri)
    }

    /// Reads the digits alone, in the text form that their number says.
    pub fn parse_unprefixed(digits: &str, algorithm: HashAlgorithm) -> Result<Self, HashError> {
        Self::parse_digits(digits, digits, algorithm, false)
    }

    /// Reads the SRI form only.
    pub fn parse_sri(text: &str) -> Result<Self, HashError> {
        let Some((name, digits)) = text.split_once('-') else {
            return Err(HashError::NoAlgorithm(text.to_owned()));
        };
        Self::parse_digits(text, digits, HashAlgorithm::from_name(name)?, true)
    }

    fn parse_digits(
        text: &str,
        digits: &str,
        algorithm: HashAlgorithm,
        is_sri: bool,
    ) -> Result<Self, HashError> {
        let mut hash = Self::zero(algorithm);
        let len = algorithm.size();
        let bytes = &mut hash.bytes[..len];
        let digits = digits.as_bytes();
        let (ok, form) = if !is_sri && digits.len() == len * 2 {
            (encoding::parse_base16(digits, bytes), "base-16")
        } else if !is_sri && digits.len() == encoding::nix_base32_len(len) {
            (encoding::parse_nix_base32(digits, bytes), "base-32")
        } else if is_sri || digits.len() == encoding::base64_len(len) {
            match encoding::parse_base64(digits) {
                Some(decoded) if decoded.len() == len => {
                    bytes.copy_from_slice(&decoded);
                    (true, "")
                }
                Some(_) => {
                    return Err(HashError::WrongLength { text: text.to_owned(), algorithm });
                }
                None => (false, "base-64"),
            }
        } else {
            return Err(HashError::WrongLength { text: text.to_owned(), algorithm });
        };
        if ok { Ok(hash) } else { Err(HashError::BadDigits { text: text.to_owned(), form }) }
    }

    /// The first `N` bytes of the hash after folding: byte `i` is xored onto byte
    /// `i mod N`. Store paths use this with 20 bytes.
    pub fn fold<const N: usize>(&self) -> [u8; N] {
        let mut folded = [0; N];
        for (index, byte) in self.as_bytes().iter().enumerate() {
            folded[index % N] ^= byte;
        }
        folded
    }
}

impl fmt::Display for Hash {
    /// `<algorithm>:<base 32>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(HashFormat::NixBase32, true))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sri())
    }
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

/// A hash being computed, of everything written to it.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    written: u64,
}

impl Hasher {
    /// Starts with no data.
    pub fn new(algorithm: HashAlgorithm) -> Self {
        let state = match algorithm {
            HashAlgorithm::Md5 => State::Md5(Md5::new()),
            HashAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            HashAlgorithm::Sha256 => State::Sha256(Sha256::new()),
            HashAlgorithm::Sha512 => State::Sha512(Box::new(Sha512::new())),
        };
        Self { state, written: 0 }
    }

    /// Takes more data.
    pub fn update(&mut self, data: &[u8]) {
        self.written += data.len() as u64;
        match &mut self.state {
            State::Md5(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::Sha256(state) => state.update(data),
            State::Sha512(state) => state.update(data),
        }
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The hash of everything written.
    pub fn finish(self) -> Hash {
        let from = |algorithm, bytes: &[u8]| {
            let mut hash = Hash::zero(algorithm);
            hash.bytes[..bytes.len()].copy_from_slice(bytes);
            hash
        };
        match self.state {
            State::Md5(state) => from(HashAlgorithm::Md5, &state.finalize()),
            State::Sha1(state) => from(HashAlgorithm::Sha1, &state.finalize()),
            State::Sha256(state) => from(HashAlgorithm::Sha256, &state.finalize()),
            State::Sha512(state) => from(HashAlgorithm::Sha512, &state.finalize()),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies what is written through to `inner` while hashing it.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashingWriter<W> {
    /// Hashes with `algorithm` what goes to `inner`.
    pub fn new(algorithm: HashAlgorithm, inner: W) -> Self {
        Self { inner, hasher: Hasher::new(algorithm) }
    }

    /// The inner writer, the hash, and the number of bytes.
    pub fn finish(self) -> (W, Hash, u64) {
        let written = self.hasher.written();
        (self.inner, self.hasher.finish(), written)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `hello`, computed with `nix-hash` and `nix hash file` of Nix 2.8.0:
    /// algorithm, base 16, base 32, SRI.
    const HELLO: [(HashAlgorithm, &str, &str, &str); 4] = [
        (
            HashAlgorithm::Md5,
            "5d41402abc4b2a76b9719d911017c592",
            "4jqlbi14cxf6wpcajbphm40hax",
            "md5-XUFAKrxLKna5cZ2REBfFkg==",
        ),
        (
            HashAlgorithm::Sha1,
            "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
            "9m1skbnr5i43n3yypvda5s65vhfwdx5a",
            "sha1-qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        ),
        (
            HashAlgorithm::Sha256,
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic",
            "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ),
        (
            HashAlgorithm::Sha512,
            "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043",
            "11w1pmwfdpz9pisbhp5qiv38q6dmidq2ipcqykw3p0sb6yrqcij79rwcwcjbxyzwbdal349qbxrncbk7pmd6snljrfpiwv2pljd4wcv",
            "sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==",
        ),
    ];

    #[test]
    fn text_forms() {
        for (algorithm, base16, base32, sri) in HELLO {
            let hash = algorithm.hash("hello");
            assert_eq!(hash.to_base16(), base16);
            assert_eq!(hash.to_nix_base32(), base32);
            assert_eq!(hash.to_sri(), sri);
            let base64 = hash.to_text(HashFormat::Base64, false);
            for digits in [base16, base32, &base64, &base16.to_uppercase()] {
                assert_eq!(Hash::parse(digits, Some(algorithm)), Ok(hash));
                assert_eq!(Hash::parse(&format!("{algorithm}:{digits}"), None), Ok(hash));
                assert_eq!(Hash::parse_unprefixed(digits, algorithm), Ok(hash));
            }
            assert_eq!(Hash::parse(sri, None), Ok(hash));
            assert_eq!(Hash::parse_sri(sri), Ok(hash));
        }
    }

    #[track_caller]
    fn check_error(text: &str, expected: Option<HashAlgorithm>, message: &str) {
        assert_eq!(Hash::parse(text, expected).unwrap_err().to_string(), message);
    }

    #[test]
    fn bad_text() {
        let sha256 = Some(HashAlgorithm::Sha256);
        check_error(
            "abc",
            None,
            "hash 'abc' does not include a type, nor is the type otherwise known from context",
        );
        check_error("abc", sha256, "hash 'abc' has wrong length for hash algorithm 'sha256'");
        check_error(
            "sha3:abc",
            None,
            "unknown hash algorithm 'sha3', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'",
        );
        check_error("md5:abc", sha256, "hash 'md5:abc' should have type 'sha256'");
        check_error("sha256-????", None, "hash 'sha256-????' is not valid base-64");
        check_error("sha256-AAAA", None, "hash 'sha256-AAAA' has wrong length for hash algorithm 'sha256'");
        let hex = "g".repeat(64);
        check_error(&hex, sha256, &format!("hash '{hex}' is not valid base-16"));
        let base32 = "e".repeat(52);
        check_error(&base32, sha256, &format!("hash '{base32}' is not valid base-32"));
    }

    #[test]
    fn streams() {
        let mut writer = HashingWriter::new(HashAlgorithm::Sha256, Vec::new());
        writer.write_all(b"hel").unwrap();
        writer.write_all(b"lo").unwrap();
        let (inner, hash, count) = writer.finish();
        assert_eq!((inner.as_slice(), count), (&b"hello"[..], 5));
        assert_eq!(hash, Hash::sha256("hello"));
    }
}
