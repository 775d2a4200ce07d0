//! Accounts that come from another system.
//!
//! Each has an id before it is made: the UUID that it had, or one derived from its names. That makes
//! an import a thing that can be broken off and run again: who is there under that id was imported
//! before, whatever they are called now, and is left alone; who has the name and another id is
//! somebody else, and the row is refused.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::foreign::Caps;
use countersign_core::import::{Account, Proof};
use countersign_core::{
    Actor, CredentialId, Event, EventKind, IdentifierKind, Seq, Timestamp, User, UserId,
};
use countersign_store::credentials::Brought;
use countersign_store::identifiers::Former;
use countersign_store::{Conn, StoreError, credentials, events, identifiers, users};
use countersign_token::MAX_SUBJECT_BYTES;

use crate::{Cx, FlowError, Origin};

/// Accounts that are made in one unit of work. On SQLite everybody who writes waits for it.
pub const BATCH: usize = 200;

/// How often a batch is tried that the database had no time for.
const ATTEMPTS: u32 = 10;

/// What became of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Made,
    /// It was imported before, and left as it is.
    There,
    /// It was not made.
    Refused(Clash),
}

/// Why an account that obeys the rules was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Somebody else has its name.
    #[error("the {0} belongs to another account")]
    NameTaken(IdentifierKind),
    /// A token with its roles could not travel.
    #[error("a token with these roles would be larger than 1,024 bytes")]
    TokenTooLarge,
}

impl Clash {
    /// The stable word for it, under which refusals are counted.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameTaken(_) => "name_taken",
            Self::TokenTooLarge => "token_too_large",
        }
    }
}

/// What an imported hash may cost beside the hashes of this installation.
pub fn caps(cx: &Cx) -> Caps {
    Caps::beside(cx.hasher.cost())
}

/// Says what [`run`] would do, and does nothing.
pub async fn look(cx: &Cx, accounts: &[Account]) -> Result<Vec<Outcome>, FlowError> {
    let mut reader = cx.db.read().await?;
    let mut outcomes = Vec::with_capacity(accounts.len());
    for account in accounts {
        outcomes.push(judge(cx, &mut reader.conn(), account).await?);
    }
    Ok(outcomes)
}

/// Makes up to [`BATCH`] accounts in one unit, and answers for each what became of it. Hashes are
/// kept as they came until their owners sign in; passwords are hashed here.
///
/// # Errors
/// Where the database fails: then none of them was made, and all can be tried again.
pub async fn run(
    cx: &Cx,
    origin: &Origin,
    accounts: Vec<Account>,
) -> Result<Vec<Outcome>, FlowError> {
    let mut outcomes = Vec::with_capacity(accounts.len());
    {
        let mut reader = cx.db.read().await?;
        for account in &accounts {
            outcomes.push(match account.proof {
                // A password is hashed for nobody who is there already.
                Proof::Plain(_) => judge(cx, &mut reader.conn(), account).await?,
                // The unit finds out for itself.
                _ => fits(cx, account)?,
            });
        }
    }
    let wanted = accounts.into_iter().enumerate().zip(&outcomes);
    let wanted: Vec<_> = wanted
        .filter(|(_, outcome)| **outcome == Outcome::Made)
        .map(|(account, _)| account)
        .collect();
    if wanted.is_empty() {
        return Ok(outcomes);
    }
    let new: Arc<[New]> = prepare(cx, origin, wanted).await?.into();
    for (new, outcome) in new.iter().zip(write(cx, &new).await?) {
        if let Some(slot) = outcomes.get_mut(new.place) {
            *slot = outcome;
        }
    }
    Ok(outcomes)
}

/// The id under which an account is, or would be.
fn id_of(cx: &Cx, account: &Account) -> UserId {
    account.id.unwrap_or_else(|| {
        let made = account.created_at.unwrap_or(Timestamp::from_millis(0));
        let mut parts = vec![account.source.as_deref().unwrap_or_default()];
        for name in &account.names {
            parts.extend([name.kind().as_str(), name.key()]);
        }
        cx.keyring.current().imported_user(made, &parts)
    })
}

