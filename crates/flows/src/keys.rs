//! Signing keys: loading, rotating with publishing ahead and overlap, revoking.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_core::key::{KeyRecord, Phase, phases};
use countersign_core::{Actor, Event, EventKind, Invalid, Timestamp};
use countersign_store::keys::SealedKey;
use countersign_store::{Conn, events, keys, log};
use countersign_token::{Jwks, KeySet, MAX_KEYS, SigningKey};

use crate::{Cx, FlowError, Origin};

/// The signing keys as this node knows them.
#[derive(Debug, Default)]
pub struct Keys {
    shared: Option<Arc<SigningKey>>,
    known: RwLock<Arc<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    records: Vec<KeyRecord>,
    opened: HashMap<String, Arc<SigningKey>>,
    life: std::time::Duration,
}

/// A key as lists show it.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// What decides about it.
    pub record: KeyRecord,
    /// Where it stands now.
    pub phase: Phase,
}

impl Keys {
    pub(crate) fn new(shared: Option<Arc<SigningKey>>) -> Self {
        Self {
            shared,
            known: RwLock::default(),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key that signs at `now`.
    pub fn signing(&self, now: Timestamp) -> Result<Arc<SigningKey>, FlowError> {
        if let Some(key) = &self.shared {
            return Ok(Arc::clone(key));
        }
        let known = self.known();
        phases(&known.records, now, known.life)
            .into_iter()
            .find(|(_, phase)| *phase == Phase::Signing)
            .and_then(|(record, _)| known.opened.get(&record.kid).cloned())
            .ok_or(FlowError::Unavailable)
    }

    /// The life by which these keys retire.
    pub(crate) fn life(&self) -> std::time::Duration {
        self.known().life
    }

    /// Whether tokens are signed with the shared `JWT_SECRET_KEY`.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The public keys to publish: those that sign, will sign, or signed what still lives.
    pub fn jwks(&self, now: Timestamp) -> Jwks {
        let known = self.known();
        let keys = self
            .verifying(&known, now)
            .filter_map(|key| key.public_jwk())
            .collect();
        Jwks { keys }
    }

    fn verifying<'k>(
        &'k self,
        known: &'k Known,
        now: Timestamp,
    ) -> impl Iterator<Item = Arc<SigningKey>> + 'k {
        let stored = phases(&known.records, now, known.life)
            .into_iter()
            .filter(|(_, phase)| phase.verifies())
            .filter_map(|(record, _)| known.opened.get(&record.kid).cloned());
        // With a shared secret, only what it signed counts: whoever set it meant to end the rest.
        let (shared, stored) = match &self.shared {
            Some(key) => (Some(Arc::clone(key)), None),
            None => (None, Some(stored)),
        };
        shared.into_iter().chain(stored.into_iter().flatten())
    }
}

/// Reads the keys and gives the verifier those that verify now. A key that cannot be opened is an
/// error: going on without it would refuse its tokens.
pub(crate) async fn load(cx: &Cx, conn: &mut Conn<'_>) -> Result<(), FlowError> {
    let before = cx.keys.known();
    let mut known = Known {
        life: log::look(conn).await?.life,
        ..Known::default()
    };
    for SealedKey { record, sealed } in keys::all(conn).await? {
        if record.revoked_at.is_none() {
            let key = match before.opened.get(&record.kid) {
                Some(key) => Arc::clone(key),
                None => Arc::new(open(cx, &record, &sealed)?),
            };
            known.opened.insert(record.kid.clone(), key);
        }
        known.records.push(record);
    }
    *cx.keys
        .known
        .write()
        .unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    refresh_verifier(cx);
    Ok(())
}

/// Gives the verifier the keys that verify now; time alone changes which those are.
pub(crate) fn refresh_verifier(cx: &Cx) {
    let known = cx.keys.known();
    let mut set = KeySet::default();
    for key in cx.keys.verifying(&known, cx.clock.now()) {
        set.insert(key.verifying_key());
    }
    cx.verifier.set_keys(set);
}

fn open(cx: &Cx, record: &KeyRecord, sealed: &[u8]) -> Result<SigningKey, FlowError> {
    cx.keyring
        .open(&seal_context(&record.kid), sealed)
        .and_then(|plain| SigningKey::from_bytes(record.algorithm, &plain).ok())
        .ok_or_else(|| {
            FlowError::Internal(format!(
                "signing key {} cannot be opened with SECRET_KEY",
                record.kid
            ))
        })
}

pub(crate) fn seal_context(kid: &str) -> String {
    format!("signing key {kid}")
}

/// Makes a key of the configured algorithm that signs from `signs_from` on.
pub(crate) fn make(cx: &Cx, signs_from: Timestamp) -> Result<SealedKey, FlowError> {
    let key = SigningKey::generate(cx.settings.algorithm)
        .map_err(|error| FlowError::Internal(error.to_string()))?;
    let sealed =
        cx.keyring
            .current()
            .seal(cx.random.bytes(), &seal_context(key.kid()), &key.to_bytes());
    let record = KeyRecord {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm(),
        created_at: cx.clock.now(),
        signs_from,
        revoked_at: None,
    };
    Ok(SealedKey { record, sealed })
}

