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
    REPLACE_IF_ALIVE = "UPDATE credentials SET data = $3, created_at = $4
        WHERE user_id = $1 AND kind = 'password' AND data = $2
        AND EXISTS (SELECT 1 FROM sessions WHERE id = $5 AND user_id = $1 AND revoked_at IS NULL)";
}

/// Gives a user their password hash.
pub async fn insert_password(
    conn: &mut Conn<'_>,
    id: CredentialId,
    user: UserId,
    hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    conn.execute(INSERT, args![id.as_bytes(), user.as_bytes(), hash, now]).await.map(drop)
}

/// The password hash of a user, if there is one.
pub async fn password(conn: &mut Conn<'_>, user: UserId) -> Result<Option<String>, StoreError> {
    conn.optional(PASSWORD, args![user.as_bytes()]).await?.map(|row| row.get("data")).transpose()
}

/// Replaces a hash that was just verified; false where it has changed since.
pub async fn replace_password(
    conn: &mut Conn<'_>,
    user: UserId,
    verified: &str,
    hash: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(conn.execute(REPLACE, args![user.as_bytes(), verified, hash, now]).await? == 1)
}

/// As [`replace_password`], and only while nobody has ended the session that asks for it.
pub async fn replace_password_in_session(
    conn: &mut Conn<'_>,
    user: UserId,
    verified: &str,
    hash: &str,
    now: Timestamp,
    session: countersign_core::SessionId,
) -> Result<bool, StoreError> {
    let args = args![user.as_bytes(), verified, hash, now, session.as_bytes()];
    Ok(conn.execute(REPLACE_IF_ALIVE, args).await? == 1)
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
