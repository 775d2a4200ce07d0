//! What README.md shows is run as it stands there, and what SECURITY.md names is looked up.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests: a panic says what went wrong"
)]

mod security;
mod tour;
