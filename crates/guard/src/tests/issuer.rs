//! The scripted issuer.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use countersign_token::feed::Answer;
use countersign_token::{Algorithm, Claims, Floor, Jwks, Reason, Scope, Seq, SigningKey, Subject};
use countersign_token::{Timestamp, issue};
use hyper::body::{Bytes, Frame};
use serde_json::json;
use tokio::sync::watch;

pub(super) const ISSUER: &str = "https://login.example";
pub(super) const NOW: i64 = 1_795_000_000;
const LIFE: i64 = 900;

/// How the feed behaves.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Answers,
    /// Takes questions and says nothing.
    Frozen,
    /// Says half of it.
    HalfAnswers,
    Fails(u16),
    /// Does not wait for news.
    Hurries,
    /// Says nothing to whoever stands there in the log.
    FrozenAt(i64),
}

pub(super) struct Told {
    pub(super) seq: i64,
    pub(super) floors: Vec<Floor>,
    pub(super) now: i64,
    pub(super) version: i64,
    pub(super) keys: Vec<Arc<SigningKey>>,
    pub(super) jwks: Mode,
    pub(super) mode: Mode,
    pub(super) page: usize,
    /// The cursors and waits of all questions.
    pub(super) asked: Vec<(i64, i64)>,
    pub(super) jwks_loaded: usize,
    /// Questions that wait for an answer.
    pub(super) open: usize,
}

#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) url: String,
    told: Arc<Mutex<Told>>,
    bell: watch::Sender<()>,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            told: Arc::new(Mutex::new(Told {
                seq: 100,
                floors: vec![],
                now: NOW,
                version: 1,
                keys: vec![key()],
                jwks: Mode::Answers,
                mode: Mode::Answers,
                page: 10_000,
                asked: vec![],
                jwks_loaded: 0,
                open: 0,
            })),
            bell: watch::Sender::new(()),
        };
        let metadata = || async { Json(json!({"issuer": ISSUER})) };
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/.well-known/jwks.json", get(jwks))
            .route("/revocations", get(revocations))
            .with_state(issuer.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        issuer
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Changes what it says, and tells those who wait.
    pub(super) fn now(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told());
        self.bell.send_replace(());
    }

    /// Writes a floor at the next position.
    pub(super) fn floor(&self, scope: Scope, id: &str, reason: Reason) {
        self.now(|told| told.floor(scope, id, reason));
    }

    /// A token for this session of user 1, minted now.
    pub(super) fn mint(&self, sid: &str) -> String {
        self.mint_with(|claims| claims.sid = sid.to_owned())
    }

    pub(super) fn mint_with(&self, change: impl FnOnce(&mut Claims)) -> String {
        let told = self.told();
        let mut claims = Claims {
            iss: ISSUER.to_owned(),
            sub: "1".to_owned(),
            aud: vec!["countersign".to_owned()],
            client_id: "countersign".to_owned(),
            iat: told.now,
            nbf: told.now,
            exp: told.now + LIFE,
            jti: "j".to_owned(),
            sid: "s".to_owned(),
            rev: Seq(told.seq),
            username: None,
            email: None,
            email_verified: None,
            roles: vec!["cook".to_owned()],
            token_type: "access".to_owned(),
            scope: None,
            fresh: false,
        };
        change(&mut claims);
        issue(told.keys.last().unwrap(), &claims).unwrap()
    }
}

impl Told {
    pub(super) fn floor(&mut self, scope: Scope, id: &str, reason: Reason) {
        self.seq += 1;
        self.floors.push(Floor {
            seq: Seq(self.seq),
            scope,
            subject: Subject::of(scope, id),
            reason,
            expires: Timestamp::from_secs(self.now + LIFE + 60),
        });
    }

    fn answer(&self, after: i64) -> Answer {
        let after = if after > self.seq { 0 } else { after };
        let mut floors = self.floors.clone();
        floors.retain(|floor| floor.seq.0 > after && floor.seq.0 <= self.seq);
        let more = floors.len() > self.page;
        floors.truncate(self.page);
        let last = floors.last().filter(|_| more);
        Answer {
            seq: last.map_or(Seq(self.seq), |floor| floor.seq),
            now: self.now,
            life: LIFE,
            keys: self.version,
            more,
            floors,
        }
    }
}

pub(super) fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap())
}

async fn jwks(State(issuer): State<Issuer>) -> Response {
    let mut told = issuer.told();
    told.jwks_loaded += 1;
    match told.jwks {
        Mode::Fails(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Mode::HalfAnswers => "{\"keys\": [{\"kty\": \"oct\"}]}".into_response(),
        _ => Json(Jwks {
            keys: told
                .keys
                .iter()
                .filter_map(|key| key.public_jwk())
                .collect(),
        })
        .into_response(),
    }
}

#[derive(serde::Deserialize)]
struct Question {
    after: i64,
    wait: i64,
}

async fn revocations(
    State(issuer): State<Issuer>,
    Query(Question { after, wait }): Query<Question>,
) -> Response {
    issuer.told().asked.push((after, wait));
    let mut bell = issuer.bell.subscribe();
    let _open = Open::new(&issuer);
    let mut waited = wait == 0;
    loop {
        {
            let told = issuer.told();
            match told.mode {
                Mode::Fails(status) => {
                    return StatusCode::from_u16(status).unwrap().into_response();
                }
                Mode::Frozen => {}
                Mode::FrozenAt(at) if at == after => {}
                mode if waited || mode == Mode::Hurries || told.seq != after => {
                    let answer = Json(told.answer(after));
                    if told.mode == Mode::HalfAnswers {
                        let whole = serde_json::to_vec(&answer.0).unwrap();
                        let half = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
                        return Body::new(Half(Some(half))).into_response();
                    }
                    return answer.into_response();
                }
                _ => {}
            }
        }
        let wait = Duration::from_secs(u64::try_from(wait.max(1)).unwrap());
        waited |= tokio::time::timeout(wait, bell.changed()).await.is_err();
    }
}

/// Counts questions that wait; hyper drops them when the connection closes.
struct Open(Issuer);

impl Open {
    fn new(issuer: &Issuer) -> Self {
        issuer.told().open += 1;
        Self(issuer.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.told().open -= 1;
    }
}

/// A body that begins and never ends.
struct Half(Option<Bytes>);

impl HttpBody for Half {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(half) => Poll::Ready(Some(Ok(Frame::data(half)))),
            None => Poll::Pending,
        }
    }
}
