//! Getting ready: the right secret, a key that signs, and the log as it is now.

use std::time::Duration;

use countersign_core::key::{KeyRecord, Phase, phases};
use countersign_core::secrets::Keyring;
use countersign_core::{ADMIN, Actor, Timestamp};
use countersign_store::keys::SealedKey;
use countersign_store::{Conn, events, keys, log, users};
use countersign_token::{Algorithm, Policy, Verifier};

use crate::clients::Services;
use crate::cx::Parts;
use crate::feed::Feed;
use crate::keys::{Keys, created, make, seal_context};
use crate::legacy::LetIn;
use crate::log::{Watch, look};
use crate::{Cx, FlowError, Random};

/// Why Countersign does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database was sealed under another key. Making new keys instead would sign everybody out
    /// and hide the mistake.
    #[error(
        "SECRET_KEY is not the one that this database was made with: set the right one, or, to \
         change it, set the old one as SECRET_KEY_PREVIOUS"
    )]
    WrongSecret,
    /// Anything else.
    #[error(transparent)]
    Flow(#[from] FlowError),
}

impl From<countersign_store::StoreError> for StartError {
    fn from(error: countersign_store::StoreError) -> Self {
        Self::Flow(error.into())
    }
}

/// What the start found, for whoever prints it.
#[derive(Debug)]
pub struct Started {
    /// The context of every flow.
    pub cx: Cx,
    /// The key that was made, if one was.
    pub new_key: Option<KeyRecord>,
    /// Whether anybody can administer.
    pub has_admin: bool,
}

pub(crate) const CHECK_CONTEXT: &str = "secret check";
const CHECK_VALUE: &[u8] = b"countersign";

/// Gets ready to serve: opens what is sealed, states how long tokens live and who issues them,
/// makes a key where none signs, and looks at the log.
pub async fn serve(parts: Parts) -> Result<Started, StartError> {
    let cx = context(parts);
    check_secret(&cx).await?;
    let (life, issuer, now) = (
        cx.settings.token_lifetime,
        cx.settings.issuer.clone(),
        cx.clock.now(),
    );
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                log::set_life(conn, life, now).await?;
                log::set_issuer(conn, &issuer).await
            })
        })
        .await?;
    let new_key = if cx.keys.is_shared() {
        None
    } else {
        ensure_key(&cx).await?
    };
    look(&cx).await?;
    let admins = {
        let mut reader = cx.db.read().await?;
        users::enabled_with_role(&mut reader.conn(), ADMIN).await?
    };
    Ok(Started {
        cx,
        new_key,
        has_admin: admins > 0,
    })
}

/// Gets ready for one command, beside a server or without: as [`serve`], but what the server
/// decided (who issues, how long tokens live, how they are signed) is read and not stated. A command
/// may be typed where the server's configuration is not seen, and must not change it by that.
pub async fn command(mut parts: Parts) -> Result<Cx, StartError> {
    {
        let mut reader = parts.db.read().await?;
        let mut conn = reader.conn();
        if let Some(issuer) = log::issuer(&mut conn).await? {
            parts.settings.issuer = issuer;
        }
        let keys = keys::all(&mut conn).await?.into_iter();
        let live = keys.filter(|key| key.record.revoked_at.is_none());
        if let Some(newest) = live.max_by_key(|key| key.record.signs_from) {
            parts.settings.algorithm = newest.record.algorithm;
        }
    }
    let cx = context(parts);
    check_secret(&cx).await?;
    if !cx.keys.is_shared() {
        ensure_key(&cx).await?;
    }
    look(&cx).await?;
    Ok(cx)
}

fn context(parts: Parts) -> Cx {
    let Parts {
        db,
        clock,
        random,
        keyring,
        hasher,
        shared_key,
        settings,
    } = parts;
    let verifier = Verifier::new(Policy {
        issuer: settings.issuer.clone(),
        audience: settings.audience.clone(),
        leeway: Duration::ZERO,
        life: settings.token_lifetime,
    });
    Cx {
        db,
        clock,
        random,
        keyring,
        hasher,
        verifier,
        keys: Keys::new(shared_key),
        log: Watch::default(),
        feed: Feed::default(),
        services: Services::default(),
        let_in: LetIn::default(),
        settings,
    }
}

