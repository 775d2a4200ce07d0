//! Verified tokens, remembered: the signature of one token is checked once.
//!
//! A memo says "these exact bytes were verified under this key", and no more. Expiry and floors are
//! judged on every use, and a hit counts only while its key is in the key set.
//!
//! The exact bytes: a token is looked for under a keyed hash of its end, which is its signature, and
//! then compared whole. Whoever does not have the signature finds nothing to be compared with, so
//! that no time taken tells anything of one. What is put here was signed by the issuer, so nobody
//! else chooses what shares a place.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::sync::PoisonError;

use crate::Timestamp;
use crate::floors::FirstBytes;
use crate::sync::{Keyed, RwLock};

/// Readers of different tokens rarely meet in one shard.
const SHARDS: usize = if cfg!(interleave) { 2 } else { 16 };

/// What an entry costs beside what its parts say: the hash, the table's slack.
const ENTRY_BYTES: usize = 96;

/// As much of a token's end as is hashed: within every signature but that of HS256, which is 43
/// letters long, and any of them are as good as random.
const HASHED: usize = 64;

/// What is remembered of a token.
pub(crate) trait Remembered: Clone {
    /// How much memory it takes, about.
    fn bytes(&self) -> usize;
    /// From when on it is of no use.
    fn expires(&self) -> Timestamp;
}

type Table<V> = HashMap<u64, Entry<V>, BuildHasherDefault<FirstBytes>>;

struct Entry<V> {
    token: Box<str>,
    value: V,
}

impl<V: Remembered> Entry<V> {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.token.len() + self.value.bytes()
    }
}

/// A bounded map from tokens to what was verified of them.
///
/// Each shard has a young and an old generation. When the young one has filled its half of the
/// bound it becomes the old one, and what was old is forgotten: whatever is asked for often is
/// verified again, once, and lives on. So nothing is written when something is read.
pub(crate) struct Memo<V> {
    shards: [RwLock<Generations<V>>; SHARDS],
    half: usize,
    keyed: Keyed,
}

struct Generations<V> {
    young: Table<V>,
    young_bytes: usize,
    old: Table<V>,
}

/// Nothing of what it holds: that would be logins.
impl<V> fmt::Debug for Memo<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
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
            keyed: Keyed::default(),
        }
    }

    /// What is remembered of a token.
    pub(crate) fn get(&self, token: &str) -> Option<V> {
        let hash = self.hash(token);
        let shard = self
            .shard(hash)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = shard.young.get(&hash).or_else(|| shard.old.get(&hash))?;
        (*entry.token == *token).then(|| entry.value.clone())
    }

    /// Remembers a token that was verified.
    pub(crate) fn put(&self, token: &str, value: V) {
        let hash = self.hash(token);
        let token = token.into();
        let entry = Entry { token, value };
        let bytes = entry.bytes();
        if bytes > self.half {
            return;
        }
        let mut shard = self
            .shard(hash)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if shard.young_bytes + bytes > self.half {
            shard.old = std::mem::take(&mut shard.young);
            shard.young_bytes = 0;
        }
        shard.young_bytes += bytes;
        if let Some(replaced) = shard.young.insert(hash, entry) {
            shard.young_bytes -= replaced.bytes();
        }
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
            old.retain(|_, entry| entry.value.expires() > now);
            young.retain(|_, entry| entry.value.expires() > now);
            *young_bytes = young.values().map(Entry::bytes).sum();
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

    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        let end = bytes.last_chunk::<HASHED>();
        self.keyed.hash_one(end.map_or(bytes, |end| end))
    }

    fn shard(&self, hash: u64) -> &RwLock<Generations<V>> {
        // By bits that decide little inside the shard: a table takes the lowest and the seven highest.
        &self.shards[(hash >> 40) as usize % SHARDS]
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

    fn put(memo: &Memo<Value>, token: &str, value: Value) {
        memo.put(token, value);
    }

    fn get(memo: &Memo<Value>, token: &str) -> Option<Value> {
        memo.get(token)
    }

    #[test]
    fn a_memo_never_holds_more_than_its_bound() {
        let memo = Memo::new(1_000_000);
        for n in 0..50_000 {
            put(&memo, &format!("h.{n}.s"), value(n));
            assert!(memo.len() <= 1_000);
        }
        assert!(memo.len() > 400, "and it is used: {}", memo.len());
        let none = Memo::new(0);
        put(&none, "h.1.s", value(1));
        assert_eq!(get(&none, "h.1.s"), None);
    }

    #[test]
    fn what_was_put_last_is_found_and_what_expired_is_not_kept() {
        let memo = Memo::new(1_000_000);
        (0..100).for_each(|n| put(&memo, &format!("h.{n}.s"), value(n)));
        assert_eq!(get(&memo, "h.7.s"), Some(value(7)));
        assert_eq!(get(&memo, "h.100.s"), None);
        put(&memo, "h.7.s", value(99));
        assert_eq!(get(&memo, "h.7.s"), Some(value(99)));
        memo.prune(Timestamp::from_secs(50));
        assert_eq!(get(&memo, "h.50.s"), None);
        assert_eq!(get(&memo, "h.51.s"), Some(value(51)));
        assert_eq!(memo.len(), 50);
    }

    #[test]
    fn another_signature_or_another_dot_is_another_token() {
        let memo = Memo::new(1_000_000);
        put(&memo, "head.pay.sign", value(1));
        for other in [
            "head.pay.sigm",
            "head.pay.sig",
            "head.pay.signn",
            "head.pay.",
            "head.payl.sign",
            "hea.dpay.sign",
            "headpay.sign.",
        ] {
            assert_eq!(get(&memo, other), None, "{other}");
        }
        assert_eq!(get(&memo, "head.pay.sign"), Some(value(1)));
    }

    #[test]
    fn tokens_that_share_a_place_are_told_apart_and_take_turns() {
        let memo = Memo::new(1_000_000);
        let end = ".".repeat(HASHED);
        let [one, other] = ["one", "other"].map(|start| format!("{start}{end}"));
        put(&memo, &one, value(1));
        assert_eq!(get(&memo, &other), None);
        put(&memo, &other, value(2));
        assert_eq!(memo.len(), 1);
        assert_eq!(get(&memo, &one), None);
        assert_eq!(get(&memo, &other), Some(value(2)));
        // Nothing was pushed out for them.
        let bytes = |shard: &RwLock<Generations<Value>>| shard.read().unwrap().young_bytes;
        let held = ENTRY_BYTES + other.len() + value(2).bytes();
        assert_eq!(memo.shards.iter().map(bytes).sum::<usize>(), held);
    }
}
