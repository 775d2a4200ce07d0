//! What other systems call the things that an account consists of.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::import::Row;
use countersign_core::password::Password;

/// A thing that a row can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Id,
    Username,
    Email,
    Password,
    Roles,
    Admin,
    Disabled,
    Active,
    CreatedAt,
}

/// The name of each field on the command line, and the names that are known without being told.
const KNOWN: [(Field, &str, &[&str]); 9] = [
    (Field::Id, "id", &["id", "user_id", "uuid", "sub"]),
    (
        Field::Username,
        "username",
        &["username", "user_name", "login"],
    ),
    (Field::Email, "email", &["email", "email_address", "mail"]),
    (
        Field::Password,
        "password",
        &[
            "password",
            "password_hash",
            "hashed_password",
            "encrypted_password",
            "password_digest",
            "passwd",
            "pw_hash",
            "hash",
        ],
    ),
    (Field::Roles, "roles", &["roles", "role"]),
    (
        Field::Admin,
        "admin",
        &["is_admin", "admin", "is_superuser"],
    ),
    (
        Field::Disabled,
        "disabled",
        &["disabled", "is_disabled", "banned"],
    ),
    (Field::Active, "active", &["is_active", "active", "enabled"]),
    (
        Field::CreatedAt,
        "created_at",
        &["created_at", "created", "date_joined", "registered_at"],
    ),
];

/// What `--column` said: which name stands for a field, or that none does.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(BTreeMap<Field, String>);

impl Told {
    /// Reads `FIELD=NAME` words.
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let mut told = BTreeMap::new();
        for word in words {
            let (field, name) = word
                .split_once('=')
                .ok_or_else(|| format!("--column {word}: write FIELD=NAME"))?;
            let known = KNOWN.iter().find(|(_, called, _)| *called == field);
            let (field, ..) = known.ok_or_else(|| {
                let fields: Vec<_> = KNOWN.iter().map(|(_, called, _)| *called).collect();
                format!("--column {word}: the fields are {}", fields.join(", "))
            })?;
            if told.insert(*field, name.to_owned()).is_some() {
                return Err(format!("--column {word}: the field is given twice"));
            }
        }
        Ok(Self(told))
    }

    /// The field that a name stands for.
    fn field(&self, name: &str) -> Option<Field> {
        if let Some((field, _)) = self.0.iter().find(|(_, told)| *told == name) {
            return Some(*field);
        }
        let lower = name.to_ascii_lowercase();
        let known = KNOWN.iter().find(|(.., names)| names.contains(&&*lower));
        known
            .map(|(field, ..)| *field)
            .filter(|field| !self.0.contains_key(field))
    }

    /// The field of each name, in their order.
    ///
    /// # Errors
    /// Where two names stand for one field.
    pub(super) fn fields<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Option<Field>>, String> {
        let mut taken: BTreeMap<Field, &str> = BTreeMap::new();
        let mut fields = Vec::new();
        for name in names {
            let field = self.field(name);
            if let Some(field) = field
                && let Some(other) = taken.insert(field, name)
            {
                let called = called(field);
                return Err(format!(
                    "both {other:?} and {name:?} look like the {called}: say --column {called}=NAME"
                ));
            }
            fields.push(field);
        }
        Ok(fields)
    }

    /// As [`Told::fields`], for the columns of a table, which must say who people are and how they
    /// sign in.
    pub(super) fn columns(
        &self,
        names: &[String],
        without_password: bool,
    ) -> Result<Vec<Option<Field>>, String> {
        let fields = self.fields(names.iter().map(String::as_str))?;
        let missing = |field| !fields.contains(&Some(field));
        let which = if missing(Field::Username) && missing(Field::Email) {
            "username or the email"
        } else if missing(Field::Password) && !without_password {
            "password"
        } else if let Some((_, name)) = self
            .0
            .iter()
            .find(|(field, name)| !name.is_empty() && missing(**field))
        {
            return Err(format!(
                "there is no column {name:?}; there are: {}",
                names.join(", ")
            ));
        } else {
            return Ok(fields);
        };
        Err(format!(
            "cannot tell which column holds the {which}: say --column FIELD=NAME; the columns are: {}",
            names.join(", ")
        ))
    }
}

