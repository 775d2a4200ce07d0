//! An installation to try flows on.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::password::{Blocklist, Password, PasswordPolicy};
use countersign_core::phc::Cost;
use countersign_core::secrets::Keyring;
use countersign_core::throttle::Limits;
use countersign_core::{Actor, Claims, RoleSet, SessionId, Timestamp, User, UserId};
use countersign_flows::admin::Change;
use countersign_flows::issue::Held;
use countersign_flows::login::Login;
use countersign_flows::logout::Proof;
use countersign_flows::register::NewAccount;
use countersign_flows::start::{StartError, Started};
use countersign_flows::{
    Clock, Credential, Cx, FlowError, Hasher, Identity, Live, Mode, Origin, Parts, Random,
    Settings, SignedIn, admin, audit, authenticate, log, login, logout, refresh, register, start,
};
use countersign_store::{Db, Options};
use countersign_testkit::TestDatabase;
use countersign_token::{Algorithm, SigningKey};

pub(crate) const PASSWORD: &str = "plum-harbour-41";
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const LIFE: Duration = Duration::from_secs(15 * 60);
pub(crate) const GRACE: Duration = Duration::from_secs(30);
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_220_000);

/// What one node is started with.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) secret: &'static str,
    pub(crate) previous: Option<&'static str>,
    pub(crate) shared_key: Option<&'static str>,
    pub(crate) cost: Cost,
    pub(crate) threads: usize,
    pub(crate) queue: usize,
    pub(crate) connections: u32,
    pub(crate) settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            secret: "the first secret of this installation",
            previous: None,
            shared_key: None,
            cost: Cost {
                memory_kib: 8,
                iterations: 1,
                lanes: 1,
            },
            threads: 2,
            queue: 256,
            connections: 16,
            settings: Settings {
                issuer: "https://id.example".to_owned(),
                audience: "countersign".to_owned(),
                algorithm: Algorithm::Es256,
                token_lifetime: LIFE,
                publish_ahead: Duration::from_secs(600),
                session_idle: DAY * 30,
                session_absolute: DAY * 90,
                refresh_grace: GRACE,
                passwords: PasswordPolicy {
                    min_length: 8,
                    blocklist: Blocklist::BuiltIn,
                },
                limits: Limits::default(),
                registration: true,
                audit_retention: DAY * 400,
                legacy: None,
            },
        }
    }
}

/// One node on a database of its own or of another node.
#[derive(Clone)]
pub(crate) struct Site {
    cx: Arc<Cx>,
    pub(crate) config: Config,
    place: Arc<TestDatabase>,
}

impl Deref for Site {
    type Target = Cx;

    fn deref(&self) -> &Cx {
        &self.cx
    }
}

async fn parts(config: &Config, place: &TestDatabase, clock: Clock) -> Parts {
    // A seed of its own for each node: two that draw alike make the same ids.
    static SEED: AtomicU64 = AtomicU64::new(0);
    let mut options = Options::new(place.url());
    options.durable = false;
    options.connections = config.connections;
    Parts {
        db: Db::open(&options).await.unwrap(),
        clock,
        random: Random::seeded(SEED.fetch_add(1, Ordering::Relaxed)),
        keyring: Keyring::new(config.secret.as_bytes(), config.previous.map(str::as_bytes)),
        hasher: Hasher::new(config.cost, config.threads, config.queue).unwrap(),
        shared_key: config
            .shared_key
            .map(|secret| Arc::new(SigningKey::shared_secret(secret.as_bytes()).unwrap())),
        settings: config.settings.clone(),
    }
}

impl Site {
    async fn open(
        config: Config,
        place: Arc<TestDatabase>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let Started { cx, .. } = start::serve(parts(&config, &place, clock).await).await?;
        let cx = Arc::new(cx);
        Ok(Self { cx, config, place })
    }

