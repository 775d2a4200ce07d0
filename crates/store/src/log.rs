//! The revocation log: its clock, its floors, and what must never be forgotten.

use std::time::Duration;

use countersign_core::{Floor, Seq, Subject, Timestamp};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    READ = "SELECT seq FROM log_clock WHERE id = 1";
    // A life that is to be lowered counts for new tokens at once, so that the old ones can run out.
    MARK = "SELECT seq, CASE WHEN next_life < life THEN next_life ELSE life END AS life
        FROM log_clock WHERE id = 1";
    // Its row lock makes the order of `seq` the order of commits; a sequence would not.
    ADVANCE = "UPDATE log_clock SET seq = CASE WHEN seq + 1 > $1 THEN seq + 1 ELSE $1 END
        WHERE id = 1 RETURNING seq, life";
    INSERT = "INSERT INTO floors (seq, scope, subject, reason, expires) VALUES ($1, $2, $3, $4, $5)";
    LOOK = "SELECT seq, life, keys_version FROM log_clock WHERE id = 1";
    AFTER = "SELECT seq, scope, subject, reason, expires FROM floors WHERE seq > $1
        ORDER BY seq LIMIT $2";
    PRUNE = "DELETE FROM floors WHERE seq IN
        (SELECT seq FROM floors WHERE expires < $1 ORDER BY expires LIMIT $2)";
    ISSUER_FLOOR = "SELECT issuer_floor FROM log_clock WHERE id = 1";
    RAISE_ISSUER = "UPDATE log_clock SET issuer_floor = CASE WHEN issuer_floor > $1 THEN issuer_floor
        ELSE $1 END WHERE id = 1";
    RAISE_LIFE = "UPDATE log_clock SET life = $1, next_life = $1, next_life_at = 0
        WHERE id = 1 AND life <= $1";
    PLAN_LIFE = "UPDATE log_clock SET next_life = $1, next_life_at = $2 + life
        WHERE id = 1 AND life > $1 AND next_life <> $1";
    LOWER_LIFE = "UPDATE log_clock SET life = next_life
        WHERE id = 1 AND next_life < life AND next_life_at <= $1";
    ISSUER = "SELECT issuer FROM log_clock WHERE id = 1";
    SET_ISSUER = "UPDATE log_clock SET issuer = $1 WHERE id = 1";
    // The position moves on too: a follower that was not asking just then finds its cursor outdated.
    KEYS_CHANGED = "UPDATE log_clock SET keys_version = keys_version + 1, seq = seq + 1
        WHERE id = 1";
    // A version that no follower can hold: the log of another past may have come to the next one.
    KEYS_REPLACED = "UPDATE log_clock SET keys_version = seq WHERE id = 1";
    PASS = "UPDATE log_clock SET seq = $1 WHERE id = 1 AND seq < $1";
    SECRET_CHECK = "SELECT secret_check FROM log_clock WHERE id = 1";
    SET_SECRET_CHECK = "UPDATE log_clock SET secret_check = $1 WHERE id = 1";
}

/// The log's position now. What a token rests on is read after this, never before.
pub async fn seq(conn: &mut Conn<'_>) -> Result<Seq, StoreError> {
    conn.one(READ, args![]).await?.seq("seq")
}

/// As [`seq`], with the longest that a token made here may live.
pub async fn mark(conn: &mut Conn<'_>) -> Result<(Seq, Duration), StoreError> {
    let row = conn.one(MARK, args![]).await?;
    Ok((row.seq("seq")?, millis(row.get("life")?)))
}

/// A place in the log that was just taken, and how long floors written there are kept.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// The place: microseconds since 1970, or one more than the last.
    pub seq: Seq,
    /// The longest that an access token lives.
    pub life: Duration,
}

/// Advances the clock and holds its lock until the unit ends.
pub async fn advance(conn: &mut Conn<'_>, now: Timestamp) -> Result<Tick, StoreError> {
    let micros = now.as_millis().saturating_mul(1_000);
    let row = conn.one(ADVANCE, args![micros]).await?;
    Ok(Tick {
        seq: row.seq("seq")?,
        life: millis(row.get("life")?),
    })
}

