//! What the revocation feed says: the shape that issuer and followers share.

use serde::{Deserialize, Serialize};

use crate::{Floor, Seq};

/// The most floors in one answer.
pub const MAX_FLOORS: usize = 10_000;

/// One answer of `GET /revocations`.
///
/// A follower adds the floors to what it holds and takes `seq` as its cursor, even where that is
/// lower than the one it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The log's position up to which all floors are known once these are applied.
    pub seq: Seq,
    /// The issuer's time, in seconds since the Unix epoch: what the follower lives by.
    pub now: i64,
    /// The longest that an access token lives, in seconds.
    pub life: i64,
    /// Changes with the JWKS: an answer with another number is applied after that JWKS is loaded.
    pub keys: i64,
    /// Whether there are more floors, to be asked for at once.
    pub more: bool,
    /// Floors in the order of their `seq`.
    pub floors: Vec<Floor>,
}
