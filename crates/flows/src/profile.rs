//! A user's own names.

use countersign_core::password::Password;
use countersign_core::{Actor, Event, EventKind, Identifier, Invalid, Reason, Scope, User, UserId};
use countersign_store::{Conn, events, identifiers, log, users};

use crate::authenticate::Asking;
use crate::error::Check;
use crate::password::confirm;
use crate::written::floor;
use crate::{Cx, FlowError, Live, Origin};

/// New names; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct NewNames {
    /// The username, as typed.
    pub username: Option<String>,
    /// The e-mail address, as typed.
    pub email: Option<String>,
}

impl NewNames {
    pub(crate) fn parse(&self, check: &mut Check) -> Vec<Identifier> {
        let username = self.username.as_deref().map(Identifier::username);
        let email = self.email.as_deref().map(Identifier::email);
        [username, email]
            .into_iter()
            .flatten()
            .filter_map(|name| check.take(name))
            .collect()
    }
}

/// The user as they are now.
pub async fn read(cx: &Cx, user: UserId) -> Result<User, FlowError> {
    let mut reader = cx.db.read().await?;
    users::by_id(&mut reader.conn(), user)
        .await?
        .ok_or(FlowError::NotFound("user"))
}

/// Changes the names of whoever asks, who proves it with the password once more.
pub async fn rename(
    cx: &Cx,
    origin: &Origin,
    live: &Live,
    names: &NewNames,
    current: &Password,
) -> Result<User, FlowError> {
    let mut check = Check::default();
    let names = names.parse(&mut check);
    check.finish()?;
    if names.is_empty() {
        return Err(Invalid::new("username", "a new username or email is required").into());
    }
    confirm(cx, live.user.id, live.session.id, current).await?;
    let now = cx.clock.now();
    let user_id = live.user.id;
    let event = Event::new(now, EventKind::NamesChanged, Actor::User(user_id))
        .subject(user_id)
        .session(live.session.id);
    let event = origin.mark(event);
    let asking = Asking::of(cx, live);
    cx.write_floors(move |conn| {
        Box::pin(async move {
            if !users::lock(conn, user_id).await? {
                return Err(FlowError::NotFound("user"));
            }
            replace_names(conn, user_id, &names).await?;
            let tick = log::advance(conn, now).await?;
            asking.require_alive(conn, now).await?;
            let id = user_id.to_string();
            let floor = floor(conn, now, tick, Scope::User, &id, Reason::Superseded).await?;
            let user = users::by_id(conn, user_id)
                .await?
                .ok_or(FlowError::NotFound("user"))?;
            events::append(conn, &event).await?;
            Ok((user, vec![floor]))
        })
    })
    .await
}

/// Gives a user new names in place of their old ones of the same kinds.
pub(crate) async fn replace_names(
    conn: &mut Conn<'_>,
    user: UserId,
    names: &[Identifier],
) -> Result<(), FlowError> {
    for name in names {
        identifiers::release(conn, user, name.kind()).await?;
        if !identifiers::claim(conn, name, user).await? {
            return Err(FlowError::NameTaken(name.kind()));
        }
    }
    Ok(())
}
