//! Keys that sign, keys that verify, and the set a verifier holds. All are prepared once: parsing
//! a key costs more than using it.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use crate::crypto::{ecdsa_der, fill_random, hex, hmac_sha256, sha256, system_random};
use crate::{Algorithm, Jwk, JwkError, TYP, jws};

/// The `kid` of a secret that services share by configuration: it needs no name of its own, and
/// none that tells anything about it.
pub const SHARED_KID: &str = "shared";

/// A secret for HS256 has at least as many bytes as the digest (RFC 7518 section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Why a key could not be made or used. It says nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a key of that algorithm.
    #[error("the bytes are not a private key of this algorithm")]
    Invalid,
    /// The secret has fewer than [`MIN_SECRET_BYTES`] bytes.
    #[error("the secret is shorter than 32 bytes")]
    TooShort,
    /// The library failed to make a key.
    #[error("the key could not be generated")]
    Generation,
    /// The library failed to sign.
    #[error("the key could not sign")]
    Signing,
}

/// A private key with its name, ready to sign. Its `Debug` shows name and algorithm only.
pub struct SigningKey {
    secret: Secret,
    bytes: Zeroizing<Vec<u8>>,
    public: Option<Jwk>,
    verifying: VerifyingKey,
}

enum Secret {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(Box<hmac::Key>),
}

impl SigningKey {
    /// Makes a new key; RSA with 2,048 bits (about a second in the worst case), HS256 with 32
    /// random bytes.
    ///
    /// # Errors
    /// [`KeyError::Generation`] if the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generation;
        let bytes = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| secret(document.as_ref())),
            Algorithm::EdDsa => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8v1())
                .map(|document| secret(document.as_ref())),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair))
                .map(|document| secret(document.as_ref())),
            Algorithm::Hs256 => {
                let mut bytes = secret(&[0; MIN_SECRET_BYTES]);
                fill_random(&mut bytes);
                Ok(bytes)
            }
        }
        .map_err(failed)?;
        Self::prepare(algorithm, bytes, None)
    }

    /// Reads what [`Self::to_bytes`] wrote: PKCS#8 (RFC 5208), or the raw bytes for HS256.
    ///
    /// # Errors
    /// [`KeyError::Invalid`], or [`KeyError::TooShort`] for HS256.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        Self::prepare(algorithm, secret(bytes), None)
    }

    /// The HS256 key that services share by configuration. Its `kid` is [`SHARED_KID`].
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below [`MIN_SECRET_BYTES`].
    pub fn shared_secret(bytes: &[u8]) -> Result<Self, KeyError> {
        Self::prepare(Algorithm::Hs256, secret(bytes), Some(SHARED_KID))
    }

    fn prepare(
        algorithm: Algorithm,
        bytes: Zeroizing<Vec<u8>>,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        let invalid = |_| KeyError::Invalid;
        let (secret, public) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes)
                    .map_err(invalid)?;
                let jwk = Jwk::p256(pair.public_key().as_ref());
                (Secret::Es256(pair), jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(invalid)?;
                let jwk = Jwk::ed25519(pair.public_key().as_ref());
                (Secret::EdDsa(pair), jwk)
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&bytes).map_err(invalid)?;
                let jwk = Jwk::rsa(pair.public_key().as_ref());
                (Secret::Rs256(pair), jwk)
            }
            Algorithm::Hs256 => {
                let kid = kid.map_or_else(|| secret_kid(&bytes), str::to_owned);
                let verifying = VerifyingKey::from_secret(kid, &bytes)?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
                return Ok(Self {
                    secret: Secret::Hs256(Box::new(key)),
                    bytes,
                    public: None,
                    verifying,
                });
            }
        };
        let public = public.ok_or(KeyError::Invalid)?;
        let verifying = public
            .verifying_key()
            .map_err(|_: JwkError| KeyError::Invalid)?;
        Ok(Self {
            secret,
            bytes,
            public: Some(public),
            verifying,
        })
    }

    /// The private key as it is stored, sealed: PKCS#8, or the raw bytes for HS256.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.bytes.clone()
    }

    /// The name by which a token's header calls this key: the first 8 hexadecimal digits of the
    /// thumbprint (RFC 7638); for HS256 of a MAC under the secret, since a digest of a weak
    /// secret would let anybody try guesses; [`SHARED_KID`] for a shared secret.
    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    /// The one algorithm of this key.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// The public half for the JWKS; HS256 has none.
    pub fn public_jwk(&self) -> Option<Jwk> {
        self.public.clone()
    }

    /// What verifies the signatures of this key. For HS256 that is the secret again.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// Signs a payload as a compact JWS (RFC 7515 section 3.1) whose header has `alg`, `kid` and
    /// this `typ`.
    ///
    /// # Errors
    /// [`KeyError::Signing`] if the library fails, which a key that could be prepared does not
    /// make it do.
    pub fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, KeyError> {
        let input = jws::signing_input(self.algorithm(), self.kid(), typ, payload);
        let signature = self
            .signature(input.as_bytes())
            .map_err(|_| KeyError::Signing)?;
        Ok(jws::with_signature(input, &signature))
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        Ok(match &self.secret {
            Secret::Es256(pair) => pair.sign(&system_random(), message)?.as_ref().to_vec(),
            Secret::EdDsa(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Secret::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &system_random(), message, &mut signature)?;
                signature
            }
            Secret::Hs256(key) => hmac::sign(key, message).as_ref().to_vec(),
        })
    }
}

