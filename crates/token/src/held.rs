//! The floors that a verifier holds.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::floors::FirstBytes;
use crate::sync::chance;
use crate::{Floor, Reason, Seq, Subject, Timestamp};

/// The floors in force, by subject, and how far in the log they reach.
///
/// Most tokens have no floor, so a small filter answers first, without a look at the rest. What was
/// noted long enough ago stands sorted in one array, 40 bytes a subject: a million logouts take
/// 40 MB, where a hash table would take twice that.
#[derive(Debug)]
pub struct Floors {
    filter: Filter,
    recent: HashMap<Subject, Mark, BuildHasherDefault<FirstBytes>>,
    settled: Vec<(Subject, Mark)>,
    settle_from: usize,
    seq: Seq,
    forgotten: Forgotten,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            recent: HashMap::default(),
            settled: Vec::new(),
            settle_from: SETTLE_FROM + chance() as usize % SETTLE_FROM,
            seq: Seq::default(),
            forgotten: Forgotten::default(),
        }
    }
}

/// The highest floor that is not held any more, and the latest time at which one was let go.
#[derive(Debug, Default)]
struct Forgotten {
    seq: Seq,
    at: Timestamp,
}

/// The highest floors of one subject, one for each reason, so that none masks another. Zero is
/// "none": no `rev` is below it.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    revoked: Seq,
    superseded: Seq,
    expires: Timestamp,
}

impl Mark {
    fn raise(&mut self, floor: &Floor) {
        let highest = match floor.reason {
            Reason::Revoked => &mut self.revoked,
            Reason::Superseded => &mut self.superseded,
        };
        *highest = floor.seq.max(*highest);
        self.expires = floor.expires.max(self.expires);
    }
}

/// Below so many recent floors, sorting them in is not worth it. Each set goes on for up to twice as
/// long, by chance: the guards of one process hear of the same floors in the same moment, and are not
/// all to stop and sort in another. Nor are they to make a larger filter in one.
const SETTLE_FROM: usize = 4_096;

impl Floors {
    /// Adds what an answer of the feed brought and takes its `seq` as the cursor, **even where
    /// that is lower**: a database that went back in time leads, and its followers follow.
    pub fn apply(&mut self, floors: &[Floor], seq: Seq) {
        floors.iter().for_each(|floor| self.note(floor));
        self.seq = seq;
    }

    /// Adds one floor without moving the cursor: a node knows of its own floors before it has
    /// read the log up to them.
    pub fn note(&mut self, floor: &Floor) {
        if let Some(mark) = self.find_mut(&floor.subject) {
            mark.raise(floor);
            return;
        }
        let mut mark = Mark {
            expires: floor.expires,
            ..Mark::default()
        };
        mark.raise(floor);
        self.recent.insert(floor.subject, mark);
        if self.filter.is_full_with(self.len() + self.ahead()) {
            self.refilter();
        } else {
            self.filter.add(&floor.subject);
        }
        if self.recent.len() >= self.settle_from.max(self.settled.len() / 8) {
            self.settle();
        }
    }

    /// The position in the log up to which all floors are known.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Forgets what concerns expired tokens only.
    pub fn prune(&mut self, now: Timestamp) {
        let (before, mut highest) = (self.len(), self.forgotten.seq);
        let mut is_kept = |mark: &Mark| {
            let kept = mark.expires > now;
            if !kept {
                highest = highest.max(mark.revoked).max(mark.superseded);
            }
            kept
        };
        self.recent.retain(|_, mark| is_kept(mark));
        self.settled.retain(|(_, mark)| is_kept(mark));
        if self.len() == before {
            return;
        }
        self.forgotten = Forgotten {
            seq: highest,
            at: now.max(self.forgotten.at),
        };
        // A wave of logouts should not hold its memory for ever.
        if self.settled.len() < self.settled.capacity() / 2 {
            self.settled.shrink_to_fit();
        }
        if self.recent.len() < self.recent.capacity() / 4 {
            self.recent.shrink_to(self.recent.len() * 2);
        }
        self.refilter();
    }

