//! Floors: the marks below which tokens are refused, and the set of those in force.
//!
//! The revocation log is a list of floors ordered by [`Seq`]. A token carries the log's position
//! at which it was minted as its claim `rev`, and is refused if any floor on its token, session,
//! user, client or issuer stands higher.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timestamp;
use crate::crypto::{b64, sha256, unb64_array};

/// A position in the revocation log, in microseconds since the Unix epoch, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seq(pub i64);

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            seq @ 0.. => Ok(Self(seq)),
            _ => Err(de::Error::custom("a position in the log is not negative")),
        }
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a floor is laid on. Each names one claim of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One token, by `jti`.
    Token,
    /// One login on one device, by `sid`.
    Session,
    /// All logins of a user, by `sub`.
    User,
    /// All tokens issued to a client, by `client_id`.
    Client,
    /// Everything, by `iss`.
    Issuer,
}

impl Scope {
    /// The name in the feed and in the text that is hashed to a [`Subject`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::User => "user",
            Self::Client => "client",
            Self::Issuer => "issuer",
        }
    }
}

/// The name is not that of a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope is none of token, session, user, client, issuer")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        [
            Self::Token,
            Self::Session,
            Self::User,
            Self::Client,
            Self::Issuer,
        ]
        .into_iter()
        .find(|scope| scope.as_str() == name)
        .ok_or(UnknownScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why tokens below a floor are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The login is over.
    Revoked,
    /// The login lives; a refresh brings a token with the new rights or names.
    Superseded,
}

impl Reason {
    /// The name in the feed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }
}

/// The name is not that of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reason is neither revoked nor superseded")]
pub struct UnknownReason;

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, UnknownReason> {
        [Self::Revoked, Self::Superseded]
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .ok_or(UnknownReason)
    }
}

/// Whom a floor concerns: the first 16 bytes of SHA-256 over `<scope>:<id>`. The hash keeps ids
/// out of the feed, and gives every scope and id the same small size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject(pub [u8; 16]);

impl Subject {
    /// The subject of an id, as it stands in the token's claim.
    pub fn of(scope: Scope, id: &str) -> Self {
        let digest = sha256([scope.as_str(), ":", id].concat().as_bytes());
        let mut subject = [0; 16];
        subject.copy_from_slice(&digest[..16]);
        Self(subject)
    }
}

impl Hash for Subject {
    /// The bytes are a digest already; eight of them serve as the hash.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64(&self.0))
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    /// Without a copy: a guard reads hundreds of thousands in a second when it begins.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SubjectVisitor;
        impl de::Visitor<'_> for SubjectVisitor {
            type Value = Subject;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("16 bytes in base64url")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Subject, E> {
                let bytes = unb64_array(text);
                bytes.map(Subject).ok_or_else(|| {
                    de::Error::invalid_value(de::Unexpected::Other("something else"), &self)
                })
            }
        }
        deserializer.deserialize_str(SubjectVisitor)
    }
}

/// One entry of the revocation log; serialises to what the feed carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Its position: tokens with a smaller `rev` are refused.
    pub seq: Seq,
    /// What it is laid on.
    pub scope: Scope,
    /// On which of them.
    pub subject: Subject,
    /// Why.
    pub reason: Reason,
    /// When every token below it is expired in all eyes, and it may be forgotten. The feed has
    /// whole seconds, rounded up, since a floor must never be forgotten early.
    #[serde(rename = "exp", with = "whole_seconds")]
    pub expires: Timestamp,
}

mod whole_seconds {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(Timestamp::from_millis(at.as_millis().saturating_add(999)).as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_secs)
    }
}

/// Takes the eight bytes that [`Subject`] gives as they are.
#[derive(Default)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    /// Not reached by a `Subject`; right for anything else all the same.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_feed_may_not_say_is_refused() {
        let good = r#"{"seq":5,"scope":"user","subject":"AAAAAAAAAAAAAAAAAAAAAA","reason":"revoked","exp":9}"#;
        for (from, to) in [
            ("5", "-1"),
            ("5", "1.5"),
            ("user", "User"),
            ("user", "group"),
            ("revoked", "gone"),
            ("AAAA\"", "AAA\""),
            ("AAAA\"", "AAAAAAAA\""),
            ("AAAA\"", "AAAB\""),
            ("AAAA\"", "AAAA==\""),
            ("9}", "\"9\"}"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(serde_json::from_str::<Floor>(&bad).is_err(), "{bad}");
        }
        let floor: Floor = serde_json::from_str(good).unwrap();
        assert_eq!(serde_json::to_string(&floor).unwrap(), good);
        let later = Floor {
            expires: Timestamp::from_millis(9001),
            ..floor
        };
        assert!(
            serde_json::to_string(&later)
                .unwrap()
                .ends_with(r#""exp":10}"#),
            "never earlier"
        );
    }

    /// `printf user:42 | sha256sum`, 16 bytes of it. `docs/reference/subjects.json` has more.
    #[test]
    fn subjects_are_the_first_half_of_a_digest_over_scope_and_id() {
        for (scope, id, subject) in [
            (Scope::Token, "jti-1", "7K3nAr1bHO67mtGvZ8syBg"),
            (Scope::Session, "sid-1", "ux_oWdrmVMC0UMEUGSwIGA"),
            (Scope::User, "42", "6j_UO-HlfWLhY9rhn8dAvQ"),
            (Scope::Client, "countersign", "RjlVVqyTxeoWkXgIJKCHbA"),
            (
                Scope::Issuer,
                "http://127.0.0.1:5000",
                "5DCEit1MW8h5JbEE7McSbQ",
            ),
        ] {
            assert_eq!(Subject::of(scope, id).to_string(), subject);
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(
                serde_json::to_string(&scope).unwrap(),
                format!("\"{scope}\"")
            );
        }
        assert_ne!(
            Subject::of(Scope::User, "1"),
            Subject::of(Scope::Session, "1")
        );
        assert_eq!("Token".parse::<Scope>(), Err(UnknownScope));
    }
}
