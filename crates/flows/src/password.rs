//! Changing a password: the present session is replaced, and every other one ends.

use countersign_core::password::{ExposeSecret, Password};
use countersign_core::{Actor, Event, EventKind, Reason, Scope, SessionId, UserId};
use countersign_store::{credentials, events, log, throttle, users};

use crate::authenticate::Asking;
use crate::hasher::Purpose;
use crate::issue::Mark;
use crate::login::NewLogin;
use crate::throttle::{count_change, session_key, take_change_back};
use crate::written::floor;
use crate::{Cx, FlowError, Live, Mode, Origin, SignedIn, Via};

/// Checks the password of whoever is about to change something, counting failures per session.
/// Answers the hash that was verified, on which the change then depends.
pub(crate) async fn confirm(
    cx: &Cx,
    user: UserId,
    session: SessionId,
    password: &Password,
) -> Result<String, FlowError> {
    let key = session_key(cx, session);
    count_change(cx, key).await?;
    let verified = verify(cx, user, password).await;
    match &verified {
        Ok(_) => {
            cx.db
                .write(move |conn| Box::pin(async move { throttle::clear(conn, &key).await }))
                .await?;
        }
        Err(FlowError::InvalidCredentials) => {}
        Err(_) => take_change_back(cx, key).await,
    }
    verified
}

async fn verify(cx: &Cx, user: UserId, password: &Password) -> Result<String, FlowError> {
    let stored = {
        let mut reader = cx.db.read().await?;
        credentials::password(&mut reader.conn(), user).await?
    };
    let right = cx.hasher.verify(password, stored.as_deref()).await?;
    stored
        .filter(|_| right)
        .ok_or(FlowError::InvalidCredentials)
}

/// Changes the password of whoever asks, and signs them in anew in the same mode.
///
/// # Errors
/// [`FlowError::InvalidCredentials`] for a wrong present password, and for a race that was lost to
/// another change or to the end of the session.
pub async fn change(
    cx: &Cx,
    origin: &Origin,
    live: &Live,
    current: &Password,
    new: &Password,
) -> Result<SignedIn, FlowError> {
    let names: Vec<&str> = [&live.user.username, &live.user.email]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    cx.settings
        .passwords
        .check("new_password", new.expose_secret(), &names)?;
    let mark = {
        let mut reader = cx.db.read().await?;
        Mark::take(cx, &mut reader.conn()).await?
    };
    let user_id = live.user.id;
    let verified = confirm(cx, user_id, live.session.id, current).await?;
    let hash = cx
        .hasher
        .hash(new, cx.random.bytes(), Purpose::SignIn)
        .await?;
    let mode = match live.via {
        Via::Header => Mode::Token,
        Via::AccessCookie => Mode::Cookie,
        Via::SessionCookie => Mode::Session,
    };
    let now = cx.clock.now();
    let replacement = NewLogin::new(cx, origin, mark, user_id, mode);
    let changed = Event::new(now, EventKind::PasswordChanged, Actor::User(user_id))
        .subject(user_id)
        .session(live.session.id);
    let changed = origin.mark(changed);
    let asking = Asking::of(cx, live);
    let (replacement, user) = cx
        .write_floors(move |conn| {
            Box::pin(async move {
                let lost = FlowError::InvalidCredentials;
                if !users::lock(conn, user_id).await? {
                    return Err(lost);
                }
                if !credentials::replace_password(conn, user_id, &verified, &hash, now).await? {
                    return Err(lost);
                }
                let tick = log::advance(conn, now).await?;
                // A dead session must not live on in its replacement.
                asking.require_alive(conn, now).await?;
                let id = user_id.to_string();
                let floor = floor(conn, now, tick, Scope::User, &id, Reason::Revoked).await?;
                users::raise_floor(conn, user_id, tick.seq).await?;
                // The clock's lock is held: nothing with a lower `seq` is still to come, so the
                // floor's own place is a `rev` on which the new session can stand.
                let replacement = replacement.at(tick.seq);
                if !replacement.insert(conn).await? {
                    return Err(lost);
                }
                let user = users::by_id(conn, user_id).await?.ok_or(lost)?;
                events::append(conn, &changed).await?;
                events::append(conn, &replacement.event).await?;
                Ok(((replacement, user), vec![floor]))
            })
        })
        .await?;
    replacement.signed_in(cx, user)
}

/// Sets a password for somebody: what an operator does. Every session of theirs ends.
pub async fn set(
    cx: &Cx,
    origin: &Origin,
    user_id: UserId,
    new: &Password,
    actor: Actor,
) -> Result<(), FlowError> {
    cx.settings
        .passwords
        .check("password", new.expose_secret(), &[])?;
    let hash = cx
        .hasher
        .hash(new, cx.random.bytes(), Purpose::SignIn)
        .await?;
    let now = cx.clock.now();
    let credential = cx.credential_id();
    let event = Event::new(now, EventKind::PasswordChanged, actor).subject(user_id);
    let event = origin.mark(event);
    cx.write_floors(move |conn| {
        Box::pin(async move {
            if !users::lock(conn, user_id).await? {
                return Err(FlowError::NotFound("user"));
            }
            if !credentials::set_password(conn, user_id, &hash, now).await? {
                credentials::insert_password(conn, credential, user_id, &hash, now).await?;
            }
            let tick = log::advance(conn, now).await?;
            let id = user_id.to_string();
            let floor = floor(conn, now, tick, Scope::User, &id, Reason::Revoked).await?;
            users::raise_floor(conn, user_id, tick.seq).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}
