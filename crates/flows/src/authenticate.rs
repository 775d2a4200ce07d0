//! Who sends this request: the one path from a credential to a person.

use std::time::Duration;

use countersign_core::secrets::SessionCookie;
use countersign_core::{Claims, RoleSet, Session, SessionId, Timestamp, User, UserId};
use countersign_store::{Conn, sessions, users};
use countersign_token::Refusal;

use crate::{Cx, FlowError, legacy, log};

/// What a client sent to say who it is.
#[derive(Clone)]
pub enum Credential {
    /// An access token in `Authorization: Bearer`.
    Bearer(String),
    /// An access token in a cookie.
    AccessCookie(String),
    /// The opaque cookie of a session.
    SessionCookie(String),
}

/// How a credential travelled, which is the mode of its login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// In the `Authorization` header.
    Header,
    /// As an access token in a cookie.
    AccessCookie,
    /// As the opaque cookie of a session.
    SessionCookie,
}

/// Who it is, by the credential alone where that is an access token.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What to call them.
    pub name: String,
    /// Their e-mail address.
    pub email: Option<String>,
    /// What they may do, when the token was minted.
    pub roles: RoleSet,
}

impl From<User> for Identity {
    fn from(user: User) -> Self {
        Self {
            name: user.name().to_owned(),
            email: user.email,
            roles: user.roles,
        }
    }
}

/// Who it is, by the database: what every change and everything administrative asks for.
#[derive(Debug, Clone)]
pub struct Live {
    /// The user as they are now.
    pub user: User,
    /// Their session, which is alive.
    pub session: Session,
    /// How the credential travelled.
    pub via: Via,
}

/// The session that asks for a change of its own account, to be judged once more where the change
/// is written: it may have ended while the password was hashed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    session: SessionId,
    idle: Duration,
}

impl Asking {
    pub(crate) fn of(cx: &Cx, live: &Live) -> Self {
        Self {
            session: live.session.id,
            idle: cx.settings.session_idle,
        }
    }

    /// Refuses where the session has ended. Called with the log's lock held, and a statement of its
    /// own: whatever ended the session has a lower `seq`, and is seen.
    pub(crate) async fn require_alive(
        self,
        conn: &mut Conn<'_>,
        now: Timestamp,
    ) -> Result<(), FlowError> {
        match sessions::by_id(conn, self.session).await? {
            Some(session) if session.alive(now, self.idle).is_ok() => Ok(()),
            _ => Err(FlowError::InvalidCredentials),
        }
    }
}

/// How much time may pass before a session's last use is written down again.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Checks a credential as the guard would: no database for access tokens.
///
/// What rarely happens is boxed, here and below: a query takes a hundred kilobytes of room in every
/// future that may come to it, which would be set aside and copied for each request that does not.
pub async fn identify(cx: &Cx, credential: &Credential) -> Result<Identity, FlowError> {
    match identify_ours(cx, credential).await {
        Err(refused) => legacy::identity(cx, credential, refused).await,
        known => known,
    }
}

async fn identify_ours(cx: &Cx, credential: &Credential) -> Result<Identity, FlowError> {
    match credential {
        Credential::Bearer(token) | Credential::AccessCookie(token) => from_token(cx, token).await,
        Credential::SessionCookie(cookie) => {
            Ok(Box::pin(from_cookie(cx, cookie)).await?.user.into())
        }
    }
}

/// Checks a credential, and then that its session is alive and who its user is now. A token is only
/// a name here: whoever stole a signing key still needs a living session.
pub async fn require_live(cx: &Cx, credential: &Credential) -> Result<Live, FlowError> {
    let (token, via) = match credential {
        Credential::SessionCookie(cookie) => return from_cookie(cx, cookie).await,
        Credential::Bearer(token) => (token, Via::Header),
        Credential::AccessCookie(token) => (token, Via::AccessCookie),
    };
    let claims = check_token(cx, token).await?;
    let (user, session) = require_living_session(cx, &claims).await?;
    Ok(Live { user, session, via })
}

