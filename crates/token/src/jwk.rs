//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037): what the issuer publishes and
//! a guard reads. Reading is strict, and refuses the whole set for one bad key: a set that is
//! not ours to the letter is not one to trust in part.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::crypto::{b64, hex, sha256, unb64};
use crate::{Algorithm, KeySet, VerifyingKey};

/// A longer JWKS document is refused unread.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;

/// A JWKS with more keys is refused.
pub const MAX_KEYS: usize = 32;

const MAX_KID_BYTES: usize = 128;

/// Why a JWKS was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JWKS document at all, or above [`MAX_JWKS_BYTES`] or [`MAX_KEYS`].
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// Members of a private or symmetric key stand in a document that is for everybody.
    #[error("the key set holds a private or symmetric key")]
    Private,
    /// Without a name, or with one above 128 bytes.
    #[error("a key has no usable kid")]
    Kid,
    /// Two keys with one name.
    #[error("two keys have the same kid")]
    DuplicateKid,
    /// `use` is not `sig`, or `key_ops` is not `verify`.
    #[error("a key is not for verifying signatures")]
    Use,
    /// Key type, curve and `alg` are not those of one algorithm of ours.
    #[error("a key is of no algorithm in use here")]
    Algorithm,
    /// A point off its curve, numbers of the wrong length, RSA below 2,048 bits or with a public
    /// exponent that is even or 1, or a modulus with the ROCA fingerprint (CVE-2017-15361).
    #[error("a key is invalid or weak")]
    Weak,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    material: Material,
    kid: String,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: Algorithm,
}

/// The members that make the key what it is, in base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
enum Material {
    #[serde(rename = "EC")]
    Ec {
        crv: &'static str,
        x: String,
        y: String,
    },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

impl Material {
    /// RFC 7638 section 3, RFC 8037 section 2: the required members in the order of their names.
    fn thumbprint(&self) -> [u8; 32] {
        sha256(
            match self {
                Self::Ec { crv, x, y } => {
                    format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#)
                }
                Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
                Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            }
            .as_bytes(),
        )
    }
}

impl Jwk {
    fn new(material: Material, alg: Algorithm) -> Self {
        let kid = hex(&material.thumbprint()[..4]);
        Self {
            material,
            kid,
            purpose: "sig",
            alg,
        }
    }

    /// From an uncompressed point (SEC 1 section 2.3.3).
    pub(crate) fn p256(point: &[u8]) -> Option<Self> {
        let [4, coordinates @ ..] = point else {
            return None;
        };
        let (x, y) = coordinates
            .split_at_checked(32)
            .filter(|(_, y)| y.len() == 32)?;
        let material = Material::Ec {
            crv: "P-256",
            x: b64(x),
            y: b64(y),
        };
        Some(Self::new(material, Algorithm::Es256))
    }

    pub(crate) fn ed25519(key: &[u8]) -> Option<Self> {
        let material = Material::Okp {
            crv: "Ed25519",
            x: b64(key),
        };
        (key.len() == 32).then(|| Self::new(material, Algorithm::EdDsa))
    }

    /// From an `RSAPublicKey` in DER (RFC 8017 section A.1.1).
    pub(crate) fn rsa(der: &[u8]) -> Option<Self> {
        let (sequence, _) = der_value(0x30, der)?;
        let (n, rest) = der_value(0x02, sequence)?;
        let (e, _) = der_value(0x02, rest)?;
        let unsigned = |integer: &[u8]| b64(integer.strip_prefix(&[0]).unwrap_or(integer));
        let material = Material::Rsa {
            n: unsigned(n),
            e: unsigned(e),
        };
        Some(Self::new(material, Algorithm::Rs256))
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The SHA-256 thumbprint (RFC 7638). It does not depend on the name.
    pub fn thumbprint(&self) -> [u8; 32] {
        self.material.thumbprint()
    }

    /// Prepares the key for verifying.
    ///
    /// # Errors
    /// [`JwkError::Weak`] if the numbers are not those of a sound key.
    pub fn verifying_key(&self) -> Result<VerifyingKey, JwkError> {
        let key = match &self.material {
            Material::Ec { x, y, .. } => {
                let point = [&[4], &fixed(x)?[..], &fixed(y)?[..]].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            }
            Material::Okp { x, .. } => ParsedPublicKey::new(&ED25519, fixed(x)?),
            Material::Rsa { n, e } => {
                let (n, e) = (number(n)?, number(e)?);
                if !sound_rsa(&n, &e) {
                    return Err(JwkError::Weak);
                }
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        }
        .map_err(|_| JwkError::Weak)?;
        Ok(VerifyingKey::public(
            self.kid.clone(),
            self.alg,
            key,
            &self.thumbprint(),
        ))
    }
}

/// A set of public keys: the document at `/.well-known/jwks.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys, each under its own name.
    pub keys: Vec<Jwk>,
}

impl Jwks {
    /// Reads a document, strictly. Members we do not know are ignored (RFC 7517 section 4).
    ///
    /// # Errors
    /// The first [`JwkError`] found in any of its keys.
    pub fn parse(document: &[u8]) -> Result<Self, JwkError> {
        if document.len() > MAX_JWKS_BYTES {
            return Err(JwkError::Malformed);
        }
        let set: Document = serde_json::from_slice(document).map_err(|_| JwkError::Malformed)?;
        if set.keys.len() > MAX_KEYS {
            return Err(JwkError::Malformed);
        }
        let keys = set
            .keys
            .into_iter()
            .map(Members::check)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys })
    }

