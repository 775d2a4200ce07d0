//! The smallest service behind Countersign. Beside a running `countersign`:
//!
//! ```sh
//! cargo run -p axum-api        # http://127.0.0.1:5000 checks in, http://127.0.0.1:8000 serves
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/profile
//! ```

use std::env;
use std::error::Error;

use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_guard::web::Authenticated;
use countersign_guard::{Guard, Refusal};

async fn front(user: Option<Authenticated>) -> String {
    let name = user.and_then(|user| user.username.clone());
    format!("Hello {}\n", name.as_deref().unwrap_or("stranger"))
}

async fn profile(user: Authenticated) -> Json<Vec<String>> {
    Json(user.roles.clone())
}

async fn close_the_shop(user: Authenticated) -> Result<&'static str, Refusal> {
    user.require_role("admin")?;
    user.require_fresh()?;
    Ok("closed\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let guard = Guard::connect(&setting("ISSUER", "http://127.0.0.1:5000")).await?;
    let app = Router::new()
        .route("/", get(front))
        .route("/profile", get(profile))
        .route("/close", post(close_the_shop))
        .with_state(guard);
    let listener = tokio::net::TcpListener::bind(setting("LISTEN", "127.0.0.1:8000")).await?;
    Ok(axum::serve(listener, app).await?)
}
