//! A person's account.

use countersign_token::{Seq, Timestamp};

use crate::{RoleSet, UserId};

/// An account with its names and roles, as one read of the database saw it.
#[derive(Debug, Clone)]
pub struct User {
    /// The only thing that identifies the person.
    pub id: UserId,
    /// The username, as its owner wrote it.
    pub username: Option<String>,
    /// The e-mail address, as its owner wrote it.
    pub email: Option<String>,
    /// Whether a mail to that address was answered. Always false until mail is sent.
    pub email_verified: bool,
    /// What the user may do.
    pub roles: RoleSet,
    /// Since when sign-in is refused, if it is.
    pub disabled_at: Option<Timestamp>,
    /// The highest floor that ever revoked all sessions of this user.
    pub revoked_floor: Seq,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl User {
    /// Whether the account may be used.
    pub fn is_enabled(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// What to call the person: the username, else the e-mail address.
    pub fn name(&self) -> &str {
        self.username
            .as_deref()
            .or(self.email.as_deref())
            .unwrap_or_default()
    }
}
