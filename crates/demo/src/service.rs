//! One service: an axum application that serves nobody without a good login.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_guard::web::Authenticated;
use countersign_guard::{Guard, Policy, Refusal};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bearer;
use crate::link::Link;
use crate::stopwatch::Stopwatch;

/// Logins whose end is waited for.
const MOST_WATCHED: usize = 32;

/// How often a service without news looks whether it has some.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    name: &'static str,
    policy: Policy,
    guard: Guard,
    link: Link,
    stopwatch: Stopwatch,
    watched: Mutex<Watched>,
}

/// The logins that were let in, and who waits for their end.
#[derive(Default)]
struct Watched {
    tokens: Vec<String>,
    tasks: JoinSet<String>,
}

impl FromRef<Service> for Guard {
    fn from_ref(service: &Service) -> Self {
        service.0.guard.clone()
    }
}

impl Service {
    pub(crate) fn new(
        name: &'static str,
        policy: Policy,
        guard: Guard,
        link: Link,
        stopwatch: Stopwatch,
    ) -> Self {
        Self(Arc::new(Inner {
            name,
            policy,
            guard,
            link,
            stopwatch,
            watched: Mutex::default(),
        }))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it serves, and the shears for its link.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/hello", get(hello))
            .route("/cut", post(|service| turn(service, false)))
            .route("/mend", post(|service| turn(service, true)))
            .with_state(self.clone())
    }

    /// What its guard knows, and how its link is. Times in milliseconds.
    pub(crate) fn status(&self) -> Value {
        let Inner {
            policy,
            guard,
            link,
            ..
        } = &*self.0;
        let (status, lease) = (guard.status(), policy.lease());
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "policy": format!("{policy:?}").to_lowercase(),
            "linked": link.is_open(),
            "current": status.current,
            "lease": millis(lease),
            "left": millis(lease.saturating_sub(status.lease_age)),
            "seq": status.seq.0,
            "floors": status.floors,
        })
    }

    /// Waits for the end of a login, to measure when this service knows of it: a request would find
    /// out by the same check, but only when it comes.
    fn watch(&self, user: &Authenticated, token: &str) {
        let mut watched = self
            .0
            .watched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while let Some(Ok(ended)) = watched.tasks.try_join_next() {
            watched.tokens.retain(|token| *token != ended);
        }
        let known = watched.tokens.iter().any(|known| known == token);
        if known || watched.tokens.len() == MOST_WATCHED {
            return;
        }
        watched.tokens.push(token.to_owned());
        let (name, stopwatch) = (self.0.name, self.0.stopwatch.clone());
        let (user, token) = (user.clone(), token.to_owned());
        watched.tasks.spawn(async move {
            loop {
                let refusal = user.revoked().await;
                stopwatch.refused(&token, name, refusal.code());
                match refusal {
                    // It is out of reach, and will say so again until it is not.
                    Refusal::Stale { .. } => tokio::time::sleep(LOOK_AGAIN).await,
                    _ => return token,
                }
            }
        });
    }
}

/// The protected route: a handler that is not called for strangers.
async fn hello(
    State(service): State<Service>,
    user: Authenticated,
    headers: HeaderMap,
) -> Json<Value> {
    if let Some(token) = bearer(&headers) {
        service.watch(&user, token);
    }
    Json(json!({ "hello": user.username }))
}

async fn turn(State(service): State<Service>, open: bool) -> StatusCode {
    service.0.link.set_open(open);
    StatusCode::NO_CONTENT
}
