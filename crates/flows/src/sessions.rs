//! A user's devices, and ending them.

use countersign_core::{Actor, Event, EventKind, Reason, Scope, Session, SessionId, UserId};
use countersign_store::{events, log, sessions, users};

use crate::written::floor;
use crate::{Cx, FlowError, Live, Origin};

/// The most sessions of one user that are listed.
const LISTED: i64 = 200;

/// The living sessions of a user, last used first.
pub async fn list(cx: &Cx, user: UserId) -> Result<Vec<Session>, FlowError> {
    let now = cx.clock.now();
    let mut reader = cx.db.read().await?;
    let mut found = sessions::of_user(&mut reader.conn(), user, now, LISTED).await?;
    found.retain(|session| session.alive(now, cx.settings.session_idle).is_ok());
    Ok(found)
}

/// Ends one of a user's own sessions.
///
/// # Errors
/// [`FlowError::NotFound`] for a session that is not theirs, or not alive.
pub async fn end_own(
    cx: &Cx,
    origin: &Origin,
    live: &Live,
    id: SessionId,
) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let found = {
        let mut reader = cx.db.read().await?;
        sessions::by_id(&mut reader.conn(), id).await?
    };
    let own = found.is_some_and(|session| {
        session.user_id == live.user.id && session.alive(now, cx.settings.session_idle).is_ok()
    });
    if own && end_session(cx, origin, id, Actor::User(live.user.id)).await? {
        Ok(())
    } else {
        Err(FlowError::NotFound("session"))
    }
}

/// Ends a session and floors its tokens; false where somebody did before.
pub async fn end_session(
    cx: &Cx,
    origin: &Origin,
    id: SessionId,
    actor: Actor,
) -> Result<bool, FlowError> {
    let now = cx.clock.now();
    let event = origin.mark(Event::new(now, EventKind::SessionRevoked, actor.clone()).session(id));
    cx.write_floors(move |conn| {
        Box::pin(async move {
            let Some(user) = sessions::revoke(conn, id, now, &actor.to_string()).await? else {
                return Ok((false, Vec::new()));
            };
            let tick = log::advance(conn, now).await?;
            let floor = floor(
                conn,
                now,
                tick,
                Scope::Session,
                &id.to_string(),
                Reason::Revoked,
            )
            .await?;
            events::append(conn, &event.subject(user)).await?;
            Ok((true, vec![floor]))
        })
    })
    .await
}

/// Ends every session of a user with one floor.
///
/// # Errors
/// [`FlowError::NotFound`] where the user is gone.
pub async fn end_all_of_user(
    cx: &Cx,
    origin: &Origin,
    user: UserId,
    actor: Actor,
) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let event = Event::new(now, EventKind::SessionsRevoked, actor).subject(user);
    let event = origin.mark(event);
    cx.write_floors(move |conn| {
        Box::pin(async move {
            if !users::lock(conn, user).await? {
                return Err(FlowError::NotFound("user"));
            }
            let tick = log::advance(conn, now).await?;
            let floor = floor(
                conn,
                now,
                tick,
                Scope::User,
                &user.to_string(),
                Reason::Revoked,
            )
            .await?;
            users::raise_floor(conn, user, tick.seq).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}

/// Ends everything that was ever issued here, and sends every follower for the keys: after a database
/// was put back by hand, what it followed before may have had the same version of others.
pub async fn end_everything(cx: &Cx, origin: &Origin, actor: Actor) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let event = origin.mark(Event::new(now, EventKind::IssuerRevoked, actor));
    let issuer = cx.settings.issuer.clone();
    cx.write_floors(move |conn| {
        Box::pin(async move {
            let tick = log::advance(conn, now).await?;
            let floor = floor(conn, now, tick, Scope::Issuer, &issuer, Reason::Revoked).await?;
            log::raise_issuer_floor(conn, tick.seq).await?;
            log::keys_replaced(conn).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}

/// A page of everybody's living sessions, and where the next begins.
pub async fn page(
    cx: &Cx,
    after: Option<SessionId>,
    limit: i64,
) -> Result<(Vec<Session>, Option<SessionId>), FlowError> {
    let now = cx.clock.now();
    let mut reader = cx.db.read().await?;
    let mut found = sessions::page(&mut reader.conn(), after, now, limit).await?;
    let full = i64::try_from(found.len()).is_ok_and(|read| read == limit);
    let next = found.last().map(|session| session.id).filter(|_| full);
    found.retain(|session| session.alive(now, cx.settings.session_idle).is_ok());
    Ok((found, next))
}
