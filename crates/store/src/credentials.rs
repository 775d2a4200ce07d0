//! Proofs of identity. Each user has at most one password.

use countersign_core::{CredentialId, Identifier, Timestamp, UserId};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    INSERT = "INSERT INTO credentials (id, user_id, kind, data, created_at)
        VALUES ($1, $2, 'password', $3, $4)";
    PASSWORD = "SELECT data FROM credentials WHERE user_id = $1 AND kind = 'password'";
    // The inner limit bounds the work where many in a row have no password.
    NEXT = "SELECT c.data FROM (SELECT user_id, value_key FROM identifiers
            WHERE kind = $1 AND value_key > $2 ORDER BY value_key LIMIT 16) i
        JOIN credentials c ON c.user_id = i.user_id AND c.kind = 'password'
        ORDER BY i.value_key LIMIT 1";
    BETWEEN = "SELECT user_id, data FROM credentials
        WHERE user_id >= $1 AND user_id <= $2 AND kind = 'password' ORDER BY user_id";
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

/// The password hash of whoever comes next in the order of names, after the last the first; none
/// where the next few have no password.
pub async fn next_password(
    conn: &mut Conn<'_>,
    name: &Identifier,
) -> Result<Option<String>, StoreError> {
    let kind = name.kind().as_str();
    for after in [name.key(), ""] {
        if let Some(row) = conn.optional(NEXT, args![kind, after]).await? {
            return row.get("data").map(Some);
        }
    }
    Ok(None)
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
