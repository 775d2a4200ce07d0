//! A login on one device, and the one predicate that says whether it still counts.

use std::time::Duration;

use countersign_token::{Seq, Timestamp};

use crate::{SessionId, UserId};

/// How a person proved who they are (RFC 8176). Passwords are the only way so far.
pub const AMR_PASSWORD: &str = "pwd";

/// Whether somebody ended the session. Ended is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifecycle {
    /// Nobody did.
    Active,
    /// Ended at `at` by `by` (an id, or a word such as `cli`).
    Revoked {
        /// When.
        at: Timestamp,
        /// By whom.
        by: String,
    },
}

/// The highest floors that ever revoked everything of a user, a client, or this issuer.
///
/// A floor in the log is forgotten when the tokens below it have expired; a session lives longer,
/// so these are kept for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DurableFloors {
    /// Of the session's user.
    pub user: Seq,
    /// Of the client that holds the session.
    pub client: Seq,
    /// Of this installation.
    pub issuer: Seq,
}

impl DurableFloors {
    /// Whether what was made at `rev` stands on or above every floor.
    pub fn admit(&self, rev: Seq) -> bool {
        rev >= self.user && rev >= self.client && rev >= self.issuer
    }
}

/// A session with everything that decides whether it is alive, as one read of the database saw it.
#[derive(Debug, Clone)]
pub struct Session {
    /// Names the session; the token's `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The log's position when it was made.
    pub rev: Seq,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// From where it was made.
    pub address: String,
    /// With which program it was made.
    pub user_agent: String,
    /// When it was last used.
    pub last_used: Timestamp,
    /// Its absolute end.
    pub expires: Timestamp,
    /// Whether somebody ended it.
    pub lifecycle: Lifecycle,
    /// Whether its user is disabled.
    pub user_disabled: bool,
    /// The floors it must stand on or above.
    pub floors: DurableFloors,
}

/// Why a session counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// It was ended, by name or by a floor below which it stands.
    Revoked,
    /// Its user is disabled.
    Disabled,
    /// It was unused for too long, or reached its absolute end.
    Expired,
}

impl Session {
    /// The one predicate of *alive*: active, user enabled, not below a durable floor, not expired.
    ///
    /// Refresh, session cookies, lists and introspection all ask here. Expiry comes last, so that a
    /// caller who may still act on an expired session (logout) knows that nothing else ended it.
    pub fn alive(&self, now: Timestamp, idle: Duration) -> Result<(), Dead> {
        if self.lifecycle != Lifecycle::Active || !self.floors.admit(self.rev) {
            Err(Dead::Revoked)
        } else if self.user_disabled {
            Err(Dead::Disabled)
        } else if now >= self.ends(idle) {
            Err(Dead::Expired)
        } else {
            Ok(())
        }
    }

    /// When the session ends if it is not used again.
    pub fn ends(&self, idle: Duration) -> Timestamp {
        self.expires.min(self.last_used.plus(idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(100);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([1; 16]),
            user_id: UserId::from_bytes([2; 16]),
            rev: Seq(10),
            auth_time: at(0),
            address: String::new(),
            user_agent: String::new(),
            last_used: at(50),
            expires: at(1_000),
            lifecycle: Lifecycle::Active,
            user_disabled: false,
            floors: DurableFloors::default(),
        }
    }

    #[test]
    fn each_reason_alone_is_enough_to_die() {
        let floor = Seq(11);
        type Wound = Box<dyn Fn(&mut Session)>;
        let wounds: [(Dead, Wound); 5] = [
            (
                Dead::Revoked,
                Box::new(|s| {
                    s.lifecycle = Lifecycle::Revoked {
                        at: at(1),
                        by: "cli".into(),
                    }
                }),
            ),
            (Dead::Revoked, Box::new(move |s| s.floors.user = floor)),
            (Dead::Revoked, Box::new(move |s| s.floors.client = floor)),
            (Dead::Revoked, Box::new(move |s| s.floors.issuer = floor)),
            (Dead::Disabled, Box::new(|s| s.user_disabled = true)),
        ];
        for (reason, wound) in wounds {
            let mut session = session();
            wound(&mut session);
            assert_eq!(session.alive(at(60), IDLE), Err(reason));
        }
    }

    #[test]
    fn it_dies_of_idleness_and_of_age() {
        assert_eq!(session().alive(at(150), IDLE), Err(Dead::Expired));
        let used = Session {
            last_used: at(990),
            ..session()
        };
        assert_eq!(used.alive(at(1_000), IDLE), Err(Dead::Expired));
        assert_eq!(used.alive(at(999), IDLE), Ok(()));
    }

    #[test]
    fn a_session_made_at_its_floor_lives() {
        let floors = DurableFloors {
            user: Seq(10),
            client: Seq(10),
            issuer: Seq(10),
        };
        assert_eq!(
            Session {
                floors,
                ..session()
            }
            .alive(at(149), IDLE),
            Ok(())
        );
    }
}
