//! The names that people sign in with: usernames and e-mail addresses.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::Invalid;

/// Which kind of name an identifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentifierKind {
    /// A name that the person chose: letters, digits and `._-`.
    Username,
    /// An e-mail address.
    Email,
}

impl IdentifierKind {
    /// The word that the database and the HTTP contract use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
        }
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IdentifierKind {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "username" => Ok(Self::Username),
            "email" => Ok(Self::Email),
            _ => Err(Invalid::new("kind", "is neither username nor email")),
        }
    }
}

/// A valid name with the key under which it is unique.
///
/// Two spellings that a person would take for the same name (`Ada` and `ada`, full-width letters)
/// have one key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    value: String,
    key: String,
}

impl Identifier {
    /// Reads a username: 1 to 64 letters, digits and `._-` after NFKC.
    pub fn username(text: &str) -> Result<Self, Invalid> {
        let wrong = |message| Invalid::new("username", message);
        if text.len() > MAX_RAW_BYTES {
            return Err(wrong("must have at most 64 characters"));
        }
        let value: String = text.nfkc().collect();
        match value.chars().count() {
            0 => return Err(wrong("must not be empty")),
            1..=64 => {}
            _ => return Err(wrong("must have at most 64 characters")),
        }
        if !value
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
        {
            return Err(wrong("may have letters, digits and . _ - only"));
        }
        let key = fold(&value);
        Ok(Self {
            kind: IdentifierKind::Username,
            value,
            key,
        })
    }

    /// Reads an e-mail address: at most 254 bytes with one `@` (RFC 5321, section 4.5.3.1.3).
    ///
    /// Whether it can receive mail is found out by sending some, not by a grammar.
    pub fn email(text: &str) -> Result<Self, Invalid> {
        let wrong = |message| Invalid::new("email", message);
        if text.len() > 254 {
            return Err(wrong("must have at most 254 bytes"));
        }
        let (local, domain) = text
            .split_once('@')
            .ok_or_else(|| wrong("must contain an @"))?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(wrong("must be one name, one @ and one domain"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("must not contain blanks or control characters"));
        }
        let key = text.to_lowercase();
        Ok(Self {
            kind: IdentifierKind::Email,
            value: text.to_owned(),
            key,
        })
    }

    /// An identifier as the database holds it; `value` and `key` were validated when it was made.
    pub fn stored(kind: IdentifierKind, value: String, key: String) -> Self {
        Self { kind, value, key }
    }

    /// Username or e-mail.
    pub fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The name as its owner wrote it.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The name as it is compared.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Prints the kind alone: a name in a log is personal data.
impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({})", self.kind)
    }
}

/// What somebody typed into a login form, whether or not it could ever be a name.
///
/// Either kind may be typed into either field. What cannot be a name is kept all the same, because
/// an answer that differs for it would tell strangers about the rules and skip the throttle.
#[derive(Clone)]
pub struct LoginName {
    identifier: Option<Identifier>,
    throttle_key: String,
}

impl LoginName {
    /// Reads what was typed; never refuses.
    pub fn parse(text: &str) -> Self {
        let identifier = if text.contains('@') {
            Identifier::email(text)
        } else {
            Identifier::username(text)
        };
        match identifier {
            Ok(identifier) => {
                let throttle_key = format!("{}:{}", identifier.kind, identifier.key);
                Self {
                    identifier: Some(identifier),
                    throttle_key,
                }
            }
            Err(_) => Self {
                identifier: None,
                throttle_key: format!("other:{text}"),
            },
        }
    }

    /// The identifier to look up, or `None` where no account can have this name.
    pub fn identifier(&self) -> Option<&Identifier> {
        self.identifier.as_ref()
    }

    /// What failures are counted under (hashed with a key before it is stored).
    pub fn throttle_key(&self) -> &str {
        &self.throttle_key
    }
}

/// No username of 64 characters needs more; normalising longer text is work for nothing.
const MAX_RAW_BYTES: usize = 1024;

/// Case folding by way of upper case, so that `ß`, `ẞ` and `ss`, or the two lower-case sigmas, are
/// one; then NFKC again, since folding can take a text out of normal form.
fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usernames_that_break_a_rule_are_refused() {
        for bad in [
            "",
            " ",
            "a b",
            "a@b",
            "a/b",
            "a\0b",
            "a\u{202e}b",
            "😀",
            "' OR 1=1 --",
        ] {
            assert_eq!(
                Identifier::username(bad).unwrap_err().field,
                "username",
                "{bad:?}"
            );
        }
        assert!(Identifier::username(&"a".repeat(65)).is_err());
        assert!(Identifier::username(&"a".repeat(1 << 20)).is_err());
    }

    #[test]
    fn emails_that_break_a_rule_are_refused() {
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "plain"] {
            assert_eq!(
                Identifier::email(bad).unwrap_err().field,
                "email",
                "{bad:?}"
            );
        }
        assert!(Identifier::email(&format!("{}@b", "a".repeat(253))).is_err());
    }

    #[test]
    fn spellings_of_one_name_share_a_key() {
        for (one, other) in [
            ("Ada", "ada"),
            ("ａｄａ", "ADA"),
            ("Straße", "STRASSE"),
            ("ΣΟΦΟΣ", "σοφος"),
        ] {
            let (one, other) = (
                Identifier::username(one).unwrap(),
                Identifier::username(other).unwrap(),
            );
            assert_eq!(one.key(), other.key());
        }
        let mail = Identifier::email("Ada@Example.COM").unwrap();
        assert_eq!(
            (mail.key(), mail.value()),
            ("ada@example.com", "Ada@Example.COM")
        );
    }

    #[test]
    fn either_kind_may_be_typed_into_either_field() {
        let kind = |text| LoginName::parse(text).identifier().map(Identifier::kind);
        assert_eq!(kind("ada"), Some(IdentifierKind::Username));
        assert_eq!(kind("ada@example.com"), Some(IdentifierKind::Email));
        assert_eq!(kind("not a name"), None);
        assert_ne!(
            LoginName::parse("x y").throttle_key(),
            LoginName::parse("x z").throttle_key()
        );
    }

    proptest! {
        #[test]
        fn a_key_is_stable_and_no_text_panics(text in "\\PC{0,80}") {
            let _ = LoginName::parse(&text);
            let _ = Identifier::email(&text);
            if let Ok(name) = Identifier::username(&text) {
                let again = Identifier::username(name.value()).unwrap();
                prop_assert_eq!(again.key(), name.key());
            }
        }
    }
}
