//! What one client holds on a session, and the refresh token that stands for it.
//!
//! A grant is one row, however often it is refreshed. Its counter moves at every use; a refresh
//! token names the grant and one value of the counter under a MAC. So no token is stored, and a
//! token that was replaced is recognised for ever.

use std::fmt;
use std::time::Duration;

use countersign_token::{Timestamp, crypto};

use crate::GrantId;
use crate::secrets::Keyring;

/// How many of its last rotations a grant remembers.
const REMEMBERED: usize = 8;

/// What a client holds on a session.
#[derive(Clone)]
pub struct Grant {
    /// Names the grant.
    pub id: GrantId,
    /// How often it was rotated; the counter of the current refresh token.
    pub counter: i64,
    /// When it was last rotated.
    pub rotations: Rotations,
    /// Bound into every refresh token: without this row, even the key forges none.
    pub nonce: [u8; 16],
}

/// What the counter of a presented refresh token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the current token: rotate.
    Current,
    /// It was the current one a moment ago: give the present successor again.
    Replaced,
    /// It was replaced long ago, or has not been made yet: somebody else holds a copy, or the
    /// database went back in time.
    Reused,
}

impl Grant {
    /// Judges a counter whose MAC was found good.
    ///
    /// Two tabs, a slow request and a lost answer all present a token that was replaced an instant
    /// ago; treating that as theft signs honest people out (every rival's issue list says so). A
    /// thief who stays in step with the client inside `grace` is not noticed here; the session's
    /// absolute end bounds him.
    pub fn present(&self, counter: i64, now: Timestamp, grace: Duration) -> Presented {
        match self.counter.checked_sub(counter) {
            Some(0) => Presented::Current,
            Some(age @ 1..) if self.rotations.within(age, now, grace) => Presented::Replaced,
            _ => Presented::Reused,
        }
    }

    /// The refresh token that is current now.
    pub fn refresh_token(&self, keyring: &Keyring) -> RefreshToken {
        RefreshToken::mint(self, keyring)
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &self.id)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

/// The times of a grant's last rotations, latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotations(Vec<Timestamp>);

impl Rotations {
    /// These with one more, at `now`.
    pub fn with(&self, now: Timestamp) -> Self {
        Self(
            std::iter::once(now)
                .chain(self.0.iter().copied())
                .take(REMEMBERED)
                .collect(),
        )
    }

    /// Whether the token that was current `age` rotations ago was replaced within `grace`.
    fn within(&self, age: i64, now: Timestamp, grace: Duration) -> bool {
        usize::try_from(age - 1)
            .ok()
            .and_then(|index| self.0.get(index))
            .is_some_and(|replaced| now.since(*replaced) <= grace)
    }

    /// As the database keeps it: eight bytes each, big-endian milliseconds.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .flat_map(|at| at.as_millis().to_be_bytes())
            .collect()
    }

    /// Reads [`Rotations::to_bytes`]; bytes that do not make up a whole time are dropped.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (times, _rest) = bytes.as_chunks::<8>();
        Self(
            times
                .iter()
                .take(REMEMBERED)
                .map(|time| Timestamp::from_millis(i64::from_be_bytes(*time)))
                .collect(),
        )
    }
}

/// A refresh token as a client holds it: grant, counter, MAC; opaque, 75 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    grant_id: GrantId,
    counter: i64,
    mac: [u8; 32],
}

impl RefreshToken {
    fn mint(grant: &Grant, keyring: &Keyring) -> Self {
        let mac = keyring
            .current()
            .refresh_mac(grant.id, grant.counter, &grant.nonce);
        Self {
            grant_id: grant.id,
            counter: grant.counter,
            mac,
        }
    }

