//! Checks Countersign tokens inside a service, without a request to anybody, and honours a logout
//! at once.
//!
//! A [`Guard`] follows the issuer's revocation log: a few bytes for each login that was ended
//! early. A check compares a token with what is known here, in less than a microsecond once the
//! token was seen before; a logout at the issuer reaches every guard within milliseconds.
//!
//! ```no_run
//! use countersign_guard::{Guard, Refusal};
//!
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::connect("http://127.0.0.1:5000").await?;
//!
//! match guard.check(token).await {
//!     Ok(claims) => println!("user {} with {:?}", claims.sub, claims.roles),
//!     Err(Refusal::Stale { .. }) => println!("503: the issuer is out of reach"),
//!     Err(refusal) => println!("{} {}: {refusal}", refusal.status(), refusal.code()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When the issuer is out of reach
//!
//! Then a guard cannot know whether a login was ended, and after a while it says so, with
//! [`Refusal::Stale`] and status 503. How long that takes is its [`Policy`]: 3 s, 30 s (unless told
//! otherwise), or never. The time counts from when the question was *sent* that was answered last,
//! on a clock that on Linux goes on while the machine sleeps; dates come from the issuer, so that
//! the machine's wall clock does not matter. A guard cannot be made while the issuer is away.
//!
//! # Where
//!
//! A guard runs one task in the tokio runtime where it was connected, and ends it with its last
//! clone. Who reaches it over plain HTTP has to trust the network in between: the keys come from
//! there.
//!
//! # Features
//!
//! - `tls` (default): issuers at `https://` addresses.
//! - `axum`: handlers that take [`Authenticated`](web::Authenticated), and [`Guard::layer`] for a
//!   whole router.

mod builder;
mod clock;
mod follow;
mod guard;
mod legacy;
mod policy;
mod refusal;
mod remote;
mod shared;
mod sync;
#[cfg(feature = "axum")]
pub mod web;

#[cfg(test)]
#[cfg(interleave)]
mod interleavings;
#[cfg(test)]
#[cfg(not(interleave))]
mod tests;

pub use builder::{Builder, ConnectError};
pub use guard::{Guard, Status};
pub use legacy::AcceptHs256;
pub use policy::Policy;
pub use refusal::Refusal;
pub use remote::RemoteError;

/// What a token says, and why one is refused: of the crate that makes them.
pub use countersign_token::{Claims, Refusal as TokenRefusal, Seq};
