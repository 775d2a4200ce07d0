//! Trading a refresh token for fresh ones.
//!
//! Rotation finds theft: a token that was replaced and comes back was copied. But the honest client
//! presents replaced tokens too, all the time: two tabs wake at once, an answer is lost in a tunnel.
//! So a token that was current a moment ago gets the *same* successor again, and everybody who
//! presented it goes on together. The price is said in `SECURITY.md`: a thief who stays within the
//! grace is not noticed. The session's absolute end bounds him, and logout ends him at once.

use countersign_core::{Actor, Dead, Event, EventKind, Presented, Reason, RefreshToken, Scope};
use countersign_store::grants::Held;
use countersign_store::{events, grants, log, sessions, users};

use crate::issue::{Mark, Minted, sign_in};
use crate::written::floor;
use crate::{Cx, FlowError, Mode, Origin, SignedIn};

/// How often a lost race is run again. Each round is lost to somebody who won it.
const ROUNDS: usize = 16;

/// Trades `token` for its successor and an access token with the rights of now.
///
/// # Errors
/// [`FlowError::RefreshInvalid`], [`FlowError::RefreshExpired`], or [`FlowError::RefreshReused`],
/// after which the session is over.
pub async fn refresh(
    cx: &Cx,
    origin: &Origin,
    token: &str,
    mode: Mode,
) -> Result<SignedIn, FlowError> {
    let token = RefreshToken::parse(token).ok_or(FlowError::RefreshInvalid)?;
    for _ in 0..ROUNDS {
        let (mark, held) = {
            let mut reader = cx.db.read().await?;
            let mut conn = reader.conn();
            let mark = Mark::take(cx, &mut conn).await?;
            (mark, grants::by_id(&mut conn, token.grant_id()).await?)
        };
        let held = held.ok_or(FlowError::RefreshInvalid)?;
        if !token.is_genuine(&held.grant, &cx.keyring) {
            return Err(FlowError::RefreshInvalid);
        }
        let now = cx.clock.now();
        match held.session.alive(now, cx.settings.session_idle) {
            Err(Dead::Expired) => return Err(FlowError::RefreshExpired),
            Err(Dead::Revoked | Dead::Disabled) => return Err(FlowError::RefreshInvalid),
            Ok(()) => {}
        }
        match held
            .grant
            .present(token.counter(), now, cx.settings.refresh_grace)
        {
            Presented::Reused => return Err(end_stolen(cx, origin, &held).await?),
            Presented::Replaced => return successor(cx, mark, held, mode).await,
            Presented::Current => {
                if let Some(rotated) = rotate(cx, held).await? {
                    return successor(cx, mark, rotated, mode).await;
                }
            }
        }
    }
    Err(FlowError::Conflict)
}

/// Moves the counter on; `None` where another refresh did, or the session ended meanwhile.
async fn rotate(cx: &Cx, held: Held) -> Result<Option<Held>, FlowError> {
    let now = cx.clock.now();
    let (id, session, counter) = (held.grant.id, held.session.id, held.grant.counter);
    let rotations = held.grant.rotations.with(now);
    let written = rotations.clone();
    let moved = cx
        .db
        .write(move |conn| {
            Box::pin(async move {
                let moved = grants::rotate(conn, id, counter, &written).await?;
                if moved {
                    sessions::touch(conn, session, now).await?;
                }
                Ok::<_, FlowError>(moved)
            })
        })
        .await?;
    Ok(moved.then(|| {
        let mut held = held;
        held.grant.counter += 1;
        held.grant.rotations = rotations;
        held.session.last_used = now;
        held
    }))
}

/// The present tokens of a grant, with the roles and names of now.
async fn successor(cx: &Cx, mark: Mark, held: Held, mode: Mode) -> Result<SignedIn, FlowError> {
    let user = {
        let mut reader = cx.db.read().await?;
        users::by_id(&mut reader.conn(), held.session.user_id).await?
    };
    let user = user.ok_or(FlowError::RefreshInvalid)?;
    let minted = Minted {
        mark,
        session: held.session.id,
        expires: held.session.expires,
        ends: held.session.ends(cx.settings.session_idle),
        fresh: false,
    };
    sign_in(cx, user, minted, &held.grant, mode, None)
}

/// Ends the session of a token that somebody copied.
async fn end_stolen(cx: &Cx, origin: &Origin, held: &Held) -> Result<FlowError, FlowError> {
    let now = cx.clock.now();
    let (session, user) = (held.session.id, held.session.user_id);
    let event = Event::new(now, EventKind::RefreshReused, Actor::System)
        .subject(user)
        .session(session)
        .client(held.client_id.clone());
    let event = origin.mark(event);
    cx.write_floors(move |conn| {
        Box::pin(async move {
            let by = Actor::System.to_string();
            if sessions::revoke(conn, session, now, &by).await?.is_none() {
                return Ok(((), Vec::new()));
            }
            let tick = log::advance(conn, now).await?;
            let id = session.to_string();
            let floor = floor(conn, now, tick, Scope::Session, &id, Reason::Revoked).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await?;
    Ok(FlowError::RefreshReused)
}