async fn judge(cx: &Cx, conn: &mut Conn<'_>, account: &Account) -> Result<Outcome, FlowError> {
    let id = id_of(cx, account);
    if users::exists(conn, id).await? {
        return Ok(Outcome::There);
    }
    for name in &account.names {
        if users::by_identifier(conn, name).await?.is_some() {
            return Ok(Outcome::Refused(Clash::NameTaken(name.kind())));
        }
    }
    fits(cx, account)
}

/// Whether a token can carry the roles. Names are left out of one that would be too large.
fn fits(cx: &Cx, account: &Account) -> Result<Outcome, FlowError> {
    if account.roles.iter().next().is_none() {
        return Ok(Outcome::Made);
    }
    let user = User {
        id: id_of(cx, account),
        username: None,
        email: None,
        email_verified: false,
        roles: account.roles.clone(),
        disabled_at: None,
        revoked_floor: Seq(0),
        created_at: cx.clock.now(),
    };
    match crate::issue::check_size(cx, &user) {
        Ok(()) => Ok(Outcome::Made),
        Err(FlowError::TokenTooLarge(_)) => Ok(Outcome::Refused(Clash::TokenTooLarge)),
        Err(error) => Err(error),
    }
}

/// An account about to be written.
struct New {
    /// Where it stood among the others.
    place: usize,
    id: UserId,
    account: Account,
    hash: Option<(CredentialId, String)>,
    /// Whether the hash is to be replaced at the first sign-in.
    foreign: bool,
    created_at: Timestamp,
    event: Event,
}

