//! The guard beside the real binary: what the issuer ends, a service refuses.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: what is measured is real time, and a measurement is there to be read"
)]

mod away;
mod crowd;
mod honoured;
mod link;
mod restored;
mod times;

use std::time::{Duration, Instant};

use countersign_guard::{Guard, Refusal};
use countersign_testkit::{Home, Server};
use serde_json::{Value, json};

const PASSWORD: &str = "plum-harbour-41";

fn home() -> Home {
    Home::new(env!("CARGO_BIN_EXE_countersign"))
}

async fn register(server: &Server, name: &str) {
    let body = json!({"username": name, "password": PASSWORD});
    let answer = server.client().post("/register").json(&body).send().await;
    let _ = answer.expect(201);
}

async fn sign_in(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD});
    let answer = server.client().post("/login").json(&body).send().await;
    token(&answer.expect(200).json())
}

fn token(login: &Value) -> String {
    login["access_token"].as_str().unwrap().to_owned()
}

async fn guard(server: &Server) -> Guard {
    Guard::connect(&server.url("")).await.unwrap()
}

/// What becomes of a token: its code, or nothing.
fn code(guard: &Guard, token: &str) -> &'static str {
    guard.verify(token).err().map_or("", Refusal::code)
}

/// Waits until the guard answers this, and says how long it took.
async fn until(guard: &Guard, token: &str, expected: &str, patience: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let (found, took) = (code(guard, token), began.elapsed());
        if found == expected {
            return took;
        }
        assert!(
            took < patience,
            "{expected:?}: after {took:?} still {found:?}"
        );
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}