/// Writes a floor.
pub async fn insert(conn: &mut Conn<'_>, floor: &Floor) -> Result<(), StoreError> {
    let args = args![
        floor.seq,
        floor.scope.as_str(),
        &floor.subject.0,
        floor.reason.as_str(),
        floor.expires,
    ];
    conn.execute(INSERT, args).await.map(drop)
}

/// What one look at the clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The log's position.
    pub seq: Seq,
    /// The longest that an access token lives.
    pub life: Duration,
    /// Changes when a signing key is made or ended.
    pub keys_version: i64,
}

/// Looks at the clock. Floors are read after this, so that none with a lower `seq` is missed.
pub async fn look(conn: &mut Conn<'_>) -> Result<Look, StoreError> {
    let row = conn.one(LOOK, args![]).await?;
    Ok(Look {
        seq: row.seq("seq")?,
        life: millis(row.get("life")?),
        keys_version: row.get("keys_version")?,
    })
}

/// Up to `limit` floors above `after`, in order.
pub async fn floors_after(
    conn: &mut Conn<'_>,
    after: Seq,
    limit: i64,
) -> Result<Vec<Floor>, StoreError> {
    conn.all(AFTER, args![after, limit])
        .await?
        .iter()
        .map(|row| {
            Ok(Floor {
                seq: row.seq("seq")?,
                scope: row.word("scope")?,
                subject: Subject(row.bytes("subject")?),
                reason: row.word("reason")?,
                expires: row.time("expires")?,
            })
        })
        .collect()
}

/// Forgets up to `limit` floors below which every token has expired; answers how many.
pub async fn prune(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
    conn.execute(PRUNE, args![now, limit]).await
}

/// The durable floor of the issuer.
pub async fn issuer_floor(conn: &mut Conn<'_>) -> Result<Seq, StoreError> {
    conn.one(ISSUER_FLOOR, args![]).await?.seq("issuer_floor")
}

/// Raises the durable floor of the issuer; it never sinks.
pub async fn raise_issuer_floor(conn: &mut Conn<'_>, seq: Seq) -> Result<(), StoreError> {
    conn.execute(RAISE_ISSUER, args![seq]).await.map(drop)
}

/// States the longest life that this node gives a token. A longer one counts at once; a shorter one
/// when every token that was made before has expired.
pub async fn set_life(
    conn: &mut Conn<'_>,
    life: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
    if conn.execute(RAISE_LIFE, args![life]).await? == 0 {
        conn.execute(PLAN_LIFE, args![life, now]).await?;
    }
    Ok(())
}

/// Lowers the life where its time has come; true where it did.
pub async fn lower_life(conn: &mut Conn<'_>, now: Timestamp) -> Result<bool, StoreError> {
    Ok(conn.execute(LOWER_LIFE, args![now]).await? == 1)
}

/// The issuer that the server last served as.
pub async fn issuer(conn: &mut Conn<'_>) -> Result<Option<String>, StoreError> {
    conn.one(ISSUER, args![]).await?.get("issuer")
}

/// Notes the issuer, for commands that run beside the server.
pub async fn set_issuer(conn: &mut Conn<'_>, issuer: &str) -> Result<(), StoreError> {
    conn.execute(SET_ISSUER, args![issuer]).await.map(drop)
}

/// Tells every node and every follower that the signing keys changed.
pub async fn keys_changed(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(KEYS_CHANGED, args![]).await.map(drop)
}

/// Tells every follower that the signing keys are others, whichever log it followed before. Comes
/// after [`advance`].
pub async fn keys_replaced(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(KEYS_REPLACED, args![]).await.map(drop)
}

/// Moves the clock past a place that another log had come to; it never goes back.
pub async fn pass(conn: &mut Conn<'_>, seq: Seq) -> Result<(), StoreError> {
    conn.execute(PASS, args![seq]).await.map(drop)
}

/// The value that tells whether `SECRET_KEY` is the right one.
pub async fn secret_check(conn: &mut Conn<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    conn.one(SECRET_CHECK, args![]).await?.get("secret_check")
}

/// Sets the value that tells whether `SECRET_KEY` is the right one.
pub async fn set_secret_check(conn: &mut Conn<'_>, sealed: Vec<u8>) -> Result<(), StoreError> {
    conn.execute(SET_SECRET_CHECK, args![sealed])
        .await
        .map(drop)
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}
