//! Tokens of the program that was here before, for the days of a move: HS256 under its secret, as
//! flask-jwt-extended and jsonwebtoken make them.
//!
//! Apart from [`Verifier`](crate::Verifier), which knows nothing of them: a token of ours names its
//! key, one of these never does, so that neither check can take what the other is for. They have no
//! session and no place in the revocation log; whoever holds their secret can make any of them.

use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::claims::LAST_SECOND;
use crate::jws::{Header, Parts};
use crate::{ACCESS, Claims, KeyError, Refusal, SHARED_KID, Seq, Timestamp, VerifyingKey, json};

/// The longest subject that is read, in bytes.
pub const MAX_SUBJECT_BYTES: usize = 255;

/// How far ahead the end may be when a program starts. Whoever found the secret until then can be
/// anybody.
pub const MAX_LEGACY: Duration = Duration::from_secs(90 * 86_400);

/// How far ahead the former program's clock may have been.
const LEEWAY: Duration = Duration::from_secs(30);

/// What the claim that says who it is holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacySubject {
    /// The id that the former program gave the account.
    Id,
    /// A name that the person chose: a username, or an e-mail address where it has an `@`.
    Name,
}

/// Which tokens of a former program are accepted, and until when. Its `Debug` does not show the
/// secret.
#[derive(Clone, Debug)]
pub struct Legacy {
    key: VerifyingKey,
    until: Timestamp,
    claim: String,
    subject: LegacySubject,
    audience: Option<String>,
}

/// What a token of a former program says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyToken {
    /// Whom it names, as the former program did: whole numbers as text.
    pub subject: String,
    /// What kind of name that is.
    pub kind: LegacySubject,
    /// When it was issued, by the former program's clock.
    pub issued: Timestamp,
    /// When it ends: by itself, or because the time of such tokens is over.
    pub ends: Timestamp,
}

impl Legacy {
    /// Accepts tokens under this secret before `until`, whose `sub` is an id.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] below 32 bytes: a secret that can be guessed offline, with any token
    /// at hand, would let anybody be anybody.
    pub fn new(secret: &[u8], until: Timestamp) -> Result<Self, KeyError> {
        Ok(Self {
            key: VerifyingKey::from_secret(SHARED_KID.to_owned(), secret)?,
            until,
            claim: "sub".to_owned(),
            subject: LegacySubject::Id,
            audience: None,
        })
    }

    /// Which claim says who it is, and what it holds.
    #[must_use]
    pub fn subject(self, claim: &str, holds: LegacySubject) -> Self {
        Self {
            claim: claim.to_owned(),
            subject: holds,
            ..self
        }
    }

    /// What the `aud` of these tokens must contain. Without it, tokens that have one are refused
    /// (RFC 7519 section 4.1.3).
    #[must_use]
    pub fn audience(self, audience: Option<String>) -> Self {
        Self { audience, ..self }
    }

