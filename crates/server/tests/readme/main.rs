//! The book: what its pages show is run as it stands there, what they link to exists, and what
//! SECURITY.md names is looked up.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests: a panic says what went wrong"
)]

mod book;
mod page;
mod pages;
mod security;
mod session;
mod tools;
