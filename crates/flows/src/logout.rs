//! Signing out: of this login, or everywhere.

use countersign_core::{Actor, Dead, Presented, RefreshToken, Session, UserId};
use countersign_store::grants::{self, Held};
use countersign_store::sessions as stored;
use countersign_token::Refusal;

use crate::authenticate::{find_by_cookie, ids, require_live};
use crate::sessions::{end_all_of_user, end_session};
use crate::{Credential, Cx, FlowError, Origin};

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
            Proof::Refresh(token) => by_current_refresh_token(cx, token).await?,
        };
        return end_all_of_user(cx, origin, user_id, Actor::User(user_id)).await;
    }
    let (session, gone) = match &proof {
        Proof::Refresh(token) => (
            by_refresh_token(cx, token).await?,
            FlowError::RefreshInvalid,
        ),
        Proof::Credential(Credential::SessionCookie(text)) => {
            let session = find_by_cookie(cx, text)
                .await?
                .ok_or(FlowError::SessionInvalid)?;
            (
                living(cx, session).ok_or(FlowError::SessionInvalid)?,
                FlowError::SessionInvalid,
            )
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
        .and_then(|session| living(cx, session))
        .ok_or(FlowError::Token(Refusal::Revoked))
}

async fn by_refresh_token(cx: &Cx, token: &str) -> Result<Session, FlowError> {
    let (_, held) = genuine(cx, token).await?;
    living(cx, held.session).ok_or(FlowError::RefreshInvalid)
}

/// The user of a refresh token that could still be traded in. One that was replaced long ago proves
/// too little to end the other logins: whoever finds it in an old backup could.
async fn by_current_refresh_token(cx: &Cx, token: &str) -> Result<UserId, FlowError> {
    let (token, Held { grant, session, .. }) = genuine(cx, token).await?;
    let now = cx.clock.now();
    match session.alive(now, cx.settings.session_idle) {
        Err(Dead::Expired) => return Err(FlowError::RefreshExpired),
        Err(Dead::Revoked | Dead::Disabled) => return Err(FlowError::RefreshInvalid),
        Ok(()) => {}
    }
    match grant.present(token.counter(), now, cx.settings.refresh_grace) {
        Presented::Reused => Err(FlowError::RefreshInvalid),
        Presented::Current | Presented::Replaced => Ok(session.user_id),
    }
}

/// The grant of a refresh token that we made, whatever its counter.
async fn genuine(cx: &Cx, token: &str) -> Result<(RefreshToken, Held), FlowError> {
    cx.log.require_current(&cx.clock)?;
    let token = RefreshToken::parse(token).ok_or(FlowError::RefreshInvalid)?;
    let mut reader = cx.db.read().await?;
    let held = grants::by_id(&mut reader.conn(), token.grant_id())
        .await?
        .filter(|held| token.is_genuine(&held.grant, &cx.keyring))
        .ok_or(FlowError::RefreshInvalid)?;
    Ok((token, held))
}

/// A session that nobody has ended, though it may have expired.
fn living(cx: &Cx, session: Session) -> Option<Session> {
    match session.alive(cx.clock.now(), cx.settings.session_idle) {
        Ok(()) | Err(Dead::Expired) => Some(session),
        Err(Dead::Revoked | Dead::Disabled) => None,
    }
}
