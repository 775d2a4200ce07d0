//! The use cases on real databases, with a clock that tests move and hashes that cost nothing.
//!
//! SQLite always; what depends on two things at once also on the PostgreSQL that
//! `COUNTERSIGN_TEST_POSTGRES` names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers")]

/// Asserts that a flow refused, and how.
macro_rules! refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            Err(other) => panic!("refused with {other:?}"),
            Ok(_) => panic!("not refused with {}", stringify!($pattern)),
        }
    };
}

mod admin;
mod backup;
mod clients;
mod feed;
mod hasher;
mod import;
mod keys;
mod legacy;
mod log;
mod login;
mod logout;
mod maintenance;
mod overtaken;
mod password;
mod profile;
mod races;
mod refresh;
mod register;
mod sessions;
mod site;
mod start;
mod throttle;
mod tokens;
