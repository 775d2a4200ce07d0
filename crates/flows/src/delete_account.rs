//! Deleting an account with everything that belongs to it.

use countersign_core::password::Password;
use countersign_core::{ADMIN, Actor, Event, EventKind, Reason, Scope, UserId};
use countersign_store::{Conn, events, log, users};

use crate::authenticate::Asking;
use crate::password::confirm;
use crate::written::floor;
use crate::{Cx, FlowError, Live, Origin};

/// Deletes the account of whoever asks, who proves it with the password once more.
pub async fn delete_own(
    cx: &Cx,
    origin: &Origin,
    live: &Live,
    password: &Password,
) -> Result<(), FlowError> {
    confirm(cx, live.user.id, live.session.id, password).await?;
    let (id, asking) = (live.user.id, Asking::of(cx, live));
    erase(cx, origin, id, Actor::User(id), Some(asking)).await
}

/// Deletes somebody's account. Its rows go; the floor refuses the tokens that are still out there.
///
/// # Errors
/// [`FlowError::LastAdmin`] where nobody could administer any more.
pub async fn delete(
    cx: &Cx,
    origin: &Origin,
    user_id: UserId,
    actor: Actor,
) -> Result<(), FlowError> {
    erase(cx, origin, user_id, actor, None).await
}

async fn erase(
    cx: &Cx,
    origin: &Origin,
    user_id: UserId,
    actor: Actor,
    asking: Option<Asking>,
) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let event = origin.mark(Event::new(now, EventKind::UserDeleted, actor).subject(user_id));
    cx.write_floors(move |conn| {
        Box::pin(async move {
            // Locked before it is read: a user who is made administrator meanwhile may be the last.
            if !users::lock(conn, user_id).await? {
                return Err(FlowError::NotFound("user"));
            }
            let user = users::by_id(conn, user_id)
                .await?
                .ok_or(FlowError::NotFound("user"))?;
            let tick = log::advance(conn, now).await?;
            if let Some(asking) = asking {
                asking.require_alive(conn, now).await?;
            }
            users::delete(conn, user_id).await?;
            if user.is_enabled() && user.roles.is_admin() {
                require_an_admin(conn).await?;
            }
            let id = user_id.to_string();
            let floor = floor(conn, now, tick, Scope::User, &id, Reason::Revoked).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}

/// Refuses where this unit leaves nobody who can administer. Called with the log's lock held, so
/// that two administrators who remove each other at once are seen one after the other.
pub(crate) async fn require_an_admin(conn: &mut Conn<'_>) -> Result<(), FlowError> {
    match users::enabled_with_role(conn, ADMIN).await? {
        0 => Err(FlowError::LastAdmin),
        _ => Ok(()),
    }
}
