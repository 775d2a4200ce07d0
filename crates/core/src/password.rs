//! Which passwords are accepted for a new account or a change.

use std::collections::HashSet;
use std::fmt;

use crate::Invalid;

/// The longest password that is taken, in bytes: hashing must not be a way to keep a server busy.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password as it was received; it prints nothing and is wiped when dropped.
pub type Password = secrecy::SecretString;

/// Passwords that are refused because attackers try them first.
#[derive(Clone)]
pub enum Blocklist {
    /// Refuse none.
    None,
    /// The list that comes with the binary.
    BuiltIn,
    /// A list of the operator's, lower-case.
    Custom(HashSet<String>),
}

/// Sorted, lower-case, one a line: the most used passwords in published breaches.
static COMMON: &str = include_str!("../data/common-passwords.txt");

impl Blocklist {
    /// Reads an operator's list: one password a line, compared without regard to case.
    pub fn from_lines(text: &str) -> Self {
        Self::Custom(
            text.lines()
                .map(str::to_lowercase)
                .filter(|line| !line.is_empty())
                .collect(),
        )
    }

    fn contains(&self, password: &str) -> bool {
        let key = password.to_lowercase();
        match self {
            Self::None => false,
            Self::BuiltIn => COMMON.lines().any(|line| line == key),
            Self::Custom(list) => list.contains(&key),
        }
    }
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "Blocklist::None",
            Self::BuiltIn => "Blocklist::BuiltIn",
            Self::Custom(_) => "Blocklist::Custom(..)",
        })
    }
}

/// The rules for new passwords. Old ones are never checked again: a rule that changes locks
/// nobody out.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// The fewest characters.
    pub min_length: usize,
    /// What is refused for being common.
    pub blocklist: Blocklist,
}

impl PasswordPolicy {
    /// Checks a new password of somebody called `names`; the refusal names the rule.
    ///
    /// Passwords are taken as received: no trimming, no normalisation, no rules on composition.
    pub fn check(
        &self,
        field: &'static str,
        password: &str,
        names: &[&str],
    ) -> Result<(), Invalid> {
        let wrong = |message: String| Err(Invalid::new(field, message));
        if password.len() > MAX_PASSWORD_BYTES {
            return wrong(format!("must have at most {MAX_PASSWORD_BYTES} bytes"));
        }
        if password.chars().count() < self.min_length {
            return wrong(format!("must have at least {} characters", self.min_length));
        }
        if self.blocklist.contains(password) {
            return wrong("is on the list of common passwords".to_owned());
        }
        let own_name = |name: &&&str| name.to_lowercase() == password.to_lowercase();
        if !matches!(self.blocklist, Blocklist::None) && names.iter().any(|n| own_name(&n)) {
            return wrong("must not be the account's own name".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(min_length: usize, blocklist: Blocklist) -> PasswordPolicy {
        PasswordPolicy {
            min_length,
            blocklist,
        }
    }

    #[test]
    fn the_refusal_names_the_rule() {
        let rules = policy(8, Blocklist::BuiltIn);
        for (bad, rule) in [
            ("1234", "at least 8"),
            ("", "at least 8"),
            ("äöüäöü7", "at least 8"),
            ("password123", "common"),
            ("MyPassword", "common"),
            ("securepassword", "common"),
            ("Ada@Example.com", "own name"),
        ] {
            let refusal = rules
                .check("password", bad, &["ada@example.com"])
                .unwrap_err();
            assert!(refusal.message.contains(rule), "{bad}: {refusal}");
            assert_eq!(refusal.field, "password");
        }
        assert!(
            rules
                .check("password", &"x".repeat(1025), &[])
                .unwrap_err()
                .message
                .contains("1024")
        );
    }

    #[test]
    fn the_tutorials_run_with_the_two_settings() {
        for password in ["1234", "mypassword", "securepassword"] {
            assert!(
                policy(8, Blocklist::BuiltIn)
                    .check("password", password, &[])
                    .is_err()
            );
            assert!(
                policy(4, Blocklist::None)
                    .check("password", password, &[])
                    .is_ok()
            );
        }
    }

    #[test]
    fn other_passwords_pass_as_received() {
        let rules = policy(8, Blocklist::from_lines("Company-Name-1\n\nother\n"));
        assert!(rules.check("password", "company-name-1", &[]).is_err());
        for good in [
            "plum-harbour-41",
            "        ",
            "pässwört-ß",
            &"x".repeat(1024),
        ] {
            assert!(rules.check("password", good, &[]).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_built_in_list_is_lower_case() {
        assert!(COMMON.lines().count() > 10_000);
        assert!(COMMON.lines().all(|line| line == line.to_lowercase()));
    }
}
