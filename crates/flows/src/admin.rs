//! What administrators do to accounts.

use countersign_core::{Actor, Event, EventKind, Identifier, Reason, RoleSet, Scope, User, UserId};
use countersign_store::{Conn, events, log, users};

use crate::delete_account::require_an_admin;
use crate::error::Check;
use crate::issue::check_size;
use crate::profile::{NewNames, replace_names};
use crate::written::floor;
use crate::{Cx, FlowError, Origin};

/// A page of users whose username or e-mail begins with `query`, and where the next page begins.
pub async fn list(
    cx: &Cx,
    query: Option<&str>,
    after: Option<UserId>,
    limit: i64,
) -> Result<(Vec<User>, Option<UserId>), FlowError> {
    // No name has one, and PostgreSQL fails on it.
    if query.is_some_and(|query| query.contains('\0')) {
        return Ok((Vec::new(), None));
    }
    // Names are compared as they are kept: a query is folded like a name.
    let prefix = query.filter(|query| !query.is_empty()).map(|query| {
        let name = if query.contains('@') {
            Identifier::email(query)
        } else {
            Identifier::username(query)
        };
        name.map_or_else(|_| query.to_lowercase(), |name| name.key().to_owned())
    });
    let mut reader = cx.db.read().await?;
    let found = users::page(&mut reader.conn(), after, prefix.as_deref(), limit).await?;
    let full = i64::try_from(found.len()).is_ok_and(|read| read == limit);
    let next = found.last().map(|user| user.id).filter(|_| full);
    Ok((found, next))
}

/// The account that an operator means by a username, an e-mail address or an id.
pub async fn find(cx: &Cx, name: &str) -> Result<User, FlowError> {
    let mut reader = cx.db.read().await?;
    let mut conn = reader.conn();
    if let Some(identifier) = countersign_core::LoginName::parse(name).identifier()
        && let Some(user) = users::by_identifier(&mut conn, identifier).await?
    {
        return Ok(user);
    }
    let by_id = match name.parse() {
        Ok(id) => users::by_id(&mut conn, id).await?,
        Err(_) => None,
    };
    by_id.ok_or(FlowError::NotFound("user"))
}

/// What to change about an account; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The roles, all of them.
    pub roles: Option<RoleSet>,
    /// Whether sign-in is refused.
    pub disabled: Option<bool>,
    /// New names.
    pub names: NewNames,
}

/// Changes an account. New roles and names count from the next request on; disabling ends every
/// session at once.
///
/// # Errors
/// [`FlowError::LastAdmin`] where nobody could administer any more.
pub async fn change(
    cx: &Cx,
    origin: &Origin,
    id: UserId,
    change: Change,
    actor: Actor,
) -> Result<User, FlowError> {
    let mut check = Check::default();
    let names = change.names.parse(&mut check);
    check.finish()?;
    if let Some(roles) = &change.roles {
        let user = crate::profile::read(cx, id).await?;
        check_size(
            cx,
            &User {
                roles: roles.clone(),
                ..user
            },
        )?;
    }
    let now = cx.clock.now();
    let origin = origin.clone();
    cx.write_floors(move |conn| {
        Box::pin(async move {
            let Applied {
                before,
                kinds,
                revoked,
            } = apply(conn, id, &change, &names, now).await?;
            let after = users::by_id(conn, id)
                .await?
                .ok_or(FlowError::NotFound("user"))?;
            if kinds.is_empty() {
                return Ok((after, Vec::new()));
            }
            let tick = log::advance(conn, now).await?;
            let was_admin = before.is_enabled() && before.roles.is_admin();
            if was_admin && !(after.is_enabled() && after.roles.is_admin()) {
                require_an_admin(conn).await?;
            }
            let reason = if revoked {
                Reason::Revoked
            } else {
                Reason::Superseded
            };
            let floor = floor(conn, now, tick, Scope::User, &id.to_string(), reason).await?;
            if revoked {
                users::raise_floor(conn, id, tick.seq).await?;
            }
            for kind in kinds {
                let event = Event::new(now, kind, actor.clone()).subject(id);
                let event = match kind {
                    EventKind::RolesChanged => {
                        let roles = serde_json::json!({ "roles": after.roles.to_words() });
                        event.data(roles.to_string())
                    }
                    _ => event,
                };
                events::append(conn, &origin.mark(event)).await?;
            }
            Ok((after, vec![floor]))
        })
    })
    .await
}

/// What a change did to the rows.
struct Applied {
    before: User,
    kinds: Vec<EventKind>,
    revoked: bool,
}

async fn apply(
    conn: &mut Conn<'_>,
    id: UserId,
    change: &Change,
    names: &[Identifier],
    now: countersign_core::Timestamp,
) -> Result<Applied, FlowError> {
    if !users::lock(conn, id).await? {
        return Err(FlowError::NotFound("user"));
    }
    let before = users::by_id(conn, id)
        .await?
        .ok_or(FlowError::NotFound("user"))?;
    let mut kinds = Vec::new();
    let mut revoked = false;
    if !names.is_empty() {
        replace_names(conn, id, names).await?;
        kinds.push(EventKind::NamesChanged);
    }
    if let Some(roles) = change
        .roles
        .as_ref()
        .filter(|roles| **roles != before.roles)
    {
        users::set_roles(conn, id, roles).await?;
        kinds.push(EventKind::RolesChanged);
    }
    match change.disabled {
        Some(true) if users::disable(conn, id, now).await? => {
            kinds.push(EventKind::UserDisabled);
            revoked = true;
        }
        Some(false) if users::enable(conn, id).await? => kinds.push(EventKind::UserEnabled),
        _ => {}
    }
    Ok(Applied {
        before,
        kinds,
        revoked,
    })
}