fn secret(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

fn secret_kid(secret: &[u8]) -> String {
    hex(&hmac_sha256(&Zeroizing::new(sha256(secret)), &[b"countersign kid"])[..4])
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm(), self.kid())
    }
}

/// Which key it is, by its algorithm, name and material: no two keys share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyIdentity([u8; 32]);

impl KeyIdentity {
    /// `material` is a digest of what only this key has.
    fn of(algorithm: Algorithm, kid: &str, material: &[u8; 32]) -> Self {
        let text = [algorithm.as_str().as_bytes(), material, kid.as_bytes()].concat();
        Self(sha256(&text))
    }
}

/// A key that verifies, with its name and its one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    prepared: Prepared,
    identity: KeyIdentity,
    header: Box<str>,
}

#[derive(Clone)]
pub(crate) enum Prepared {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl VerifyingKey {
    pub(crate) fn public(
        kid: String,
        algorithm: Algorithm,
        key: ParsedPublicKey,
        thumbprint: &[u8; 32],
    ) -> Self {
        Self {
            identity: KeyIdentity::of(algorithm, &kid, thumbprint),
            header: jws::header(algorithm, &kid, TYP).into(),
            kid,
            algorithm,
            prepared: Prepared::Public(key),
        }
    }

    /// An HS256 key from a secret that was shared by configuration.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below [`MIN_SECRET_BYTES`].
    pub fn from_secret(kid: String, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort);
        }
        let prepared = Prepared::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        // A MAC under the secret: a plain digest of a weak one would be a thing to keep from logs.
        let digest = Zeroizing::new(sha256(secret));
        let material = hmac_sha256(&digest, &[b"countersign key identity"]);
        Ok(Self {
            identity: KeyIdentity::of(Algorithm::Hs256, &kid, &material),
            header: jws::header(Algorithm::Hs256, &kid, TYP).into(),
            kid,
            algorithm: Algorithm::Hs256,
            prepared,
        })
    }

    /// The name by which a token's header calls this key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The only `alg` with which this key verifies anything.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn identity(&self) -> KeyIdentity {
        self.identity
    }

    /// How the access tokens of this key begin, up to the first dot, where we made them.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// Whether this is the key's signature of the message. Tokens go through
    /// [`jws::verify`], which also holds `alg` and `kid` against the key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (&self.prepared, self.algorithm) {
            (Prepared::Secret(key), _) => hmac::verify(key, message, signature),
            (Prepared::Public(key), Algorithm::Es256) => ecdsa_der(signature)
                .ok_or(Unspecified)
                .and_then(|der| key.verify_sig(message, &der)),
            (Prepared::Public(key), _) => key.verify_sig(message, signature),
        };
        verified.is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm, self.kid)
    }
}

/// The keys a verifier accepts, each under its own `kid`. Empty by default: nothing verifies.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// The key of that name.
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        // A set holds two or three keys: comparing names is faster than hashing one.
        self.0.iter().find(|key| key.kid == kid)
    }

    /// Whether exactly this key is among them, whatever its name.
    pub(crate) fn holds(&self, identity: &KeyIdentity) -> bool {
        self.0.iter().any(|key| key.identity == *identity)
    }

    /// Adds a key, and tells whether it was added: a name that is taken keeps its key, so that
    /// nobody can put another one in its place.
    pub fn insert(&mut self, key: VerifyingKey) -> bool {
        let free = self.get(&key.kid).is_none();
        if free {
            self.0.push(key);
        }
        free
    }

    /// All keys, in the order of their coming.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.0.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    /// Of two keys with one name the first stays.
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        let mut set = Self::default();
        keys.into_iter().for_each(|key| {
            set.insert(key);
        });
        set
    }
}