    /// A new installation on SQLite.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The same, with something else than the defaults.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(TestDatabase::sqlite(), change).await
    }

    pub(crate) async fn on(place: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::open(config, Arc::new(place), Clock::fixed(START))
            .await
            .unwrap()
    }

    /// One on each engine there is.
    pub(crate) async fn each() -> Vec<Self> {
        let mut sites = Vec::new();
        for place in TestDatabase::each().await {
            sites.push(Self::on(place, |_| ()).await);
        }
        sites
    }

    /// Another node on the same database, by the same clock; or this one started again.
    pub(crate) async fn node(&self) -> Self {
        self.node_with(|_| ()).await.unwrap()
    }

    pub(crate) async fn node_with(
        &self,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let mut config = self.config.clone();
        change(&mut config);
        Self::open(config, Arc::clone(&self.place), self.clock.clone()).await
    }

    /// What a start says of itself.
    pub(crate) async fn started_again(&self) -> Started {
        let parts = parts(&self.config, &self.place, self.clock.clone()).await;
        start::serve(parts).await.unwrap()
    }

    /// The command line beside the server.
    pub(crate) async fn command(&self, change: impl FnOnce(&mut Config)) -> Cx {
        let mut config = self.config.clone();
        change(&mut config);
        start::command(parts(&config, &self.place, self.clock.clone()).await)
            .await
            .unwrap()
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.place.url().strip_prefix("sqlite:").unwrap().into()
    }

    /// Does to the database what the program never does.
    pub(crate) async fn sql(&self, statement: &str) {
        self.place.execute(statement).await;
    }

    /// Lets time pass, and the node look as it does all the time.
    pub(crate) async fn pass(&self, by: Duration) {
        self.clock.advance(by);
        self.look().await;
    }

    pub(crate) async fn look(&self) {
        log::look(self).await.unwrap();
    }

    pub(crate) async fn user(&self, name: &str, roles: &[&str]) -> User {
        let account = NewAccount {
            roles: RoleSet::parse(roles).unwrap(),
            ..account(name, PASSWORD)
        };
        register::add_user(self, &Origin::operator(), account, Actor::Operator)
            .await
            .unwrap()
    }

    pub(crate) async fn sign_in(&self, name: &str, mode: Mode) -> SignedIn {
        self.try_sign_in(name, PASSWORD, mode).await.unwrap()
    }

    pub(crate) async fn try_sign_in(
        &self,
        name: &str,
        password: &str,
        mode: Mode,
    ) -> Result<SignedIn, FlowError> {
        self.sign_in_from(&from("198.51.100.7"), name, password, mode)
            .await
    }

    pub(crate) async fn sign_in_from(
        &self,
        origin: &Origin,
        name: &str,
        password: &str,
        mode: Mode,
    ) -> Result<SignedIn, FlowError> {
        let login = Login {
            name: name.to_owned(),
            password: Password::from(password),
            mode,
        };
        login::login(self, origin, login).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<SignedIn, FlowError> {
        refresh::refresh(self, &from("198.51.100.7"), token, Mode::Token).await
    }

    pub(crate) async fn log_out(&self, proof: Proof, all: bool) -> Result<(), FlowError> {
        logout::logout(self, &from("198.51.100.7"), proof, all).await
    }

    pub(crate) async fn identify(&self, held: &SignedIn) -> Result<Identity, FlowError> {
        authenticate::identify(self, &credential(held)).await
    }

    pub(crate) async fn live(&self, held: &SignedIn) -> Result<Live, FlowError> {
        authenticate::require_live(self, &credential(held)).await
    }

    pub(crate) fn claims(&self, held: &SignedIn) -> Claims {
        self.verifier.recognise(&access(held)).unwrap()
    }

    pub(crate) async fn change(&self, user: &User, change: Change) -> Result<User, FlowError> {
        admin::change(self, &Origin::operator(), user.id, change, Actor::Operator).await
    }

    /// Kind, actor, subject and session of the events so far, latest first.
    pub(crate) async fn events(&self) -> Vec<(String, String, Option<UserId>, Option<SessionId>)> {
        let (events, _) = audit::page(self, None, 1000).await.unwrap();
        let told = |e: countersign_store::events::Recorded| (e.kind, e.actor, e.subject, e.session);
        events.into_iter().map(told).collect()
    }
}

pub(crate) fn account(name: &str, password: &str) -> NewAccount {
    let (username, email) = match name.contains('@') {
        true => (None, Some(name.to_owned())),
        false => (Some(name.to_owned()), None),
    };
    NewAccount {
        username,
        email,
        password: Password::from(password),
        roles: RoleSet::default(),
    }
}

pub(crate) fn from(address: &str) -> Origin {
    Origin {
        address: Some(address.parse::<IpAddr>().unwrap()),
        user_agent: "Test/1".to_owned(),
        request_id: "r".to_owned(),
    }
}

pub(crate) fn roles(words: &[&str]) -> Change {
    Change {
        roles: Some(RoleSet::parse(words).unwrap()),
        ..Change::default()
    }
}

pub(crate) fn disabled(disabled: bool) -> Change {
    Change {
        disabled: Some(disabled),
        ..Change::default()
    }
}

pub(crate) fn access(held: &SignedIn) -> String {
    match &held.held {
        Held::Token(tokens) | Held::Cookie(tokens) => tokens.access.clone(),
        Held::Session(_) => panic!("an opaque session has no access token"),
    }
}

pub(crate) fn refresh_token(held: &SignedIn) -> String {
    match &held.held {
        Held::Token(tokens) | Held::Cookie(tokens) => tokens.refresh.clone(),
        Held::Session(_) => panic!("an opaque session has no refresh token"),
    }
}

/// What the client sends on its next request.
pub(crate) fn credential(held: &SignedIn) -> Credential {
    match &held.held {
        Held::Token(tokens) => Credential::Bearer(tokens.access.clone()),
        Held::Cookie(tokens) => Credential::AccessCookie(tokens.access.clone()),
        Held::Session(cookie) => Credential::SessionCookie(cookie.reveal()),
    }
}
