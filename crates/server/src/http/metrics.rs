//! `GET /metrics`: what Prometheus reads.
//!
//! Requests are counted as they pass; everything else is looked up when somebody asks.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::get;
use countersign_flows::{FlowError, gauges};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Mutex;

use super::error::{ApiResult, not_found};
use super::{Site, metadata};

/// Upper bounds in seconds: from a token that is checked to a long poll.
const BUCKETS: [f64; 13] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 30.0,
];

/// The routes that sign people in with a password.
const LOGINS: [&str; 2] = ["/login", "/sign-in"];

/// How long the number of sessions is believed: counting them reads them all.
const SESSIONS_EVERY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Served {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Timed {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// A route as it was declared, and what its requests are counted in by method and status: found
/// without making names anew.
#[derive(Default)]
pub struct Route {
    name: String,
    known: RwLock<Vec<Known>>,
}

struct Known {
    method: &'static str,
    status: u16,
    time: Histogram,
    count: Counter,
}

impl Route {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// What it is called in log and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Known {
    fn count(&self, took: Duration) {
        self.time.observe(took.as_secs_f64());
        self.count.inc();
    }
}

fn find<'k>(known: &'k [Known], method: &str, status: u16) -> Option<&'k Known> {
    known
        .iter()
        .find(|known| known.status == status && known.method == method)
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.name)
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// Declares what is looked up when somebody asks: `field: Type "name" "help"`.
macro_rules! looked_up {
    ($($field:ident: $type:ty = $name:literal $help:literal)+) => {
        #[derive(Debug, Default)]
        struct LookedUp {
            $($field: $type,)+
        }

        impl LookedUp {
            fn register(&self, registry: &mut Registry) {
                $(registry.register($name, $help, self.$field.clone());)+
            }
        }
    };
}

looked_up! {
    ready: Gauge = "ready" "1 where requests are answered: database, log and clock are well"
    sessions: Gauge = "sessions" "Sessions that nobody has ended and time has not"
    floors: Gauge = "floors" "Floors held to check tokens"
    seq: Gauge = "log_position" "Position of the revocation log, in microseconds"
    followers: Gauge = "followers" "Followers of the log with a name and a lease"
    behind: Gauge = "followers_behind" "Followers that have not applied all of the log"
    lag: Gauge<f64, std::sync::atomic::AtomicU64> = "follower_lag_seconds"
        "How far the last follower is behind, in the log's own time"
    polls: Gauge = "polls_waiting" "Questions of followers that wait for news"
    hashes_waiting: Gauge = "hashes_waiting" "Passwords being hashed or waiting for it"
    hashes: Counter = "hashes" "Password hashes begun"
    connections: Gauge = "database_connections" "Open connections for reading"
    idle: Gauge = "database_connections_idle" "Connections that nobody uses"
    writes_waiting: Gauge = "database_writes_waiting" "Units of work that wait for SQLite's writer"
    units: Counter = "database_units" "Units of work that were committed"
    commits: Counter = "database_commits" "Commits: on SQLite, units of work share them"
    legacy: Counter = "legacy_tokens" "Tokens of the former program that were accepted"
    memory: Gauge = "process_resident_memory_bytes" "Resident memory"
}

