//! What the store promises, on both engines: one suite, each test run on each.
//!
//! Without `COUNTERSIGN_TEST_POSTGRES` (see `script/services`) the half on PostgreSQL is skipped
//! with a note, and fails where `CI=true`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is how to say what went wrong"
)]

#[macro_use]
mod support;

mod clients;
mod credentials;
mod events;
mod grants;
mod keys;
mod log;
mod opening;
mod sessions;
mod throttle;
mod units;
mod users;
