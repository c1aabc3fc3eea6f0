//! Signatures on paths: Ed25519 over the [fingerprint](PathInfo::fingerprint).
//!
//! Keys and signatures are `<key name>:<base 64>`. A secret key is 64 bytes, the
//! seed and the public key, as libsodium has it.

use std::collections::BTreeMap;
use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};

use crate::encoding::{base64, parse_base64};
use crate::path_info::PathInfo;
use crate::store_path::StoreDir;

/// What is wrong with a key or a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No `<name>:` in front, or nothing before or behind the colon.
    #[error("{0} is malformed: expected '<key name>:<base 64>'")]
    Malformed(&'static str),
    /// Not base 64, or of another length.
    #[error("{what} '{name}' is malformed: expected {expected} bytes in base 64")]
    BadBytes {
        /// `public key`, `secret key`, `signature`.
        what: &'static str,
        /// The key's name.
        name: String,
        /// How many bytes it should have.
        expected: usize,
    },
    /// No point on the curve, or a public half that does not belong to the seed.
    #[error("{what} '{name}' is no valid Ed25519 key")]
    BadKey {
        /// `public key` or `secret key`.
        what: &'static str,
        /// The key's name.
        name: String,
    },
}

/// Splits `<name>:<base 64>` whose bytes are `N`. Errors don't show the bytes.
fn split<const N: usize>(text: &str, what: &'static str) -> Result<(String, [u8; N]), KeyError> {
    let (name, digits) = text.trim().split_once(':').ok_or(KeyError::Malformed(what))?;
    if name.is_empty() || digits.is_empty() {
        return Err(KeyError::Malformed(what));
    }
    let bytes = parse_base64(digits.as_bytes())
        .and_then(|bytes| <[u8; N]>::try_from(bytes).ok())
        .ok_or_else(|| KeyError::BadBytes { what, name: name.to_owned(), expected: N })?;
    Ok((name.to_owned(), bytes))
}

/// A key that signs.
pub struct SecretKey {
    name: String,
    key: SigningKey,
}

impl fmt::Debug for SecretKey {
    /// Without the key itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.name)
    }
}

impl SecretKey {
    /// The key from its seed, 32 secret random bytes.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) }
    }

    /// Reads `<name>:<base 64 of 64 bytes>`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, bytes) = split::<64>(text, "secret key")?;
        match SigningKey::from_keypair_bytes(&bytes) {
            Ok(key) => Ok(Self { name, key }),
            Err(_) => Err(KeyError::BadKey { what: "secret key", name }),
        }
    }

    /// The text form. Secret.
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.name, base64(&self.key.to_keypair_bytes()))
    }

    /// The key that verifies.
    pub fn public_key(&self) -> PublicKey {
        PublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs a message: `<name>:<base 64>`.
    pub fn sign(&self, message: &[u8]) -> String {
        format!("{}:{}", self.name, base64(&self.key.sign(message).to_bytes()))
    }

    /// Signs what is known about a path, and adds the signature to it.
    pub fn sign_path(&self, info: &mut PathInfo, store_dir: &StoreDir) {
        let signature = self.sign(info.fingerprint(store_dir).as_bytes());
        info.signatures.insert(signature);
    }
}

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads `<name>:<base 64 of 32 bytes>`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, bytes) = split::<32>(text, "public key")?;
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) => Ok(Self { name, key }),
            Err(_) => Err(KeyError::BadKey { what: "public key", name }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.name, base64(self.key.as_bytes()))
    }
}

/// The public keys that are trusted, by name.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(BTreeMap<String, PublicKey>);

impl PublicKeys {
    /// These keys. Of several with one name the last counts.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.name.clone(), key)).collect())
    }

    /// Whether the signature is one of the message by one of the keys. False too
    /// if it is malformed or the key is unknown.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok((name, bytes)) = split::<64>(signature, "signature") else { return false };
        let Some(key) = self.0.get(&name) else { return false };
        key.key.verify(message, &Signature::from_bytes(&bytes)).is_ok()
    }

    /// How many of the path's signatures are by one of the keys, one per key.
    pub fn count_valid(&self, info: &PathInfo, store_dir: &StoreDir) -> usize {
        let fingerprint = info.fingerprint(store_dir);
        let by: std::collections::BTreeSet<_> = info
            .signatures
            .iter()
            .filter(|signature| self.verifies(fingerprint.as_bytes(), signature))
            .filter_map(|signature| signature.split_once(':'))
            .map(|(name, _)| name)
            .collect();
        by.len()
    }
}
