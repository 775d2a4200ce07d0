//! Signing out: of this login, or everywhere.

use countersign_core::{Dead, Presented, RefreshToken, Session, UserId};
use countersign_store::grants::Held;
use countersign_store::{grants, sessions as stored};
use countersign_token::Refusal;

use crate::authenticate::{find_by_cookie, ids, require_live};
use crate::sessions::{end_all_of_user, end_session};
use crate::{Credential, Cx, FlowError, Origin};
use countersign_core::Actor;

/// What proves the right to end a login: anything that was ever part of it.
#[derive(Clone)]
pub enum Proof {
    /// An access token or a session cookie.
    Credential(Credential),
    /// A refresh token of any counter: ending a login early is nobody's loss.
    Refresh(String),
}

/// Ends the login that `proof` belongs to, or with `all` every login of its user.
///
/// An access token may have expired: whoever comes back after a night must still be able to sign
/// out. `all` needs a credential that is alive.
pub async fn logout(cx: &Cx, origin: &Origin, proof: Proof, all: bool) -> Result<(), FlowError> {
    if all {
        let user_id = match &proof {
            Proof::Credential(credential) => require_live(cx, credential).await?.user.id,
            Proof::Refresh(token) => by_living_refresh_token(cx, token).await?,
        };
        return end_all_of_user(cx, origin, user_id, Actor::User(user_id)).await;
    }
    let (session, gone) = match &proof {
        Proof::Refresh(token) => (
            by_refresh_token(cx, token).await?.1.session,
            FlowError::RefreshInvalid,
        ),
        Proof::Credential(Credential::SessionCookie(text)) => {
            let session = find_by_cookie(cx, text)
                .await?
                .filter(|session| is_unended(cx, session));
            let gone = FlowError::SessionInvalid;
            (session.ok_or(FlowError::SessionInvalid)?, gone)
        }
        Proof::Credential(Credential::Bearer(token) | Credential::AccessCookie(token)) => (
            by_access_token(cx, token).await?,
            FlowError::Token(Refusal::Revoked),
        ),
    };
    let actor = Actor::User(session.user_id);
    if end_session(cx, origin, session.id, actor).await? {
        Ok(())
    } else {
        Err(gone)
    }
}

async fn by_access_token(cx: &Cx, token: &str) -> Result<Session, FlowError> {
    cx.log.require_current(&cx.clock)?;
    let claims = cx.verifier.recognise(token)?;
    let (user_id, session_id) = ids(&claims)?;
    let mut reader = cx.db.read().await?;
    stored::by_id(&mut reader.conn(), session_id)
        .await?
        .filter(|session| session.user_id == user_id)
        .filter(|session| is_unended(cx, session))
        .ok_or(FlowError::Token(Refusal::Revoked))
}

/// What a genuine refresh token of any counter belongs to, where nobody has ended that.
async fn by_refresh_token(cx: &Cx, token: &str) -> Result<(RefreshToken, Held), FlowError> {
    cx.log.require_current(&cx.clock)?;
    let token = RefreshToken::parse(token).ok_or(FlowError::RefreshInvalid)?;
    let mut reader = cx.db.read().await?;
    grants::by_id(&mut reader.conn(), token.grant_id())
        .await?
        .filter(|held| token.is_genuine(&held.grant, &cx.keyring))
        .filter(|held| is_unended(cx, &held.session))
        .map(|held| (token, held))
        .ok_or(FlowError::RefreshInvalid)
}

/// Whose refresh token this is, where a refresh would take it: what has expired or was replaced
/// long ago may end its own session, and no other.
async fn by_living_refresh_token(cx: &Cx, token: &str) -> Result<UserId, FlowError> {
    let (token, held) = by_refresh_token(cx, token).await?;
    let now = cx.clock.now();
    if held.session.alive(now, cx.settings.session_idle).is_err() {
        return Err(FlowError::RefreshExpired);
    }
    let grace = cx.settings.refresh_grace;
    match held.grant.present(token.counter(), now, grace) {
        Presented::Current | Presented::Replaced => Ok(held.session.user_id),
        Presented::Reused => Err(FlowError::RefreshInvalid),
    }
}

/// Whether nobody has ended the session, though it may have expired.
fn is_unended(cx: &Cx, session: &Session) -> bool {
    match session.alive(cx.clock.now(), cx.settings.session_idle) {
        Ok(()) | Err(Dead::Expired) => true,
        Err(Dead::Revoked | Dead::Disabled) => false,
    }
}
