//! Minting: from a session that was found alive to what its client holds.

use std::time::Duration;

use countersign_core::secrets::SessionCookie;
use countersign_core::{Claims, FIRST_PARTY, Grant, Seq, SessionId, Timestamp, User};
use countersign_store::{Conn, log};
use countersign_token::{ACCESS, IssueError, SigningKey, crypto};

use crate::{Cx, FlowError};

/// How a client wants to hold its login. All three are one session underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Tokens in the answer's body.
    #[default]
    Token,
    /// The same tokens in HttpOnly cookies.
    Cookie,
    /// One opaque cookie, looked up on each request.
    Session,
}

/// The moment that a token rests on: the log's position, read before anything that the decision
/// rests on, and the time at that instant. A revocation that commits before it is seen by the
/// checks that follow; one that commits after it has a higher `seq` and refuses the token.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The log's position.
    pub rev: Seq,
    /// The token's `iat`; its life counts from here.
    pub at: Timestamp,
    /// The longest that a token may live, whatever this node was told: another node may have
    /// lowered it, and floors are forgotten after it.
    pub life: Duration,
}

impl Mark {
    /// Takes the mark. Only a node that knows the log as it is now may.
    pub(crate) async fn take(cx: &Cx, conn: &mut Conn<'_>) -> Result<Self, FlowError> {
        cx.log.require_current(&cx.clock)?;
        let at = cx.clock.now();
        let (rev, life) = log::mark(conn).await?;
        Ok(Self { rev, at, life })
    }
}

/// What tokens are minted on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minted {
    pub(crate) mark: Mark,
    pub(crate) session: SessionId,
    /// Its absolute end: no token outlives it.
    pub(crate) expires: Timestamp,
    /// When it ends if it is not used again.
    pub(crate) ends: Timestamp,
    /// Whether a password was given just now.
    pub(crate) fresh: bool,
}

/// What a token-mode or cookie-mode client holds.
#[derive(Clone)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// How long it lives.
    pub expires_in: Duration,
    /// The refresh token.
    pub refresh: String,
}

/// A login that succeeded.
#[derive(Clone)]
pub struct SignedIn {
    /// Whose.
    pub user: User,
    /// On which session.
    pub session: SessionId,
    /// How its client holds it.
    pub held: Held,
    /// How much is left of the session if it is not used again.
    pub session_ends_in: Duration,
}

/// How a client holds a login.
#[derive(Clone)]
pub enum Held {
    /// Tokens in the body.
    Token(Tokens),
    /// Tokens in cookies.
    Cookie(Tokens),
    /// An opaque cookie.
    Session(SessionCookie),
}

/// Makes what the client will hold, in its mode.
pub(crate) fn sign_in(
    cx: &Cx,
    user: User,
    minted: Minted,
    grant: &Grant,
    mode: Mode,
    cookie: Option<SessionCookie>,
) -> Result<SignedIn, FlowError> {
    let held = match (mode, cookie) {
        (Mode::Session, Some(cookie)) => Held::Session(cookie),
        (Mode::Session, None) => {
            return Err(FlowError::Internal(
                "a session login without its cookie".to_owned(),
            ));
        }
        (mode, _) => {
            // Of now, not of the mark: its key may have been revoked since.
            let key = cx.keys.signing(cx.clock.now())?;
            let claims = claims(cx, &user, minted);
            let expires_in = claims.exp.saturating_sub(claims.iat);
            let tokens = Tokens {
                access: issue(&key, claims)?,
                expires_in: Duration::from_secs(u64::try_from(expires_in).unwrap_or(0)),
                refresh: grant.refresh_token(&cx.keyring).reveal(),
            };
            if mode == Mode::Cookie {
                Held::Cookie(tokens)
            } else {
                Held::Token(tokens)
            }
        }
    };
    Ok(SignedIn {
        user,
        session: minted.session,
        held,
        session_ends_in: minted.ends.since(cx.clock.now()),
    })
}

fn claims(cx: &Cx, user: &User, minted: Minted) -> Claims {
    let mark = minted.mark;
    let iat = mark.at.as_secs();
    // From the whole second, so that a life of a second and a half is not two.
    let exp = Timestamp::from_secs(iat)
        .plus(cx.settings.token_lifetime.min(mark.life))
        .min(minted.expires)
        .as_secs();
    Claims {
        iss: cx.settings.issuer.clone(),
        sub: user.id.to_string(),
        aud: vec![cx.settings.audience.clone()],
        client_id: FIRST_PARTY.to_owned(),
        iat,
        nbf: iat,
        exp,
        jti: crypto::b64(&cx.random.bytes::<16>()),
        sid: minted.session.to_string(),
        rev: mark.rev,
        username: user.username.clone(),
        email: user.email.clone(),
        email_verified: user.email.is_some().then_some(user.email_verified),
        roles: user.roles.to_words(),
        token_type: ACCESS.to_owned(),
        scope: None,
        fresh: minted.fresh,
    }
}

/// Signs the claims. Names are for display, so where they would make the token too large to travel
/// they are left out, the longest kind first; roles never are: the refusal names them.
fn issue(key: &SigningKey, mut claims: Claims) -> Result<String, FlowError> {
    for attempt in 0..3 {
        match countersign_token::issue(key, &claims) {
            Ok(token) => return Ok(token),
            Err(IssueError::TooLarge { .. }) if attempt == 0 => {
                claims.email = None;
                claims.email_verified = None;
            }
            Err(IssueError::TooLarge { .. }) if attempt == 1 => claims.username = None,
            Err(IssueError::TooLarge { .. }) => break,
            Err(error) => return Err(FlowError::Internal(error.to_string())),
        }
    }
    Err(FlowError::TokenTooLarge(claims.roles))
}

/// Whether this user's tokens are small enough to be made; asked when roles change, so that a
/// person is not shut out by an administrator's generosity.
pub(crate) fn check_size(cx: &Cx, user: &User) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let key = cx.keys.signing(now)?;
    let minted = Minted {
        mark: Mark {
            rev: cx.verifier.seq(),
            at: now,
            life: cx.settings.token_lifetime,
        },
        session: cx.session_id(),
        expires: now.plus(cx.settings.token_lifetime),
        ends: now,
        fresh: true,
    };
    issue(&key, claims(cx, user, minted)).map(drop)
}
