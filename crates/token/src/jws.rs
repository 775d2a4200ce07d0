//! The compact form of a JWS (RFC 7515 section 3.1), and the one function that verifies it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::crypto::{b64, unb64};
use crate::json::{Text, Unknown, once};
use crate::{Algorithm, KeySet, TYP, VerifyingKey};

/// Anything longer is refused unread.
pub const MAX_BYTES: usize = 8 * 1024;

/// Header members that would let a token choose its own key or change what its parts mean
/// (RFC 7515 sections 4.1.2, 4.1.3, 4.1.5, 4.1.6, 4.1.11; RFC 7797). None has a use here.
const FORBIDDEN: [&str; 6] = ["jku", "jwk", "x5u", "x5c", "crit", "b64"];

/// Why a JWS was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not three parts of strict base64url with a JSON object as header, or above [`MAX_BYTES`].
    #[error("not a compact JWS")]
    Malformed,
    /// Well made, but signed by a key that is not in the set: a newer set may have it.
    #[error("the key is unknown")]
    UnknownKey,
    /// The signature is wrong, `alg` is not the key's, `kid` is missing, or the header has a
    /// member that is forbidden.
    #[error("the signature is not valid")]
    Signature,
}

/// What a verified JWS said.
#[derive(Clone, Debug)]
pub struct Verified<'k> {
    /// The `typ` of the header, as it stood there.
    pub typ: Option<Cow<'static, str>>,
    /// The key that verified it.
    pub key: &'k VerifyingKey,
    /// The payload, any bytes whatever.
    pub payload: Vec<u8>,
}

/// Verifies a compact JWS. The key is found by `kid` alone, and `alg` must be that key's.
///
/// # Errors
/// [`Rejection`]; what is malformed is so whatever keys there are.
pub fn verify<'k>(keys: &'k KeySet, token: &str) -> Result<Verified<'k>, Rejection> {
    Parts::of(token).ok_or(Rejection::Malformed)?.verify(keys)
}

/// Whether there is nothing in a text but visible ASCII, as in every token. All of it is looked at
/// whatever stands there, which is faster where it is long and good.
pub fn is_word(text: &str) -> bool {
    text.bytes()
        .fold(true, |word, byte| word & byte.is_ascii_graphic())
}

/// The key that a header names, and the `typ` it says.
fn find<'k>(
    keys: &'k KeySet,
    header: &str,
) -> Result<(&'k VerifyingKey, Option<Cow<'static, str>>), Rejection> {
    let json = unb64(header).ok_or(Rejection::Malformed)?;
    let header = Header::parse(&json).ok_or(Rejection::Malformed)?;
    let algorithm: Option<Algorithm> = header.alg.and_then(|alg| alg.0.parse().ok());
    let (false, Some(algorithm), Some(Text(kid))) = (header.forbidden, algorithm, header.kid)
    else {
        return Err(Rejection::Signature);
    };
    let key = keys.get(&kid).ok_or(Rejection::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(Rejection::Signature);
    }
    Ok((key, header.typ.map(|typ| typ.0.into_owned().into())))
}

/// A token taken apart, of which nothing was verified yet.
pub(crate) struct Parts<'t> {
    pub(crate) signed: &'t str,
    /// In base64url, as the next two are.
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
}

impl<'t> Parts<'t> {
    /// The parts, where there are three of them in at most [`MAX_BYTES`].
    pub(crate) fn of(token: &'t str) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        // A fourth part would be left in the payload, where a dot is no base64url.
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        Some(Self {
            signed,
            header,
            payload,
            signature,
        })
    }

    /// See [`verify`].
    pub(crate) fn verify<'k>(&self, keys: &'k KeySet) -> Result<Verified<'k>, Rejection> {
        let payload = unb64(self.payload).ok_or(Rejection::Malformed)?;
        let signature = unb64(self.signature).ok_or(Rejection::Malformed)?;
        let (key, typ) = match keys.iter().find(|key| key.header() == self.header) {
            // To the letter what reading it would bring: every access token of this key begins so.
            Some(key) => (key, Some(Cow::Borrowed(TYP))),
            None => find(keys, self.header)?,
        };
        if !key.verifies(self.signed.as_bytes(), &signature) {
            return Err(Rejection::Signature);
        }
        Ok(Verified { typ, key, payload })
    }

    /// The payload, *not* verified: good for saying what is wrong with it, and for nothing else.
    pub(crate) fn unverified_payload(&self) -> Option<Vec<u8>> {
        unb64(self.payload)
    }
}

#[derive(Default)]
pub(crate) struct Header<'h> {
    pub(crate) alg: Option<Text<'h>>,
    pub(crate) kid: Option<Text<'h>>,
    pub(crate) typ: Option<Text<'h>>,
    pub(crate) forbidden: bool,
}

impl<'h> Header<'h> {
    pub(crate) fn parse(json: &'h [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JOSE header")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
                let (mut header, mut unknown) = (Header::default(), Unknown::default());
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "alg" => once(&mut header.alg, "alg", &mut map)?,
                        "kid" => once(&mut header.kid, "kid", &mut map)?,
                        "typ" => once(&mut header.typ, "typ", &mut map)?,
                        _ => {
                            header.forbidden |= FORBIDDEN.contains(&&*name);
                            unknown.skip(Text(name), &mut map)?;
                        }
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// A header as we write it, in base64url.
pub(crate) fn header(alg: Algorithm, kid: &str, typ: &str) -> String {
    #[derive(Serialize)]
    struct Made<'h> {
        alg: Algorithm,
        kid: &'h str,
        typ: &'h str,
    }
    // Three strings always serialise.
    b64(&serde_json::to_vec(&Made { alg, kid, typ }).unwrap_or_default())
}

/// Header and payload as they are signed (RFC 7515 section 5.1, step 5).
pub(crate) fn signing_input(alg: Algorithm, kid: &str, typ: &str, payload: &[u8]) -> String {
    let mut input = header(alg, kid, typ);
    input.push('.');
    input.push_str(&b64(payload));
    input
}

pub(crate) fn with_signature(mut input: String, signature: &[u8]) -> String {
    input.push('.');
    input.push_str(&b64(signature));
    input
}