/// What is counted, and where it is written down for Prometheus.
pub struct Metrics {
    registry: Registry,
    requests: Family<Served, Counter>,
    times: Family<Timed, Histogram, fn() -> Histogram>,
    logins: Family<Outcome, Counter>,
    looked_up: LookedUp,
    sessions_counted_at: Mutex<Option<Duration>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::default();
        let times = Family::new_with_constructor(histogram as fn() -> Histogram);
        let logins = Family::default();
        let looked_up = LookedUp::default();
        let mut registry = Registry::with_prefix("countersign");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which version runs", version);
        registry.register(
            "http_requests",
            "Requests answered",
            Family::clone(&requests),
        );
        registry.register_with_unit(
            "http_request_duration",
            "From the head of a request to that of its answer",
            Unit::Seconds,
            Family::clone(&times),
        );
        registry.register(
            "logins",
            "Attempts to sign in, by what became of them",
            Family::clone(&logins),
        );
        looked_up.register(&mut registry);
        Self {
            registry,
            requests,
            times,
            logins,
            looked_up,
            sessions_counted_at: Mutex::default(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A method as a label: those that somebody made up are all one.
pub fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl Metrics {
    /// Counts a request that was answered.
    pub(super) fn note(
        &self,
        method: &'static str,
        route: &Route,
        status: u16,
        code: Option<&'static str>,
        took: Duration,
    ) {
        let signs_in = method == "POST" && LOGINS.iter().any(|login| route.name.ends_with(login));
        if signs_in {
            let outcome = code.unwrap_or("success");
            self.logins.get_or_create(&Outcome { outcome }).inc();
        }
        let known = route.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&known, method, status) {
            return known.count(took);
        }
        drop(known);
        let new = self.meet(method, route, status);
        new.count(took);
        let mut known = route.known.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have come first.
        if find(&known, method, status).is_none() {
            known.push(new);
        }
    }

    /// The first of its kind. As many are kept as the registry keeps anyway: the methods and
    /// statuses that a route answers.
    fn meet(&self, method: &'static str, route: &Route, status: u16) -> Known {
        let timed = Timed {
            method,
            route: route.name.clone(),
        };
        let served = Served {
            method,
            route: route.name.clone(),
            status,
        };
        Known {
            method,
            status,
            time: self.times.get_or_create(&timed).clone(),
            count: self.requests.get_or_create(&served).clone(),
        }
    }

    /// The whole page.
    async fn page(&self, site: &Site) -> Result<String, FlowError> {
        let found = gauges::gauges(&site.cx);
        let is = &self.looked_up;
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        is.ready
            .set(i64::from(metadata::why_not_ready(site).await.is_none()));
        set(&is.floors, found.floors);
        is.seq.set(found.seq);
        set(&is.followers, found.followers);
        set(&is.behind, found.followers_behind);
        is.lag.set(found.follower_lag.as_secs_f64());
        set(&is.polls, found.polls_waiting);
        set(&is.hashes_waiting, found.hashes_waiting);
        count(&is.hashes, u64::try_from(found.hashes_started).unwrap_or(0));
        count(&is.legacy, found.legacy_let_in);
        is.connections.set(i64::from(found.database.connections));
        set(&is.idle, found.database.idle);
        set(&is.writes_waiting, found.database.waiting);
        count(&is.units, found.database.units);
        count(&is.commits, found.database.commits);
        if let Some(memory) = resident_memory() {
            is.memory.set(memory);
        }
        self.count_sessions(site).await;
        let mut page = String::new();
        encode(&mut page, &self.registry)
            .map_err(|error| FlowError::Internal(error.to_string()))?;
        Ok(page)
    }

    /// Leaves the last number where the database is away: `ready` says so.
    async fn count_sessions(&self, site: &Site) {
        let mut counted_at = self.sessions_counted_at.lock().await;
        let now = site.cx.clock.monotonic();
        if counted_at.is_some_and(|at| now.saturating_sub(at) < SESSIONS_EVERY) {
            return;
        }
        if let Ok(sessions) = gauges::sessions(&site.cx).await {
            self.looked_up.sessions.set(sessions);
            *counted_at = Some(now);
        }
    }
}

/// Takes over a count that is kept elsewhere.
fn count(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

/// From the kernel, where it tells.
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// `GET /metrics`.
pub async fn metrics(State(site): State<Site>) -> ApiResult<impl IntoResponse> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let page = site.metrics.page(&site).await?;
    Ok(([(header::CONTENT_TYPE, kind)], page))
}

/// The metrics, and nothing else.
pub(super) fn router(site: Site) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(|| async { not_found("route") })
        .with_state(site)
}
