//! The life of a signing key, as a function of time alone.
//!
//! A key is published before it signs, so that every verifier knows it by then, and verifies on
//! until the last token that it signed has expired. Nothing has to happen at those moments: which
//! key signs and which ones verify follows from when each began.

use std::time::Duration;

use countersign_token::{Algorithm, Timestamp};

/// What decides about a signing key; the key itself is sealed in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Names the key in token headers and in the JWKS.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Since when nothing that it signed counts, if it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Where a key stands at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// In the JWKS, not signing yet.
    Published,
    /// The one that signs.
    Signing,
    /// Replaced; its tokens are good until then.
    Retired {
        /// When the last token that it signed has expired.
        verifies_until: Timestamp,
    },
    /// Replaced, and all its tokens have expired.
    Expired,
    /// Ended before its time: its tokens are refused.
    Revoked,
}

impl Phase {
    /// Whether tokens of a key in this phase are accepted and the JWKS lists it.
    pub fn verifies(self) -> bool {
        matches!(self, Self::Published | Self::Signing | Self::Retired { .. })
    }

    /// The word that lists show.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired { .. } => "retired",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// The phase of each key at `now`, where no access token lives longer than `life`.
pub fn phases(keys: &[KeyRecord], now: Timestamp, life: Duration) -> Vec<(&KeyRecord, Phase)> {
    keys.iter()
        .map(|key| (key, phase(key, keys, now, life)))
        .collect()
}

fn phase(key: &KeyRecord, keys: &[KeyRecord], now: Timestamp, life: Duration) -> Phase {
    if key.revoked_at.is_some() {
        return Phase::Revoked;
    }
    if now < key.signs_from {
        return Phase::Published;
    }
    let order = |key: &KeyRecord| (key.signs_from, key.created_at, key.kid.clone());
    let successor = keys
        .iter()
        .filter(|other| order(other) > order(key))
        // A revoked successor took over all the same, if it ever signed.
        .filter(|other| other.revoked_at.is_none_or(|at| at > other.signs_from))
        .map(|other| other.signs_from)
        .filter(|signs_from| *signs_from <= now)
        .min();
    match successor.map(|replaced| replaced.plus(life)) {
        None => Phase::Signing,
        Some(until) if now < until => Phase::Retired {
            verifies_until: until,
        },
        Some(_) => Phase::Expired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(900);

    fn key(kid: &str, signs_from: i64) -> KeyRecord {
        KeyRecord {
            kid: kid.into(),
            algorithm: Algorithm::Es256,
            created_at: Timestamp::from_secs(signs_from - 600),
            signs_from: Timestamp::from_secs(signs_from),
            revoked_at: None,
        }
    }

    fn at(keys: &[KeyRecord], now: i64) -> Vec<&'static str> {
        phases(keys, Timestamp::from_secs(now), LIFE)
            .iter()
            .map(|(_, p)| p.as_str())
            .collect()
    }

    #[test]
    fn keys_overlap_and_exactly_one_signs() {
        let keys = [key("a", 1_000), key("b", 5_000)];
        assert_eq!(at(&keys, 4_999), ["signing", "published"]);
        assert_eq!(at(&keys, 5_000), ["retired", "signing"]);
        assert_eq!(at(&keys, 5_899), ["retired", "signing"]);
        assert_eq!(at(&keys, 5_900), ["expired", "signing"]);
    }

    #[test]
    fn two_keys_made_for_one_moment_do_not_both_sign() {
        assert_eq!(
            at(&[key("a", 1_000), key("b", 1_000)], 1_000),
            ["retired", "signing"]
        );
    }

    #[test]
    fn a_revoked_key_neither_signs_nor_verifies_nor_brings_its_predecessor_back() {
        let mut keys = [key("a", 1_000), key("b", 5_000), key("c", 5_100)];
        keys[1].revoked_at = Some(Timestamp::from_secs(5_100));
        assert_eq!(at(&keys, 5_100), ["retired", "revoked", "signing"]);
        let never_signed = KeyRecord {
            revoked_at: Some(Timestamp::from_secs(4_500)),
            ..key("b", 5_000)
        };
        assert_eq!(
            at(&[key("a", 1_000), never_signed], 6_000),
            ["signing", "revoked"]
        );
    }
}