    /// What time it is for a token minted at `rev`, where it is `now` for whoever checks it. A floor
    /// above it that was forgotten may have been its own, so that it is no earlier than that was: a
    /// check that was held up since it looked at the clock finds the floor or an expired token.
    pub(crate) fn time_for(&self, rev: Seq, now: Timestamp) -> Timestamp {
        if self.forgotten.seq > rev {
            return now.max(self.forgotten.at);
        }
        now
    }

    #[cfg(interleave)]
    pub(crate) fn prune_and_forget_it(&mut self, now: Timestamp) {
        self.prune(now);
        self.forgotten = Forgotten::default();
    }

    /// How many subjects have a floor.
    pub fn len(&self) -> usize {
        self.recent.len() + self.settled.len()
    }

    /// Whether no subject has a floor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a token minted at `rev` for these subjects is below a floor, and why. Every floor
    /// counts: `Revoked` if any that matches says so, else `Superseded`.
    pub fn judge(&self, subjects: &[Subject; 5], rev: Seq) -> Option<Reason> {
        let mut reason = None;
        for mark in subjects.iter().filter_map(|subject| self.find(subject)) {
            if mark.revoked > rev {
                return Some(Reason::Revoked);
            }
            if mark.superseded > rev {
                reason = Some(Reason::Superseded);
            }
        }
        reason
    }

    fn find(&self, subject: &Subject) -> Option<&Mark> {
        if !self.filter.may_hold(subject) {
            return None;
        }
        self.recent.get(subject).or_else(|| {
            let index = self
                .settled
                .binary_search_by_key(subject, |(held, _)| *held)
                .ok()?;
            self.settled.get(index).map(|(_, mark)| mark)
        })
    }

    fn find_mut(&mut self, subject: &Subject) -> Option<&mut Mark> {
        if !self.filter.may_hold(subject) {
            return None;
        }
        if let Some(mark) = self.recent.get_mut(subject) {
            return Some(mark);
        }
        let index = self
            .settled
            .binary_search_by_key(subject, |(held, _)| *held)
            .ok()?;
        self.settled.get_mut(index).map(|(_, mark)| mark)
    }

    /// By how much this set is ahead of others in making a larger filter: up to a quarter, by chance.
    fn ahead(&self) -> usize {
        self.len() * (self.settle_from - SETTLE_FROM) / SETTLE_FROM / 4
    }

    /// Sorts the recent floors in among the others. No subject is in both.
    fn settle(&mut self) {
        let mut recent: Vec<_> = self.recent.drain().collect();
        recent.sort_unstable_by_key(|(subject, _)| *subject);
        self.settled.reserve_exact(recent.len());
        self.settled.append(&mut recent);
        // Two sorted runs one after the other: the stable sort finds and merges them.
        self.settled.sort_by_key(|(subject, _)| *subject);
    }

    fn refilter(&mut self) {
        let mut filter = Filter::for_at_least(self.len());
        self.recent.keys().for_each(|subject| filter.add(subject));
        self.settled
            .iter()
            .for_each(|(subject, _)| filter.add(subject));
        self.filter = filter;
    }
}

/// A Bloom filter with one word for each question (16 to 32 bits a subject): "not there" is certain
/// and costs one look at memory, "may be there" is wrong about once in a hundred times or less.
#[derive(Debug, Default)]
struct Filter(Vec<u64>);

/// Subjects that share a word when the filter is full.
const PER_WORD: usize = 4;

impl Filter {
    fn for_at_least(subjects: usize) -> Self {
        Self(vec![0; (subjects.max(256) * 2).div_ceil(PER_WORD)])
    }

    fn is_full_with(&self, subjects: usize) -> bool {
        subjects > self.0.len() * PER_WORD
    }

