//! What every flow is given.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::password::PasswordPolicy;
use countersign_core::secrets::Keyring;
use countersign_core::throttle::Limits;
use countersign_core::{CredentialId, Event, GrantId, SessionId, UserId};
use countersign_store::Db;
use countersign_token::{Algorithm, Legacy, SigningKey, Verifier};

use crate::clients::Services;
use crate::feed::Feed;
use crate::keys::Keys;
use crate::legacy::LetIn;
use crate::log::Watch;
use crate::{Clock, Hasher, Random};

/// What an operator decides, as flows need it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `iss` of tokens.
    pub issuer: String,
    /// The `aud` of tokens.
    pub audience: String,
    /// What new keys sign with.
    pub algorithm: Algorithm,
    /// How long an access token lives.
    pub token_lifetime: Duration,
    /// How long a new key is published before it signs.
    pub publish_ahead: Duration,
    /// How long a session may be unused.
    pub session_idle: Duration,
    /// How long a session may live.
    pub session_absolute: Duration,
    /// How long a replaced refresh token gets its successor again.
    pub refresh_grace: Duration,
    /// The rules for new passwords.
    pub passwords: PasswordPolicy,
    /// How many failures are too many.
    pub limits: Limits,
    /// Whether strangers may make accounts.
    pub registration: bool,
    /// How long events are kept.
    pub audit_retention: Duration,
    /// Which tokens of a former program are accepted where something is only read, if any.
    pub legacy: Option<Legacy>,
}

/// The context of every flow.
#[derive(Debug)]
pub struct Cx {
    /// What is remembered.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Random,
    /// Keys derived from `SECRET_KEY`.
    pub keyring: Keyring,
    /// The hashing threads.
    pub hasher: Hasher,
    /// Checks access tokens, as the guard does.
    pub verifier: Verifier,
    /// The signing keys.
    pub keys: Keys,
    /// What is known of the revocation log.
    pub log: Watch,
    /// Who follows it.
    pub feed: Feed,
    /// The services that were asked for last.
    pub services: Services,
    /// How many tokens of a former program were let in.
    pub let_in: LetIn,
    /// What the operator decided.
    pub settings: Settings,
}

/// What a context is made of; the rest is loaded by [`crate::start::serve`].
#[derive(Debug)]
pub struct Parts {
    /// What is remembered.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Random bytes.
    pub random: Random,
    /// Keys derived from `SECRET_KEY`.
    pub keyring: Keyring,
    /// The hashing threads.
    pub hasher: Hasher,
    /// The key of `JWT_SECRET_KEY`, if tokens are signed with a shared secret.
    pub shared_key: Option<Arc<SigningKey>>,
    /// What the operator decided.
    pub settings: Settings,
}

impl Cx {
    /// A new id of a user.
    pub(crate) fn user_id(&self) -> UserId {
        UserId::new(self.clock.now(), &self.random.bytes())
    }

    /// A new id of a credential.
    pub(crate) fn credential_id(&self) -> CredentialId {
        CredentialId::new(self.clock.now(), &self.random.bytes())
    }

    /// A new id of a session.
    pub(crate) fn session_id(&self) -> SessionId {
        SessionId::new(self.clock.now(), &self.random.bytes())
    }

    /// A new id of a grant.
    pub(crate) fn grant_id(&self) -> GrantId {
        GrantId::new(self.clock.now(), &self.random.bytes())
    }
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address; `None` at the command line.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: String,
    /// Names the request in the logs.
    pub request_id: String,
}

impl Origin {
    /// The command line.
    pub fn operator() -> Self {
        Self {
            address: None,
            user_agent: "countersign".to_owned(),
            request_id: String::new(),
        }
    }

    /// The address as sessions and events keep it.
    pub(crate) fn address_text(&self) -> String {
        self.address
            .map(|address| address.to_canonical().to_string())
            .unwrap_or_default()
    }

    /// The user agent, cut to what a list of devices can show, on a terminal too.
    pub(crate) fn user_agent_text(&self) -> String {
        let shown = self.user_agent.chars().filter(|c| !c.is_control());
        shown.take(256).collect()
    }

    /// Notes on an event where it came from.
    pub(crate) fn mark(&self, event: Event) -> Event {
        match self.address {
            Some(_) => event.address(self.address_text()),
            None => event,
        }
    }
}
