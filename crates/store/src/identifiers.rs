//! Usernames and e-mail addresses: each belongs to one account at a time.

use std::collections::BTreeMap;

use countersign_core::{Identifier, IdentifierKind, UserId};

use crate::args::args;
use crate::conn::Conn;
use crate::error::StoreError;
use crate::statement::statements;

statements! {
    CLAIM = "INSERT INTO identifiers (kind, value_key, value, user_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (kind, value_key) DO NOTHING RETURNING user_id";
    REMEMBER = "INSERT INTO identifiers (kind, value_key, value, user_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    REMEMBERED = "SELECT user_id FROM identifiers
        WHERE kind = $1 AND value_key >= $2 AND value_key < $3 LIMIT 2";
    ANY_REMEMBERED = "SELECT user_id FROM identifiers
        WHERE kind IN ('former_id', 'former_username', 'former_email') LIMIT 1";
    RELEASE = "DELETE FROM identifiers WHERE user_id = $1 AND kind = $2";
}

/// Gives a free name to a user; false where somebody has it.
pub async fn claim(
    conn: &mut Conn<'_>,
    identifier: &Identifier,
    user: UserId,
) -> Result<bool, StoreError> {
    let claimed = claim_all(conn, &[(identifier, user)]).await?;
    Ok(!claimed.is_empty())
}

/// Gives names to users who have none of the kind, the first of a name winning it; answers of each
/// user how many they got.
pub async fn claim_all(
    conn: &mut Conn<'_>,
    names: &[(&Identifier, UserId)],
) -> Result<BTreeMap<UserId, usize>, StoreError> {
    let rows = names.iter().map(|(name, user)| {
        args![
            name.kind().as_str(),
            name.key(),
            name.value(),
            user.as_bytes()
        ]
    });
    let mut claimed = BTreeMap::new();
    for row in conn.many(CLAIM, rows.collect()).await? {
        let user = UserId::from_bytes(row.bytes("user_id")?);
        *claimed.entry(user).or_default() += 1;
    }
    Ok(claimed)
}

/// What the program that an account came from called it. It is never shown, never signed in with,
/// and stays as it was however the account is called later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former<'t> {
    /// Its id there.
    Id(&'t str),
    /// Its username or e-mail address there.
    Name(&'t Identifier),
}

impl Former<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Id(_) => "former_id",
            Self::Name(name) => match name.kind() {
                IdentifierKind::Username => "former_username",
                IdentifierKind::Email => "former_email",
            },
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Name(name) => name.key(),
        }
    }

    /// Two accounts may have been called alike, in two programs: keys end with whose they are.
    fn key(&self, user: UserId) -> String {
        format!("{}{END}{user}", self.text())
    }
}

/// Stands behind a text in a key, and in no text that is remembered.
const END: char = '\u{1f}';

/// Remembers what accounts were called before they came; what is remembered already stays, and what
/// holds control characters is left out.
pub async fn remember(
    conn: &mut Conn<'_>,
    former: &[(Former<'_>, UserId)],
) -> Result<(), StoreError> {
    let plain = former
        .iter()
        .filter(|(former, _)| !former.text().contains(char::is_control));
    let rows = plain.map(|(former, user)| {
        let key = former.key(*user);
        args![former.kind(), key, former.text(), user.as_bytes()]
    });
    conn.many(REMEMBER, rows.collect()).await.map(drop)
}

/// The account that was called this where it came from; none where several were.
pub async fn remembered(
    conn: &mut Conn<'_>,
    former: Former<'_>,
) -> Result<Option<UserId>, StoreError> {
    // A space is the next character.
    let first = format!("{}{END}", former.text());
    let end = format!("{} ", former.text());
    let found = conn
        .all(REMEMBERED, args![former.kind(), first, end])
        .await?;
    match found.as_slice() {
        [one] => Ok(Some(UserId::from_bytes(one.bytes("user_id")?))),
        _ => Ok(None),
    }
}

/// Whether there is anybody of whom [`remembered`] could tell.
pub async fn any_remembered(conn: &mut Conn<'_>) -> Result<bool, StoreError> {
    Ok(conn.optional(ANY_REMEMBERED, args![]).await?.is_some())
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
