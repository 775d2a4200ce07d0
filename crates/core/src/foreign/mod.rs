//! Password hashes that another system made: read, bounded, and verified until their owner signs in
//! and gets one of ours.
//!
//! What is stored is the other system's text as it came. Nothing is converted: a mistake in a
//! conversion would be found when nobody can sign in any more.

mod bcrypt;
mod django;
mod kdf;
mod phc;
mod text;
mod werkzeug;

use std::fmt;

use countersign_token::crypto;
use zeroize::Zeroizing;

use self::kdf::Kdf;
pub use self::kdf::{Caps, MOST_MEMORY_KIB, MOST_WORK};

/// The longest text that is read as a hash.
const MAX_BYTES: usize = 1024;

/// Shorter outputs are refused: of an empty one every password would be the right one.
const MIN_OUTPUT: usize = 16;

/// What no function here writes, and more than any of them needs.
const MAX_OUTPUT: usize = 128;

/// Why a hash is not taken. Nothing of the hash stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No family writes hashes like this.
    #[error("is no password hash of a kind that is known here")]
    Unknown,
    /// A family that is not verified here.
    #[error("is a hash of a kind that is not taken: {0}")]
    Unsupported(&'static str),
    /// It begins like a hash of this family, and goes on otherwise.
    #[error("begins like a hash of {0}, but cannot be read as one")]
    Malformed(&'static str),
    /// One verification would cost more than a sign-in may.
    #[error("{cost} {what}")]
    TooCostly {
        /// The function and its parameters.
        cost: String,
        /// What is exceeded, and by how much.
        what: String,
    },
}

/// What a password goes through before the function.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Hexadecimal SHA-256, as Django does before bcrypt.
    HexSha256,
    /// Standard base64 of HMAC-SHA256 keyed with this salt, as passlib does before bcrypt.
    Base64Hmac(String),
}

/// A hash of another system.
#[derive(Clone, PartialEq, Eq)]
pub struct Foreign {
    family: &'static str,
    before: Before,
    kdf: Kdf,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl Foreign {
    /// Reads a hash of any family.
    ///
    /// # Errors
    /// [`Unusable`], which says what is wrong without repeating the text.
    pub fn parse(stored: &str) -> Result<Self, Unusable> {
        if stored.len() > MAX_BYTES {
            return Err(Unusable::Unknown);
        }
        let read = [werkzeug::read, django::read, bcrypt::read, phc::read];
        let foreign = read
            .into_iter()
            .find_map(|read| read(stored))
            .unwrap_or_else(|| Err(unsupported(stored)))?;
        match foreign.expected.len() {
            MIN_OUTPUT..=MAX_OUTPUT => Ok(foreign),
            _ => Err(Unusable::Malformed(foreign.family)),
        }
    }

    /// Refuses a hash that costs too much to verify.
    ///
    /// # Errors
    /// [`Unusable::TooCostly`].
    pub fn check(&self, caps: Caps) -> Result<(), Unusable> {
        self.kdf.check(self.expected.len(), caps)
    }

    /// Who wrote it, for a report.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// Whether `password` is the one that it was made from, compared in constant time.
    ///
    /// # Errors
    /// [`Unusable::Malformed`] where the function does not take its own parameters.
    pub fn verify(&self, password: &[u8]) -> Result<bool, Unusable> {
        let prepared = match &self.before {
            Before::Nothing => Zeroizing::new(password.to_vec()),
            Before::HexSha256 => Zeroizing::new(text::hex(&crypto::sha256(password)).into_bytes()),
            Before::Base64Hmac(salt) => text::base64_hmac(salt, password)?,
        };
        let mut output = vec![0; self.expected.len()];
        self.kdf.derive(&prepared, &self.salt, &mut output)?;
        Ok(crypto::constant_time_eq(&output, &self.expected))
    }
}

/// The function and its parameters: a hash is guessed from its bytes.
impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign({}: {})", self.family, self.kdf)
    }
}

/// Kinds that are recognised to be told apart from no hash at all: they can be guessed too fast, or
/// nothing here computes them.
fn unsupported(stored: &str) -> Unusable {
    let kinds = [
        ("md5$", "MD5"),
        ("unsalted_md5$", "MD5"),
        ("sha1$", "SHA-1"),
        ("unsalted_sha1$", "SHA-1"),
        ("sha256$", "SHA-256 in one pass"),
        ("sha512$", "SHA-512 in one pass"),
        ("crypt$", "crypt"),
        ("$1$", "crypt with MD5"),
        ("$apr1$", "Apache's MD5"),
        ("$5$", "crypt with SHA-256"),
        ("$6$", "crypt with SHA-512"),
        ("$7$", "crypt with scrypt"),
        ("$y$", "yescrypt"),
        ("$gy$", "yescrypt"),
        ("$P$", "phpass"),
        ("$H$", "phpass"),
        ("$S$", "Drupal's SHA-512"),
        ("{SSHA}", "LDAP's SHA-1"),
        ("{SHA}", "LDAP's SHA-1"),
    ];
    let bare = matches!(stored.len(), 32 | 40 | 64 | 128)
        && stored.bytes().all(|byte| byte.is_ascii_hexdigit());
    let known = kinds.iter().find(|(begin, _)| stored.starts_with(begin));
    match known {
        Some((_, kind)) => Unusable::Unsupported(kind),
        None if bare => Unusable::Unsupported("one without salt"),
        None if stored.starts_with('$') => Unusable::Unsupported("an unknown one"),
        None => Unusable::Unknown,
    }
}

#[cfg(test)]
mod tests;
