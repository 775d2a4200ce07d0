//! The guard against an issuer that says what it is told to say, with a clock that stands still.

mod connect;
mod feed;
mod issuer;
mod keys;
mod lease;
mod legacy;
mod watched;
#[cfg(feature = "axum")]
mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_token::Reason::Revoked;
use countersign_token::{Reason, Refusal as Bad, Scope};

use crate::clock::Clock;
use crate::{Guard, Policy, Refusal};
use issuer::{Issuer, Mode};

/// A clock's hands.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(7_000_000)))
    }

    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

/// A guard of that policy, with its clock.
async fn guard(issuer: &Issuer, policy: Policy) -> (Guard, Hands) {
    let hands = Hands::new();
    let mut builder = Guard::builder(&issuer.url).policy(policy);
    builder.clock = Clock::Fixed(Arc::clone(&hands.0));
    (builder.connect().await.unwrap(), hands)
}

/// What becomes of a token: its code, or nothing.
fn code(guard: &Guard, token: &str) -> &'static str {
    guard.verify(token).err().map_or("", Refusal::code)
}

/// Waits for what another task does in its own time.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if holds() {
            return;
        }
        // The runtime has more than one thread.
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}");
}
