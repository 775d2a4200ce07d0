//! The pure decisions, apart from the orders in which they are asked.

use super::database::{Database, Scope, Session};

/// The one predicate of "alive": active, user enabled, `rev` not below a durable floor.
pub(crate) fn alive(session: &Session, database: &Database) -> bool {
    !session.revoked
        && database.users[usize::from(session.user)].enabled
        && session.rev >= database.durable_over(session.user)
}

/// What a verifier knows of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) session: u8,
    pub(crate) user: u8,
    pub(crate) rev: u8,
    pub(crate) iat: u8,
    pub(crate) roles: u8,
    /// Ghost: how many commits there had been when its flow began.
    pub(crate) began: u8,
}

impl Token {
    /// A token lives for one unit of time.
    pub(crate) fn is_expired(&self, now: u8) -> bool {
        now > self.iat
    }

    /// Whether a floor of this scope and number refuses the token.
    pub(crate) fn is_refused_by(&self, scope: Scope, seq: u8) -> bool {
        let matches = match scope {
            Scope::Session(id) => id == self.session,
            Scope::User(id) => id == self.user,
            Scope::Client | Scope::Issuer => true,
        };
        matches && seq > self.rev
    }
}

/// What a presented refresh token is answered with. All of it happens within the grace.
pub(crate) enum Rotation {
    /// It is the current one: move the counter.
    Rotate,
    /// It was the current one just now: the present successor again.
    Again,
    /// It was never given out.
    Reused,
}

pub(crate) fn rotation(presented: u8, counter: u8) -> Rotation {
    match presented.cmp(&counter) {
        std::cmp::Ordering::Equal => Rotation::Rotate,
        std::cmp::Ordering::Less => Rotation::Again,
        std::cmp::Ordering::Greater => Rotation::Reused,
    }
}
