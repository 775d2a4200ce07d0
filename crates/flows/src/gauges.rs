//! How things stand, for whoever watches.

use std::time::Duration;

use countersign_store::{Stats, sessions};

use crate::{Cx, FlowError};

/// How things stand at one moment.
#[derive(Debug, Clone)]
pub struct Gauges {
    /// Whether this node answers: it has looked at its database within the last second.
    pub current: bool,
    /// Floors that are held to check tokens.
    pub floors: usize,
    /// The position of the revocation log.
    pub seq: i64,
    /// Followers with a name and a lease.
    pub followers: usize,
    /// Those of them that have not applied all of the log.
    pub followers_behind: usize,
    /// How far the last of those is behind, in the log's own time.
    pub follower_lag: Duration,
    /// Questions of followers that wait for news.
    pub polls_waiting: usize,
    /// Passwords that are being hashed, or wait for it.
    pub hashes_waiting: usize,
    /// Hashes that were begun since the start.
    pub hashes_started: usize,
    /// Tokens of a former program that were let in since the start.
    pub legacy_let_in: u64,
    /// What the database is doing.
    pub database: Stats,
}

/// Looks around; asks nobody.
pub fn gauges(cx: &Cx) -> Gauges {
    let (followers, followers_behind, follower_lag) = cx.feed.followers(cx);
    Gauges {
        current: cx.log.is_current(&cx.clock),
        floors: cx.verifier.floors_held(),
        seq: cx.verifier.seq().0,
        followers,
        followers_behind,
        follower_lag,
        polls_waiting: cx.feed.waiting(),
        hashes_waiting: cx.hasher.waiting(),
        hashes_started: cx.hasher.started(),
        legacy_let_in: cx.let_in.count(),
        database: cx.db.stats(),
    }
}

/// How many sessions nobody has ended and time has not. Reads them all, so not to be asked often.
pub async fn sessions(cx: &Cx) -> Result<i64, FlowError> {
    let mut reader = cx.db.read().await?;
    Ok(sessions::count(&mut reader.conn(), cx.clock.now()).await?)
}
