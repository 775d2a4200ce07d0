//! Identifiers: UUIDv7 (RFC 9562, section 5.7), made from the injected clock and randomness.
//!
//! Version 7 keeps index pages warm because neighbours in time are neighbours in the index. It is
//! not a secret: whoever holds an id knows when it was made.

use std::fmt;
use std::str::FromStr;

use countersign_token::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id at `now` from ten random bytes.
            pub fn new(now: Timestamp, random: &[u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
            }

            /// The id that these sixteen bytes are, as the database keeps it.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes that the database keeps.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Takes the hyphenated lower-case form only, so that one id has one spelling.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Of the forms that the parser takes, the hyphenated one alone has this length.
                let one_spelling = text.len() == uuid::fmt::Hyphenated::LENGTH
                    && !text.bytes().any(|byte| byte.is_ascii_uppercase());
                // The parser's own error for a text that is no UUID.
                Uuid::try_parse(if one_spelling { text } else { "" }).map(Self)
            }
        }
    };
}

id! {
    /// A person's account. The only thing that identifies: names can change hands.
    UserId
}
id! {
    /// One way in which a user proves who they are (a password, later a passkey).
    CredentialId
}
id! {
    /// One login on one device.
    SessionId
}
id! {
    /// What one client holds on a session.
    GrantId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = UserId::new(Timestamp::from_millis(1_795_220_000_123), &[7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse::<UserId>().unwrap(), id);
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            String::new(),
        ] {
            assert!(other.parse::<UserId>().is_err(), "{other}");
        }
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = SessionId::new(Timestamp::from_millis(1_000), &[255; 10]);
        let late = SessionId::new(Timestamp::from_millis(1_001), &[0; 10]);
        assert!(early < late);
    }
}