async fn prepare(
    cx: &Cx,
    origin: &Origin,
    accounts: Vec<(usize, Account)>,
) -> Result<Vec<New>, FlowError> {
    let plain: Vec<_> = accounts
        .iter()
        .filter_map(|(_, account)| match &account.proof {
            Proof::Plain(password) => Some((password.clone(), cx.random.bytes())),
            _ => None,
        })
        .collect();
    let mut hashed = cx.hasher.hash_all(&plain).await?.into_iter();
    let now = cx.clock.now();
    let new = accounts.into_iter().map(|(place, account)| {
        let hash = match &account.proof {
            Proof::Hash { stored, .. } => Some(stored.clone()),
            Proof::Plain(_) => hashed.next(),
            Proof::Nothing => None,
        };
        let id = id_of(cx, &account);
        let event = Event::new(now, EventKind::UserCreated, Actor::Operator).subject(id);
        New {
            place,
            id,
            foreign: hash
                .as_ref()
                .is_some_and(|hash| cx.hasher.is_outdated(hash)),
            hash: hash.map(|hash| (cx.credential_id(), hash)),
            created_at: account.created_at.unwrap_or(now).min(now),
            event: origin.mark(event.data(r#"{"imported":true}"#)),
            account,
        }
    });
    Ok(new.collect())
}

async fn write(cx: &Cx, new: &Arc<[New]>) -> Result<Vec<Outcome>, FlowError> {
    let mut attempts = 0;
    loop {
        let (unit, now) = (Arc::clone(new), cx.clock.now());
        let written = cx
            .db
            .write(move |conn| Box::pin(async move { make(conn, &unit, now).await }))
            .await;
        match written {
            // A server writes to the same file, or another import to the same names.
            Err(FlowError::Unavailable | FlowError::Busy { .. }) if attempts < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            written => return written,
        }
    }
}

/// The unit: all of them at once, and one by one those whose name somebody has.
async fn make(
    conn: &mut Conn<'_>,
    unit: &[New],
    now: Timestamp,
) -> Result<Vec<Outcome>, FlowError> {
    let (mut outcomes, lost) = make_all(conn, &unit.iter().collect::<Vec<_>>(), now).await?;
    // A name that was won together with one that somebody else has is free again, for whoever of
    // these comes next. Who won everything is before all who wanted the same, and stays.
    for place in lost {
        let (Some(new), Some(slot)) = (unit.get(place), outcomes.get_mut(place)) else {
            continue;
        };
        let (alone, lost) = make_all(conn, &[new], now).await?;
        *slot = match alone.into_iter().next() {
            Some(outcome) if lost.is_empty() => outcome,
            _ => Outcome::Refused(Clash::NameTaken(taken(conn, new).await?)),
        };
    }
    let made = unit.iter().zip(&outcomes);
    let made = made.filter(|(_, outcome)| **outcome == Outcome::Made);
    let made: Vec<_> = made.map(|(new, _)| new.event.clone()).collect();
    if !made.is_empty() {
        events::append_all(conn, &made).await?;
    }
    Ok(outcomes)
}

/// Makes accounts with what they consist of, and takes those back, whose places it answers, that did
/// not get all of their names.
async fn make_all(
    conn: &mut Conn<'_>,
    unit: &[&New],
    now: Timestamp,
) -> Result<(Vec<Outcome>, Vec<usize>), FlowError> {
    // Ids in one order everywhere, so that two imports of the same people do not wait for each other
    // in a ring; names in the order of the file, whose first wins.
    let mut by_id = unit.to_vec();
    by_id.sort_by_key(|new| new.id);
    let rows: Vec<_> = by_id
        .iter()
        .map(|new| (new.id, new.created_at, new.account.disabled.then_some(now)))
        .collect();
    let mut free = users::insert_new(conn, &rows).await?;
    // Of two rows with one id the first is made.
    let made: Vec<_> = unit.iter().map(|new| free.remove(&new.id)).collect();
    let made_of = |wanted: &[bool]| {
        let both = unit.iter().zip(wanted.to_vec());
        both.filter_map(|(new, wanted)| wanted.then_some(*new))
            .collect::<Vec<_>>()
    };
    let new = made_of(&made);
    let mut names = Vec::new();
    for new in &new {
        names.extend(new.account.names.iter().map(|name| (name, new.id)));
    }
    let claimed = identifiers::claim_all(conn, &names).await?;
    let mut lost = Vec::new();
    let mut outcomes = vec![Outcome::There; unit.len()];
    let mut complete = made.clone();
    for (place, new) in unit.iter().enumerate().filter(|(place, _)| made[*place]) {
        complete[place] = claimed.get(&new.id) == Some(&new.account.names.len());
        if complete[place] {
            outcomes[place] = Outcome::Made;
        } else {
            users::delete(conn, new.id).await?;
            lost.push(place);
        }
    }
    let new = made_of(&complete);
    let (mut before, mut roles, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for new in &new {
        before.extend(former(&new.account).map(|former| (former, new.id)));
        roles.extend(new.account.roles.iter().map(|role| (new.id, role)));
        hashes.extend(new.hash.as_ref().map(|(id, hash)| Brought {
            id: *id,
            user: new.id,
            hash,
            foreign: new.foreign,
        }));
    }
    identifiers::remember(conn, &before).await?;
    users::add_roles(conn, &roles).await?;
    credentials::insert_brought(conn, &hashes, now).await?;
    Ok((outcomes, lost))
}

/// What an account was called where it comes from. Kept for [`crate::legacy`], since names may
/// change here.
fn former(account: &Account) -> impl Iterator<Item = Former<'_>> {
    let id = account.source.as_deref();
    let id = id.filter(|id| (1..=MAX_SUBJECT_BYTES).contains(&id.len()));
    let names = account.names.iter().map(Former::Name);
    id.map(Former::Id).into_iter().chain(names)
}

/// Which of its names somebody else has.
async fn taken(conn: &mut Conn<'_>, new: &New) -> Result<IdentifierKind, StoreError> {
    for name in &new.account.names {
        if users::by_identifier(conn, name).await?.is_some() {
            return Ok(name.kind());
        }
    }
    Ok(IdentifierKind::Username)
}
