//! What a backup and a restore leave behind.

use std::collections::BTreeSet;

use countersign_core::{Actor, Event, EventKind, Reason, Scope, Timestamp};
use countersign_store::snapshot::Past;
use countersign_store::{Conn, StoreError, events, keys, log};

use crate::keys::{created, make};
use crate::written::floor;
use crate::{Cx, FlowError};

/// Notes that a backup was written.
pub async fn made(cx: &Cx, file: &str) -> Result<(), FlowError> {
    let event = event(cx.clock.now(), EventKind::BackupMade, file);
    cx.db
        .write(move |conn| Box::pin(async move { Ok(events::append(conn, &event).await?) }))
        .await
}

/// When the database was last written to a backup, or came from one.
pub(crate) async fn last(conn: &mut Conn<'_>) -> Result<Option<Timestamp>, StoreError> {
    events::last_of(conn, [EventKind::BackupMade, EventKind::BackupRestored]).await
}

/// Makes up for what a database from a backup has forgotten: everything that was ever issued ends,
/// and every signing key with it, since the backup may know a key that was revoked after it as good.
///
/// `past` is what the database promised in whose place this one comes: the log goes on above it, the
/// floor is kept as long as its tokens live, and its issuer counts too.
pub async fn restored(cx: &Cx, past: Option<Past>, file: &str) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let event = event(now, EventKind::BackupRestored, file);
    let past_issuer = past.as_ref().and_then(|past| past.issuer.clone());
    let issuers: BTreeSet<String> = [Some(cx.settings.issuer.clone()), past_issuer]
        .into_iter()
        .flatten()
        .collect();
    let key = if cx.keys.is_shared() {
        None
    } else {
        Some(make(cx, now)?)
    };
    cx.write_floors(move |conn| {
        Box::pin(async move {
            if let Some(past) = &past {
                log::pass(conn, past.seq).await?;
                if past.life > log::look(conn).await?.life {
                    log::set_life(conn, past.life, now).await?;
                }
            }
            let mut floors = Vec::new();
            for issuer in &issuers {
                let tick = log::advance(conn, now).await?;
                floors.push(floor(conn, now, tick, Scope::Issuer, issuer, Reason::Revoked).await?);
                log::raise_issuer_floor(conn, tick.seq).await?;
            }
            for known in keys::all(conn).await? {
                keys::revoke(conn, &known.record.kid, now).await?;
            }
            if let Some(key) = &key {
                keys::insert(conn, key).await?;
                events::append(conn, &created(now, Actor::Operator, &key.record)).await?;
            }
            log::keys_replaced(conn).await?;
            events::append(conn, &event).await?;
            Ok(((), floors))
        })
    })
    .await
}

fn event(now: Timestamp, kind: EventKind, file: &str) -> Event {
    Event::new(now, kind, Actor::Operator).data(serde_json::json!({ "file": file }).to_string())
}
