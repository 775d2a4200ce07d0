//! Tokens of the program that was here before, for the days of a move.
//!
//! They say who somebody is where that is only read: they open no session, change nothing and
//! administer nothing. The token names the account as the former program did, and it is looked up
//! by what an import noted then, never by the names of today, since names can change hands. Each is
//! judged against the database, so that disabling, deleting, a new password and logging out
//! everywhere end it at once; logging out of one device does not, as it has none.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::{Identifier, Seq, User};
use countersign_store::identifiers::{self, Former};
use countersign_store::{log, users};
use countersign_token::{LegacySubject, LegacyToken, Refusal, Timestamp};

use crate::authenticate::{self, Credential, Identity};
use crate::{Cx, FlowError};

/// How many were let in, so that an operator sees when nobody needs them any more.
#[derive(Debug, Default)]
pub struct LetIn(AtomicU64);

impl LetIn {
    /// How many, since the start.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Checks a credential, and answers the account as the database knows it now: that of a living
/// session, or of a token of the former program.
pub async fn account(cx: &Cx, credential: &Credential) -> Result<User, FlowError> {
    match authenticate::require_live(cx, credential).await {
        Ok(live) => Ok(live.user),
        Err(refused) => owner(cx, credential, refused).await,
    }
}

/// Whose it is, where a credential was refused that is a token of the former program.
pub(crate) async fn identity(
    cx: &Cx,
    credential: &Credential,
    refused: FlowError,
) -> Result<Identity, FlowError> {
    Ok(owner(cx, credential, refused).await?.into())
}

async fn owner(cx: &Cx, credential: &Credential, refused: FlowError) -> Result<User, FlowError> {
    let (Some(legacy), Credential::Bearer(text)) = (&cx.settings.legacy, credential) else {
        return Err(refused);
    };
    // A token without a key's name, and claims of its own kind.
    if !matches!(
        refused,
        FlowError::Token(Refusal::Malformed | Refusal::SignatureInvalid)
    ) {
        return Err(refused);
    }
    let token = match legacy.check(text, cx.clock.now()) {
        Ok(token) => token,
        // Then it is neither, and what was said first stands.
        Err(Refusal::Malformed | Refusal::SignatureInvalid) => return Err(refused),
        Err(why) => return Err(why.into()),
    };
    let user = Box::pin(living(cx, &token)).await?;
    let user = user.ok_or(FlowError::Token(Refusal::Revoked))?;
    cx.let_in.0.fetch_add(1, Ordering::Relaxed);
    Ok(user)
}

/// The account that a good token names, unless something has ended it since.
async fn living(cx: &Cx, token: &LegacyToken) -> Result<Option<User>, FlowError> {
    let mut reader = cx.db.read().await?;
    let mut conn = reader.conn();
    let name;
    let former = match token.kind {
        LegacySubject::Id => Former::Id(&token.subject),
        LegacySubject::Name => match read_name(&token.subject) {
            None => return Ok(None),
            Some(read) => {
                name = read;
                Former::Name(&name)
            }
        },
    };
    let Some(id) = identifiers::remembered(&mut conn, former).await? else {
        return Ok(None);
    };
    let issuer_floor = log::issuer_floor(&mut conn).await?;
    let user = users::by_id(&mut conn, id).await?;
    let since = place(token.issued);
    Ok(user.filter(|user| {
        user.disabled_at.is_none() && user.revoked_floor < since && issuer_floor < since
    }))
}

/// The place in the revocation log at which a token would have been minted here: places are
/// microseconds since 1970, and never behind the clock.
fn place(issued: Timestamp) -> Seq {
    Seq(issued.as_millis().saturating_mul(1_000))
}

/// By the rule of the import: what has an `@` is an e-mail address.
fn read_name(text: &str) -> Option<Identifier> {
    let read = match text.contains('@') {
        true => Identifier::email(text),
        false => Identifier::username(text),
    };
    read.ok()
}
