//! Services that check tokens, and their secrets.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use countersign_core::client::check_name;
use countersign_core::secrets::ClientSecret;
use countersign_core::{
    Actor, Client, ClientKind, Event, EventKind, FIRST_PARTY, Invalid, Reason, Scope,
};
use countersign_store::{clients, events, log};
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
/// Followers come by the thousand and present the same name at the same moment, so a row is read for
/// all who wait for it. What counts is when the read *began*: a secret that was replaced before
/// somebody asked is refused.
pub async fn authenticate(cx: &Cx, id: &str, secret: &str) -> Result<Option<Client>, FlowError> {
    if check_name(id).is_err() {
        return Ok(None);
    }
    let asked_at = cx.clock.monotonic();
    let mut last = cx.services.slot(id).lock().await;
    let found = match &*last {
        Some(read) if read.id == id && read.began > asked_at => read.found.clone(),
        _ => {
            let began = cx.clock.monotonic();
            // Boxed: those who wait for it do not keep the room that a query takes.
            let found = Box::pin(read(cx, id)).await?;
            let (id, copy) = (id.to_owned(), found.clone());
            *last = Some(Read { id, began, found });
            copy
        }
    };
    drop(last);
    let presented = ClientSecret::presented(secret);
    Ok(found.and_then(|(client, hash)| {
        hash.is_some_and(|hash| presented.matches(&hash))
            .then_some(client)
    }))
}

/// The latest reads of services' rows, for those who wait for the same.
#[derive(Debug, Default)]
pub struct Services {
    slots: [Mutex<Option<Read>>; 16],
    /// With keys of its own, so that nobody can choose a name to stand in another's way.
    hashing: RandomState,
}

#[derive(Debug)]
struct Read {
    id: String,
    /// On the monotonic clock.
    began: Duration,
    found: Found,
}

/// A service, and the hash of its secret.
type Found = Option<(Client, Option<Vec<u8>>)>;

async fn read(cx: &Cx, id: &str) -> Result<Found, FlowError> {
    let mut reader = cx.db.read().await?;
    Ok(clients::by_id(&mut reader.conn(), id).await?)
}

impl Services {
    fn slot(&self, id: &str) -> &Mutex<Option<Read>> {
        &self.slots[self.hashing.hash_one(id) as usize % self.slots.len()]
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
