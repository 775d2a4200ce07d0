//! What happened: one event for each change, written in the transaction that made it.
//!
//! The audit log is a view of the events; their `seq` is the order in which they were committed.

use std::fmt;

use countersign_token::Timestamp;

use crate::{SessionId, UserId};

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user, by id.
    User(UserId),
    /// Somebody at the command line.
    Operator,
    /// Countersign itself (theft found, retention).
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Operator => f.write_str("cli"),
            Self::System => f.write_str("system"),
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// What happened. The words are stable: consumers match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $name),* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

kinds! {
    /// An account was made.
    UserCreated = "user.created",
    /// An account was deleted with everything that belonged to it.
    UserDeleted = "user.deleted",
    /// An account was disabled; its sessions ended.
    UserDisabled = "user.disabled",
    /// An account may be used again.
    UserEnabled = "user.enabled",
    /// A username or e-mail address changed.
    NamesChanged = "user.names_changed",
    /// The roles of an account changed.
    RolesChanged = "user.roles_changed",
    /// A password changed; every other session ended.
    PasswordChanged = "user.password_changed",
    /// Somebody signed in.
    SessionCreated = "session.created",
    /// One session ended.
    SessionRevoked = "session.revoked",
    /// All sessions of a user ended.
    SessionsRevoked = "session.revoked_all",
    /// A refresh token was used that had been replaced: its session ended.
    RefreshReused = "session.refresh_reused",
    /// One access token was withdrawn; its session goes on.
    TokenRevoked = "token.revoked",
    /// Everything that was ever issued ended.
    IssuerRevoked = "issuer.revoked",
    /// A client was added.
    ClientAdded = "client.added",
    /// The secret of a client was replaced.
    ClientRotated = "client.rotated",
    /// A client was removed; what it held ended.
    ClientRemoved = "client.removed",
    /// A signing key was made.
    KeyCreated = "key.created",
    /// A signing key was revoked; what it signed is refused.
    KeyRevoked = "key.revoked",
    /// A backup was written.
    BackupMade = "backup.made",
    /// The database was put back from a backup; everything that was ever issued ended.
    BackupRestored = "backup.restored",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened, before it has its place in the order.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// To whom.
    pub subject: Option<UserId>,
    /// On which session.
    pub session: Option<SessionId>,
    /// Through which client.
    pub client: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// What else is worth knowing, as JSON text without secrets.
    pub data: Option<String>,
}

impl Event {
    /// An event that so far says only what, who and when.
    pub fn new(at: Timestamp, kind: EventKind, actor: Actor) -> Self {
        Self {
            at,
            kind,
            actor,
            subject: None,
            session: None,
            client: None,
            address: None,
            data: None,
        }
    }

    /// To whom it happened.
    pub fn subject(self, user: UserId) -> Self {
        Self {
            subject: Some(user),
            ..self
        }
    }

    /// On which session.
    pub fn session(self, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    /// Through which client, or to which.
    pub fn client(self, client: impl Into<String>) -> Self {
        Self {
            client: Some(client.into()),
            ..self
        }
    }

    /// From which address.
    pub fn address(self, address: impl Into<String>) -> Self {
        Self {
            address: Some(address.into()),
            ..self
        }
    }

    /// What else, as JSON text.
    pub fn data(self, json: impl Into<String>) -> Self {
        Self {
            data: Some(json.into()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let words: HashSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), EventKind::ALL.len());
    }
}
