//! What clients see of users, sessions, keys, clients and events.

use countersign_core::{Client, Session, SessionId, User};
use countersign_flows::keys::KeyView;
use countersign_store::events::Recorded;
use serde::Serialize;
use utoipa::ToSchema;

/// A user; never a hash.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The only thing that identifies: names can change hands.
    #[schema(format = "uuid")]
    pub id: String,
    /// The username, if there is one.
    pub username: Option<String>,
    /// The e-mail address, if there is one.
    pub email: Option<String>,
    /// Whether a mail to that address was answered.
    pub email_verified: bool,
    /// What the user may do.
    pub roles: Vec<String>,
    /// Unix seconds.
    pub created_at: i64,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            roles: user.roles.to_words(),
            created_at: user.created_at.as_secs(),
        }
    }
}

/// A user as administrators see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUser)]
pub struct AdminUserView {
    /// The user.
    #[serde(flatten)]
    pub user: UserView,
    /// Whether sign-in is refused.
    pub disabled: bool,
}

impl From<&User> for AdminUserView {
    fn from(user: &User) -> Self {
        Self {
            user: UserView::from(user),
            disabled: !user.is_enabled(),
        }
    }
}

/// A login on a device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Names the session; the token's `sid`.
    #[schema(format = "uuid")]
    pub id: String,
    /// Whose it is.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When the person signed in, in unix seconds.
    pub created_at: i64,
    /// When it was last used, in unix seconds.
    pub last_used_at: i64,
    /// When it ends at the latest, in unix seconds.
    pub expires_at: i64,
    /// From where it was made.
    pub address: String,
    /// With which program it was made.
    pub user_agent: String,
}

impl SessionView {
    /// A session as `current` sees it.
    pub fn new(session: &Session, current: Option<SessionId>) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: session.user_id.to_string(),
            current: current == Some(session.id),
            created_at: session.auth_time.as_secs(),
            last_used_at: session.last_used.as_secs(),
            expires_at: session.expires.as_secs(),
            address: session.address.clone(),
            user_agent: session.user_agent.clone(),
        }
    }
}

/// A signing key, without its private part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyInfo {
    /// Names the key in token headers.
    pub kid: String,
    /// What it signs with.
    pub alg: &'static str,
    /// `published`, `signing`, `retired`, `expired` or `revoked`.
    pub phase: &'static str,
    /// Unix seconds.
    pub created_at: i64,
    /// From when on it signs, in unix seconds.
    pub signs_from: i64,
}

impl From<&KeyView> for KeyInfo {
    fn from(view: &KeyView) -> Self {
        Self {
            kid: view.record.kid.clone(),
            alg: view.record.algorithm.as_str(),
            phase: view.phase.as_str(),
            created_at: view.record.created_at.as_secs(),
            signs_from: view.record.signs_from.as_secs(),
        }
    }
}

/// A program that holds or checks tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// Its id in tokens and its user name in HTTP Basic.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `first_party` or `service`.
    pub kind: &'static str,
    /// Unix seconds.
    pub created_at: i64,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            kind: client.kind.as_str(),
            created_at: client.created_at.as_secs(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its place in the order of commits.
    pub seq: i64,
    /// When, in unix seconds.
    pub at: i64,
    /// What, as a stable word.
    #[schema(example = "session.revoked")]
    pub kind: String,
    /// Who: a user's id, `cli` or `system`.
    pub actor: String,
    /// To which user.
    pub subject: Option<String>,
    /// On which session.
    pub session: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// What else.
    pub data: Option<serde_json::Value>,
}

impl From<&Recorded> for EventView {
    fn from(event: &Recorded) -> Self {
        Self {
            seq: event.seq,
            at: event.at.as_secs(),
            kind: event.kind.clone(),
            actor: event.actor.clone(),
            subject: event.subject.map(|id| id.to_string()),
            session: event.session.map(|id| id.to_string()),
            client: event.client.clone(),
            address: event.address.clone(),
            data: event
                .data
                .as_deref()
                .and_then(|data| serde_json::from_str(data).ok()),
        }
    }
}
