//! Keys derived from `SECRET_KEY`, each for one use, and the values that they protect.

use std::fmt;

use countersign_token::{Timestamp, crypto};
use zeroize::Zeroizing;

use crate::{GrantId, UserId};

/// A key that is wiped when dropped.
type Key = Zeroizing<[u8; 32]>;

/// What was opened, wiped when dropped.
pub type Plain = Zeroizing<Vec<u8>>;

/// The keys that are derived from one `SECRET_KEY`. Neither prints nor compares.
#[derive(Clone)]
pub struct DerivedKeys {
    refresh: Key,
    cookie: Key,
    throttle: Key,
    seal: Key,
    import: Key,
}

impl DerivedKeys {
    fn derive(secret: &[u8]) -> Self {
        Self {
            refresh: crypto::derive_key(secret, "countersign/1/refresh-token"),
            cookie: crypto::derive_key(secret, "countersign/1/session-cookie"),
            throttle: crypto::derive_key(secret, "countersign/1/throttle"),
            seal: crypto::derive_key(secret, "countersign/1/seal"),
            import: crypto::derive_key(secret, "countersign/1/import"),
        }
    }

    /// The MAC inside a refresh token.
    pub(crate) fn refresh_mac(&self, grant: GrantId, counter: i64, nonce: &[u8; 16]) -> [u8; 32] {
        crypto::hmac_sha256(
            &self.refresh,
            &[grant.as_bytes(), &counter.to_be_bytes(), nonce],
        )
    }

    /// What the database keeps of a session cookie.
    pub fn cookie_mac(&self, cookie: &SessionCookie) -> [u8; 32] {
        crypto::hmac_sha256(&self.cookie, &[&cookie.0])
    }

    /// What the database keeps of a name or address whose failures are counted.
    pub fn throttle_key(&self, parts: &[&str]) -> [u8; 32] {
        mac(&self.throttle, parts)
    }

    /// The id of an account that comes from another system without a UUID of its own: the same for
    /// the same person each time, so that an import that is run again finds whom it has made. Nobody
    /// learns a name from it who does not have the key.
    pub fn imported_user(&self, made: Timestamp, parts: &[&str]) -> UserId {
        let mut random = [0; 10];
        random
            .iter_mut()
            .zip(mac(&self.import, parts))
            .for_each(|(byte, from)| *byte = from);
        UserId::new(made, &random)
    }

    /// Encrypts `plain` for the database, bound to `context` (what it is and whose).
    pub fn seal(&self, nonce: [u8; 12], context: &str, plain: &[u8]) -> Vec<u8> {
        crypto::seal(&self.seal, nonce, context.as_bytes(), plain)
    }

    /// Opens [`DerivedKeys::seal`]; `None` with another key or context, or if a bit was changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Plain> {
        crypto::open(&self.seal, context.as_bytes(), sealed)
    }
}

/// A MAC over a list of texts. Length prefixes see to it that no two lists are one text.
fn mac(key: &Key, parts: &[&str]) -> [u8; 32] {
    let lengths: Vec<[u8; 8]> = parts
        .iter()
        .map(|part| (part.len() as u64).to_be_bytes())
        .collect();
    let fed: Vec<&[u8]> = lengths
        .iter()
        .zip(parts)
        .flat_map(|(length, part)| [length.as_slice(), part.as_bytes()])
        .collect();
    crypto::hmac_sha256(key, &fed)
}

/// The keys of the present `SECRET_KEY`, and of `SECRET_KEY_PREVIOUS` while it is being changed.
#[derive(Clone)]
pub struct Keyring {
    current: DerivedKeys,
    previous: Option<DerivedKeys>,
}

impl Keyring {
    /// Derives the keys of both secrets.
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            current: DerivedKeys::derive(secret),
            previous: previous.map(DerivedKeys::derive),
        }
    }

    /// The keys that make new values.
    pub fn current(&self) -> &DerivedKeys {
        &self.current
    }

    /// The keys that may have made an old value, the present ones first.
    pub fn all(&self) -> impl Iterator<Item = &DerivedKeys> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// Opens a sealed value made under either secret.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Plain> {
        self.all().find_map(|keys| keys.open(context, sealed))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

/// The value of a session cookie: 256 random bits; the database has a MAC of it only.
#[derive(Clone)]
pub struct SessionCookie([u8; 32]);

impl SessionCookie {
    /// A new one from random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// Reads what a browser sent; `None` for anything that was never made here.
    pub fn parse(text: &str) -> Option<Self> {
        // 43 characters carry 32 bytes; longer text is not worth decoding.
        if text.len() != 43 {
            return None;
        }
        Some(Self(crypto::unb64(text)?.try_into().ok()?))
    }

    /// The text to set as the cookie.
    pub fn reveal(&self) -> String {
        crypto::b64(&self.0)
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCookie(..)")
    }
}

/// The secret of a service client: 256 random bits, shown once.
#[derive(Clone)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// A new one from random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(crypto::b64(&random))
    }

    /// What a service sent as its password.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What the database keeps. The secret has 256 random bits, so a plain hash cannot be guessed.
    pub fn hash(&self) -> [u8; 32] {
        crypto::sha256(self.0.as_bytes())
    }

    /// Whether this is the secret that `hash` was made from.
    pub fn matches(&self, hash: &[u8]) -> bool {
        crypto::constant_time_eq(&self.hash(), hash)
    }

    /// The text to print once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_under_their_own_key_and_context_only() {
        let keyring = Keyring::new(b"a secret", None);
        let sealed = keyring.current().seal([1; 12], "key 3f2a", b"private");
        assert!(keyring.open("key 77ab", &sealed).is_none());
        assert!(
            Keyring::new(b"another", None)
                .open("key 3f2a", &sealed)
                .is_none()
        );
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(keyring.open("key 3f2a", &changed).is_none());
        assert_eq!(&keyring.open("key 3f2a", &sealed).unwrap()[..], b"private");
        let turned = Keyring::new(b"another", Some(b"a secret"));
        assert_eq!(&turned.open("key 3f2a", &sealed).unwrap()[..], b"private");
    }

    #[test]
    fn throttle_keys_do_not_run_together() {
        let keyring = Keyring::new(b"a secret", None);
        let key = |parts: &[&str]| keyring.current().throttle_key(parts);
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab"]), key(&["ab", ""]));
    }

    #[test]
    fn only_a_cookie_that_could_be_ours_is_read() {
        let cookie = SessionCookie::new([255; 32]);
        assert_eq!(
            SessionCookie::parse(&cookie.reveal()).unwrap().reveal(),
            cookie.reveal()
        );
        for bad in [
            "",
            "' OR '1'='1",
            &"A".repeat(42),
            &"A".repeat(44),
            &"=".repeat(43),
        ] {
            assert!(SessionCookie::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn nothing_here_prints_itself() {
        let secret = ClientSecret::new([7; 32]);
        let printed = format!(
            "{secret:?} {:?} {:?}",
            SessionCookie::new([7; 32]),
            Keyring::new(b"zebra", None)
        );
        assert!(!printed.contains(secret.reveal()) && !printed.contains("zebra"));
        assert!(secret.matches(&secret.hash()) && !secret.matches(&[0; 32]));
    }
}
