//! What a flow can answer instead of its outcome.

use std::time::Duration;

use countersign_core::{IdentifierKind, Invalid};
use countersign_store::StoreError;
use countersign_token::Refusal;

/// Why a flow did not do what was asked. The server maps each to a status and a stable code.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Values break rules.
    #[error("the request is not valid")]
    Invalid(Vec<Invalid>),
    /// Somebody has the name.
    #[error("the {0} is taken")]
    NameTaken(IdentifierKind),
    /// New accounts are not taken.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Wrong password, unknown user or disabled account: nobody learns which.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// Too many failures.
    #[error("too many attempts")]
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
    },
    /// A queue is full.
    #[error("too much is waiting")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The database cannot be reached, or this node cannot prove that it is current.
    #[error("unavailable")]
    Unavailable,
    /// No credential was sent.
    #[error("no credential was sent")]
    TokenMissing,
    /// The access token is refused.
    #[error("{}", .0.message())]
    Token(Refusal),
    /// The session cookie belongs to no living session.
    #[error("the session is not valid")]
    SessionInvalid,
    /// The refresh token is ill-made, unknown, or its session has ended.
    #[error("the refresh token is not valid")]
    RefreshInvalid,
    /// The session of the refresh token is too old.
    #[error("the session has expired")]
    RefreshExpired,
    /// The refresh token had been replaced: its session has ended now.
    #[error("the refresh token was used before")]
    RefreshReused,
    /// Known, but not allowed.
    #[error("not allowed")]
    Forbidden,
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Nobody would be left who can administer.
    #[error("the last administrator must stay one")]
    LastAdmin,
    /// A thing of that name is there already.
    #[error("a {0} of that name exists")]
    Exists(&'static str),
    /// A token with these roles would be too large to travel.
    #[error("a token with the roles {} would be larger than 1,024 bytes", .0.join(", "))]
    TokenTooLarge(Vec<String>),
    /// Keys are managed elsewhere: tokens are signed with the shared `JWT_SECRET_KEY`.
    #[error("tokens are signed with JWT_SECRET_KEY, so there are no keys to manage here")]
    SharedSecret,
    /// A race was lost that repeating the request will settle.
    #[error("the request met another one")]
    Conflict,
    /// A defect, or a database that holds what was never written.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for FlowError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Serialization => Self::Unavailable,
            StoreError::Busy => Self::Busy {
                retry_after: Duration::from_secs(1),
            },
            StoreError::Conflict => Self::Conflict,
            StoreError::NewerSchema { .. } | StoreError::Corrupt(_) | StoreError::Failed(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl From<Refusal> for FlowError {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

impl From<Invalid> for FlowError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

/// Gathers the broken rules of several fields into one refusal.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<Invalid>);

impl Check {
    /// Keeps a good value, and remembers a bad one.
    pub(crate) fn take<T>(&mut self, result: Result<T, Invalid>) -> Option<T> {
        result.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// Refuses if anything was bad.
    pub(crate) fn finish(self) -> Result<(), FlowError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FlowError::Invalid(self.0))
        }
    }
}
