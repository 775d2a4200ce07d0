//! People who come from another system: what a row of theirs must say to become an account here.

mod moment;

use std::collections::BTreeSet;

use countersign_token::Timestamp;
use secrecy::ExposeSecret;
use uuid::Uuid;

pub use self::moment::moment;
use crate::foreign::{Caps, Foreign, Unusable};
use crate::password::{MAX_PASSWORD_BYTES, Password};
use crate::{ADMIN, Identifier, Invalid, RoleSet, UserId};

/// A row as it was read; whatever it does not say is `None`.
#[derive(Clone, Default)]
pub struct Row {
    /// The id in the other system.
    pub id: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// A password hash; or the password, where rules allow it.
    pub password: Option<Password>,
    /// What the account may do.
    pub roles: Vec<String>,
    /// Whether it may administer, as a column of its own says it.
    pub admin: Option<String>,
    /// Whether sign-in is refused.
    pub disabled: Option<String>,
    /// Whether it is not, as other systems say it.
    pub active: Option<String>,
    /// When the account was made: a date, or seconds or milliseconds since 1970.
    pub created_at: Option<String>,
}

/// What an operator lets in.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// What an imported hash may cost.
    pub caps: Caps,
    /// Whether what is no hash is taken for a password.
    pub plain: bool,
    /// Whether an account may come without a password.
    pub without_password: bool,
}

/// How an imported person proves who they are.
#[derive(Clone)]
pub enum Proof {
    /// By the password that this hash was made from; the family is for the report.
    Hash {
        /// As it came.
        stored: String,
        /// Who wrote it.
        family: &'static str,
    },
    /// By this password, which has yet to be hashed.
    Plain(Password),
    /// Not at all, until an operator sets a password.
    Nothing,
}

/// An account that may be made.
#[derive(Clone)]
pub struct Account {
    /// The id in the other system, as text.
    pub source: Option<String>,
    /// The same, where it is a UUID and can stay.
    pub id: Option<UserId>,
    /// One or two.
    pub names: Vec<Identifier>,
    /// How the person signs in.
    pub proof: Proof,
    /// What they may do.
    pub roles: RoleSet,
    /// Whether sign-in is refused.
    pub disabled: bool,
    /// When the account was made, if the row says so.
    pub created_at: Option<Timestamp>,
}

/// Why a row is refused. Neither the password nor its hash stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A value breaks a rule.
    #[error("{}: {}", .0.field, .0.message)]
    Invalid(#[from] Invalid),
    /// It names nobody.
    #[error("has neither a username nor an e-mail address")]
    Nameless,
    /// The person could not sign in.
    #[error("has no password, and accounts without one are not let in")]
    NoPassword,
    /// The hash is not taken.
    #[error("the password {0}")]
    Hash(#[from] Unusable),
}

impl Refused {
    /// The stable word for it, under which refusals are counted.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Nameless => "no_name",
            Self::NoPassword => "no_password",
            Self::Hash(Unusable::Unknown | Unusable::Malformed(_)) => "hash_unreadable",
            Self::Hash(Unusable::Unsupported(_)) => "hash_unsupported",
            Self::Hash(Unusable::TooCostly { .. }) => "hash_too_costly",
        }
    }
}

impl Row {
    /// Checks the row against the rules that hold for everybody.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(self, rules: Rules) -> Result<Account, Refused> {
        let proof = proof(self.password, rules)?;
        let names = names(self.username, self.email)?;
        let mut words: BTreeSet<String> = self.roles.into_iter().collect();
        if yes(self.admin.as_deref(), "admin")?.unwrap_or(false) {
            words.insert(ADMIN.to_owned());
        }
        let disabled =
            yes(self.disabled.as_deref(), "disabled")?
                .or(yes(self.active.as_deref(), "active")?.map(|active| !active));
        Ok(Account {
            id: self.id.as_deref().and_then(uuid),
            source: self.id,
            names,
            proof,
            roles: RoleSet::parse(&words.into_iter().collect::<Vec<_>>())?,
            disabled: disabled.unwrap_or(false),
            created_at: self.created_at.as_deref().map(moment).transpose()?,
        })
    }
}

