//! The log in memory: what this node has read of it anyway, for those who ask.
//!
//! A row of the database costs some microseconds to read, and a thousand followers that fall out of
//! step would each have theirs read anew. See docs/adr/0009.

use std::collections::VecDeque;

use countersign_core::{Floor, Seq, Timestamp};

/// Floors that are held at most, 40 bytes each. Who is further behind is told from the database.
const MOST: usize = 2_000_000;

/// Every floor of the log above a position, as far as this node has read it.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// Nothing above this is missing; none while the log is being read from its beginning.
    since: Option<Seq>,
    /// The last that was read.
    upto: Seq,
    floors: VecDeque<Floor>,
}

impl Recalled {
    /// The log is read from its beginning: until [`Recalled::complete`], this answers nothing.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Floors that were read, in order. Those that are held already may be among them.
    pub(crate) fn extend(&mut self, read: &[Floor]) {
        self.extend_to(read, MOST);
    }

    fn extend_to(&mut self, read: &[Floor], most: usize) {
        for floor in read {
            if floor.seq > self.upto {
                self.upto = floor.seq;
                self.floors.push_back(*floor);
            }
        }
        let excess = self.floors.len().saturating_sub(most);
        if let Some(last) = self.floors.drain(..excess).next_back() {
            self.since = Some(last.seq);
        }
    }

    /// The log was read to its end.
    pub(crate) fn complete(&mut self) {
        self.since.get_or_insert(Seq(0));
    }

    /// Lets go what the database lets go.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        self.floors.retain(|floor| floor.expires >= now);
        if self.floors.len() < self.floors.capacity() / 4 {
            self.floors.shrink_to(self.floors.len() * 2);
        }
    }

    /// The floors above `after` up to `upto`, at most so many, and whether there are more; none
    /// where the memory does not reach back so far.
    pub(crate) fn between(&self, after: Seq, upto: Seq, most: usize) -> Option<(Vec<Floor>, bool)> {
        self.since.filter(|&since| since <= after)?;
        let from = self.floors.partition_point(|floor| floor.seq <= after);
        let to = self.floors.partition_point(|floor| floor.seq <= upto);
        let end = to.min(from.saturating_add(most)).max(from);
        let floors = self.floors.range(from..end).copied().collect();
        Some((floors, end < to))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use countersign_core::{Reason, Scope, Subject};

    fn floors(seqs: impl IntoIterator<Item = i64>) -> Vec<Floor> {
        let floor = |seq| Floor {
            seq: Seq(seq),
            scope: Scope::Token,
            subject: Subject([0; 16]),
            reason: Reason::Revoked,
            expires: Timestamp::from_secs(seq),
        };
        seqs.into_iter().map(floor).collect()
    }

    fn between(log: &Recalled, after: i64, upto: i64, most: usize) -> Option<(Range<i64>, bool)> {
        let (found, more) = log.between(Seq(after), Seq(upto), most)?;
        let seqs: Vec<i64> = found.iter().map(|floor| floor.seq.0).collect();
        let range = match seqs.as_slice() {
            [] => 0..0,
            [one] => *one..*one + 1,
            [first, .., last] => *first..*last + 1,
        };
        assert!(range.clone().eq(seqs), "a hole, or one twice");
        Some((range, more))
    }

    #[test]
    fn nothing_is_answered_from_a_log_that_is_not_read_to_its_end() {
        let mut log = Recalled::default();
        log.extend(&floors(1..=5));
        assert_eq!(between(&log, 0, 5, 9), None);
        log.complete();
        assert_eq!(between(&log, 0, 5, 9), Some((1..6, false)));
        log.restart();
        assert_eq!(between(&log, 4, 5, 9), None);
    }

    #[test]
    fn what_lies_between_two_positions_is_told_whole_and_once() {
        let mut log = Recalled::default();
        log.complete();
        log.extend(&floors(1..=5));
        // The last look read further than the position it found; the next reads that again.
        log.extend(&floors(4..=9));
        for (after, upto, most, expected) in [
            (0, 9, 9, (1..10, false)),
            (0, 9, 8, (1..9, true)),
            (2, 6, 9, (3..7, false)),
            (2, 6, 3, (3..6, true)),
            (9, 9, 1, (0..0, false)),
            (9, 5, 1, (0..0, false)),
            (11, 12, 1, (0..0, false)),
        ] {
            assert_eq!(between(&log, after, upto, most), Some(expected));
        }
    }

    #[test]
    fn who_is_further_behind_than_memory_reaches_is_not_answered_from_it() {
        let mut log = Recalled::default();
        log.extend_to(&floors(1..=5), 3);
        log.complete();
        assert_eq!(between(&log, 1, 5, 9), None);
        assert_eq!(between(&log, 2, 5, 9), Some((3..6, false)));
        log.extend_to(&floors(6..=6), 3);
        assert_eq!(between(&log, 2, 6, 9), None);
        assert_eq!(between(&log, 3, 6, 9), Some((4..7, false)));
    }

    #[test]
    fn what_has_expired_is_let_go_and_no_floor_beside_it() {
        let mut log = Recalled::default();
        log.complete();
        log.extend(&floors(1..=1_000));
        log.forget(Timestamp::from_secs(990));
        assert_eq!(between(&log, 0, 1_000, 99), Some((990..1_001, false)));
        assert!(log.floors.capacity() < 100);
        log.forget(Timestamp::from_secs(2_000));
        log.extend(&floors(999..=1_001));
        assert_eq!(between(&log, 0, 2_000, 99), Some((1_001..1_002, false)));
    }
}
