//! What clients hold on sessions: one row a grant, however often it is refreshed.

use countersign_core::grant::Rotations;
use countersign_core::{Grant, GrantId, Session, SessionId};

use crate::args::args;
use crate::conn::{Conn, Row};
use crate::error::StoreError;
use crate::sessions::session;
use crate::statement::statements;

statements! {
    INSERT = "INSERT INTO grants
            (id, session_id, client_id, audience, scope, counter, rotations, nonce)
        VALUES ($1, $2, $3, $4, '', $5, $6, $7)";
    WITH_SESSION = "SELECT g.id AS grant_id, g.client_id, g.counter, g.rotations, g.nonce,
            s.id AS session_id, s.user_id, s.rev, s.auth_time, s.address, s.user_agent,
            s.last_used, s.expires, s.revoked_at, s.revoked_by, u.disabled_at,
            u.revoked_floor AS user_floor, c.revoked_floor AS client_floor, l.issuer_floor
        FROM grants g JOIN sessions s ON s.id = g.session_id JOIN users u ON u.id = s.user_id
        JOIN clients c ON c.id = g.client_id JOIN log_clock l ON l.id = 1
        WHERE g.id = $1";
    ROTATE = "UPDATE grants SET counter = counter + 1, rotations = $3
        WHERE id = $1 AND counter = $2
        AND EXISTS (SELECT 1 FROM sessions WHERE id = grants.session_id AND revoked_at IS NULL)";
}

/// Gives a client a grant on a session.
pub async fn insert(
    conn: &mut Conn<'_>,
    grant: &Grant,
    session: SessionId,
    client: &str,
    audience: &str,
) -> Result<(), StoreError> {
    let args = args![
        grant.id.as_bytes(),
        session.as_bytes(),
        client,
        audience,
        grant.counter,
        grant.rotations.to_bytes(),
        &grant.nonce,
    ];
    conn.execute(INSERT, args).await.map(drop)
}

/// A grant with its session, whose client floor is that of the client that holds the grant.
#[derive(Debug, Clone)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// Who holds it.
    pub client_id: String,
    /// The session that it is on.
    pub session: Session,
}

/// The grant with this id and its session, alive or not.
pub async fn by_id(conn: &mut Conn<'_>, id: GrantId) -> Result<Option<Held>, StoreError> {
    conn.optional(WITH_SESSION, args![id.as_bytes()])
        .await?
        .as_ref()
        .map(held)
        .transpose()
}

/// Moves the counter on from `counter`, unless another did or the session was ended; false then.
pub async fn rotate(
    conn: &mut Conn<'_>,
    id: GrantId,
    counter: i64,
    rotations: &Rotations,
) -> Result<bool, StoreError> {
    Ok(conn
        .execute(ROTATE, args![id.as_bytes(), counter, rotations.to_bytes()])
        .await?
        == 1)
}

fn held(row: &Row) -> Result<Held, StoreError> {
    Ok(Held {
        grant: Grant {
            id: GrantId::from_bytes(row.bytes("grant_id")?),
            counter: row.get("counter")?,
            rotations: Rotations::from_bytes(&row.get::<Vec<u8>>("rotations")?),
            nonce: row.bytes("nonce")?,
        },
        client_id: row.get("client_id")?,
        session: session(row)?,
    })
}
