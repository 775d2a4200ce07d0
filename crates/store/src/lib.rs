//! What Countersign remembers: every line of SQL, for SQLite and PostgreSQL. No rules.
//!
//! Each statement is one text for both engines. Reads run on a pool; **every write is a unit of
//! work** passed to [`Db::write`], a transaction on PostgreSQL, a savepoint inside a group commit on
//! SQLite. Functions here take a [`Conn`] and do one thing; which things make up a unit, and in
//! which order, is decided in `flows`.

mod args;
mod conn;
mod db;
mod error;
mod migrate;
mod schema;
mod statement;
mod stats;
#[cfg(test)]
mod tests;
mod unit;
mod writer;

pub mod clients;
pub mod credentials;
pub mod events;
pub mod grants;
pub mod identifiers;
pub mod keys;
pub mod log;
pub mod sessions;
pub mod snapshot;
pub mod source;
pub mod throttle;
pub mod users;

pub use conn::{Conn, Reader};
pub use db::{BoxFuture, Db, Options};
pub use error::StoreError;
pub use migrate::{Plan, SCHEMA_VERSION, plan};
pub use stats::Stats;
