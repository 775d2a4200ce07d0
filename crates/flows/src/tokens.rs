//! One token: what there is to say about it, and withdrawing it.

use std::sync::Arc;

use countersign_core::{
    Actor, Claims, Event, EventKind, Invalid, Reason, RefreshToken, Scope, User,
};
use countersign_store::{events, log};
use countersign_token::Refusal;

use crate::authenticate::{check_token, ids, require_living_session};
use crate::logout::{Proof, logout};
use crate::written::floor;
use crate::{Cx, FlowError, Origin};

/// The longest id that somebody may name: ours have 22 characters.
const MAX_JTI_BYTES: usize = 128;

/// What a service may be told about a token (RFC 7662, section 2): its claims and its user as they
/// are now; nothing where it is no access token of ours, or where anything has ended it.
///
/// Stricter than a guard's check: the session is looked up. A refresh token is its client's alone,
/// and nothing that a service should take for a login.
pub async fn introspect(cx: &Cx, token: &str) -> Result<Option<(Arc<Claims>, User)>, FlowError> {
    let found = async {
        let claims = check_token(cx, token).await?;
        let (user, _) = require_living_session(cx, &claims).await?;
        Ok((claims, user))
    };
    match found.await {
        Ok(found) => Ok(Some(found)),
        Err(FlowError::Token(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes back a token that somebody holds (RFC 7009): an access token alone, or with a refresh token
/// the whole login. What is no good already stays so, and nobody is told the difference.
pub async fn revoke(cx: &Cx, origin: &Origin, token: &str) -> Result<(), FlowError> {
    let outcome = if RefreshToken::parse(token).is_some() {
        logout(cx, origin, Proof::Refresh(token.to_owned()), false).await
    } else {
        match recognise(cx, token).await {
            Ok(Some(claims)) => {
                let (user, _) = ids(&claims)?;
                withdraw(cx, origin, &claims.jti, Some(&claims), Actor::User(user)).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        }
    };
    match outcome {
        Err(FlowError::Token(_) | FlowError::RefreshInvalid) => Ok(()),
        outcome => outcome,
    }
}

/// Which token an administrator withdraws.
#[derive(Clone)]
pub enum Which {
    /// By its text.
    Token(String),
    /// By its `jti`, where nobody has the text.
    Jti(String),
}

/// Withdraws an access token in the name of an administrator.
///
/// # Errors
/// [`FlowError::Invalid`] for what was never an access token of ours.
pub async fn revoke_by_admin(
    cx: &Cx,
    origin: &Origin,
    which: Which,
    actor: Actor,
) -> Result<(), FlowError> {
    match which {
        Which::Token(token) => match recognise(cx, &token).await {
            Ok(Some(claims)) => withdraw(cx, origin, &claims.jti, Some(&claims), actor).await,
            Ok(None) => Ok(()),
            Err(FlowError::Token(_)) => {
                Err(Invalid::new("token", "is no access token of this server").into())
            }
            Err(error) => Err(error),
        },
        Which::Jti(jti) if (1..=MAX_JTI_BYTES).contains(&jti.len()) => {
            withdraw(cx, origin, &jti, None, actor).await
        }
        Which::Jti(_) => Err(Invalid::new("jti", "must have 1 to 128 bytes").into()),
    }
}

/// The claims of an access token of ours that a floor would make a difference to; none where it has
/// expired or is refused already, so that repeating it does not fill the log.
async fn recognise(cx: &Cx, token: &str) -> Result<Option<Arc<Claims>>, FlowError> {
    match check_token(cx, token).await {
        Ok(claims) => Ok(Some(claims)),
        Err(FlowError::Token(Refusal::NotYetValid)) => {
            Ok(Some(Arc::new(cx.verifier.recognise(token)?)))
        }
        Err(FlowError::Token(Refusal::Expired | Refusal::Revoked | Refusal::Superseded)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn withdraw(
    cx: &Cx,
    origin: &Origin,
    jti: &str,
    claims: Option<&Claims>,
    actor: Actor,
) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let mut event = Event::new(now, EventKind::TokenRevoked, actor)
        .data(serde_json::json!({ "jti": jti }).to_string());
    if let Some(claims) = claims {
        let (user, session) = ids(claims)?;
        event = event
            .subject(user)
            .session(session)
            .client(claims.client_id.clone());
    }
    let event = origin.mark(event);
    let jti = jti.to_owned();
    cx.write_floors(move |conn| {
        Box::pin(async move {
            let tick = log::advance(conn, now).await?;
            let floor = floor(conn, now, tick, Scope::Token, &jti, Reason::Revoked).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}
