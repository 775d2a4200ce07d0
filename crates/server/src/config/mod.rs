//! Configuration: one table of keys, from which everything else follows.
//!
//! `table.rs` declares each key once: its type, default, bounds, meaning, and whether it is secret.
//! The structs, the loader, `countersign config`, the reference page and the example file are made
//! from it. [`Config::load`] takes all that it reads as parameters and reports every problem at
//! once; only the server reads configuration, and passes settings down.

mod load;
mod net;
mod report;
mod secret;
mod sources;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use load::{Problem, Problems};
pub use net::{Cidr, DatabaseUrl, Engine, Origin, PublicUrl, TrustedProxies};
pub use report::{Row, example, reference};
pub use secret::{MAKE_ONE, weakness};
pub use sources::{Inputs, Source};
pub use table::{
    AcceptHs256, Argon2, Audit, Config, Cookie, Cors, Database, Fallback, ForwardAuth, KEYS, Key,
    Limits, Log, Metrics, Password, Registration, Secret, Server, Session, Tls, Token,
};
pub use value::{
    Algorithm, Blocklist, ByteSize, CookiePrefix, LogFormat, LogLevel, Moment, RequireAuth,
    SameSite, Subject,
};