/// The session that a good token names, which is alive, and whose it is.
pub(crate) async fn require_living_session(
    cx: &Cx,
    claims: &Claims,
) -> Result<(User, Session), FlowError> {
    let (user_id, session_id) = ids(claims)?;
    let mut reader = cx.db.read().await?;
    let found = sessions::with_user_by_id(&mut reader.conn(), session_id).await?;
    let revoked = FlowError::Token(Refusal::Revoked);
    let Some((session, user)) = found.filter(|(session, _)| session.user_id == user_id) else {
        return Err(revoked);
    };
    match session.alive(cx.clock.now(), cx.settings.session_idle) {
        Ok(()) => Ok((user, session)),
        Err(_) => Err(revoked),
    }
}

/// As [`require_live`], and 403 for whoever is no administrator now.
pub async fn require_admin(cx: &Cx, credential: &Credential) -> Result<Live, FlowError> {
    let live = require_live(cx, credential).await?;
    if live.user.roles.is_admin() {
        Ok(live)
    } else {
        Err(FlowError::Forbidden)
    }
}

async fn from_token(cx: &Cx, token: &str) -> Result<Identity, FlowError> {
    let claims = check_token(cx, token).await?;
    let name = match claims.username.as_deref().or(claims.email.as_deref()) {
        Some(name) => name.to_owned(),
        // Left out of a token that would have been too large.
        None => Box::pin(name_of(cx, ids(&claims)?.0)).await?,
    };
    Ok(Identity {
        name,
        email: claims.email.clone(),
        roles: RoleSet::stored(claims.roles.iter().cloned()),
    })
}

async fn name_of(cx: &Cx, user_id: UserId) -> Result<String, FlowError> {
    let mut reader = cx.db.read().await?;
    let user = users::by_id(&mut reader.conn(), user_id).await?;
    Ok(user.map(|user| user.name().to_owned()).unwrap_or_default())
}

/// The verifier's check, on a node that knows the log as it is now; where the token knows more than
/// the node does, the node looks again first.
pub(crate) async fn check_token(cx: &Cx, token: &str) -> Result<std::sync::Arc<Claims>, FlowError> {
    let now = cx.log.require_current(&cx.clock)?;
    let look_again = match cx.verifier.check(token, now) {
        Err(Refusal::Ahead) => true,
        Err(Refusal::UnknownKey) => cx.log.may_ask_for_keys(&cx.clock),
        done => return Ok(done?),
    };
    if look_again {
        Box::pin(log::look(cx)).await?;
    }
    Ok(cx.verifier.check(token, cx.clock.now())?)
}

/// The ids in a token that we signed; others than ours are no UUIDs.
pub(crate) fn ids(claims: &Claims) -> Result<(UserId, SessionId), FlowError> {
    let malformed = FlowError::Token(Refusal::Malformed);
    match (claims.sub.parse(), claims.sid.parse()) {
        (Ok(user), Ok(session)) => Ok((user, session)),
        _ => Err(malformed),
    }
}

async fn from_cookie(cx: &Cx, text: &str) -> Result<Live, FlowError> {
    let now = cx.log.require_current(&cx.clock)?;
    let cookie = SessionCookie::parse(text).ok_or(FlowError::SessionInvalid)?;
    let found = by_cookie(cx, &cookie).await?;
    let (session, user) = found.ok_or(FlowError::SessionInvalid)?;
    session
        .alive(now, cx.settings.session_idle)
        .map_err(|_| FlowError::SessionInvalid)?;
    touch(cx, &session, now).await?;
    Ok(Live {
        user,
        session,
        via: Via::SessionCookie,
    })
}

/// The session of a cookie, alive or not.
pub(crate) async fn find_by_cookie(cx: &Cx, text: &str) -> Result<Option<Session>, FlowError> {
    let Some(cookie) = SessionCookie::parse(text) else {
        return Ok(None);
    };
    let found = by_cookie(cx, &cookie).await?;
    Ok(found.map(|(session, _)| session))
}

async fn by_cookie(cx: &Cx, cookie: &SessionCookie) -> Result<Option<(Session, User)>, FlowError> {
    let mut reader = cx.db.read().await?;
    for keys in cx.keyring.all() {
        let mac = keys.cookie_mac(cookie);
        let found = sessions::with_user_by_cookie(&mut reader.conn(), &mac).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

async fn touch(cx: &Cx, session: &Session, now: Timestamp) -> Result<(), FlowError> {
    if now.since(session.last_used) < TOUCH_EVERY.min(cx.settings.session_idle / 2) {
        return Ok(());
    }
    let id = session.id;
    Ok(cx
        .db
        .write(move |conn| Box::pin(async move { sessions::touch(conn, id, now).await }))
        .await?)
}
