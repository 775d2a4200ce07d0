//! What is true in Countersign: users, sessions, grants, clients, roles, events, and the rules that
//! move them from one state to the next.
//!
//! Everything here is a pure function of its arguments. Time and randomness are parameters; nothing
//! waits, reads or writes. The rooms around it are described in `ARCHITECTURE.md`.

pub mod client;
pub mod event;
pub mod foreign;
pub mod grant;
pub mod id;
pub mod identifier;
pub mod import;
pub mod key;
pub mod password;
pub mod phc;
pub mod role;
pub mod secrets;
pub mod session;
pub mod throttle;
pub mod user;

pub use client::{Client, ClientKind, FIRST_PARTY};
pub use countersign_token::{Algorithm, Claims, Floor, Reason, Scope, Seq, Subject, Timestamp};
pub use event::{Actor, Event, EventKind};
pub use grant::{Grant, Presented, RefreshToken};
pub use id::{CredentialId, GrantId, SessionId, UserId};
pub use identifier::{Identifier, IdentifierKind, LoginName};
pub use role::{ADMIN, Role, RoleSet};
pub use session::{Dead, DurableFloors, Session};
pub use user::User;

/// A value that a client sent breaks a rule; the message says which, and never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field of the request that is wrong, as the client named it.
    pub field: &'static str,
    /// What is wrong with it, for a person.
    pub message: String,
}

impl Invalid {
    /// A broken rule about `field`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }
}
