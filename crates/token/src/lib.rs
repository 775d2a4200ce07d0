//! What a token is, and when it is refused.
//!
//! An access token is a JWT (RFC 7519, RFC 9068) in compact form (RFC 7515). This crate makes
//! them ([`issue`]), checks them ([`Verifier`]), and keeps the [`Floors`] through which a logout
//! takes effect at once although no check asks a database. Time is a parameter everywhere:
//! nothing here reads a clock, a file or a socket.
//!
//! [`Verifier::check`] is the one check. The server uses it for its own requests and a guard
//! inside a service uses the same, so that the two cannot drift apart.

mod algorithm;
mod claims;
pub mod crypto;
#[cfg(interleave)]
mod faults;
pub mod feed;
mod floors;
mod held;
pub mod json;
mod jwk;
pub mod jws;
mod keys;
mod legacy;
mod memo;
mod sync;
mod time;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{ACCESS, Claims, IssueError, MAX_TOKEN_BYTES, TYP, issue};
pub use floors::{Floor, Reason, Scope, Seq, Subject, UnknownScope};
pub use held::Floors;
pub use jwk::{Jwk, JwkError, Jwks, MAX_JWKS_BYTES, MAX_KEYS};
pub use keys::{KeyError, KeySet, MIN_SECRET_BYTES, SHARED_KID, SigningKey, VerifyingKey};
pub use legacy::{Legacy, LegacySubject, LegacyToken, MAX_LEGACY, MAX_SUBJECT_BYTES};
pub use time::Timestamp;
pub use verifier::{Accepted, MEMO_BYTES, Policy, Refusal, Verifier};
