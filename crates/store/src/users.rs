//! Accounts and their roles.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{Role, RoleSet, Seq, Timestamp, User, UserId};

use crate::args::args;
use crate::conn::{Conn, Row};
use crate::error::StoreError;
use crate::statement::statements;

/// The columns of a user. One row for each role, and one where there is none.
macro_rules! user_rows {
    ($from:literal) => {
        concat!(
            "SELECT u.id, u.disabled_at, u.revoked_floor, u.created_at,
                n.value AS username, e.value AS email, e.verified_at, r.role
             FROM ",
            $from,
            " LEFT JOIN identifiers n ON n.user_id = u.id AND n.kind = 'username'
              LEFT JOIN identifiers e ON e.user_id = u.id AND e.kind = 'email'
              LEFT JOIN roles r ON r.user_id = u.id
              ORDER BY u.id, r.role"
        )
    };
}

statements! {
    INSERT = "INSERT INTO users (id, created_at) VALUES ($1, $2)";
    INSERT_NEW = "INSERT INTO users (id, created_at, disabled_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO NOTHING RETURNING id";
    EXISTS = "SELECT id FROM users WHERE id = $1";
    BY_ID = user_rows!("(SELECT * FROM users WHERE id = $1) u");
    BY_NAME = user_rows!(
        "(SELECT users.* FROM users JOIN identifiers ON identifiers.user_id = users.id
          WHERE identifiers.kind = $1 AND identifiers.value_key = $2) u"
    );
    PAGE = user_rows!(
        "(SELECT * FROM users WHERE id > $1 AND (CAST($2 AS TEXT) IS NULL OR id IN
            (SELECT user_id FROM identifiers
             WHERE kind IN ('username', 'email') AND value_key >= $2 AND value_key < $3))
          ORDER BY id LIMIT $4) u"
    );
    DELETE = "DELETE FROM users WHERE id = $1 RETURNING id";
    DISABLE = "UPDATE users SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL RETURNING id";
    ENABLE =
        "UPDATE users SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL RETURNING id";
    LOCK = "UPDATE users SET created_at = created_at WHERE id = $1 RETURNING id";
    RAISE_FLOOR = "UPDATE users SET revoked_floor = CASE WHEN revoked_floor > $2 THEN revoked_floor
        ELSE $2 END WHERE id = $1";
    CLEAR_ROLES = "DELETE FROM roles WHERE user_id = $1";
    ADD_ROLE = "INSERT INTO roles (user_id, role) VALUES ($1, $2)";
    ENABLED_WITH_ROLE = "SELECT COUNT(*) AS holders FROM roles JOIN users ON users.id = roles.user_id
        WHERE roles.role = $1 AND users.disabled_at IS NULL";
    COUNT = "SELECT COUNT(*) AS users FROM users";
}

/// Makes an account without names, roles or credentials.
pub async fn insert(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<(), StoreError> {
    conn.execute(INSERT, args![id.as_bytes(), now])
        .await
        .map(drop)
}

/// An account under an id that was not made for it: who it is, since when, and since when disabled.
pub type NewUser = (UserId, Timestamp, Option<Timestamp>);

/// Makes accounts without names, roles or credentials, where there is none of that id yet; answers
/// which were made.
pub async fn insert_new(
    conn: &mut Conn<'_>,
    users: &[NewUser],
) -> Result<BTreeSet<UserId>, StoreError> {
    let rows = users
        .iter()
        .map(|(id, created_at, disabled_at)| args![id.as_bytes(), *created_at, *disabled_at]);
    let made = conn.many(INSERT_NEW, rows.collect()).await?;
    made.iter()
        .map(|row| row.bytes("id").map(UserId::from_bytes))
        .collect()
}

/// Whether there is an account with this id.
pub async fn exists(conn: &mut Conn<'_>, id: UserId) -> Result<bool, StoreError> {
    Ok(conn.optional(EXISTS, args![id.as_bytes()]).await?.is_some())
}

/// The account with this id.
pub async fn by_id(conn: &mut Conn<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    Ok(fold(conn.all(BY_ID, args![id.as_bytes()]).await?)?.pop())
}

/// The account that has this name now.
pub async fn by_identifier(
    conn: &mut Conn<'_>,
    identifier: &countersign_core::Identifier,
) -> Result<Option<User>, StoreError> {
    let args = args![identifier.kind().as_str(), identifier.key()];
    Ok(fold(conn.all(BY_NAME, args).await?)?.pop())
}

/// Up to `limit` accounts in the order of their ids, after `after`, whose name begins with `prefix`.
pub async fn page(
    conn: &mut Conn<'_>,
    after: Option<UserId>,
    prefix: Option<&str>,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    // Above every text that begins with the prefix.
    let end = prefix.map(|prefix| format!("{prefix}\u{10ffff}"));
    fold(conn.all(PAGE, args![after, prefix, end, limit]).await?)
}

/// How many accounts there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    conn.one(COUNT, args![]).await?.get("users")
}

