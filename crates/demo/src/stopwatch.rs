//! How long a logout takes to be honoured.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{Clock, bearer};

/// Logouts that are remembered.
const MOST: usize = 32;

/// Measures, from the moment at which a logout reached the issuer: when it was answered, which is
/// after its commit, and when each service refused the login for the first time.
#[derive(Clone)]
pub(crate) struct Stopwatch {
    clock: Clock,
    logouts: Arc<Mutex<VecDeque<Logout>>>,
}

struct Logout {
    token: String,
    began: Duration,
    answered: Option<Duration>,
    refused: Vec<(&'static str, &'static str, Duration)>,
}

impl Stopwatch {
    pub(crate) fn new(clock: Clock) -> Self {
        let logouts = Arc::default();
        Self { clock, logouts }
    }

    fn with<T>(&self, work: impl FnOnce(&mut VecDeque<Logout>, Duration) -> T) -> T {
        let now = (self.clock)();
        work(
            &mut self.logouts.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        )
    }

    /// A logout of this token arrives at the issuer. Only a token's first one counts.
    fn began(&self, token: &str) {
        self.with(|logouts, began| {
            if logouts.iter().any(|logout| logout.token == token) {
                return;
            }
            if logouts.len() == MOST {
                logouts.pop_front();
            }
            logouts.push_back(Logout {
                token: token.to_owned(),
                began,
                answered: None,
                refused: vec![],
            });
        });
    }

    /// The issuer did it, or it did not.
    fn answered(&self, token: &str, done: bool) {
        self.with(|logouts, now| {
            if !done {
                logouts.retain(|logout| logout.token != token || logout.answered.is_some());
            }
            for logout in logouts.iter_mut().filter(|logout| logout.token == token) {
                logout.answered.get_or_insert(now);
            }
        });
    }

    /// A service refuses the token. Counts once for each service, and only after a logout.
    pub(crate) fn refused(&self, token: &str, service: &'static str, code: &'static str) {
        self.with(|logouts, now| {
            for logout in logouts.iter_mut().filter(|logout| logout.token == token) {
                if logout.refused.iter().all(|(known, ..)| *known != service) {
                    logout.refused.push((service, code, now));
                }
            }
        });
    }

    /// what became of the logout of this token: milliseconds since it arrived.
    pub(crate) fn read(&self, token: &str) -> Option<Value> {
        self.with(|logouts, _| {
            let logout = logouts.iter().find(|logout| logout.token == token)?;
            let after = |moment: Duration| {
                let micros = moment.saturating_sub(logout.began).as_micros();
                json!(f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0)
            };
            let refused: Map<_, _> = logout
                .refused
                .iter()
                .map(|(service, code, moment)| {
                    let refusal = json!({ "code": code, "after": after(*moment) });
                    ((*service).to_owned(), refusal)
                })
                .collect();
            let answered = logout.answered.map(after);
            Some(json!({ "answered": answered, "refused": refused }))
        })
    }
}

/// Stands before the issuer and times its logouts.
pub(crate) async fn time_logout(
    State((stopwatch, path)): State<(Stopwatch, String)>,
    request: Request,
    next: Next,
) -> Response {
    let logout = request.method() == Method::POST && request.uri().path() == path;
    let token = bearer(request.headers()).filter(|_| logout);
    let Some(token) = token.map(str::to_owned) else {
        return next.run(request).await;
    };
    stopwatch.began(&token);
    let response = next.run(request).await;
    stopwatch.answered(&token, response.status() == StatusCode::OK);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_refusal_counts_once_for_each_service_and_only_after_a_logout_that_was_done() {
        let time = Arc::new(AtomicU64::new(0));
        let at = Arc::clone(&time);
        let clock = move || Duration::from_micros(at.load(Ordering::Relaxed));
        let stopwatch = Stopwatch::new(Arc::new(clock));
        stopwatch.refused("a", "shop", "unavailable");
        stopwatch.began("a");
        stopwatch.answered("a", false);
        assert_eq!(stopwatch.read("a"), None);

        stopwatch.began("a");
        time.store(1_500, Ordering::Relaxed);
        stopwatch.refused("a", "shop", "token_revoked");
        stopwatch.refused("b", "library", "token_revoked");
        stopwatch.answered("a", true);
        time.store(9_000, Ordering::Relaxed);
        // Whoever presses twice does not start the clock again.
        stopwatch.began("a");
        stopwatch.answered("a", false);
        stopwatch.refused("a", "shop", "unavailable");
        let read = json!({
            "answered": 1.5,
            "refused": { "shop": { "code": "token_revoked", "after": 1.5 } },
        });
        assert_eq!(stopwatch.read("a"), Some(read));
        assert_eq!(stopwatch.read("b"), None);
    }
}
