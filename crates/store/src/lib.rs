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
#[cfg(test)]
mod tests;
mod unit;
mod writer;

pub use conn::{Conn, Reader};
pub use db::{BoxFuture, Db, Options};
pub use error::StoreError;
pub use migrate::SCHEMA_VERSION;

statement::tables! {
    /// Programs that hold or check tokens.
    clients,
    /// Proofs of identity; passwords so far.
    credentials,
    /// The audit log.
    events,
    /// What clients hold on sessions.
    grants,
    /// Usernames and e-mail addresses.
    identifiers,
    /// Sealed signing keys.
    keys,
    /// The revocation log, its clock, and the durable floors.
    log,
    /// Logins on devices.
    sessions,
    /// Counters of failures.
    throttle,
    /// Accounts and their roles.
    users,
}
