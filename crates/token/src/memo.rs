//! Verified tokens, remembered: the signature of one token is checked once.
//!
//! A memo says "these exact bytes were verified under this key", and no more. Expiry and floors are
//! judged on every use, and a hit counts only while its key is in the key set.
//!
//! The exact bytes: a token is found by SHA-256 over what is signed, which its signature's check
//! needs as well, so that a new token is hashed once; and its signature is compared to the letter.
//! In constant time: whoever knows what a token says cannot learn its signature letter by letter.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::PoisonError;

use crate::Timestamp;
use crate::crypto::constant_time_eq;
use crate::floors::FirstBytes;
use crate::jws::Parts;
use crate::sync::RwLock;

/// Readers of different tokens rarely meet in one shard.
const SHARDS: usize = if cfg!(interleave) { 2 } else { 16 };

/// What an entry costs beside what its parts say: the digest, the table's slack.
const ENTRY_BYTES: usize = 120;

/// All 32 bytes of SHA-256 over what is signed: no two of them can be confused.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 32]);

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

type Table<V> = HashMap<Digest, Entry<V>, BuildHasherDefault<FirstBytes>>;

struct Entry<V> {
    signature: Box<str>,
    value: V,
}

impl<V: Remembered> Entry<V> {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.signature.len() + self.value.bytes()
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
        }
    }

    /// What is remembered of a token.
    pub(crate) fn get(&self, token: &Parts<'_>) -> Option<V> {
        let digest = Digest(token.digest);
        let shard = self
            .shard(&digest)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = shard
            .young
            .get(&digest)
            .or_else(|| shard.old.get(&digest))?;
        constant_time_eq(entry.signature.as_bytes(), token.signature.as_bytes())
            .then(|| entry.value.clone())
    }

    /// Remembers a token that was verified, in place of one that differs in its signature alone:
    /// ECDSA allows two for everything.
    pub(crate) fn put(&self, token: &Parts<'_>, value: V) {
        let signature = token.signature.into();
        let (digest, entry) = (Digest(token.digest), Entry { signature, value });
        let bytes = entry.bytes();
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
        if let Some(replaced) = shard.young.insert(digest, entry) {
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

    fn shard(&self, digest: &Digest) -> &RwLock<Generations<V>> {
        // Not one of the eight bytes that serve as the hash inside the shard.
        &self.shards[usize::from(digest.0[31]) % SHARDS]
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
        memo.put(&Parts::of(token).unwrap(), value);
    }

    fn get(memo: &Memo<Value>, token: &str) -> Option<Value> {
        memo.get(&Parts::of(token).unwrap())
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
    fn two_signatures_of_one_token_take_turns_in_one_place() {
        let memo = Memo::new(1_000_000);
        for n in 0..10_000 {
            put(&memo, &format!("h.p.s{}", n % 2), value(n));
        }
        assert_eq!(memo.len(), 1);
        assert_eq!(get(&memo, "h.p.s0"), None);
        assert_eq!(get(&memo, "h.p.s1"), Some(value(9_999)));
        // Nothing was pushed out for them.
        let bytes = |shard: &RwLock<Generations<Value>>| shard.read().unwrap().young_bytes;
        assert_eq!(memo.shards.iter().map(bytes).sum::<usize>(), 1_026);
    }
}
