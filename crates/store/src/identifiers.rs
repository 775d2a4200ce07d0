//! Usernames and e-mail addresses: each belongs to one account at a time.

use countersign_core::{Identifier, IdentifierKind, UserId};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    CLAIM = "INSERT INTO identifiers (kind, value_key, value, user_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, value_key) DO NOTHING";
    RELEASE = "DELETE FROM identifiers WHERE user_id = $1 AND kind = $2";
}

/// Gives a free name to a user; false where somebody has it.
pub async fn claim(
    conn: &mut Conn<'_>,
    identifier: &Identifier,
    user: UserId,
) -> Result<bool, StoreError> {
    let args = args![
        identifier.kind().as_str(),
        identifier.key(),
        identifier.value(),
        user.as_bytes()
    ];
    Ok(conn.execute(CLAIM, args).await? == 1)
}

/// Takes a kind of name from a user, who may not have one.
pub async fn release(
    conn: &mut Conn<'_>,
    user: UserId,
    kind: IdentifierKind,
) -> Result<(), StoreError> {
    conn.execute(RELEASE, args![user.as_bytes(), kind.as_str()])
        .await
        .map(drop)
}
