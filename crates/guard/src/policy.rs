//! How long a guard goes on without news.

use std::time::Duration;

/// What a guard answers once it has not heard from the issuer for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Stale after 3 seconds.
    Strict,
    /// Stale after 30 seconds.
    #[default]
    Bounded,
    /// Never stale: with the issuer out of reach, a token of an ended login is accepted until it
    /// expires.
    Lenient,
}

impl Policy {
    /// How long one answer of the issuer is good for. A lenient guard goes on after that, and
    /// follows as a bounded one does.
    #[must_use]
    pub const fn lease(self) -> Duration {
        match self {
            Self::Strict => Duration::from_secs(3),
            Self::Bounded | Self::Lenient => Duration::from_secs(30),
        }
    }

    /// How long the issuer may hold an answer. Below half the lease, or it would lapse between two
    /// answers.
    pub(crate) const fn wait(self) -> Duration {
        Duration::from_secs(self.lease().as_secs() / 3)
    }

    /// How much later than asked for an answer may come before it counts as lost.
    pub(crate) const fn margin(self) -> Duration {
        match self {
            Self::Strict => Duration::from_secs(1),
            Self::Bounded | Self::Lenient => Duration::from_secs(2),
        }
    }

    /// The longest pause between two attempts to reach the issuer: several fit into a lease.
    pub(crate) const fn pause(self) -> Duration {
        Duration::from_millis(self.lease().as_secs() * 1_000 / 6)
    }
}