/// Removes an account with everything that belongs to it; false where it is gone already.
pub async fn delete(conn: &mut Conn<'_>, id: UserId) -> Result<bool, StoreError> {
    Ok(conn.optional(DELETE, args![id.as_bytes()]).await?.is_some())
}

/// Disables an account; false where it is disabled already or gone.
pub async fn disable(conn: &mut Conn<'_>, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(conn
        .optional(DISABLE, args![id.as_bytes(), now])
        .await?
        .is_some())
}

/// Enables an account; false where it is enabled already or gone.
pub async fn enable(conn: &mut Conn<'_>, id: UserId) -> Result<bool, StoreError> {
    Ok(conn.optional(ENABLE, args![id.as_bytes()]).await?.is_some())
}

/// Takes the lock of a user's row until the unit ends; false where the user is gone.
pub async fn lock(conn: &mut Conn<'_>, id: UserId) -> Result<bool, StoreError> {
    Ok(conn.optional(LOCK, args![id.as_bytes()]).await?.is_some())
}

/// Raises the durable floor of a user; it never sinks.
pub async fn raise_floor(conn: &mut Conn<'_>, id: UserId, seq: Seq) -> Result<(), StoreError> {
    conn.execute(RAISE_FLOOR, args![id.as_bytes(), seq])
        .await
        .map(drop)
}

/// Gives roles to users who do not have them.
pub async fn add_roles(conn: &mut Conn<'_>, roles: &[(UserId, &Role)]) -> Result<(), StoreError> {
    let rows = roles
        .iter()
        .map(|(id, role)| args![id.as_bytes(), role.as_str()]);
    conn.many(ADD_ROLE, rows.collect()).await.map(drop)
}

/// Replaces the roles of a user.
pub async fn set_roles(conn: &mut Conn<'_>, id: UserId, roles: &RoleSet) -> Result<(), StoreError> {
    conn.execute(CLEAR_ROLES, args![id.as_bytes()]).await?;
    let roles: Vec<_> = roles.iter().map(|role| (id, role)).collect();
    add_roles(conn, &roles).await
}

/// How many enabled accounts have a role.
pub async fn enabled_with_role(conn: &mut Conn<'_>, role: &str) -> Result<i64, StoreError> {
    conn.one(ENABLED_WITH_ROLE, args![role])
        .await?
        .get("holders")
}

/// Gathers the rows of each user, one a role, into users; ids come in order.
pub(crate) fn fold(rows: Vec<Row>) -> Result<Vec<User>, StoreError> {
    let mut users: BTreeMap<UserId, (User, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let id = UserId::from_bytes(row.bytes("id")?);
        let (_, roles) = match users.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((user(id, &row)?, Vec::new()))
            }
        };
        roles.extend(row.get::<Option<String>>("role")?);
    }
    Ok(users
        .into_values()
        .map(|(user, roles)| User {
            roles: RoleSet::stored(roles),
            ..user
        })
        .collect())
}

fn user(id: UserId, row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id,
        username: row.get("username")?,
        email: row.get("email")?,
        email_verified: row.optional_time("verified_at")?.is_some(),
        roles: RoleSet::default(),
        disabled_at: row.optional_time("disabled_at")?,
        revoked_floor: row.seq("revoked_floor")?,
        created_at: row.time("created_at")?,
    })
}