    /// From when on none is accepted.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Checks a token that a [`Verifier`](crate::Verifier) refused.
    ///
    /// # Errors
    /// [`Refusal::SignatureInvalid`] for whatever is not HS256 under this secret, for a header that
    /// names a key or has more than `alg` and a `typ` of `JWT`, and for everything once the time of
    /// such tokens is over. Then: [`Refusal::Malformed`] without a strict payload, `iat`, `exp` and
    /// a subject; [`Refusal::WrongType`] where `type` is there and not `access`, as that of a
    /// refresh token; audience and times.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<LegacyToken, Refusal> {
        let parts = Parts::of(token).ok_or(Refusal::Malformed)?;
        let header = Header::parse(&parts.header).ok_or(Refusal::Malformed)?;
        let plain = header.alg.is_some_and(|alg| alg.0 == "HS256")
            && header
                .typ
                .is_none_or(|typ| typ.0.eq_ignore_ascii_case("JWT"))
            && header.kid.is_none()
            && !header.forbidden;
        if !plain || now >= self.until || !self.key.verifies(parts.signed, &parts.signature) {
            return Err(Refusal::SignatureInvalid);
        }
        json::check_object(&parts.payload).map_err(|_| Refusal::Malformed)?;
        let claims: Map<String, Value> =
            serde_json::from_slice(&parts.payload).map_err(|_| Refusal::Malformed)?;
        if claims.get("type").is_some_and(|found| found != ACCESS) {
            return Err(Refusal::WrongType);
        }
        let subject = self.subject_of(&claims).ok_or(Refusal::Malformed)?;
        if !self.is_for_us(claims.get("aud")) {
            return Err(Refusal::WrongAudience);
        }
        let moment = |claim| claims.get(claim).map(seconds);
        let required = |claim| moment(claim).flatten().ok_or(Refusal::Malformed);
        let (issued, expires) = (required("iat")?, required("exp")?);
        let from = match moment("nbf") {
            None => issued,
            Some(from) => from.ok_or(Refusal::Malformed)?,
        };
        if issued.max(from) > now.plus(LEEWAY) {
            return Err(Refusal::NotYetValid);
        }
        if expires <= now {
            return Err(Refusal::Expired);
        }
        Ok(LegacyToken {
            subject,
            kind: self.subject,
            issued,
            ends: expires.min(self.until),
        })
    }

    fn subject_of(&self, claims: &Map<String, Value>) -> Option<String> {
        let subject = match claims.get(&self.claim)? {
            Value::String(text) => text.clone(),
            Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
            _ => return None,
        };
        // Somebody may have chosen another's id for a name.
        let poses = self.subject == LegacySubject::Name && is_like_an_id(&subject);
        let fits = (1..=MAX_SUBJECT_BYTES).contains(&subject.len());
        (fits && !poses).then_some(subject)
    }

    fn is_for_us(&self, found: Option<&Value>) -> bool {
        match (found, &self.audience) {
            (None, None) => true,
            (Some(Value::String(one)), Some(wanted)) => one == wanted,
            (Some(Value::Array(many)), Some(wanted)) => many.iter().any(|one| one == wanted),
            _ => false,
        }
    }
}

impl LegacyToken {
    /// The same in the form of our own claims, for a service that checks by itself: `sub` is as the
    /// former program wrote it, there are no roles, no scope and nothing fresh, and what only our
    /// own tokens have is empty. [`Claims::is_legacy`] tells them apart.
    pub fn into_claims(self) -> Claims {
        let name = (self.kind == LegacySubject::Name).then(|| self.subject.clone());
        let is_email = self.subject.contains('@');
        Claims {
            iss: String::new(),
            sub: self.subject,
            aud: Vec::new(),
            client_id: String::new(),
            iat: self.issued.as_secs(),
            nbf: self.issued.as_secs(),
            exp: self.ends.as_secs(),
            jti: String::new(),
            sid: String::new(),
            rev: Seq::default(),
            username: name.clone().filter(|_| !is_email),
            email: name.filter(|_| is_email),
            email_verified: None,
            roles: Vec::new(),
            scope: None,
            token_type: ACCESS.to_owned(),
            fresh: false,
        }
    }
}

/// A date in seconds since the epoch, which may have a fraction (RFC 7519 section 2, `NumericDate`).
fn seconds(date: &Value) -> Option<Timestamp> {
    let whole = |date: &Number| match date.as_i64() {
        Some(whole) => Some(whole),
        #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
        None => {
            let date = date.as_f64()?;
            (0.0..1e12).contains(&date).then_some(date as i64)
        }
    };
    let whole = whole(date.as_number()?)?;
    (0..=LAST_SECOND)
        .contains(&whole)
        .then(|| Timestamp::from_secs(whole))
}

/// 32 hexadecimal digits, however hyphens stand between them.
fn is_like_an_id(text: &str) -> bool {
    let digits = text.bytes().filter(|byte| *byte != b'-');
    digits.clone().count() == 32 && digits.clone().all(|byte| byte.is_ascii_hexdigit())
}