    /// Reads what a client sent; `None` for anything that was never made here.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 128 {
            return None;
        }
        let bytes: [u8; 56] = crypto::unb64(text)?.try_into().ok()?;
        let (grant_id, rest) = bytes.split_first_chunk::<16>()?;
        let (counter, rest) = rest.split_first_chunk::<8>()?;
        let mac = rest.first_chunk::<32>()?;
        Some(Self {
            grant_id: GrantId::from_bytes(*grant_id),
            counter: i64::from_be_bytes(*counter),
            mac: *mac,
        })
    }

    /// The grant that it says it belongs to; believe it after [`RefreshToken::is_genuine`].
    pub fn grant_id(&self) -> GrantId {
        self.grant_id
    }

    /// The counter that it carries.
    pub fn counter(&self) -> i64 {
        self.counter
    }

    /// Whether this installation made it, under the present key or the previous one.
    pub fn is_genuine(&self, grant: &Grant, keyring: &Keyring) -> bool {
        self.grant_id == grant.id
            && keyring.all().any(|keys| {
                let mac = keys.refresh_mac(grant.id, self.counter, &grant.nonce);
                crypto::constant_time_eq(&mac, &self.mac)
            })
    }

    /// The text to hand to the client.
    pub fn reveal(&self) -> String {
        let mut bytes = Vec::with_capacity(56);
        bytes.extend_from_slice(self.grant_id.as_bytes());
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        bytes.extend_from_slice(&self.mac);
        crypto::b64(&bytes)
    }
}

/// Prints nothing that could be replayed.
impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({}, {})", self.grant_id, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn grant() -> Grant {
        let rotations = [10, 20, 30]
            .into_iter()
            .fold(Rotations::default(), |r, t| r.with(at(t)));
        Grant {
            id: GrantId::from_bytes([7; 16]),
            counter: 3,
            rotations,
            nonce: [9; 16],
        }
    }

    #[test]
    fn old_and_future_counters_are_theft() {
        for (counter, now) in [
            (4, 31),
            (i64::MAX, 31),
            (-1, 31),
            (i64::MIN, 31),
            (2, 61),
            (1, 51),
            (0, 41),
        ] {
            assert_eq!(
                grant().present(counter, at(now), GRACE),
                Presented::Reused,
                "{counter} {now}"
            );
        }
    }

    #[test]
    fn a_token_replaced_within_the_grace_gets_its_successor() {
        assert_eq!(grant().present(3, at(1_000_000), GRACE), Presented::Current);
        for (counter, now) in [(2, 60), (1, 50), (0, 40)] {
            assert_eq!(
                grant().present(counter, at(now), GRACE),
                Presented::Replaced,
                "{counter} {now}"
            );
        }
    }

    #[test]
    fn the_last_eight_rotations_are_remembered() {
        let rotations = (0..20).fold(Rotations::default(), |r, t| r.with(at(t)));
        assert_eq!(rotations.to_bytes().len(), 64);
        assert_eq!(Rotations::from_bytes(&rotations.to_bytes()), rotations);
        let grant = Grant {
            counter: 20,
            rotations,
            ..grant()
        };
        assert_eq!(grant.present(12, at(20), GRACE), Presented::Replaced);
        assert_eq!(grant.present(11, at(20), GRACE), Presented::Reused);
    }

    #[test]
    fn a_token_of_another_grant_counter_nonce_or_key_is_not_genuine() {
        let keyring = Keyring::new(b"one secret", None);
        let token = grant().refresh_token(&keyring);
        let other_counter = RefreshToken {
            counter: 2,
            ..token.clone()
        };
        let other_nonce = Grant {
            nonce: [8; 16],
            ..grant()
        };
        let other_grant = Grant {
            id: GrantId::from_bytes([8; 16]),
            ..grant()
        };
        assert!(!other_counter.is_genuine(&grant(), &keyring));
        assert!(!token.is_genuine(&other_nonce, &keyring));
        assert!(!token.is_genuine(&other_grant, &keyring));
        assert!(!token.is_genuine(&grant(), &Keyring::new(b"another secret", None)));
        assert!(token.is_genuine(&grant(), &keyring));
    }

    #[test]
    fn the_previous_secret_still_verifies() {
        let token = grant().refresh_token(&Keyring::new(b"old", None));
        assert!(token.is_genuine(&grant(), &Keyring::new(b"new", Some(b"old"))));
        assert!(!format!("{token:?}").contains(&token.reveal()[32..]));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_only_our_own_reads_back(text in "\\PC{0,90}") {
            if let Some(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.reveal(), text);
            }
        }

        #[test]
        fn a_changed_character_is_never_genuine(index in 0usize..75, replacement in "[A-Za-z0-9_-]") {
            let keyring = Keyring::new(b"secret", None);
            let good = grant().refresh_token(&keyring).reveal();
            let mut bad = good.clone();
            bad.replace_range(index..=index, &replacement);
            prop_assume!(bad != good);
            let genuine = RefreshToken::parse(&bad).is_some_and(|t| t.is_genuine(&grant(), &keyring));
            prop_assert!(!genuine);
        }
    }
}
