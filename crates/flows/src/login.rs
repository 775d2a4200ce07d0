//! Signing in with a name and a password.

use countersign_core::grant::Rotations;
use countersign_core::password::Password;
use countersign_core::secrets::SessionCookie;
use countersign_core::session::AMR_PASSWORD;
use countersign_core::{
    Actor, Event, EventKind, FIRST_PARTY, Grant, LoginName, SessionId, User, UserId,
};
use countersign_store::sessions::NewSession;
use countersign_store::{Conn, StoreError, credentials, events, grants, sessions, users};

use crate::hasher::Purpose;
use crate::issue::{Mark, Minted, sign_in};
use crate::throttle::SignInKeys;
use crate::{Cx, FlowError, Mode, Origin, SignedIn};

/// What somebody typed.
#[derive(Clone)]
pub struct Login {
    /// A username or an e-mail address.
    pub name: String,
    /// The password, as received.
    pub password: Password,
    /// How the client wants to hold the login.
    pub mode: Mode,
}

/// Signs somebody in.
///
/// # Errors
/// [`FlowError::InvalidCredentials`] for a wrong password, an unknown user and a disabled account
/// alike, after the same work; [`FlowError::Throttled`] before any.
pub async fn login(cx: &Cx, origin: &Origin, login: Login) -> Result<SignedIn, FlowError> {
    let name = LoginName::parse(&login.name);
    let throttle = SignInKeys::new(cx, &name, origin);
    throttle.count(cx).await?;
    let signed_in = twice(cx, origin, &login, &name, &throttle).await;
    if let Err(FlowError::Busy { .. } | FlowError::Unavailable) = signed_in {
        throttle.take_back(cx).await;
    }
    signed_in
}

async fn twice(
    cx: &Cx,
    origin: &Origin,
    login: &Login,
    name: &LoginName,
    throttle: &SignInKeys,
) -> Result<SignedIn, FlowError> {
    // A revocation that commits while the password is hashed makes the insert of the session fail,
    // and the second attempt decides on what is true after it.
    for _ in 0..2 {
        if let Some(signed_in) = attempt(cx, origin, login, name, throttle).await? {
            return Ok(signed_in);
        }
    }
    Err(FlowError::InvalidCredentials)
}

