//! Roles: plain words on a user. Countersign gives a meaning to one of them, [`ADMIN`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The built-in role that opens `/admin/*`.
pub const ADMIN: &str = "admin";

/// The most roles that one user can have.
pub const MAX_ROLES: usize = 16;

/// One role: `[a-z0-9][a-z0-9._:-]{0,31}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Role(String);

impl Role {
    /// The built-in [`ADMIN`] role.
    pub fn admin() -> Self {
        Self(ADMIN.to_owned())
    }

    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let valid = match text.as_bytes() {
            [first, rest @ ..] => {
                word(*first)
                    && rest.len() < 32
                    && rest
                        .iter()
                        .all(|&b| word(b) || matches!(b, b'.' | b'_' | b':' | b'-'))
            }
            [] => false,
        };
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "roles",
                "a role has 1 to 32 lower-case letters, digits and . _ : - and begins with a letter or digit",
            ))
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The roles of one user: sorted, without repeats, at most [`MAX_ROLES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleSet(BTreeSet<Role>);

impl RoleSet {
    /// Reads a list of words.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, Invalid> {
        let roles = words
            .iter()
            .map(|w| w.as_ref().parse())
            .collect::<Result<BTreeSet<Role>, _>>()?;
        if roles.len() > MAX_ROLES {
            return Err(Invalid::new(
                "roles",
                format!("a user has at most {MAX_ROLES} roles"),
            ));
        }
        Ok(Self(roles))
    }

    /// Roles as the database holds them; each was validated when it was written.
    pub fn stored(words: impl IntoIterator<Item = String>) -> Self {
        Self(words.into_iter().map(Role).collect())
    }

    /// Whether `role` is among them.
    pub fn has(&self, role: &str) -> bool {
        self.0.iter().any(|held| held.as_str() == role)
    }

    /// Whether the holder may open `/admin/*`.
    pub fn is_admin(&self) -> bool {
        self.has(ADMIN)
    }

    /// The roles in order.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.0.iter()
    }

    /// The words in order, as tokens and answers carry them.
    pub fn to_words(&self) -> Vec<String> {
        self.0.iter().map(|role| role.0.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_break_the_rule_are_refused() {
        for bad in ["", "Admin", "-a", ".a", "a b", "ä", "a,b", &"a".repeat(33)] {
            assert!(bad.parse::<Role>().is_err(), "{bad:?}");
        }
        let many: Vec<_> = (0..17).map(|n| format!("r{n}")).collect();
        assert!(RoleSet::parse(&many).is_err());
    }

    #[test]
    fn a_set_is_sorted_and_holds_each_role_once() {
        let set = RoleSet::parse(&["shop:write", "admin", "admin"]).unwrap();
        assert_eq!(set.to_words(), ["admin", "shop:write"]);
        assert!(set.is_admin() && set.has("shop:write") && !set.has("shop"));
        assert!("a".repeat(32).parse::<Role>().is_ok());
    }
}
