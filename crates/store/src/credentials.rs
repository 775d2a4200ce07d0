//! Proofs of identity. Each user has at most one password.

use countersign_core::{CredentialId, Timestamp, UserId};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    INSERT = "INSERT INTO credentials (id, user_id, kind, data, created_at)
        VALUES ($1, $2, 'password', $3, $4)";
    PASSWORD = "SELECT data FROM credentials WHERE user_id = $1 AND kind = 'password'";
    REPLACE = "UPDATE credentials SET data = $3, created_at = $4
        WHERE user_id = $1 AND kind = 'password' AND data = $2";
    SET = "UPDATE credentials SET data = $2, created_at = $3
        WHERE user_id = $1 AND kind = 'password'";
}

/// Gives a user their password hash.
pub async fn insert_password(
    conn: &mut Conn<'_>,
    id: CredentialId,
    user: UserId,
    hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    conn.execute(INSERT, args![id.as_bytes(), user.as_bytes(), hash, now])
        .await
        .map(drop)
}

/// The password hash of a user, if there is one.
pub async fn password(conn: &mut Conn<'_>, user: UserId) -> Result<Option<String>, StoreError> {
    conn.optional(PASSWORD, args![user.as_bytes()])
        .await?
        .map(|row| row.get("data"))
        .transpose()
}

/// Replaces a hash that was just verified; false where it has changed since.
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
