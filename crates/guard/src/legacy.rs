//! Tokens of a former program, where a service was told to let them in for a while.

use std::sync::Arc;

use countersign_token::{Accepted, Claims, KeyError, Legacy, LegacySubject, Refusal, Timestamp};

/// Tokens of the program that made them before Countersign did, HS256 under its secret: let in until
/// an end, for the days of a move. [`Builder::accept_hs256`](crate::Builder::accept_hs256) takes one.
///
/// What a service gives up with it: **no logout reaches such a token**, and whoever holds the old
/// secret can make one for anybody. It brings no role, no scope and is never fresh.
#[derive(Clone, Debug)]
pub struct AcceptHs256(Result<Legacy, KeyError>);

impl AcceptHs256 {
    /// Tokens under this secret, whose `sub` is the id that the former program gave the account;
    /// before the moment `until`, in seconds since 1970, at most 90 days away.
    pub fn new(secret: &[u8], until: i64) -> Self {
        Self(Legacy::new(secret, Timestamp::from_secs(until)))
    }

    /// The claim that holds that id, where it is not `sub`, such as `userId`.
    #[must_use]
    pub fn id_in(self, claim: &str) -> Self {
        Self(self.0.map(|old| old.subject(claim, LegacySubject::Id)))
    }

    /// The claim that holds a username or an e-mail address instead of an id. Names can change
    /// hands; one that looks like an id is refused.
    #[must_use]
    pub fn name_in(self, claim: &str) -> Self {
        Self(self.0.map(|old| old.subject(claim, LegacySubject::Name)))
    }

    /// What their `aud` must contain; without it, tokens that have one are refused.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        Self(self.0.map(|old| old.audience(Some(audience.to_owned()))))
    }

    pub(crate) fn into_inner(self) -> Result<Legacy, KeyError> {
        self.0
    }
}

/// A token that was let in.
#[derive(Clone, Debug)]
pub(crate) enum Admitted {
    /// One of the issuer's.
    Ours(Accepted),
    /// One of the former program's.
    Legacy(Arc<Claims>),
}

impl Admitted {
    pub(crate) fn claims(&self) -> &Arc<Claims> {
        match self {
            Self::Ours(accepted) => accepted.claims(),
            Self::Legacy(claims) => claims,
        }
    }

    pub(crate) fn into_claims(self) -> Arc<Claims> {
        match self {
            Self::Ours(accepted) => accepted.into_claims(),
            Self::Legacy(claims) => claims,
        }
    }
}

/// The second look at a token that is none of the issuer's.
pub(crate) fn admit(
    legacy: Option<&Legacy>,
    token: &str,
    refused: Refusal,
    now: Timestamp,
) -> Result<Admitted, Refusal> {
    // A token without a key's name, and claims of its own kind.
    let may_be = matches!(refused, Refusal::Malformed | Refusal::SignatureInvalid);
    let legacy = legacy.filter(|_| may_be).ok_or(refused)?;
    match legacy.check(token, now) {
        Ok(token) => Ok(Admitted::Legacy(Arc::new(token.into_claims()))),
        // Then it is neither, and what was said first stands.
        Err(Refusal::Malformed | Refusal::SignatureInvalid) => Err(refused),
        Err(why) => Err(why),
    }
}
