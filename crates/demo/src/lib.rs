//! What `countersign demo` shows: two services that check logins by themselves, the links on which
//! they follow the issuer, and a page that watches both.
//!
//! Each service is an axum application behind a [`Guard`] of its own, as any service would be. It
//! reaches the issuer over loopback HTTP, through a link that can be cut: bytes stop, sockets stay
//! open, as where a network splits. The issuer is known by its address and its routes alone.

mod link;
mod page;
mod service;
mod stopwatch;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use countersign_guard::{Guard, Policy};
use serde_json::{Value, json};

use self::link::Link;
use self::service::Service;
use self::stopwatch::Stopwatch;

/// Time that only moves forward, from some moment in the past.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What the demo stands on.
pub struct Setup {
    /// Where the issuer answers services.
    pub issuer: SocketAddr,
    /// The path below which all its routes stand, such as `/issuer`.
    pub path: &'static str,
    /// Its routes, for the page.
    pub routes: Router,
    /// Where the page will be.
    pub page: SocketAddr,
    /// Whose login the page tries out.
    pub account: Account,
    /// What times are measured with.
    pub clock: Clock,
}

/// An account for everybody who opens the page. No `Debug`: it holds a password.
pub struct Account {
    /// The username.
    pub name: String,
    /// The password, which the page shows.
    pub password: String,
}

/// A service: what it is called, where it stands, and how long it goes on without news.
const SERVICES: [(&str, Policy); 2] = [("shop", Policy::Bounded), ("library", Policy::Strict)];

struct Demo {
    account: Account,
    services: [Service; 2],
    stopwatch: Stopwatch,
}

/// Lays the links, connects the guards, and gives the routes of the page, both services and the
/// issuer. All of it ends with the last clone of the router.
///
/// # Errors
/// If there is no port left for a link, or the issuer does not answer.
pub async fn router(setup: Setup) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let stopwatch = Stopwatch::new(setup.clock);
    let connect = async |number: usize| {
        let (name, policy) = SERVICES[number];
        let link = Link::to(setup.issuer).await?;
        let url = format!("http://{}{}", link.address(), setup.path);
        let guard = Guard::builder(&url).policy(policy).connect().await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(Service::new(
            name,
            policy,
            guard,
            link,
            stopwatch.clone(),
        ))
    };
    let services = [connect(0).await?, connect(1).await?];
    let mut routes = Router::new()
        .route("/", get(page::page))
        .route("/demo.css", get(page::style))
        .route("/demo.js", get(page::script));
    for service in &services {
        routes = routes.nest(&format!("/{}", service.name()), service.routes());
    }
    let issuer = setup.routes.layer(from_fn_with_state(
        (stopwatch.clone(), format!("{}/logout", setup.path)),
        stopwatch::time_logout,
    ));
    let demo = Arc::new(Demo {
        account: setup.account,
        services,
        stopwatch,
    });
    let status = Router::new().route("/status", get(status)).with_state(demo);
    Ok(routes
        .merge(status)
        .layer(from_fn(page::careful_headers))
        .merge(issuer)
        .layer(from_fn_with_state(setup.page, page::at_home)))
}

/// What the services know, and what became of the logout of this token.
async fn status(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Json<Value> {
    let Account { name, password } = &demo.account;
    let [shop, library] = &demo.services;
    Json(json!({
        "account": { "name": name, "password": password },
        "services": { "shop": shop.status(), "library": library.status() },
        "logout": bearer(&headers).and_then(|token| demo.stopwatch.read(token)),
    }))
}

/// The token of a request as text, to tell logins apart; whether it is any good is not asked.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}
