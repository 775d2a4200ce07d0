//! Logins on devices.

use countersign_core::session::Lifecycle;
use countersign_core::{DurableFloors, Seq, Session, SessionId, Timestamp, User, UserId};

use crate::args::args;
use crate::conn::{Conn, Row};
use crate::error::StoreError;
use crate::statement::statements;
use crate::users;

/// A session with what decides whether it is alive. A login makes sessions through the built-in
/// client, so that client's floor is theirs.
macro_rules! session {
    ($rest:literal) => {
        session!("", "", $rest)
    };
    ($columns:literal, $joins:literal, $rest:literal) => {
        concat!(
            "SELECT s.id AS session_id, s.user_id, s.rev, s.auth_time, s.address, s.user_agent,
                s.last_used, s.expires, s.revoked_at, s.revoked_by, u.disabled_at,
                u.revoked_floor AS user_floor, c.revoked_floor AS client_floor, l.issuer_floor",
            $columns,
            " FROM sessions s JOIN users u ON u.id = s.user_id
             JOIN clients c ON c.id = 'countersign' JOIN log_clock l ON l.id = 1 ",
            $joins,
            $rest
        )
    };
}

/// The same with its user: a row for each role, and one where there is none.
macro_rules! with_user {
    ($where:literal) => {
        session!(
            ", u.id, u.revoked_floor, u.created_at, n.value AS username, e.value AS email,
                e.verified_at, r.role",
            "LEFT JOIN identifiers n ON n.user_id = u.id AND n.kind = 'username'
             LEFT JOIN identifiers e ON e.user_id = u.id AND e.kind = 'email'
             LEFT JOIN roles r ON r.user_id = u.id ",
            $where
        )
    };
}

