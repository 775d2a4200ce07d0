//! Clients: the programs that hold or check tokens.

use std::fmt;
use std::str::FromStr;

use countersign_token::{Seq, Timestamp};

use crate::Invalid;

/// The built-in client under which `/login` issues every token.
pub const FIRST_PARTY: &str = "countersign";

/// What a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// Countersign's own login; there is one, [`FIRST_PARTY`].
    FirstParty,
    /// A resource server: it checks tokens and reads the revocation log with its own secret.
    Service,
}

impl ClientKind {
    /// The word that the database and the HTTP contract use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstParty => "first_party",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClientKind {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "first_party" => Ok(Self::FirstParty),
            "service" => Ok(Self::Service),
            "app" => Err(Invalid::new(
                "kind",
                "app clients come with the OIDC provider",
            )),
            _ => Err(Invalid::new("kind", "must be service")),
        }
    }
}

/// A client, without its secret.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id in tokens (`client_id`) and its user name in HTTP Basic.
    pub id: String,
    /// What people call it; the same as the id until apps bring names of their own.
    pub name: String,
    /// What it is.
    pub kind: ClientKind,
    /// The highest floor that ever revoked everything held through it.
    pub revoked_floor: Seq,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Checks the name of a client: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or digit.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    let wrong = |message| Err(Invalid::new("name", message));
    if name == FIRST_PARTY {
        return wrong("is the name of the built-in client");
    }
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match name.as_bytes() {
        [first, rest @ ..]
            if word(*first)
                && rest.len() < 64
                && rest
                    .iter()
                    .all(|&b| word(b) || matches!(b, b'.' | b'_' | b'-')) =>
        {
            Ok(())
        }
        _ => wrong(
            "has 1 to 64 lower-case letters, digits and . _ - and begins with a letter or digit",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds_that_break_a_rule_are_refused() {
        for bad in ["", "countersign", "A", "-a", "a b", "a:b", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name("shop-api.2").is_ok());
        assert!(
            "app"
                .parse::<ClientKind>()
                .unwrap_err()
                .message
                .contains("OIDC")
        );
        assert!("".parse::<ClientKind>().is_err());
    }
}