fn proof(password: Option<Password>, rules: Rules) -> Result<Proof, Refused> {
    let Some(password) = password else {
        return match rules.without_password {
            true => Ok(Proof::Nothing),
            false => Err(Refused::NoPassword),
        };
    };
    let text = password.expose_secret();
    // Django's mark for an account that cannot sign in with a password.
    if text.starts_with('!') && !rules.plain {
        return proof(None, rules);
    }
    match Foreign::parse(text) {
        Ok(foreign) => {
            foreign.check(rules.caps)?;
            Ok(Proof::Hash {
                stored: text.to_owned(),
                family: foreign.family(),
            })
        }
        Err(Unusable::Unknown) if rules.plain && text.len() <= MAX_PASSWORD_BYTES => {
            Ok(Proof::Plain(password))
        }
        Err(refused) => Err(refused.into()),
    }
}

/// A username that is an e-mail address is taken for one where the row has no other: many systems
/// keep the address there.
fn names(username: Option<String>, email: Option<String>) -> Result<Vec<Identifier>, Refused> {
    let email = match (&username, email) {
        (Some(name), None) if name.contains('@') => Some(name.clone()),
        (_, email) => email,
    };
    let username = username.filter(|name| email.as_ref() != Some(name));
    let username = username
        .map(|name| Identifier::username(&name))
        .transpose()?;
    let email = email.map(|name| Identifier::email(&name)).transpose()?;
    let names: Vec<_> = username.into_iter().chain(email).collect();
    match names.is_empty() {
        true => Err(Refused::Nameless),
        false => Ok(names),
    }
}

fn yes(word: Option<&str>, field: &'static str) -> Result<Option<bool>, Invalid> {
    let word = word.map(str::to_ascii_lowercase);
    match word.as_deref() {
        None => Ok(None),
        Some("1" | "t" | "true" | "y" | "yes") => Ok(Some(true)),
        Some("0" | "f" | "false" | "n" | "no") => Ok(Some(false)),
        Some(_) => Err(Invalid::new(field, "is neither yes nor no")),
    }
}