statements! {
    // The conditions are what keeps a login that began before a revocation from outliving it.
    INSERT = "INSERT INTO sessions
            (id, user_id, rev, auth_time, amr, cookie_mac, address, user_agent, last_used, expires)
        SELECT $1, u.id, $3, $4, $5, $6, $7, $8, $4, $9
        FROM users u JOIN clients c ON c.id = 'countersign' JOIN log_clock l ON l.id = 1
        WHERE u.id = $2 AND u.disabled_at IS NULL AND c.disabled_at IS NULL
            AND $3 >= u.revoked_floor AND $3 >= c.revoked_floor AND $3 >= l.issuer_floor";
    BY_ID = session!("WHERE s.id = $1");
    WITH_USER_BY_ID = with_user!("WHERE s.id = $1 ORDER BY r.role");
    WITH_USER_BY_COOKIE = with_user!("WHERE s.cookie_mac = $1 ORDER BY r.role");
    OF_USER = session!("WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires > $2
        ORDER BY s.last_used DESC, s.id LIMIT $3");
    PAGE = session!("WHERE s.id > $1 AND s.revoked_at IS NULL AND s.expires > $2 ORDER BY s.id LIMIT $3");
    REVOKE = "UPDATE sessions SET revoked_at = $2, revoked_by = $3
        WHERE id = $1 AND revoked_at IS NULL RETURNING user_id";
    TOUCH = "UPDATE sessions SET last_used = $2 WHERE id = $1 AND last_used < $2 AND revoked_at IS NULL";
    COUNT = "SELECT COUNT(*) AS living FROM sessions WHERE revoked_at IS NULL AND expires > $1";
    PRUNE = "DELETE FROM sessions WHERE id IN
        (SELECT id FROM sessions WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// What a new session is made of.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The log's position, read before the login was decided.
    pub rev: Seq,
    /// When the person proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: &'static str,
    /// The MAC of its cookie, if it has one.
    pub cookie_mac: Option<[u8; 32]>,
    /// From where.
    pub address: String,
    /// With which program.
    pub user_agent: String,
    /// Its absolute end.
    pub expires: Timestamp,
}

/// Inserts a session if its user and client are enabled and its `rev` stands on or above every
/// durable floor; false where not.
pub async fn insert(conn: &mut Conn<'_>, new: &NewSession) -> Result<bool, StoreError> {
    let args = args![
        new.id.as_bytes(),
        new.user_id.as_bytes(),
        new.rev,
        new.auth_time,
        new.amr,
        new.cookie_mac.map(|mac| mac.to_vec()),
        new.address.as_str(),
        new.user_agent.as_str(),
        new.expires,
    ];
    Ok(conn.execute(INSERT, args).await? == 1)
}

/// The session with this id, alive or not.
pub async fn by_id(conn: &mut Conn<'_>, id: SessionId) -> Result<Option<Session>, StoreError> {
    conn.optional(BY_ID, args![id.as_bytes()])
        .await?
        .as_ref()
        .map(session)
        .transpose()
}

/// The session with this id, alive or not, and its user, as they were at one moment.
pub async fn with_user_by_id(
    conn: &mut Conn<'_>,
    id: SessionId,
) -> Result<Option<(Session, User)>, StoreError> {
    with_user(conn.all(WITH_USER_BY_ID, args![id.as_bytes()]).await?)
}

/// The session whose cookie has this MAC, alive or not, and its user, as they were at one moment.
pub async fn with_user_by_cookie(
    conn: &mut Conn<'_>,
    cookie_mac: &[u8; 32],
) -> Result<Option<(Session, User)>, StoreError> {
    with_user(conn.all(WITH_USER_BY_COOKIE, args![cookie_mac]).await?)
}

fn with_user(rows: Vec<Row>) -> Result<Option<(Session, User)>, StoreError> {
    let session = rows.first().map(session).transpose()?;
    Ok(session.zip(users::fold(rows)?.pop()))
}

/// Sessions of a user that nobody ended and that have not reached their absolute end, last used
/// first. Whether each is alive is the predicate's to say.
pub async fn of_user(
    conn: &mut Conn<'_>,
    user: UserId,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Session>, StoreError> {
    conn.all(OF_USER, args![user.as_bytes(), now, limit])
        .await?
        .iter()
        .map(session)
        .collect()
}

/// As [`of_user`], of everybody, in the order of ids.
pub async fn page(
    conn: &mut Conn<'_>,
    after: Option<SessionId>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Session>, StoreError> {
    let after = after.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    conn.all(PAGE, args![after, now, limit])
        .await?
        .iter()
        .map(session)
        .collect()
}

/// Ends a session; answers whose it was, or `None` where it was ended already or never was.
pub async fn revoke(
    conn: &mut Conn<'_>,
    id: SessionId,
    now: Timestamp,
    by: &str,
) -> Result<Option<UserId>, StoreError> {
    conn.optional(REVOKE, args![id.as_bytes(), now, by])
        .await?
        .map(|row| row.bytes("user_id").map(UserId::from_bytes))
        .transpose()
}

/// Notes that a session was used.
pub async fn touch(conn: &mut Conn<'_>, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
    conn.execute(TOUCH, args![id.as_bytes(), now])
        .await
        .map(drop)
}

/// Forgets up to `limit` sessions whose absolute end was before `before`; answers how many.
pub async fn prune(conn: &mut Conn<'_>, before: Timestamp, limit: i64) -> Result<u64, StoreError> {
    conn.execute(PRUNE, args![before, limit]).await
}

pub(crate) fn session(row: &Row) -> Result<Session, StoreError> {
    let lifecycle = match row.optional_time("revoked_at")? {
        None => Lifecycle::Active,
        Some(at) => Lifecycle::Revoked {
            at,
            by: row.get::<Option<String>>("revoked_by")?.unwrap_or_default(),
        },
    };
    Ok(Session {
        id: SessionId::from_bytes(row.bytes("session_id")?),
        user_id: UserId::from_bytes(row.bytes("user_id")?),
        rev: row.seq("rev")?,
        auth_time: row.time("auth_time")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
        last_used: row.time("last_used")?,
        expires: row.time("expires")?,
        lifecycle,
        user_disabled: row.optional_time("disabled_at")?.is_some(),
        floors: DurableFloors {
            user: row.seq("user_floor")?,
            client: row.seq("client_floor")?,
            issuer: row.seq("issuer_floor")?,
        },
    })
}

/// How many sessions nobody has ended and time has not; a floor may have.
pub async fn count(conn: &mut Conn<'_>, now: Timestamp) -> Result<i64, StoreError> {
    match conn.optional(COUNT, args![now]).await? {
        Some(row) => row.get("living"),
        None => Ok(0),
    }
}
