//! Proofs of identity. Each user has at most one password.

use countersign_core::{CredentialId, Timestamp, UserId};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    INSERT = "INSERT INTO credentials (id, user_id, kind, data, created_at)
        VALUES ($1, $2, $3, $4, $5)";
    PASSWORD = "SELECT data FROM credentials
        WHERE user_id = $1 AND kind IN ('password', 'imported')";
    IMPORTED = "SELECT data FROM credentials WHERE kind = 'imported' ORDER BY id LIMIT $1";
    BETWEEN = "SELECT user_id, data FROM credentials
        WHERE user_id >= $1 AND user_id <= $2 AND kind IN ('password', 'imported')
        ORDER BY user_id";
    REPLACE = "UPDATE credentials SET kind = 'password', data = $3, created_at = $4
        WHERE user_id = $1 AND kind IN ('password', 'imported') AND data = $2";
    SET = "UPDATE credentials SET kind = 'password', data = $2, created_at = $3
        WHERE user_id = $1 AND kind IN ('password', 'imported')";
}

/// Gives a user their password hash.
pub async fn insert_password(
    conn: &mut Conn<'_>,
    id: CredentialId,
    user: UserId,
    hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let args = args![id.as_bytes(), user.as_bytes(), "password", hash, now];
    conn.execute(INSERT, args).await.map(drop)
}

/// A password hash that comes with an account from another system.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'h> {
    /// The new credential.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// The hash.
    pub hash: &'h str,
    /// Whether another system made it, so that the first sign-in replaces it.
    pub foreign: bool,
}

/// Gives users the password hashes that they bring.
pub async fn insert_brought(
    conn: &mut Conn<'_>,
    brought: &[Brought<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = brought.iter().map(|one| {
        let kind = if one.foreign { "imported" } else { "password" };
        args![one.id.as_bytes(), one.user.as_bytes(), kind, one.hash, now]
    });
    conn.many(INSERT, rows.collect()).await.map(drop)
}

/// The password hash of a user, if there is one.
pub async fn password(conn: &mut Conn<'_>, user: UserId) -> Result<Option<String>, StoreError> {
    conn.optional(PASSWORD, args![user.as_bytes()])
        .await?
        .map(|row| row.get("data"))
        .transpose()
}

/// Some password hashes that another system made and nobody has replaced yet, oldest first.
pub async fn imported(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = conn.all(IMPORTED, args![limit]).await?;
    rows.iter().map(|row| row.get("data")).collect()
}

/// The password hashes of all users from one id to another, in the order of ids.
pub async fn passwords_between(
    conn: &mut Conn<'_>,
    first: UserId,
    last: UserId,
) -> Result<Vec<(UserId, String)>, StoreError> {
    conn.all(BETWEEN, args![first.as_bytes(), last.as_bytes()])
        .await?
        .iter()
        .map(|row| Ok((UserId::from_bytes(row.bytes("user_id")?), row.get("data")?)))
        .collect()
}

/// Replaces a hash that was just verified by one of ours; false where it has changed since.
pub async fn replace_password(
    conn: &mut Conn<'_>,
    user: UserId,
    verified: &str,
    hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(conn
        .execute(REPLACE, args![user.as_bytes(), verified, hash, now])
        .await?
        == 1)
}

/// Sets a hash whatever stood there: what an operator does. False where there is no password.
pub async fn set_password(
    conn: &mut Conn<'_>,
    user: UserId,
    hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(conn.execute(SET, args![user.as_bytes(), hash, now]).await? == 1)
}
