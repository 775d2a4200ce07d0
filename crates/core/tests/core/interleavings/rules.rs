//! The pure decisions. They are the product's own: what is modelled is when they are asked.

use std::time::Duration;

use countersign_core::grant::Rotations;
use countersign_core::session::Lifecycle;
use countersign_core::{
    DurableFloors, Floor, Grant, GrantId, Presented, Reason, Seq, SessionId, Subject, Timestamp,
    UserId,
};
use countersign_token::Floors;

use super::database::{self, Database, Scope, Session};

/// Nothing in the model is idle for so long, and all its refreshes are within one grace.
const LONG: Duration = Duration::from_secs(1_000_000);

const NOW: Timestamp = Timestamp::from_secs(1_000);

pub(crate) fn seq(number: u8) -> Seq {
    Seq(i64::from(number))
}

/// The durable floors over the sessions of `user`.
pub(crate) fn durable_floors(database: &Database, user: u8) -> DurableFloors {
    DurableFloors {
        user: seq(database.users[usize::from(user)].durable),
        client: seq(database.client_durable),
        issuer: seq(database.clock.issuer_durable),
    }
}

/// Whether a session made at `rev` may be inserted.
pub(crate) fn admits(database: &Database, user: u8, rev: u8) -> bool {
    durable_floors(database, user).admit(seq(rev))
}

/// The one predicate of *alive*.
pub(crate) fn alive(session: &Session, user_disabled: bool, floors: DurableFloors) -> bool {
    let lifecycle = match session.revoked {
        true => Lifecycle::Revoked {
            at: NOW,
            by: String::new(),
        },
        false => Lifecycle::Active,
    };
    let session = countersign_core::Session {
        id: SessionId::from_bytes([0; 16]),
        user_id: UserId::from_bytes([session.user; 16]),
        rev: seq(session.rev),
        auth_time: NOW,
        address: String::new(),
        user_agent: String::new(),
        last_used: NOW,
        expires: NOW.plus(LONG),
        lifecycle,
        user_disabled,
        floors,
    };
    session.alive(NOW, LONG).is_ok()
}

/// What a presented refresh token is, where its grant has come to `counter`.
pub(crate) fn presented(token: u8, counter: u8) -> Presented {
    let rotations = (0..counter).fold(Rotations::default(), |rotations, _| rotations.with(NOW));
    let id = GrantId::from_bytes([0; 16]);
    let grant = Grant {
        id,
        counter: i64::from(counter),
        rotations,
        nonce: [0; 16],
    };
    grant.present(i64::from(token), NOW, LONG)
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

    /// Whether a verifier that holds this floor, and no other, refuses the token.
    pub(crate) fn is_refused_by(&self, floor: &database::Floor) -> bool {
        let mut floors = Floors::default();
        let (scope, subject) = named(floor.scope);
        let reason = if floor.superseded {
            Reason::Superseded
        } else {
            Reason::Revoked
        };
        floors.note(&Floor {
            seq: seq(floor.seq),
            scope,
            subject,
            reason,
            expires: NOW,
        });
        let subjects = [
            Subject([u8::MAX; 16]),
            named(Scope::Session(self.session)).1,
            named(Scope::User(self.user)).1,
            named(Scope::Client).1,
            named(Scope::Issuer).1,
        ];
        floors.judge(&subjects, seq(self.rev)).is_some()
    }
}

/// The scope as the log has it, with a subject that stands for the digest.
fn named(scope: Scope) -> (countersign_core::Scope, Subject) {
    use countersign_core::Scope as Real;
    let (scope, kind, id) = match scope {
        Scope::Session(id) => (Real::Session, 1, id),
        Scope::User(id) => (Real::User, 2, id),
        Scope::Client => (Real::Client, 3, 0),
        Scope::Issuer => (Real::Issuer, 4, 0),
    };
    let mut subject = [0; 16];
    (subject[0], subject[1]) = (kind, id);
    (scope, Subject(subject))
}