    /// Prepares all keys for verifying.
    ///
    /// # Errors
    /// [`JwkError::DuplicateKid`], or [`JwkError::Weak`] for any of them.
    pub fn key_set(&self) -> Result<KeySet, JwkError> {
        let mut set = KeySet::default();
        for jwk in &self.keys {
            if !set.insert(jwk.verifying_key()?) {
                return Err(JwkError::DuplicateKid);
            }
        }
        Ok(set)
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Members>,
}

/// A key as it stands in a document. A member that stands twice is an error.
#[derive(Deserialize)]
struct Members {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    // The private ones (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1): seen, never kept.
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl Members {
    fn check(self) -> Result<Jwk, JwkError> {
        let private = [
            self.d, self.p, self.q, self.dp, self.dq, self.qi, self.oth, self.k,
        ];
        if self.kty == "oct" || private.iter().any(Option::is_some) {
            return Err(JwkError::Private);
        }
        let kid = self
            .kid
            .filter(|kid| (1..=MAX_KID_BYTES).contains(&kid.len()));
        let kid = kid.ok_or(JwkError::Kid)?;
        if self.purpose.is_some_and(|purpose| purpose != "sig")
            || self.key_ops.is_some_and(|ops| ops != ["verify"])
        {
            return Err(JwkError::Use);
        }
        let alg = self
            .alg
            .map(|alg| alg.parse())
            .transpose()
            .map_err(|_| JwkError::Algorithm)?;
        let (kty, crv) = (self.kty.as_str(), self.crv.as_deref());
        // An RSA key has to say what it is for: it could as well be one for PSS or encryption.
        let (material, alg) = match (kty, crv, alg, self.x, self.y, self.n, self.e) {
            ("EC", Some("P-256"), None | Some(Algorithm::Es256), Some(x), Some(y), None, None) => {
                (Material::Ec { crv: "P-256", x, y }, Algorithm::Es256)
            }
            ("OKP", Some("Ed25519"), None | Some(Algorithm::EdDsa), Some(x), None, None, None) => {
                (Material::Okp { crv: "Ed25519", x }, Algorithm::EdDsa)
            }
            ("RSA", None, Some(Algorithm::Rs256), None, None, Some(n), Some(e)) => {
                (Material::Rsa { n, e }, Algorithm::Rs256)
            }
            _ => return Err(JwkError::Algorithm),
        };
        Ok(Jwk {
            material,
            kid,
            purpose: "sig",
            alg,
        })
    }
}

/// A coordinate: exactly 32 bytes (RFC 7518 section 6.2.1.2, RFC 8037 section 2).
fn fixed(text: &str) -> Result<[u8; 32], JwkError> {
    unb64(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(JwkError::Weak)
}

/// A positive number in the fewest bytes (RFC 7518 section 2, Base64urlUInt).
fn number(text: &str) -> Result<Vec<u8>, JwkError> {
    unb64(text)
        .filter(|bytes| bytes.first().is_some_and(|&b| b != 0))
        .ok_or(JwkError::Weak)
}

/// Both numbers are big-endian without leading zeros.
fn sound_rsa(n: &[u8], e: &[u8]) -> bool {
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (2048..=8192).contains(&bits) && odd(n) && odd(e) && e != [1] && e.len() <= 4 && !roca(n)
}

/// Whether the modulus has the fingerprint of the Infineon library whose keys can be factored
/// (CVE-2017-15361): modulo every small prime it is a power of 65537. A sound modulus passes for
/// one with a probability of about 2^-28.
fn roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.iter().all(|&prime| {
        let residue = n
            .iter()
            .fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        std::iter::successors(Some(1), |power| Some(power * 65537 % prime))
            .take(prime as usize)
            .any(|power| power == residue)
    })
}

/// The content of the DER value with this tag at the start of the bytes, and what follows it
/// (X.690 sections 8.1 and 10.1); lengths of up to two bytes, which RSA keys do not exceed.
fn der_value(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x82, high, low, rest @ ..] if *first == tag => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
