//! Counting failures before they happen, and giving them back when they do not.

use std::time::Duration;

use countersign_core::throttle::{Attempts, Limits, PER_SESSION, WINDOW, address_key};
use countersign_core::{LoginName, SessionId, Timestamp};
use countersign_store::throttle::Counted;
use countersign_store::{Conn, StoreError, throttle};

use crate::{Cx, FlowError, Origin};

/// The counters that one sign-in touches.
#[derive(Debug, Clone)]
pub(crate) struct SignInKeys {
    pair: [u8; 32],
    address: Option<[u8; 32]>,
    name: [u8; 32],
}

impl SignInKeys {
    pub(crate) fn new(cx: &Cx, name: &LoginName, origin: &Origin) -> Self {
        let keys = cx.keyring.current();
        let address = origin.address.and_then(address_key);
        let name = name.throttle_key();
        Self {
            pair: keys.throttle_key(&["pair", name, address.as_deref().unwrap_or("loopback")]),
            address: address.map(|address| keys.throttle_key(&["address", &address])),
            name: keys.throttle_key(&["name", name]),
        }
    }

    /// Counts one attempt, whether or not the name exists.
    pub(crate) async fn count(&self, cx: &Cx) -> Result<(), FlowError> {
        let (keys, now, limits) = (self.clone(), cx.clock.now(), cx.settings.limits);
        cx.db
            .write(move |conn| Box::pin(async move { keys.count_in(conn, now, limits).await }))
            .await
    }

    async fn count_in(
        &self,
        conn: &mut Conn<'_>,
        now: Timestamp,
        limits: Limits,
    ) -> Result<(), FlowError> {
        // In one order everywhere, so that two attempts never wait for each other in a ring.
        let name = throttle::count(conn, &self.name, now, WINDOW).await?;
        let address = match &self.address {
            Some(key) => Some(throttle::count(conn, key, now, WINDOW).await?),
            None => None,
        };
        let pair = throttle::count(conn, &self.pair, now, WINDOW).await?;
        let attempts = Attempts {
            pair: pair.failures,
            address: address.map(|counted| counted.failures),
            name: name.failures,
        };
        if limits.allow(attempts) {
            return Ok(());
        }
        // An error rolls this attempt's counts back: being refused is not another failure, so that
        // nobody can keep a window shut by knocking.
        // Until the windows that are full have ended, and no longer.
        let pair_is_full = !limits.allow(Attempts {
            address: None,
            ..attempts
        });
        let address_is_full = !limits.allow(Attempts {
            pair: 0,
            ..attempts
        });
        let until = [
            Some(pair.resets_at).filter(|_| pair_is_full),
            address.map(|c| c.resets_at).filter(|_| address_is_full),
        ];
        Err(throttled(
            until.into_iter().flatten().max().unwrap_or(now),
            now,
        ))
    }

    /// The attempt was neither right nor wrong: nobody looked at the password.
    pub(crate) async fn take_back(&self, cx: &Cx) {
        let keys = self.clone();
        let taken = cx.db.write(move |conn| {
            Box::pin(async move {
                throttle::give_back(conn, &keys.name).await?;
                if let Some(key) = &keys.address {
                    throttle::give_back(conn, key).await?;
                }
                throttle::give_back(conn, &keys.pair).await
            })
        });
        // At worst it stays counted until its window ends.
        let _: Result<(), StoreError> = taken.await;
    }

    /// The attempt was right: its own pair starts anew, and the wider counters get it back.
    pub(crate) async fn give_back(&self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        throttle::give_back(conn, &self.name).await?;
        if let Some(key) = &self.address {
            throttle::give_back(conn, key).await?;
        }
        throttle::clear(conn, &self.pair).await
    }
}

/// Counts a registration from this address, whatever comes of it.
pub(crate) async fn count_registration(cx: &Cx, origin: &Origin) -> Result<(), FlowError> {
    let Some(address) = origin.address.and_then(address_key) else {
        return Ok(());
    };
    let key = cx.keyring.current().throttle_key(&["register", &address]);
    count_one(cx, key, cx.settings.limits.per_address).await
}

/// The counter of wrong passwords on changes within one session.
pub(crate) fn session_key(cx: &Cx, session: SessionId) -> [u8; 32] {
    cx.keyring
        .current()
        .throttle_key(&["session", &session.to_string()])
}

/// Takes back what [`count_change`] counted, where nobody looked at the password.
pub(crate) async fn take_change_back(cx: &Cx, key: [u8; 32]) {
    let taken = cx
        .db
        .write(move |conn| Box::pin(async move { throttle::give_back(conn, &key).await }));
    // At worst it stays counted until its window ends.
    let _: Result<(), StoreError> = taken.await;
}

/// Counts a password that is about to be checked for a change.
pub(crate) async fn count_change(cx: &Cx, key: [u8; 32]) -> Result<(), FlowError> {
    count_one(cx, key, PER_SESSION).await
}

async fn count_one(cx: &Cx, key: [u8; 32], limit: i64) -> Result<(), FlowError> {
    let now = cx.clock.now();
    let Counted {
        failures,
        resets_at,
    } = cx
        .db
        .write(move |conn| Box::pin(async move { throttle::count(conn, &key, now, WINDOW).await }))
        .await?;
    if failures > limit {
        Err(throttled(resets_at, now))
    } else {
        Ok(())
    }
}

fn throttled(until: Timestamp, now: Timestamp) -> FlowError {
    FlowError::Throttled {
        retry_after: until.since(now).max(Duration::from_secs(1)),
    }
}
