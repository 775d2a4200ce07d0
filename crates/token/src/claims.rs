//! What an access token says.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::json::{Text, Unknown, once};
use crate::{KeyError, Seq, SigningKey};

/// The `typ` in the header of an access token (RFC 9068 section 2.1).
pub const TYP: &str = "at+jwt";

/// The claim `type` of an access token.
pub const ACCESS: &str = "access";

/// A longer token is not made: cookies and header lines have limits, and every request pays.
pub const MAX_TOKEN_BYTES: usize = 1024;

/// The last second of the year 9999: a later date is a mistake or an attack.
pub(crate) const LAST_SECOND: i64 = 253_402_300_799;

/// The claims of an access token (RFC 7519 section 4.1, RFC 9068 section 2.2).
///
/// Reading is strict: every member may stand only once, at any level; what is not optional must
/// be there; dates are whole seconds between 1970 and 9999; ids are not empty. Members we do not
/// know are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who issued it: the public URL of the server (RFC 7519 section 4.1.1).
    pub iss: String,
    /// The user, by an id that never changes hands (RFC 7519 section 4.1.2).
    pub sub: String,
    /// Whom it is for (RFC 7519 section 4.1.3); a single one is written as a string.
    #[serde(serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// The client that asked for it (RFC 9068 section 2.2, RFC 8693 section 4.3).
    pub client_id: String,
    /// When it was issued, in seconds since the Unix epoch (RFC 7519 section 4.1.6).
    pub iat: i64,
    /// From when on it holds, in seconds (RFC 7519 section 4.1.5).
    pub nbf: i64,
    /// From when on it is expired, in seconds (RFC 7519 section 4.1.4).
    pub exp: i64,
    /// The token's own id (RFC 7519 section 4.1.7).
    pub jti: String,
    /// The session, one login on one device (OpenID Connect Front-Channel Logout 1.0 section 3).
    pub sid: String,
    /// The position of the revocation log when the token was minted; ours.
    pub rev: Seq,
    /// The user's name, if there is one; ours. For display: it can change hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The user's e-mail address, if there is one (OpenID Connect Core 1.0 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address was shown to be the user's (OpenID Connect Core 1.0 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// What the user may do (RFC 9068 section 2.2.3.1); none if absent.
    pub roles: Vec<String>,
    /// What the client may do for the user, as words between spaces (RFC 8693 section 4.2). Left out
    /// of every token of `/login`: a first-party client may do what the user may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Always [`ACCESS`], for programs that tell tokens apart by their claims; ours.
    #[serde(rename = "type")]
    pub token_type: String,
    /// Whether it comes straight from a password rather than from a refresh; ours. False if
    /// absent.
    pub fresh: bool,
}

impl Claims {
    /// Whether a guard made this of a token of the former program, rather than of one of ours: it
    /// has no session, no logout reaches it, and its `sub` is what that program called the account.
    pub fn is_legacy(&self) -> bool {
        self.sid.is_empty()
    }

    /// Whether this is what both sides of the wire agree to call claims.
    fn sound(&self) -> bool {
        let ids = [&self.iss, &self.sub, &self.client_id, &self.jti, &self.sid];
        ids.iter().all(|id| !id.is_empty())
            && [self.iat, self.nbf, self.exp]
                .iter()
                .all(|at| (0..=LAST_SECOND).contains(at))
            && self.rev >= Seq::default()
    }
}

fn one_or_many<S: Serializer>(aud: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match aud {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

struct Audiences(Vec<String>);

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudiencesVisitor;
        impl<'de> Visitor<'de> for AudiencesVisitor {
            type Value = Audiences;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E>(self, one: &str) -> Result<Audiences, E> {
                Ok(Audiences(vec![one.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audiences, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element()? {
                    many.push(one);
                }
                Ok(Audiences(many))
            }
        }
        deserializer.deserialize_any(AudiencesVisitor)
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    /// By hand, since a derived one lets members it does not know stand twice.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let (mut iss, mut sub, mut aud, mut client_id) = (None, None, None, None);
        let (mut iat, mut nbf, mut exp) = (None, None, None);
        let (mut jti, mut sid, mut rev) = (None, None, None);
        let (mut username, mut email, mut email_verified) = (None, None, None);
        let (mut roles, mut scope, mut token_type, mut fresh) = (None, None, None, None);
        let mut unknown = Unknown::default();
        while let Some(Text(name)) = map.next_key()? {
            let map = &mut map;
            match &*name {
                "iss" => once(&mut iss, "iss", map),
                "sub" => once(&mut sub, "sub", map),
                "aud" => once(&mut aud, "aud", map),
                "client_id" => once(&mut client_id, "client_id", map),
                "iat" => once(&mut iat, "iat", map),
                "nbf" => once(&mut nbf, "nbf", map),
                "exp" => once(&mut exp, "exp", map),
                "jti" => once(&mut jti, "jti", map),
                "sid" => once(&mut sid, "sid", map),
                "rev" => once(&mut rev, "rev", map),
                "username" => once(&mut username, "username", map),
                "email" => once(&mut email, "email", map),
                "email_verified" => once(&mut email_verified, "email_verified", map),
                "roles" => once(&mut roles, "roles", map),
                "scope" => once(&mut scope, "scope", map),
                "type" => once(&mut token_type, "type", map),
                "fresh" => once(&mut fresh, "fresh", map),
                _ => unknown.skip(Text(name), map),
            }?;
        }
        let Audiences(aud) = required(aud, "aud")?;
        let claims = Claims {
            iss: required(iss, "iss")?,
            sub: required(sub, "sub")?,
            aud,
            client_id: required(client_id, "client_id")?,
            iat: required(iat, "iat")?,
            nbf: required(nbf, "nbf")?,
            exp: required(exp, "exp")?,
            jti: required(jti, "jti")?,
            sid: required(sid, "sid")?,
            rev: required(rev, "rev")?,
            username,
            email,
            email_verified,
            roles: roles.unwrap_or_default(),
            scope,
            token_type: required(token_type, "type")?,
            fresh: fresh.unwrap_or_default(),
        };
        if claims.sound() {
            Ok(claims)
        } else {
            Err(de::Error::custom("an empty id or a wild date"))
        }
    }
}

fn required<T, E: de::Error>(claim: Option<T>, name: &'static str) -> Result<T, E> {
    claim.ok_or_else(|| E::missing_field(name))
}

/// Why a token was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// It would be longer than [`MAX_TOKEN_BYTES`]: too many or too long roles and names.
    #[error("the token would have {bytes} bytes, of at most 1024")]
    TooLarge {
        /// How long it would be.
        bytes: usize,
    },
    /// The claims are such that every verifier would refuse them: an empty id, or a date or `rev` before
    /// 1970 or after 9999.
    #[error("the claims have an empty id or a date out of range")]
    Claims,
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Makes an access token.
///
/// # Errors
/// [`IssueError`]; nothing of the claims stands in it.
pub fn issue(key: &SigningKey, claims: &Claims) -> Result<String, IssueError> {
    if !claims.sound() {
        return Err(IssueError::Claims);
    }
    let payload = serde_json::to_vec(claims).map_err(|_| IssueError::Claims)?;
    let token = key.sign(TYP, &payload)?;
    match token.len() {
        0..=MAX_TOKEN_BYTES => Ok(token),
        bytes => Err(IssueError::TooLarge { bytes }),
    }
}
