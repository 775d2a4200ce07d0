//! The audit log, in the order of commits.

use countersign_core::{Event, EventKind, Timestamp};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    TICK = "UPDATE event_clock SET seq = seq + $1 WHERE id = 1 RETURNING seq";
    INSERT = "INSERT INTO events (seq, at, kind, actor, subject, session, client, address, data)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    PAGE = "SELECT seq, at, kind, actor, subject, session, client, address, data FROM events
        WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
    LAST_OF = "SELECT at FROM events WHERE kind = $1 OR kind = $2 ORDER BY seq DESC LIMIT 1";
    FIRST = "SELECT MIN(at) AS at FROM events";
    PRUNE = "DELETE FROM events WHERE seq IN
        (SELECT seq FROM events WHERE at < $1 ORDER BY at LIMIT $2)";
}

/// Writes an event, as the last statement of a unit: the lock of the events' clock is held from here
/// to the commit, so that `seq` follows the order of commits and a reader by `seq` misses nothing.
pub async fn append(conn: &mut Conn<'_>, event: &Event) -> Result<(), StoreError> {
    append_all(conn, std::slice::from_ref(event)).await
}

/// As [`append`], for a unit that does many things.
pub async fn append_all(conn: &mut Conn<'_>, events: &[Event]) -> Result<(), StoreError> {
    let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
    let last: i64 = conn.one(TICK, args![count]).await?.get("seq")?;
    let rows = (last - count + 1..).zip(events).map(|(seq, event)| {
        args![
            seq,
            event.at,
            event.kind.as_str(),
            event.actor.to_string(),
            event.subject.map(|id| id.as_bytes().to_vec()),
            event.session.map(|id| id.as_bytes().to_vec()),
            event.client.as_deref(),
            event.address.as_deref(),
            event.data.as_deref(),
        ]
    });
    conn.many(INSERT, rows.collect()).await.map(drop)
}

/// An event as it was written. Kind and actor are the words of the version that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the order.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// To whom.
    pub subject: Option<countersign_core::UserId>,
    /// On which session.
    pub session: Option<countersign_core::SessionId>,
    /// Through which client.
    pub client: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// What else, as JSON text.
    pub data: Option<String>,
}

/// Up to `limit` events below `before`, latest first.
pub async fn page(
    conn: &mut Conn<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Recorded>, StoreError> {
    conn.all(PAGE, args![before.unwrap_or(i64::MAX), limit])
        .await?
        .iter()
        .map(|row| {
            Ok(Recorded {
                seq: row.get("seq")?,
                at: row.time("at")?,
                kind: row.get("kind")?,
                actor: row.get("actor")?,
                subject: row
                    .optional_bytes("subject")?
                    .map(countersign_core::UserId::from_bytes),
                session: row
                    .optional_bytes("session")?
                    .map(countersign_core::SessionId::from_bytes),
                client: row.get("client")?,
                address: row.get("address")?,
                data: row.get("data")?,
            })
        })
        .collect()
}

/// When something of either kind happened last. It is looked for from the end on, so what never
/// happened costs reading the whole log.
pub async fn last_of(
    conn: &mut Conn<'_>,
    [one, other]: [EventKind; 2],
) -> Result<Option<Timestamp>, StoreError> {
    let args = args![one.as_str(), other.as_str()];
    let row = conn.optional(LAST_OF, args).await?;
    row.map(|row| row.time("at")).transpose()
}

/// How far the log goes back.
pub async fn first(conn: &mut Conn<'_>) -> Result<Option<Timestamp>, StoreError> {
    conn.one(FIRST, args![]).await?.optional_time("at")
}

/// Forgets up to `limit` events from before `before`; answers how many.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
    conn.execute(PRUNE, args![before, limit]).await
}
