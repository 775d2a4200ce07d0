//! Verified tokens, remembered: the signature of one token is checked once.
//!
//! A memo says "these exact bytes were verified under this key", and no more. Expiry and floors are
//! judged on every use, and a hit counts only while its key is in the key set.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::PoisonError;

use crate::Timestamp;
use crate::crypto::sha256;
use crate::floors::FirstBytes;
use crate::sync::RwLock;

/// Readers of different tokens rarely meet in one shard.
const SHARDS: usize = if cfg!(interleave) { 2 } else { 16 };

/// What an entry costs beside what its value says: the digest, the table's slack.
const ENTRY_BYTES: usize = 96;

/// All 32 bytes of SHA-256 over a token: no two tokens can be confused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    fn shard(&self) -> usize {
        // Not one of the eight bytes that serve as the hash inside the shard.
        usize::from(self.0[31]) % SHARDS
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// What is remembered of a token.
pub(crate) trait Remembered: Clone {
    /// How much memory it takes, about.
    fn bytes(&self) -> usize;
    /// From when on it is of no use.
    fn expires(&self) -> Timestamp;
}

type Table<V> = HashMap<Digest, V, BuildHasherDefault<FirstBytes>>;

/// A bounded map from tokens to what was verified of them.
///
/// Each shard has a young and an old generation. When the young one has filled its half of the
/// bound it becomes the old one, and what was old is forgotten: whatever is asked for often is
/// verified again, once, and lives on. So nothing is written when something is read.
#[derive(Debug)]
pub(crate) struct Memo<V> {
    shards: [RwLock<Generations<V>>; SHARDS],
    half: usize,
}

#[derive(Debug)]
struct Generations<V> {
    young: Table<V>,
    young_bytes: usize,
    old: Table<V>,
}

impl<V> Default for Generations<V> {
    fn default() -> Self {
        Self {
            young: Table::default(),
            young_bytes: 0,
            old: Table::default(),
        }
    }
}

impl<V: Remembered> Memo<V> {
    /// A memo of at most about `bytes`; with none it remembers nothing.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::default()),
            half: bytes / SHARDS / 2,
        }
    }

    /// What is remembered of a token.
    pub(crate) fn get(&self, digest: &Digest) -> Option<V> {
        let shard = self
            .shard(digest)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        shard
            .young
            .get(digest)
            .or_else(|| shard.old.get(digest))
            .cloned()
    }

    /// Remembers a token that was verified.
    pub(crate) fn put(&self, digest: Digest, value: V) {
        let bytes = ENTRY_BYTES + value.bytes();
        if bytes > self.half {
            return;
        }
        let mut shard = self
            .shard(&digest)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if shard.young_bytes + bytes > self.half {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes += bytes;
        shard.young.insert(digest, value);
    }

    /// Forgets what has expired.
    pub(crate) fn prune(&self, now: Timestamp) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let Generations {
                young,
                young_bytes,
                old,
            } = &mut *shard;
            old.retain(|_, value| value.expires() > now);
            young.retain(|_, value| value.expires() > now);
            *young_bytes = young
                .values()
                .map(|value| ENTRY_BYTES + value.bytes())
                .sum();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let held = |shard: &RwLock<Generations<V>>| {
            let shard = shard.read().unwrap();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(held).sum()
    }

    fn shard(&self, digest: &Digest) -> &RwLock<Generations<V>> {
        &self.shards[digest.shard()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Value(u64, Timestamp);

    impl Remembered for Value {
        fn bytes(&self) -> usize {
            904
        }
        fn expires(&self) -> Timestamp {
            self.1
        }
    }

    fn value(n: u64) -> Value {
        Value(n, Timestamp::from_secs(i64::try_from(n).unwrap()))
    }

    fn digest(n: u64) -> Digest {
        Digest::of(&n.to_string())
    }

    #[test]
    fn a_memo_never_holds_more_than_its_bound() {
        let memo = Memo::new(1_000_000);
        for n in 0..50_000 {
            memo.put(digest(n), value(n));
            assert!(memo.len() <= 1_000);
        }
        assert!(memo.len() > 400, "and it is used: {}", memo.len());
        let none = Memo::new(0);
        none.put(digest(1), value(1));
        assert_eq!(none.get(&digest(1)), None);
    }

    #[test]
    fn what_was_put_last_is_found_and_what_expired_is_not_kept() {
        let memo = Memo::new(1_000_000);
        (0..100).for_each(|n| memo.put(digest(n), value(n)));
        assert_eq!(memo.get(&digest(7)), Some(value(7)));
        assert_eq!(memo.get(&digest(100)), None);
        memo.put(digest(7), value(99));
        assert_eq!(memo.get(&digest(7)), Some(value(99)));
        memo.prune(Timestamp::from_secs(50));
        assert_eq!(memo.get(&digest(50)), None);
        assert_eq!(memo.get(&digest(51)), Some(value(51)));
        assert_eq!(memo.len(), 50);
    }
}