    /// Which word, and which four of its bits. Subjects are digests: any of their bits are random.
    fn place(&self, subject: &Subject) -> (usize, u64) {
        let [a, b, c, d, e, f, g, h, ..] = subject.0;
        let spread = u64::from(u32::from_le_bytes([a, b, c, d])) * self.0.len() as u64;
        let bits = [e, f, g, h]
            .iter()
            .fold(0, |bits, byte| bits | 1 << (byte & 63));
        ((spread >> 32) as usize, bits)
    }

    fn add(&mut self, subject: &Subject) {
        let (word, bits) = self.place(subject);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bits;
        }
    }

    fn may_hold(&self, subject: &Subject) -> bool {
        let (word, bits) = self.place(subject);
        self.0.get(word).is_some_and(|word| word & bits == bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    fn floor(n: u64, seq: i64, expires: i64) -> Floor {
        Floor {
            seq: Seq(seq),
            scope: Scope::Token,
            subject: Subject::of(Scope::Token, &n.to_string()),
            reason: Reason::Revoked,
            expires: Timestamp::from_secs(expires),
        }
    }

    fn judged(floors: &Floors, n: u64, rev: i64) -> Option<Reason> {
        floors.judge(&[Subject::of(Scope::Token, &n.to_string()); 5], Seq(rev))
    }

    #[test]
    fn every_floor_is_found_whether_recent_settled_or_raised() {
        let mut floors = Floors {
            settle_from: SETTLE_FROM,
            ..Floors::default()
        };
        for n in 0..50_000 {
            floors.note(&floor(n, 10, 100));
        }
        assert!(!floors.recent.is_empty() && !floors.settled.is_empty());
        assert!(floors.settled.is_sorted_by_key(|(subject, _)| *subject));
        for n in 0..50_000 {
            assert_eq!(judged(&floors, n, 9), Some(Reason::Revoked), "{n}");
            assert_eq!(judged(&floors, n, 10), None, "{n}");
        }
        for n in [0, 49_999] {
            floors.note(&floor(n, 20, 100));
            floors.note(&floor(n, 15, 100));
            assert_eq!(judged(&floors, n, 19), Some(Reason::Revoked), "{n}");
        }
        assert_eq!(floors.len(), 50_000);
    }

    #[test]
    fn the_filter_turns_nearly_all_strangers_away() {
        let mut floors = Floors::default();
        (0..20_000).for_each(|n| floors.note(&floor(n, 10, 100)));
        let let_through = (20_000..120_000)
            .filter(|n: &u64| {
                floors
                    .filter
                    .may_hold(&Subject::of(Scope::Token, &n.to_string()))
            })
            .count();
        assert!(let_through < 2_000, "{let_through} of 100,000");
        assert!((20_000..120_000).all(|n| judged(&floors, n, 0).is_none()));
    }

    #[test]
    fn memory_is_given_back_after_a_wave_of_floors() {
        let mut floors = Floors::default();
        (0..30_000).for_each(|n| floors.note(&floor(n, 1, i64::from(n < 100))));
        assert_eq!((floors.len(), floors.seq()), (30_000, Seq(0)));
        let full = floors.settled.capacity() + floors.recent.capacity();
        floors.prune(Timestamp::from_secs(0));
        assert_eq!(floors.len(), 100);
        assert!(floors.settled.capacity() + floors.recent.capacity() < full / 10);
        assert!((0..100).all(|n| judged(&floors, n, 0).is_some()));
    }

    #[test]
    fn a_subject_with_two_floors_is_kept_until_the_later_one_may_go() {
        let mut floors = Floors::default();
        floors.note(&floor(42, 2, 20));
        floors.note(&floor(42, 1, 10));
        floors.prune(Timestamp::from_secs(19));
        assert_eq!(judged(&floors, 42, 1), Some(Reason::Revoked));
        floors.prune(Timestamp::from_secs(20));
        assert!(floors.is_empty());
    }
}
