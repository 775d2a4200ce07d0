//! Forgetting what no longer matters, a little at a time.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_store::{BoxFuture, Conn, StoreError, events, log, sessions, throttle};

use crate::{Cx, FlowError, keys};

/// How often to tidy up.
pub const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How long a session is kept after its absolute end, so that its last refresh token is told
/// "expired" and not "invalid".
const KEEP_SESSIONS: Duration = Duration::from_secs(7 * 24 * 3600);

/// Rows removed in one unit: others wait for it.
const BATCH: i64 = 1_000;

/// Batches of one kind in one round; the rest waits for the next.
const BATCHES: usize = 100;

type Prune = for<'a, 'c> fn(&'a mut Conn<'c>, Timestamp) -> BoxFuture<'a, Result<u64, StoreError>>;

/// Removes what has expired: floors below which every token has, counters, sessions, events, keys.
pub async fn tidy(cx: &Cx) -> Result<(), FlowError> {
    let now = cx.clock.now();
    cx.verifier.prune(now);
    prune(cx, now, |conn, at| Box::pin(log::prune(conn, at, BATCH))).await?;
    cx.feed.forget(now);
    prune(cx, now, |conn, at| {
        Box::pin(throttle::prune(conn, at, BATCH))
    })
    .await?;
    let ended = now.minus(KEEP_SESSIONS);
    prune(cx, ended, |conn, at| {
        Box::pin(sessions::prune(conn, at, BATCH))
    })
    .await?;
    let audited = now.minus(cx.settings.audit_retention);
    prune(cx, audited, |conn, at| {
        Box::pin(events::prune(conn, at, BATCH))
    })
    .await?;
    cx.db
        .write(move |conn| Box::pin(async move { log::lower_life(conn, now).await }))
        .await?;
    keys::prune(cx).await?;
    keys::refresh_verifier(cx);
    Ok(())
}

async fn prune(cx: &Cx, before: Timestamp, batch: Prune) -> Result<(), FlowError> {
    for _ in 0..BATCHES {
        let removed = cx.db.write(move |conn| batch(conn, before)).await?;
        if removed == 0 {
            break;
        }
    }
    Ok(())
}
