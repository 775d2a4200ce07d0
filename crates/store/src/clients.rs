//! Programs that hold or check tokens.

use countersign_core::{Client, ClientKind, Seq, Timestamp};

use crate::args::args;
use crate::conn::{Conn, Row};
use crate::error::StoreError;
use crate::statement::statements;

macro_rules! client {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, kind, secret_hash, revoked_floor, created_at FROM clients
             WHERE disabled_at IS NULL ",
            $rest
        )
    };
}

statements! {
    // A removed client's row stays, with its floor; adding the name again brings it back.
    INSERT = "INSERT INTO clients (id, name, kind, secret_hash, created_at) VALUES ($1, $1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, secret_hash = excluded.secret_hash,
        created_at = excluded.created_at, disabled_at = NULL WHERE clients.disabled_at IS NOT NULL";
    BY_ID = client!("AND id = $1");
    ALL = client!("ORDER BY id");
    ROTATE = "UPDATE clients SET secret_hash = $2
        WHERE id = $1 AND kind = 'service' AND disabled_at IS NULL RETURNING id";
    REMOVE = "UPDATE clients SET disabled_at = $2, secret_hash = NULL
        WHERE id = $1 AND kind = 'service' AND disabled_at IS NULL RETURNING id";
    RAISE_FLOOR = "UPDATE clients SET revoked_floor = CASE WHEN revoked_floor > $2 THEN revoked_floor
        ELSE $2 END WHERE id = $1";
}

/// Adds a service; false where one of that name is there.
pub async fn insert(
    conn: &mut Conn<'_>,
    id: &str,
    kind: ClientKind,
    secret_hash: &[u8; 32],
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(conn
        .execute(INSERT, args![id, kind.as_str(), secret_hash, now])
        .await?
        == 1)
}

/// A client and the hash of its secret, if it has one.
pub async fn by_id(
    conn: &mut Conn<'_>,
    id: &str,
) -> Result<Option<(Client, Option<Vec<u8>>)>, StoreError> {
    conn.optional(BY_ID, args![id])
        .await?
        .map(|row| Ok((client(&row)?, row.get("secret_hash")?)))
        .transpose()
}

/// Every client, by id.
pub async fn all(conn: &mut Conn<'_>) -> Result<Vec<Client>, StoreError> {
    conn.all(ALL, args![]).await?.iter().map(client).collect()
}

/// Replaces the secret of a service; false where there is none of that name.
pub async fn rotate(
    conn: &mut Conn<'_>,
    id: &str,
    secret_hash: &[u8; 32],
) -> Result<bool, StoreError> {
    Ok(conn
        .optional(ROTATE, args![id, secret_hash])
        .await?
        .is_some())
}

/// Removes a service; false where there is none of that name.
pub async fn remove(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(conn.optional(REMOVE, args![id, now]).await?.is_some())
}

/// Raises the durable floor of a client; it never sinks.
pub async fn raise_floor(conn: &mut Conn<'_>, id: &str, seq: Seq) -> Result<(), StoreError> {
    conn.execute(RAISE_FLOOR, args![id, seq]).await.map(drop)
}

fn client(row: &Row) -> Result<Client, StoreError> {
    Ok(Client {
        id: row.get("id")?,
        name: row.get("name")?,
        kind: row.word("kind")?,
        revoked_floor: row.seq("revoked_floor")?,
        created_at: row.time("created_at")?,
    })
}
