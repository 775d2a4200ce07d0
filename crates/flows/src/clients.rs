//! Services that check tokens, and their secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::client::check_name;
use countersign_core::secrets::ClientSecret;
use countersign_core::{
    Actor, Client, ClientKind, Event, EventKind, FIRST_PARTY, Invalid, Reason, Scope,
};
use countersign_store::{Conn, clients, events, log};
use tokio::sync::Mutex;

use crate::written::floor;
use crate::{Cx, FlowError, Origin};

/// Every client.
pub async fn list(cx: &Cx) -> Result<Vec<Client>, FlowError> {
    let mut reader = cx.db.read().await?;
    Ok(clients::all(&mut reader.conn()).await?)
}

/// The service whose name and secret these are. A wrong name and a wrong secret look alike.
///
/// What counts is when its row was read: a secret that was replaced before somebody asked is refused.
pub async fn authenticate(cx: &Cx, id: &str, secret: &str) -> Result<Option<Client>, FlowError> {
    if check_name(id).is_err() {
        return Ok(None);
    }
    let found = since(cx, id, cx.clock.monotonic()).await?;
    let service = found.filter(|service| service.has(secret));
    Ok(service.map(|service| service.client.clone()))
}

/// As [`authenticate`], for whoever will wait: by a row that was read a moment ago, if that is at
/// hand. [`confirm`] before anything is answered.
pub async fn recognise(cx: &Cx, id: &str, secret: &str) -> Result<Option<Recognised>, FlowError> {
    /// How long ago a moment is. Whoever comes with a secret that was replaced is told so soon.
    const MOMENT: Duration = Duration::from_secs(1);
    if check_name(id).is_err() {
        return Ok(None);
    }
    let asked_at = cx.clock.monotonic();
    let slot = cx.services.slot(id);
    let known = slot.since(id, asked_at.saturating_sub(MOMENT)).flatten();
    let service = match known.filter(|service| service.has(secret)) {
        Some(service) => {
            slot.wanted.store(true, Ordering::Relaxed);
            Some(service)
        }
        None => since(cx, id, asked_at)
            .await?
            .filter(|service| service.has(secret)),
    };
    Ok(service.map(|service| Recognised { service, asked_at }))
}

/// Whether a service that was recognised is one still, by a read that began after it asked.
pub async fn confirm(cx: &Cx, recognised: &Recognised) -> Result<bool, FlowError> {
    let Recognised { service, asked_at } = recognised;
    let found = since(cx, &service.client.id, *asked_at).await?;
    Ok(found.is_some_and(|found| found.hash == service.hash))
}

/// Reads the rows again of those who were recognised: part of each look at the log, so that those
/// who are told what it finds are confirmed by then.
pub(crate) async fn renew(cx: &Cx, conn: &mut Conn<'_>) -> Result<(), FlowError> {
    for slot in &cx.services.slots {
        if !slot.wanted.swap(false, Ordering::Relaxed) {
            continue;
        }
        let Some(id) = slot.last().as_ref().map(|read| read.id.clone()) else {
            continue;
        };
        let began = cx.clock.monotonic();
        let found = read(conn, &id).await?;
        slot.keep(Read { id, began, found });
    }
    Ok(())
}

/// A service that showed its secret.
#[derive(Debug)]
pub struct Recognised {
    service: Arc<Service>,
    asked_at: Duration,
}

impl Recognised {
    /// Its name.
    pub fn id(&self) -> &str {
        &self.service.client.id
    }
}

/// The latest reads of services' rows. Followers come by the thousand and present the same name at
/// the same moment, so a row is read for all who wait for it.
#[derive(Debug, Default)]
pub struct Services {
    slots: [Slot; 16],
    /// With keys of its own, so that nobody can choose a name to stand in another's way.
    hashing: RandomState,
}

#[derive(Debug, Default)]
struct Slot {
    /// One read at a time; whoever waits here may need none of their own.
    turn: Mutex<()>,
    last: std::sync::Mutex<Option<Read>>,
    /// Whether somebody was recognised by the last read, who will be confirmed by the next.
    wanted: AtomicBool,
}

#[derive(Debug)]
struct Read {
    id: String,
    /// On the monotonic clock.
    began: Duration,
    found: Option<Arc<Service>>,
}

#[derive(Debug)]
struct Service {
    client: Client,
    hash: Vec<u8>,
}

impl Service {
    fn has(&self, secret: &str) -> bool {
        ClientSecret::presented(secret).matches(&self.hash)
    }
}