/// Compares `SECRET_KEY` with the sealed value, and reseals everything where it was changed.
async fn check_secret(cx: &Cx) -> Result<(), StartError> {
    let (keyring, random, now) = (cx.keyring.clone(), cx.random.clone(), cx.clock.now());
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                // Its lock lets one node at a time through here.
                log::advance(conn, now).await?;
                let fresh = || {
                    keyring
                        .current()
                        .seal(random.bytes(), CHECK_CONTEXT, CHECK_VALUE)
                };
                let is_current = match log::secret_check(conn).await? {
                    None => false,
                    Some(sealed) if keyring.current().open(CHECK_CONTEXT, &sealed).is_some() => {
                        true
                    }
                    Some(sealed) if keyring.open(CHECK_CONTEXT, &sealed).is_some() => false,
                    Some(_) => return Err(StartError::WrongSecret),
                };
                // Also where the check is: a node that still has the old secret may have made a key.
                reseal(conn, &keyring, &random).await?;
                if !is_current {
                    log::set_secret_check(conn, fresh()).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Seals under the present secret what is still sealed under the previous one.
async fn reseal(conn: &mut Conn<'_>, keyring: &Keyring, random: &Random) -> Result<(), StartError> {
    for SealedKey { record, sealed } in keys::all(conn).await? {
        let context = seal_context(&record.kid);
        if keyring.current().open(&context, &sealed).is_some() {
            continue;
        }
        let plain = keyring
            .open(&context, &sealed)
            .ok_or(StartError::WrongSecret)?;
        let sealed = keyring.current().seal(random.bytes(), &context, &plain);
        keys::reseal(conn, &record.kid, &sealed).await?;
    }
    Ok(())
}

/// Makes a key where none of the configured algorithm signs or will sign.
async fn ensure_key(cx: &Cx) -> Result<Option<KeyRecord>, FlowError> {
    let now = cx.clock.now();
    let algorithm = cx.settings.algorithm;
    let current = {
        let mut reader = cx.db.read().await?;
        keys::all(&mut reader.conn()).await?
    };
    if serves(&current, cx, now).is_none() {
        return Ok(None);
    }
    let signs_now = make(cx, now)?;
    let life = cx.settings.token_lifetime;
    let ahead = now.plus(cx.settings.publish_ahead);
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                log::keys_changed(conn).await?;
                let records: Vec<_> = keys::all(conn)
                    .await?
                    .into_iter()
                    .map(|key| key.record)
                    .collect();
                let Some(signs) = missing(&records, algorithm, now, life) else {
                    return Ok(None);
                };
                let signs_from = if signs { ahead } else { now };
                let record = KeyRecord {
                    signs_from,
                    ..signs_now.record
                };
                let key = SealedKey {
                    record: record.clone(),
                    sealed: signs_now.sealed,
                };
                keys::insert(conn, &key).await?;
                events::append(conn, &created(now, Actor::System, &record)).await?;
                Ok(Some(record))
            })
        })
        .await
}

fn serves(keys: &[SealedKey], cx: &Cx, now: Timestamp) -> Option<bool> {
    let records: Vec<_> = keys.iter().map(|key| key.record.clone()).collect();
    missing(
        &records,
        cx.settings.algorithm,
        now,
        cx.settings.token_lifetime,
    )
}

/// `None` where a key of the algorithm signs or will; else whether some other key signs meanwhile,
/// so that the new one can be published ahead.
fn missing(
    records: &[KeyRecord],
    algorithm: Algorithm,
    now: Timestamp,
    life: Duration,
) -> Option<bool> {
    let phases = phases(records, now, life);
    let signs = |phase: &Phase| matches!(phase, Phase::Signing | Phase::Published);
    // The newest decides: an algorithm that was configured before and is no more does not count.
    let newest = phases
        .iter()
        .filter(|(_, phase)| signs(phase))
        .max_by_key(|(r, _)| r.signs_from);
    match newest {
        Some((record, _)) if record.algorithm == algorithm => None,
        _ => Some(phases.iter().any(|(_, phase)| *phase == Phase::Signing)),
    }
}
