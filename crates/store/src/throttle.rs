//! Counters of failures, each in a window that begins with its first.

use std::time::Duration;

use countersign_core::Timestamp;

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    COUNT = "INSERT INTO throttle (counted, failures, resets_at) VALUES ($1, 1, $3)
        ON CONFLICT (counted) DO UPDATE SET
            failures = CASE WHEN throttle.resets_at <= $2 THEN 1 ELSE throttle.failures + 1 END,
            resets_at = CASE WHEN throttle.resets_at <= $2 THEN $3 ELSE throttle.resets_at END
        RETURNING failures, resets_at";
    GIVE_BACK = "UPDATE throttle SET failures = failures - 1 WHERE counted = $1 AND failures > 0";
    CLEAR = "DELETE FROM throttle WHERE counted = $1";
    PRUNE = "DELETE FROM throttle WHERE counted IN
        (SELECT counted FROM throttle WHERE resets_at < $1 ORDER BY resets_at LIMIT $2)";
}

/// A counter after one more was counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// How many stand in the window.
    pub failures: i64,
    /// When the window ends.
    pub resets_at: Timestamp,
}

/// Counts one more.
pub async fn count(
    conn: &mut Conn<'_>,
    key: &[u8; 32],
    now: Timestamp,
    window: Duration,
) -> Result<Counted, StoreError> {
    let row = conn.one(COUNT, args![key, now, now.plus(window)]).await?;
    Ok(Counted {
        failures: row.get("failures")?,
        resets_at: row.time("resets_at")?,
    })
}

/// Takes one back.
pub async fn give_back(conn: &mut Conn<'_>, key: &[u8; 32]) -> Result<(), StoreError> {
    conn.execute(GIVE_BACK, args![key]).await.map(drop)
}

/// Forgets a counter.
pub async fn clear(conn: &mut Conn<'_>, key: &[u8; 32]) -> Result<(), StoreError> {
    conn.execute(CLEAR, args![key]).await.map(drop)
}

/// Forgets up to `limit` counters whose window has ended; answers how many.
pub async fn prune(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    conn.execute(PRUNE, args![now, limit]).await
}
