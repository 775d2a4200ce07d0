//! What can be done with Countersign: one file for each use case.
//!
//! A flow takes the context [`Cx`] and plain values, asks `core` for the rules and `store` for the
//! facts, and answers with an outcome or a [`FlowError`]. It knows nothing of HTTP. The order of
//! reads and writes in here is not a style: each order closes a hole, and the model check in
//! `crates/core/tests` fails when one is broken.

mod clock;
mod cx;
mod error;
mod hasher;
mod random;
mod rounds;
mod written;

pub mod admin;
pub mod audit;
pub mod authenticate;
pub mod backup;
pub mod clients;
pub mod delete_account;
pub mod export;
pub mod feed;
pub mod gauges;
pub mod import;
pub mod issue;
pub mod keys;
pub mod legacy;
pub mod log;
pub mod login;
pub mod logout;
pub mod maintenance;
pub mod password;
pub mod profile;
pub mod refresh;
pub mod register;
pub mod sessions;
pub mod start;
pub mod throttle;
pub mod tokens;
pub mod vitals;

pub use authenticate::{Credential, Identity, Live, Via};
pub use clock::Clock;
pub use countersign_core as core;
pub use cx::{Cx, Origin, Parts, Settings};
pub use error::FlowError;
pub use hasher::{Hasher, Purpose};
pub use issue::{Mode, SignedIn, Tokens};
pub use random::Random;