/// The service of that name, by a read that began after this moment.
async fn since(cx: &Cx, id: &str, moment: Duration) -> Result<Option<Arc<Service>>, FlowError> {
    let slot = cx.services.slot(id);
    if let Some(found) = slot.since(id, moment) {
        return Ok(found);
    }
    let _turn = slot.turn.lock().await;
    if let Some(found) = slot.since(id, moment) {
        return Ok(found);
    }
    let began = cx.clock.monotonic();
    // Boxed: those who wait for it do not keep the room that a query takes.
    let found = Box::pin(async {
        let mut reader = cx.db.read().await?;
        read(&mut reader.conn(), id).await
    })
    .await?;
    let id = id.to_owned();
    slot.keep(Read {
        id,
        began,
        found: found.clone(),
    });
    Ok(found)
}

async fn read(conn: &mut Conn<'_>, id: &str) -> Result<Option<Arc<Service>>, FlowError> {
    let found = clients::by_id(conn, id).await?;
    Ok(found.and_then(|(client, hash)| {
        Some(Arc::new(Service {
            client,
            hash: hash?,
        }))
    }))
}

impl Services {
    fn slot(&self, id: &str) -> &Slot {
        &self.slots[self.hashing.hash_one(id) as usize % self.slots.len()]
    }
}

impl Slot {
    fn last(&self) -> MutexGuard<'_, Option<Read>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read for that name later than this.
    fn since(&self, id: &str, moment: Duration) -> Option<Option<Arc<Service>>> {
        let last = self.last();
        let read = last.as_ref()?;
        (read.id == id && read.began > moment).then(|| read.found.clone())
    }

    fn keep(&self, read: Read) {
        let mut last = self.last();
        if last.as_ref().is_none_or(|last| last.began <= read.began) {
            *last = Some(read);
        }
    }
}

/// Adds a service. Its secret is answered this once.
pub async fn add(
    cx: &Cx,
    origin: &Origin,
    id: &str,
    kind: ClientKind,
    actor: Actor,
) -> Result<(Client, ClientSecret), FlowError> {
    check_name(id)?;
    if kind != ClientKind::Service {
        return Err(Invalid::new("kind", "must be service").into());
    }
    let secret = ClientSecret::new(cx.random.bytes());
    let now = cx.clock.now();
    let event = origin.mark(Event::new(now, EventKind::ClientAdded, actor).client(id));
    let (id, hash) = (id.to_owned(), secret.hash());
    let client = cx
        .db
        .write(move |conn| {
            Box::pin(async move {
                if !clients::insert(conn, &id, kind, &hash, now).await? {
                    return Err(FlowError::Exists("client"));
                }
                events::append(conn, &event).await?;
                let (client, _) = clients::by_id(conn, &id)
                    .await?
                    .ok_or(FlowError::NotFound("client"))?;
                Ok(client)
            })
        })
        .await?;
    Ok((client, secret))
}

/// Replaces the secret of a service. The old one is refused from now on.
pub async fn rotate(
    cx: &Cx,
    origin: &Origin,
    id: &str,
    actor: Actor,
) -> Result<ClientSecret, FlowError> {
    require_possible(id)?;
    let secret = ClientSecret::new(cx.random.bytes());
    let event = Event::new(cx.clock.now(), EventKind::ClientRotated, actor).client(id);
    let event = origin.mark(event);
    let (id, hash) = (id.to_owned(), secret.hash());
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                if !clients::rotate(conn, &id, &hash).await? {
                    return Err(FlowError::NotFound("client"));
                }
                Ok(events::append(conn, &event).await?)
            })
        })
        .await?;
    Ok(secret)
}

/// Removes a service, with a floor on whatever was issued to it.
pub async fn remove(cx: &Cx, origin: &Origin, id: &str, actor: Actor) -> Result<(), FlowError> {
    if id == FIRST_PARTY {
        return Err(Invalid::new("name", "is the built-in client, which stays").into());
    }
    require_possible(id)?;
    let now = cx.clock.now();
    let event = origin.mark(Event::new(now, EventKind::ClientRemoved, actor).client(id));
    let id = id.to_owned();
    cx.write_floors(move |conn| {
        Box::pin(async move {
            if !clients::remove(conn, &id, now).await? {
                return Err(FlowError::NotFound("client"));
            }
            let tick = log::advance(conn, now).await?;
            let floor = floor(conn, now, tick, Scope::Client, &id, Reason::Revoked).await?;
            clients::raise_floor(conn, &id, tick.seq).await?;
            events::append(conn, &event).await?;
            Ok(((), vec![floor]))
        })
    })
    .await
}

/// What could not be a client's name is none: PostgreSQL fails on a text with a NUL in it.
fn require_possible(id: &str) -> Result<(), FlowError> {
    check_name(id).map_err(|_| FlowError::NotFound("client"))
}
