//! Signing keys, sealed. What phase each is in follows from its times.

use countersign_core::Timestamp;
use countersign_core::key::KeyRecord;

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    ALL = "SELECT kid, algorithm, sealed, created_at, signs_from, revoked_at FROM keys
        ORDER BY signs_from, created_at, kid";
    INSERT = "INSERT INTO keys (kid, algorithm, sealed, created_at, signs_from)
        VALUES ($1, $2, $3, $4, $5)";
    REVOKE = "UPDATE keys SET revoked_at = $2 WHERE kid = $1 AND revoked_at IS NULL RETURNING kid";
    SIGN_FROM = "UPDATE keys SET signs_from = $2 WHERE kid = $1";
    RESEAL = "UPDATE keys SET sealed = $2 WHERE kid = $1";
    DELETE = "DELETE FROM keys WHERE kid = $1";
}

/// A key and its sealed private part.
#[derive(Debug, Clone)]
pub struct SealedKey {
    /// What decides about it.
    pub record: KeyRecord,
    /// The private part, encrypted under `SECRET_KEY`.
    pub sealed: Vec<u8>,
}

/// Every key, oldest first.
pub async fn all(conn: &mut Conn<'_>) -> Result<Vec<SealedKey>, StoreError> {
    conn.all(ALL, args![])
        .await?
        .iter()
        .map(|row| {
            Ok(SealedKey {
                record: KeyRecord {
                    kid: row.get("kid")?,
                    algorithm: row.word("algorithm")?,
                    created_at: row.time("created_at")?,
                    signs_from: row.time("signs_from")?,
                    revoked_at: row.optional_time("revoked_at")?,
                },
                sealed: row.get("sealed")?,
            })
        })
        .collect()
}

/// Adds a key; [`StoreError::Conflict`] where its `kid` is taken.
pub async fn insert(conn: &mut Conn<'_>, key: &SealedKey) -> Result<(), StoreError> {
    let SealedKey { record, sealed } = key;
    let args = args![
        record.kid.as_str(),
        record.algorithm.as_str(),
        sealed.as_slice(),
        record.created_at,
        record.signs_from,
    ];
    conn.execute(INSERT, args).await.map(drop)
}

/// Revokes a key; false where there is none, or it was revoked already.
pub async fn revoke(conn: &mut Conn<'_>, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(conn.optional(REVOKE, args![kid, now]).await?.is_some())
}

/// Changes when a key begins to sign.
pub async fn sign_from(conn: &mut Conn<'_>, kid: &str, at: Timestamp) -> Result<(), StoreError> {
    conn.execute(SIGN_FROM, args![kid, at]).await.map(drop)
}

/// Replaces the sealed part of a key.
pub async fn reseal(conn: &mut Conn<'_>, kid: &str, sealed: &[u8]) -> Result<(), StoreError> {
    conn.execute(RESEAL, args![kid, sealed]).await.map(drop)
}

/// Forgets a key.
pub async fn delete(conn: &mut Conn<'_>, kid: &str) -> Result<(), StoreError> {
    conn.execute(DELETE, args![kid]).await.map(drop)
}
