//! New accounts.

use countersign_core::password::{ExposeSecret, Password};
use countersign_core::{Actor, Event, EventKind, Identifier, Invalid, RoleSet, User};
use countersign_store::{credentials, events, identifiers, users};

use crate::error::Check;
use crate::hasher::Purpose;
use crate::throttle::count_registration;
use crate::{Cx, FlowError, Origin};

/// What somebody wants to be called, and the password to prove it later.
#[derive(Clone)]
pub struct NewAccount {
    /// The username, as typed.
    pub username: Option<String>,
    /// The e-mail address, as typed.
    pub email: Option<String>,
    /// The password, as received.
    pub password: Password,
    /// What the account may do; strangers get none.
    pub roles: RoleSet,
}

/// Makes an account for a stranger.
///
/// # Errors
/// [`FlowError::NameTaken`] tells that a name exists: a person who signs up must be told.
pub async fn register(cx: &Cx, origin: &Origin, account: NewAccount) -> Result<User, FlowError> {
    if !cx.settings.registration {
        return Err(FlowError::RegistrationClosed);
    }
    count_registration(cx, origin).await?;
    let account = NewAccount {
        roles: RoleSet::default(),
        ..account
    };
    create(cx, origin, account, None, Purpose::Registration).await
}

/// Makes an account for somebody else, with roles.
pub async fn add_user(
    cx: &Cx,
    origin: &Origin,
    account: NewAccount,
    actor: Actor,
) -> Result<User, FlowError> {
    create(cx, origin, account, Some(actor), Purpose::SignIn).await
}

async fn create(
    cx: &Cx,
    origin: &Origin,
    account: NewAccount,
    actor: Option<Actor>,
    purpose: Purpose,
) -> Result<User, FlowError> {
    let NewAccount {
        username,
        email,
        password,
        roles,
    } = account;
    let mut check = Check::default();
    let names: Vec<&str> = [&username, &email]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    check.take(
        cx.settings
            .passwords
            .check("password", password.expose_secret(), &names),
    );
    let username = username
        .as_deref()
        .and_then(|text| check.take(Identifier::username(text)));
    let email = email
        .as_deref()
        .and_then(|text| check.take(Identifier::email(text)));
    if names.is_empty() {
        check.take::<()>(Err(Invalid::new(
            "username",
            "a username or an email is required",
        )));
    }
    check.finish()?;
    let now = cx.clock.now();
    let user = User {
        id: cx.user_id(),
        username: username.as_ref().map(|name| name.value().to_owned()),
        email: email.as_ref().map(|name| name.value().to_owned()),
        email_verified: false,
        roles,
        disabled_at: None,
        revoked_floor: countersign_core::Seq(0),
        created_at: now,
    };
    crate::issue::check_size(cx, &user)?;
    let names: Vec<Identifier> = username.into_iter().chain(email).collect();
    refuse_taken(cx, &names).await?;
    let hash = cx
        .hasher
        .hash(&password, cx.random.bytes(), purpose)
        .await?;
    let credential = cx.credential_id();
    let actor = actor.unwrap_or(Actor::User(user.id));
    let event = origin.mark(Event::new(now, EventKind::UserCreated, actor).subject(user.id));
    let written = user.clone();
    cx.db
        .write(move |conn| {
            Box::pin(async move {
                let user = written;
                users::insert(conn, user.id, now).await?;
                for name in &names {
                    if !identifiers::claim(conn, name, user.id).await? {
                        return Err(FlowError::NameTaken(name.kind()));
                    }
                }
                users::set_roles(conn, user.id, &user.roles).await?;
                credentials::insert_password(conn, credential, user.id, &hash, now).await?;
                events::append(conn, &event).await?;
                Ok(())
            })
        })
        .await?;
    Ok(user)
}

/// Looks before hashing: a taken name should not cost a hash. The unit that follows decides.
async fn refuse_taken(cx: &Cx, names: &[Identifier]) -> Result<(), FlowError> {
    let mut reader = cx.db.read().await?;
    for name in names {
        if users::by_identifier(&mut reader.conn(), name)
            .await?
            .is_some()
        {
            return Err(FlowError::NameTaken(name.kind()));
        }
    }
    Ok(())
}