/// With hyphens, or the 32 digits alone.
fn uuid(text: &str) -> Option<UserId> {
    let id = Uuid::try_parse(text).ok().filter(|id| !id.is_nil())?;
    Some(UserId::from_bytes(*id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phc::Cost;
    use proptest::prelude::*;

    const HASH: &str = "pbkdf2:sha256:1000$salt$00112233445566778899aabbccddeeff";

    fn rules() -> Rules {
        Rules {
            caps: Caps::beside(Cost::default()),
            plain: false,
            without_password: false,
        }
    }

    fn row() -> Row {
        Row {
            username: Some("ada".to_owned()),
            password: Some(HASH.into()),
            ..Row::default()
        }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn refused(row: Row, rules: Rules) -> (&'static str, String) {
        match row.check(rules) {
            Ok(_) => panic!("taken"),
            Err(refused) => (refused.code(), refused.to_string()),
        }
    }

    #[test]
    fn a_row_that_breaks_a_rule_is_refused_and_says_which() {
        let with = |change: fn(&mut Row)| {
            let mut row = row();
            change(&mut row);
            refused(row, rules())
        };
        for ((code, said), expected, words) in [
            (with(|r| r.username = None), "no_name", "neither"),
            (with(|r| r.username = some("a b")), "invalid", "username: "),
            (with(|r| r.email = some("nobody")), "invalid", "email: "),
            (with(|r| r.username = some("a@@b")), "invalid", "email: "),
            (with(|r| r.password = None), "no_password", "no password"),
            (with(|r| r.password = Some("!x".into())), "no_password", ""),
            (
                with(|r| r.password = Some("x".into())),
                "hash_unreadable",
                "",
            ),
            (
                with(|r| r.password = Some("md5$a$b".into())),
                "hash_unsupported",
                "MD5",
            ),
            (
                with(|r| r.password = Some(HASH.replace("1000", "9000000").into())),
                "hash_too_costly",
                "9000000 iterations",
            ),
            (
                with(|r| r.roles = vec!["A B".to_owned()]),
                "invalid",
                "roles: ",
            ),
            (with(|r| r.admin = some("perhaps")), "invalid", "admin: "),
            (with(|r| r.active = some("2")), "invalid", "active: "),
            (
                with(|r| r.created_at = some("soon")),
                "invalid",
                "created_at: ",
            ),
        ] {
            assert_eq!(code, expected, "{said}");
            assert!(said.contains(words) && !said.contains("$salt$"), "{said}");
        }
        let plain = Rules {
            plain: true,
            ..rules()
        };
        let long = Row {
            password: Some("x".repeat(1025).into()),
            ..row()
        };
        assert_eq!(refused(long, plain).0, "hash_unreadable");
        // A hash that is refused is not mistaken for a password.
        let md5 = Row {
            password: Some("md5$a$b".into()),
            ..row()
        };
        assert_eq!(refused(md5, plain).0, "hash_unsupported");
    }

    #[test]
    fn names_roles_and_states_are_read_as_other_systems_write_them() {
        let account = Row {
            id: some("9F0A3C1E4B5D4E6F8A9B0C1D2E3F4A5B"),
            username: some("Ada@Example.com"),
            roles: vec!["editor".to_owned(), "admin".to_owned()],
            admin: some("True"),
            active: some("0"),
            created_at: some("2024-02-29 12:30:00.5+02:00"),
            ..row()
        };
        let account = account.check(rules()).unwrap();
        let id = account.id.unwrap().to_string();
        assert_eq!(id, "9f0a3c1e-4b5d-4e6f-8a9b-0c1d2e3f4a5b");
        assert_eq!(account.names.len(), 1);
        assert_eq!(account.names[0].key(), "ada@example.com");
        assert_eq!(account.roles.to_words(), ["admin", "editor"]);
        assert!(account.disabled);
        assert_eq!(
            account.created_at,
            Some(Timestamp::from_secs(1_709_202_600))
        );
        let same = Row {
            email: some("a@b"),
            username: some("a@b"),
            ..row()
        };
        assert_eq!(same.check(rules()).unwrap().names.len(), 1);
        let two = Row {
            email: some("a@b"),
            id: some("17"),
            ..row()
        };
        let two = two.check(rules()).unwrap();
        assert_eq!(
            (two.names.len(), two.id, two.source.as_deref()),
            (2, None, Some("17"))
        );
        assert!(!two.disabled && two.roles.to_words().is_empty());
    }

    #[test]
    fn a_password_is_taken_for_one_only_where_that_was_said() {
        let plain = Rules {
            plain: true,
            ..rules()
        };
        for password in ["1234", "!bang", "mypassword"] {
            let row = Row {
                password: Some(password.into()),
                ..row()
            };
            assert!(row.clone().check(rules()).is_err());
            let Proof::Plain(read) = row.check(plain).unwrap().proof else {
                panic!("{password}");
            };
            assert_eq!(read.expose_secret(), password);
        }
        assert!(matches!(
            row().check(plain).unwrap().proof,
            Proof::Hash { .. }
        ));
        let none = Row {
            password: None,
            ..row()
        };
        let rules = Rules {
            without_password: true,
            ..rules()
        };
        assert!(matches!(none.check(rules).unwrap().proof, Proof::Nothing));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", date in "[0-9+TZ: .-]{0,30}") {
            let _ = moment(&text).is_ok() | moment(&date).is_ok();
            let _ = Foreign::parse(&format!("pbkdf2:{text}")).is_ok();
            let _ = Foreign::parse(&format!("$2b${text}")).is_ok();
            let row = Row { username: Some(text.clone()), password: Some(text.into()), ..row() };
            let _ = row.check(rules()).is_ok();
        }
    }
}
