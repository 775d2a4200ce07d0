//! Who may be connected: so many of everybody, services that follow the log beside them, and a small
//! vestibule past both, in which who comes next is told that it is full.
//!
//! The vestibule never makes anybody wait outside: who comes when it is full takes the place of who
//! has stood there longest. Strangers that hold every connection, and never finish a request, are
//! thus in nobody's way but their own.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The most connections in the vestibule.
const VESTIBULE: usize = 64;

/// How long a connection may stay there: time for a request and its answer.
const STAY: Duration = Duration::from_secs(3);

/// All places of a server.
#[derive(Debug, Clone)]
pub struct Places(Arc<All>);

#[derive(Debug)]
struct All {
    general: Arc<Semaphore>,
    named: Arc<Semaphore>,
    /// How many general places are free again before it is said anew that all are taken.
    relief: usize,
    said: AtomicBool,
    vestibule: usize,
    waiting: Mutex<VecDeque<Weak<Seat>>>,
}

/// The place of one connection, which its requests may change. It is free again when the last clone
/// is gone.
#[derive(Debug, Clone)]
pub struct Place(Arc<Seat>);

#[derive(Debug)]
struct Seat {
    all: Arc<All>,
    kind: Mutex<Kind>,
    displaced: Notify,
}

#[derive(Debug)]
enum Kind {
    General(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
    Named(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
    Vestibule,
    Displaced,
}

impl Places {
    /// Places for `connections` of everybody, as far as `descriptors` go. A quarter of those, and
    /// whatever else is left over, is for services.
    pub fn new(connections: usize, descriptors: usize) -> Self {
        let quarter = descriptors / 4;
        let vestibule = VESTIBULE.min(quarter).max(1);
        let general = connections.min(descriptors - quarter - vestibule);
        let named = (descriptors - vestibule - general).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(All {
            general: Arc::new(Semaphore::new(general)),
            named: Arc::new(Semaphore::new(named)),
            relief: general / 10,
            said: AtomicBool::new(false),
            vestibule,
            waiting: Mutex::default(),
        }))
    }

    /// A place for a new connection, at once.
    pub fn enter(&self) -> Place {
        let all = &self.0;
        let general = Arc::clone(&all.general).try_acquire_owned().ok();
        let in_vestibule = general.is_none();
        if in_vestibule && !all.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "limits.connections are all taken: answering 503 to those who come next"
            );
        } else if all.general.available_permits() > all.relief {
            all.said.store(false, Ordering::Relaxed);
        }
        let place = Place(Arc::new(Seat {
            all: Arc::clone(all),
            kind: Mutex::new(general.map_or(Kind::Vestibule, Kind::General)),
            displaced: Notify::new(),
        }));
        if in_vestibule {
            let mut waiting = lock(&all.waiting);
            waiting.push_back(Arc::downgrade(&place.0));
            let longest = (waiting.len() > all.vestibule).then(|| waiting.pop_front());
            drop(waiting);
            if let Some(seat) = longest.flatten().and_then(|seat| seat.upgrade()) {
                seat.displace();
            }
        }
        place
    }
}

impl Place {
    /// A service has said who it is on this connection: it is counted with its like from now on,
    /// unless there are too many.
    pub fn name(&self) {
        let named = || Arc::clone(&self.0.all.named).try_acquire_owned().ok();
        self.0.change(|kind| match kind {
            Kind::General(_) | Kind::Vestibule => named().map(Kind::Named),
            Kind::Named(_) | Kind::Displaced => None,
        });
    }

    /// Whether that is so already.
    pub fn is_named(&self) -> bool {
        matches!(*lock(&self.0.kind), Kind::Named(_))
    }

    /// Whether requests on this connection are served. One in the vestibule takes a place that has
    /// become free.
    pub fn is_served(&self) -> bool {
        let general = || Arc::clone(&self.0.all.general).try_acquire_owned().ok();
        match *lock(&self.0.kind) {
            Kind::General(_) | Kind::Named(_) => return true,
            Kind::Displaced => return false,
            Kind::Vestibule => {}
        }
        self.0.change(|kind| match kind {
            Kind::Vestibule => general().map(Kind::General),
            _ => None,
        });
        matches!(*lock(&self.0.kind), Kind::General(_) | Kind::Named(_))
    }

    /// Ready when the connection has to go: it stood in the vestibule for too long, or for longest
    /// when it was full.
    pub async fn shown_out(&self) {
        if matches!(*lock(&self.0.kind), Kind::Vestibule | Kind::Displaced) {
            let _ = tokio::time::timeout(STAY, self.0.displaced.notified()).await;
            if matches!(*lock(&self.0.kind), Kind::Vestibule | Kind::Displaced) {
                return;
            }
        }
        pending().await
    }
}

impl Seat {
    fn displace(&self) {
        let mut kind = lock(&self.kind);
        if matches!(*kind, Kind::Vestibule) {
            *kind = Kind::Displaced;
            self.displaced.notify_one();
        }
    }

    /// To another kind, if `to` says so; out of the vestibule then.
    fn change(&self, to: impl FnOnce(&Kind) -> Option<Kind>) {
        let mut kind = lock(&self.kind);
        let Some(new) = to(&kind) else { return };
        let old = std::mem::replace(&mut *kind, new);
        drop(kind);
        if matches!(old, Kind::Vestibule) {
            self.leave_vestibule();
        }
    }

    fn leave_vestibule(&self) {
        lock(&self.all.waiting).retain(|seat| !std::ptr::eq(seat.as_ptr(), self));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if matches!(*lock(&self.kind), Kind::Vestibule) {
            self.leave_vestibule();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_shared_out_and_none_is_counted_twice() {
        for (connections, descriptors, expected) in [
            (10_000, 960, (656, 64, 240)),
            (3, 960, (3, 64, 893)),
            (10_000, 1_000_000, (10_000, 64, 989_936)),
            (10_000, 16, (8, 4, 4)),
        ] {
            let all = Places::new(connections, descriptors).0;
            let found = (
                all.general.available_permits(),
                all.vestibule,
                all.named.available_permits(),
            );
            assert_eq!(found, expected);
            assert_eq!(found.0 + found.1 + found.2, descriptors);
        }
        let _ = Places::new(10_000, usize::MAX >> 4);
    }

    #[test]
    fn who_stood_in_the_vestibule_longest_makes_room_and_services_leave_it() {
        let places = Places::new(1, 64); // a vestibule of 16
        let inside = places.enter();
        assert!(inside.is_served());
        let mut waiting: Vec<_> = (0..16).map(|_| places.enter()).collect();
        assert!(waiting.iter().all(|place| !place.is_served()));
        let service = waiting.remove(0);
        service.name();
        assert!(service.is_named() && service.is_served());
        waiting.push(places.enter());
        let displaced = |place: &Place| matches!(*lock(&place.0.kind), Kind::Displaced);
        assert!(!waiting.iter().any(displaced), "the service made room");
        let another = places.enter();
        assert!(displaced(&waiting[0]) && !displaced(&waiting[1]));
        waiting[0].name();
        assert!(!waiting[0].is_served(), "too late");
        drop(inside);
        assert!(another.is_served(), "a place that became free");
        drop(waiting);
        assert_eq!(lock(&places.0.waiting).len(), 0);
    }

    #[test]
    fn a_place_that_is_named_is_no_general_one_and_free_again_in_the_end() {
        let places = Places::new(1, 64);
        let service = places.enter();
        service.name();
        let other = places.enter();
        assert!(other.is_served());
        let before = places.0.named.available_permits();
        drop(service);
        assert_eq!(places.0.named.available_permits(), before + 1);
    }
}
