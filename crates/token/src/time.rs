//! Moments, as the whole workspace writes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since the Unix epoch, UTC, without leap seconds.
///
/// Arithmetic saturates: a date beyond the range stays at its end, and nothing overflows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment this many seconds after the epoch, as JWT writes it (RFC 7519 section 2,
    /// NumericDate).
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, before the epoch as well.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `by` later, at most the end of the range.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// The moment `by` later, or `None` beyond the end of the range.
    pub fn checked_plus(self, by: Duration) -> Option<Self> {
        let by = i64::try_from(by.as_millis()).ok()?;
        self.0.checked_add(by).map(Self)
    }

    /// The moment `by` earlier, at least the start of the range.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends_of_the_range() {
        let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!(last.plus(Duration::MAX), last);
        assert_eq!(first.minus(Duration::MAX), first);
        assert_eq!(last.checked_plus(Duration::from_millis(1)), None);
        assert_eq!(first.checked_plus(Duration::MAX), None);
        assert_eq!(Timestamp::from_secs(i64::MAX), last);
        assert_eq!(last.since(first), Duration::from_millis(i64::MAX as u64));
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        for (millis, secs) in [
            (1999, 1),
            (1000, 1),
            (999, 0),
            (-1, -1),
            (-1000, -1),
            (-1001, -2),
        ] {
            assert_eq!(Timestamp::from_millis(millis).as_secs(), secs, "{millis}");
        }
    }

    #[test]
    fn since_an_event_to_come_is_zero() {
        let (early, late) = (Timestamp(5), Timestamp(9));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.plus(Duration::from_millis(4)), late);
        assert_eq!(late.minus(Duration::from_millis(4)), early);
        assert_eq!(early.checked_plus(Duration::from_millis(4)), Some(late));
    }
}
