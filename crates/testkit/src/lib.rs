//! What the tests of every crate share: temporary directories and databases, the real binary on a
//! free port, and an HTTP client that sends exactly what it is told.
//!
//! It knows the program from outside only: its command line, its addresses, what it prints. A
//! helper built on our own types could share the mistake that a test is there to find.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "everything here runs inside tests, where a panic is how to say what went wrong"
)]

mod client;
mod database;
mod home;
mod process;
mod response;
mod server;
mod temp;

pub use client::{Client, Request, raw};
pub use database::{TestDatabase, make_sqlite};
pub use home::Home;
pub use process::{Exit, Running};
pub use response::{Cookie, Response};
pub use server::Server;
pub use temp::TempDir;