fn called(field: Field) -> &'static str {
    KNOWN
        .iter()
        .find(|(known, ..)| *known == field)
        .map_or("", |(_, called, _)| called)
}

/// What stands in a field.
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
}

/// Puts a value into its field; an empty text says nothing.
pub(super) fn put(row: &mut Row, field: Field, value: Value) -> Result<(), String> {
    let text = match value {
        Value::List(words) if field == Field::Roles => {
            row.roles = words;
            return Ok(());
        }
        Value::List(_) => return Err(format!("{} is a list", called(field))),
        Value::Text(text) if text.is_empty() => return Ok(()),
        Value::Text(text) => text,
    };
    match field {
        Field::Id => row.id = Some(text),
        Field::Username => row.username = Some(text),
        Field::Email => row.email = Some(text),
        Field::Password => row.password = Some(Password::from(text)),
        Field::Roles => {
            let words = text.split([',', ';', ' ']).filter(|word| !word.is_empty());
            row.roles = words.map(str::to_owned).collect();
        }
        Field::Admin => row.admin = Some(text),
        Field::Disabled => row.disabled = Some(text),
        Field::Active => row.active = Some(text),
        Field::CreatedAt => row.created_at = Some(text),
    }
    Ok(())
}

/// Names that stand for nothing, to be told once.
#[derive(Debug, Default)]
pub(super) struct Ignored(BTreeSet<String>);

impl Ignored {
    /// More are not kept: in a file of objects each line may have others.
    const MOST: usize = 50;

    pub(super) fn note(&mut self, name: &str) {
        if self.0.len() < Self::MOST && !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> Told {
        Told::parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn columns(told: &Told, names: &str) -> Result<Vec<Option<Field>>, String> {
        let names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        told.columns(&names, false)
    }

    #[test]
    fn what_cannot_be_told_is_asked_for_by_name() {
        for (told_words, names, says) in [
            (&[][..], "id secret", "the username or the email"),
            (
                &[],
                "id username secret",
                "holds the password: say --column FIELD=NAME; the columns are: id, username, secret",
            ),
            (
                &[],
                "username password password_hash",
                "both \"password\" and \"password_hash\"",
            ),
            (&["password=pw"], "username password", "holds the password"),
            (&["email=post"], "username password", "no column \"post\""),
        ] {
            let refused = columns(&told(told_words), names).unwrap_err();
            assert!(refused.contains(says), "{refused}");
        }
        for bad in ["password", "secret=x", "=x"] {
            assert!(Told::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(Told::parse(&["id=a".to_owned(), "id=b".to_owned()]).is_err());
    }

    #[test]
    fn usual_names_are_known_and_others_are_told() {
        use Field::{Active, Admin, Email, Id, Password, Username};
        let none = Told::default();
        assert_eq!(
            columns(&none, "id Username email hashed_password is_admin bio").unwrap(),
            [
                Some(Id),
                Some(Username),
                Some(Email),
                Some(Password),
                Some(Admin),
                None
            ]
        );
        let some = told(&["password=pw", "email=", "username=nick name"]);
        let names = ["pw", "password", "email", "nick name", "username", "active"];
        assert_eq!(
            some.columns(&names.map(str::to_owned), false).unwrap(),
            [
                Some(Password),
                None,
                None,
                Some(Username),
                None,
                Some(Active)
            ]
        );
        assert_eq!(
            none.columns(&["email".to_owned()], true),
            Ok(vec![Some(Email)])
        );
    }

    #[test]
    fn roles_are_words_or_a_list_and_nothing_else_is_one() {
        let mut row = Row::default();
        put(
            &mut row,
            Field::Roles,
            Value::Text("editor, shop:write;x".into()),
        )
        .unwrap();
        assert_eq!(row.roles, ["editor", "shop:write", "x"]);
        put(&mut row, Field::Roles, Value::List(vec!["a".into()])).unwrap();
        assert_eq!(row.roles, ["a"]);
        assert!(put(&mut row, Field::Email, Value::List(vec![])).is_err());
        put(&mut row, Field::Email, Value::Text(String::new())).unwrap();
        assert_eq!(row.email, None);
    }
}
