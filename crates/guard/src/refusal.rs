//! Every refusal of the guard: what it means, and how it looks over HTTP.

use std::fmt;
use std::time::Duration;

/// Why a request is not let in. Codes and statuses are those of Countersign's HTTP contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no token.
    Missing,
    /// The token is no good.
    Token(countersign_token::Refusal),
    /// The guard has not heard from the issuer for longer than its policy allows, so that it cannot
    /// know whether the login still lives. Never shown as 401: that would make every client throw
    /// its login away.
    Stale {
        /// When to try again.
        retry_after: Duration,
    },
    /// The login is good and too old for this: the password has to be typed again (RFC 9470).
    NotFresh,
    /// The user does not have the role that is asked for.
    MissingRole,
    /// The token does not name the scope that is asked for (RFC 6750 section 3.1).
    MissingScope,
    /// A change from another site that rides on the visitor's cookie.
    CrossSite,
}

impl Refusal {
    /// The stable code that programs match on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Token(refusal) => refusal.code(),
            Self::Stale { .. } => "unavailable",
            Self::NotFresh => "fresh_login_required",
            Self::MissingRole => "forbidden",
            Self::MissingScope => "insufficient_scope",
            Self::CrossSite => "cross_site_request",
        }
    }

    /// A sentence for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Missing => "Missing credentials",
            Self::Token(refusal) => refusal.message(),
            Self::Stale { .. } => "Logins cannot be checked at the moment",
            Self::NotFresh => "Sign in again to do this",
            Self::MissingRole => "This account may not do that",
            Self::MissingScope => "This client may not do that",
            Self::CrossSite => "The request comes from another site",
        }
    }

    /// The HTTP status: 401, 403 or 503.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Missing | Self::Token(_) | Self::NotFresh => 401,
            Self::MissingRole | Self::MissingScope | Self::CrossSite => 403,
            Self::Stale { .. } => 503,
        }
    }

    /// What `WWW-Authenticate` says, where it has to (RFC 6750 section 3, RFC 9470 section 3).
    #[must_use]
    pub fn challenge(self) -> Option<String> {
        let error = match self {
            Self::Missing => return Some("Bearer realm=\"countersign\"".to_owned()),
            Self::Token(_) => "invalid_token",
            Self::NotFresh => "insufficient_user_authentication",
            Self::MissingScope => "insufficient_scope",
            _ => return None,
        };
        Some(format!(
            "Bearer realm=\"countersign\", error=\"{error}\", error_description=\"{self}\""
        ))
    }

    /// Whole seconds for `Retry-After`, where trying again makes sense.
    #[must_use]
    pub fn retry_after(self) -> Option<u64> {
        match self {
            Self::Stale { retry_after } => Some(
                u64::try_from(retry_after.as_millis().div_ceil(1_000))
                    .unwrap_or(1)
                    .max(1),
            ),
            _ => None,
        }
    }
}

impl From<countersign_token::Refusal> for Refusal {
    fn from(refusal: countersign_token::Refusal) -> Self {
        Self::Token(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}