/// Every key and where it stands.
pub async fn list(cx: &Cx) -> Result<Vec<KeyView>, FlowError> {
    let mut reader = cx.db.read().await?;
    let mut conn = reader.conn();
    let life = log::look(&mut conn).await?.life;
    let records: Vec<_> = keys::all(&mut conn)
        .await?
        .into_iter()
        .map(|key| key.record)
        .collect();
    let views = phases(&records, cx.clock.now(), life);
    Ok(views
        .into_iter()
        .map(|(record, phase)| KeyView {
            record: record.clone(),
            phase,
        })
        .collect())
}

/// Makes a new key, publishes it now and lets it sign after `token.publish_ahead`.
///
/// # Errors
/// [`FlowError::Invalid`] where verifiers would refuse a longer key set.
pub async fn rotate(cx: &Cx, actor: Actor, origin: &Origin) -> Result<KeyView, FlowError> {
    refuse_if_shared(cx)?;
    let now = cx.clock.now();
    let key = make(cx, now.plus(cx.settings.publish_ahead))?;
    let event = origin.mark(created(now, actor, &key.record));
    let inserted = key.clone();
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                log::keys_changed(conn).await?;
                let life = log::look(conn).await?.life;
                let records: Vec<_> = keys::all(conn)
                    .await?
                    .into_iter()
                    .map(|key| key.record)
                    .collect();
                let phases = phases(&records, now, life);
                let published = phases.iter().filter(|(_, phase)| phase.verifies()).count();
                // One place is left for the key that a revocation makes.
                if published + 1 >= MAX_KEYS {
                    let message = "no more keys fit into the key set until old ones have expired";
                    return Err(FlowError::from(Invalid::new("key", message)));
                }
                keys::insert(conn, &inserted).await?;
                Ok(events::append(conn, &event).await?)
            })
        })
        .await?;
    reload(cx).await?;
    let phase = if key.record.signs_from <= now {
        Phase::Signing
    } else {
        Phase::Published
    };
    Ok(KeyView {
        record: key.record,
        phase,
    })
}

/// Ends a key now: a stolen key can mint any token, and no floor stops it. Another signs at once.
pub async fn revoke(cx: &Cx, kid: &str, actor: Actor, origin: &Origin) -> Result<(), FlowError> {
    refuse_if_shared(cx)?;
    // PostgreSQL fails on a text with a NUL in it.
    if kid.contains('\0') {
        return Err(FlowError::NotFound("key"));
    }
    let now = cx.clock.now();
    let replacement = make(cx, now)?;
    let revoked = origin
        .mark(Event::new(now, EventKind::KeyRevoked, actor.clone()))
        .data(serde_json::json!({ "kid": kid }).to_string());
    let made = origin.mark(created(now, actor, &replacement.record));
    let kid = kid.to_owned();
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                // The version's row lock comes first, so that two revocations do not each count on
                // the other's key to sign.
                log::keys_changed(conn).await?;
                if !keys::revoke(conn, &kid, now).await? {
                    return Err(FlowError::NotFound("key"));
                }
                let left: Vec<_> = keys::all(conn)
                    .await?
                    .into_iter()
                    .map(|key| key.record)
                    .collect();
                let life = log::look(conn).await?.life;
                let phases = phases(&left, now, life);
                if !phases.iter().any(|(_, phase)| *phase == Phase::Signing) {
                    match phases.iter().find(|(_, phase)| *phase == Phase::Published) {
                        Some((next, _)) => keys::sign_from(conn, &next.kid, now).await?,
                        None => {
                            keys::insert(conn, &replacement).await?;
                            events::append(conn, &made).await?;
                        }
                    }
                }
                events::append(conn, &revoked).await?;
                Ok::<_, FlowError>(())
            })
        })
        .await?;
    reload(cx).await
}

/// Forgets keys whose tokens have all expired, and revoked ones after a while.
pub(crate) async fn prune(cx: &Cx) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let life = cx.settings.token_lifetime;
    let old: Vec<String> = list(cx)
        .await?
        .into_iter()
        .filter(|view| match view.phase {
            Phase::Expired => true,
            // Kept while its tokens would still be shown, so that lists say why they are refused.
            Phase::Revoked => view
                .record
                .revoked_at
                .is_some_and(|at| now > at.plus(life * 8)),
            _ => false,
        })
        .map(|view| view.record.kid)
        .collect();
    if old.is_empty() {
        return Ok(());
    }
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                for kid in &old {
                    keys::delete(conn, kid).await?;
                }
                log::keys_changed(conn).await
            })
        })
        .await?;
    Ok(())
}

pub(crate) fn created(now: Timestamp, actor: Actor, record: &KeyRecord) -> Event {
    Event::new(now, EventKind::KeyCreated, actor).data(
        serde_json::json!({ "kid": record.kid, "alg": record.algorithm.as_str() }).to_string(),
    )
}

async fn reload(cx: &Cx) -> Result<(), FlowError> {
    let mut reader = cx.db.read().await?;
    load(cx, &mut reader.conn()).await
}

fn refuse_if_shared(cx: &Cx) -> Result<(), FlowError> {
    if cx.keys.is_shared() {
        Err(FlowError::SharedSecret)
    } else {
        Ok(())
    }
}
