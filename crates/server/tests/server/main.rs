//! The contract, route by route, against the real binary: what a client sees, and nothing that only
//! we could know. Refusals stand before successes. `docs/seeds.md` says which test shows which row.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a panic says what went wrong, and the program under test has clocks of its own"
)]

mod admin;
mod any_input;
mod conventions;
mod cookies;
mod cors;
mod credentials;
mod cross_site;
mod forward_auth;
mod home;
mod kill;
mod legacy;
mod limits;
mod login;
mod logout;
mod metrics;
mod oauth2;
mod openapi;
mod openapi_page;
mod password;
mod postgres;
mod profile;
mod protected;
mod proxies;
mod refresh;
mod register;
mod revocations;
mod secrets_in_logs;
mod seeds;
mod sessions;
mod shared_secret;
mod shutdown;
mod sign_in;
mod support;
mod tls;
mod users_dialect;
mod verify;
mod well_known;
