//! A shop behind Countersign: products, wishes, stock, and the pages. `README.md` beside it says how
//! to run it.

mod catalogue;
mod pages;
mod passage;
mod shop;

use std::env;
use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use countersign_guard::Guard;
use tokio::net::TcpListener;

use crate::catalogue::Catalogue;
use crate::pages::Pages;
use crate::passage::Passage;

/// What the shop reads of a request, at most.
const MOST_READ: usize = 64 * 1024;

/// How long one request may take. Countersign gives its own half of that.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => shop::refused(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "That took too long",
        ),
    }
}

/// Once a day; what fails today is done tomorrow.
async fn tidy(catalogue: Catalogue) {
    let mut days = tokio::time::interval(Duration::from_secs(24 * 60 * 60));
    loop {
        days.tick().await;
        let _ = catalogue.forget_the_absent().await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    // Where Countersign listens, with the path below which it was told to stand. What it calls
    // itself, and writes into tokens, is the address that visitors know: the guard is told by it.
    let issuer = setting("ISSUER", "http://127.0.0.1:5000/auth");
    let leeway = setting("LEEWAY", "30").parse()?;
    let guard = Guard::builder(&issuer)
        .leeway(Duration::from_secs(leeway))
        .connect()
        .await?;
    let catalogue = Catalogue::open(&setting("DATABASE", "shop.db")).await?;
    catalogue.forget_the_absent().await?;
    tokio::spawn(tidy(catalogue.clone()));
    let pages = Pages::load(Path::new(&setting("PAGES", "dist")))?;

    let app = Router::new()
        .merge(shop::routes(guard, catalogue, &issuer))
        .merge(passage::routes(Passage::to(&issuer)?))
        .merge(pages.routes())
        .layer(DefaultBodyLimit::max(MOST_READ))
        .layer(from_fn(pages::careful_headers(&issuer)?))
        .layer(from_fn(in_time));

    let listener = TcpListener::bind(setting("LISTEN", "127.0.0.1:8000")).await?;
    writeln!(
        std::io::stdout(),
        "The shop is open: http://localhost:{}/",
        listener.local_addr()?.port()
    )?;
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