async fn attempt(
    cx: &Cx,
    origin: &Origin,
    login: &Login,
    name: &LoginName,
    throttle: &SignInKeys,
) -> Result<Option<SignedIn>, FlowError> {
    let (mark, found) = {
        let mut reader = cx.db.read().await?;
        let mut conn = reader.conn();
        let mark = Mark::take(cx, &mut conn).await?;
        (mark, find(&mut conn, name).await?)
    };
    let stored = found.as_ref().map(|(_, hash)| hash.as_str());
    let right = cx.hasher.verify(&login.password, stored).await?;
    let foreign = stored.is_some_and(|hash| cx.hasher.is_outdated(hash));
    let Some((user, hash)) = found.filter(|(user, _)| right && user.is_enabled()) else {
        even_out(cx, login, name, foreign).await;
        return Err(FlowError::InvalidCredentials);
    };
    let rehashed = if cx.hasher.is_outdated(&hash) {
        Some(
            cx.hasher
                .hash(&login.password, cx.random.bytes(), Purpose::SignIn)
                .await?,
        )
    } else {
        None
    };
    let new = NewLogin::new(cx, origin, mark, user.id, login.mode);
    let unit = (new.clone(), throttle.clone());
    let written = cx
        .db
        .write(move |conn| {
            Box::pin(async move {
                let (new, throttle) = unit;
                if !new.insert(conn).await? {
                    return Ok(None);
                }
                let user = users::by_id(conn, new.session.user_id).await?;
                if let Some(better) = rehashed {
                    let at = new.session.auth_time;
                    credentials::replace_password(conn, new.session.user_id, &hash, &better, at)
                        .await?;
                }
                throttle.give_back(conn).await?;
                events::append(conn, &new.event).await?;
                Ok::<_, FlowError>(user)
            })
        })
        .await;
    match written {
        // Roles and names as they are after `rev` was read.
        Ok(Some(user)) => new.signed_in(cx, user).map(Some),
        // The account was deleted between the condition and the foreign key's check.
        Ok(None) | Err(FlowError::Conflict) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Imported hashes of which one stands for all in [`even_out`].
const SAMPLE: i64 = 16;

/// Lets every refusal take the same time, as long as there are hashes that other systems made and
/// that take another time than ours: after one of ours one of theirs is verified, and after one of
/// theirs one of ours. Which of theirs it is depends on the name, so that each name takes the same
/// time every time, and on a key, so that nobody knows which.
async fn even_out(cx: &Cx, login: &Login, name: &LoginName, foreign: bool) {
    let sample = async {
        let mut reader = cx.db.read().await?;
        credentials::imported(&mut reader.conn(), SAMPLE).await
    };
    let sample = sample.await.unwrap_or_default();
    let keys = cx.keyring.current();
    let [drawn, ..] = keys.throttle_key(&["stand-in", name.throttle_key()]);
    let place = usize::from(drawn).checked_rem(sample.len());
    if let Some(theirs) = place.and_then(|place| sample.get(place)) {
        let other = (!foreign).then_some(theirs.as_str());
        // Whatever fails here, the refusal stands and is counted: it is known by now that the
        // password is wrong.
        let _ = cx.hasher.verify(&login.password, other).await;
    }
}

async fn find(conn: &mut Conn<'_>, name: &LoginName) -> Result<Option<(User, String)>, StoreError> {
    let Some(identifier) = name.identifier() else {
        return Ok(None);
    };
    let Some(user) = users::by_identifier(conn, identifier).await? else {
        return Ok(None);
    };
    Ok(credentials::password(conn, user.id)
        .await?
        .map(|hash| (user, hash)))
}

/// A session with its grant, about to be written.
#[derive(Clone)]
pub(crate) struct NewLogin {
    pub(crate) session: NewSession,
    pub(crate) event: Event,
    mark: Mark,
    grant: Grant,
    audience: String,
    mode: Mode,
    cookie: Option<SessionCookie>,
}

impl NewLogin {
    pub(crate) fn new(cx: &Cx, origin: &Origin, mark: Mark, user_id: UserId, mode: Mode) -> Self {
        let now = cx.clock.now();
        let id: SessionId = cx.session_id();
        let cookie = (mode == Mode::Session).then(|| SessionCookie::new(cx.random.bytes()));
        let session = NewSession {
            id,
            user_id,
            rev: mark.rev,
            auth_time: now,
            amr: AMR_PASSWORD,
            cookie_mac: cookie
                .as_ref()
                .map(|cookie| cx.keyring.current().cookie_mac(cookie)),
            address: origin.address_text(),
            user_agent: origin.user_agent_text(),
            expires: now.plus(cx.settings.session_absolute),
        };
        let grant = Grant {
            id: cx.grant_id(),
            counter: 0,
            rotations: Rotations::default(),
            nonce: cx.random.bytes(),
        };
        let event = Event::new(now, EventKind::SessionCreated, Actor::User(user_id))
            .subject(user_id)
            .session(id)
            .client(FIRST_PARTY);
        let event = origin.mark(event);
        let audience = cx.settings.audience.clone();
        Self {
            session,
            event,
            mark,
            grant,
            audience,
            mode,
            cookie,
        }
    }

    /// Writes the session where its user may have one; false where not.
    pub(crate) async fn insert(&self, conn: &mut Conn<'_>) -> Result<bool, StoreError> {
        let inserted = sessions::insert(conn, &self.session).await?;
        if inserted {
            grants::insert(
                conn,
                &self.grant,
                self.session.id,
                FIRST_PARTY,
                &self.audience,
            )
            .await?;
        }
        Ok(inserted)
    }

    /// The same login at another place in the log.
    pub(crate) fn at(self, rev: countersign_core::Seq) -> Self {
        Self {
            session: NewSession {
                rev,
                ..self.session
            },
            mark: Mark { rev, ..self.mark },
            ..self
        }
    }

    /// What the client is given once the session is committed.
    pub(crate) fn signed_in(self, cx: &Cx, user: User) -> Result<SignedIn, FlowError> {
        let expires = self.session.expires;
        let minted = Minted {
            mark: self.mark,
            session: self.session.id,
            expires,
            ends: expires.min(self.session.auth_time.plus(cx.settings.session_idle)),
            fresh: true,
        };
        sign_in(cx, user, minted, &self.grant, self.mode, self.cookie)
    }
}
