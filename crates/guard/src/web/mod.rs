//! For axum: handlers that take [`Authenticated`], and a [`Layer`] for a whole router.
//!
//! ```no_run
//! use axum::{Router, routing::{get, post}};
//! use countersign_guard::{Guard, Refusal, web::Authenticated};
//!
//! async fn profile(user: Authenticated) -> String {
//!     format!("Hello {}", user.username.as_deref().unwrap_or(&user.sub))
//! }
//!
//! async fn front(user: Option<Authenticated>) -> &'static str {
//!     if user.is_some() { "Welcome back" } else { "Hello" }
//! }
//!
//! async fn pay(user: Authenticated) -> Result<&'static str, Refusal> {
//!     user.require_fresh()?;
//!     Ok("paid")
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let guard = Guard::connect("http://127.0.0.1:5000").await?;
//! let admin = Router::new()
//!     .route("/admin", get(|| async { "keys to everything" }))
//!     .layer(guard.layer().require_role("admin"));
//! let app: Router = Router::new()
//!     .route("/", get(front))
//!     .route("/profile", get(profile))
//!     .route("/pay", post(pay))
//!     .merge(admin)
//!     .with_state(guard);
//! # Ok(())
//! # }
//! ```
//!
//! The token is taken from `Authorization: Bearer`, else from the cookie. A change that rides on
//! the cookie must come from the same origin, or from a trusted one; see
//! [`Builder::trust_origin`](crate::Builder::trust_origin). Where the state is not a [`Guard`], it
//! says by `FromRef` where the guard is.

mod credential;
mod layer;

use std::fmt;
use std::future::Future;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_token::Claims;

use crate::legacy::Admitted;
use crate::{Builder, Guard, Refusal};

pub use layer::{Layer, Service};

/// What a guard has to know to find tokens in requests.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    cookie: String,
    origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cookie: "__Host-token".to_owned(),
            origins: Vec::new(),
        }
    }
}

impl Builder {
    /// The name of the cookie with the token; `__Host-token` unless the issuer has another prefix.
    pub fn cookie(mut self, name: &str) -> Self {
        name.clone_into(&mut self.web.cookie);
        self
    }

    /// Lets requests that ride on the cookie change something from this origin too, such as
    /// `https://app.example`. Name also the service's own for browsers so old that they do not send
    /// `Sec-Fetch-Site`.
    pub fn trust_origin(mut self, origin: &str) -> Self {
        self.web.origins.push(origin.to_owned());
        self
    }
}

impl Guard {
    /// A layer that lets nobody pass without a good token.
    #[must_use]
    pub fn layer(&self) -> Layer {
        Layer::new(self.clone())
    }
}

/// Whoever sent the request: an argument of a handler, which is not called for strangers. As
/// `Option<Authenticated>` for handlers that serve them too; a bad token is refused even there.
///
/// Reads as its [`Claims`].
#[derive(Clone)]
pub struct Authenticated {
    accepted: Admitted,
    guard: Guard,
}

impl Authenticated {
    /// Demands a role.
    ///
    /// # Errors
    /// [`Refusal::MissingRole`].
    pub fn require_role(&self, role: &str) -> Result<(), Refusal> {
        if self.roles.iter().any(|held| held == role) {
            Ok(())
        } else {
            Err(Refusal::MissingRole)
        }
    }

    /// Demands a scope. Tokens of `/login` name none: they are the user's own, whom
    /// [`Authenticated::require_role`] is about.
    ///
    /// # Errors
    /// [`Refusal::MissingScope`].
    pub fn require_scope(&self, scope: &str) -> Result<(), Refusal> {
        let mut held = self.scope.iter().flat_map(|held| held.split(' '));
        if held.any(|held| held == scope) {
            Ok(())
        } else {
            Err(Refusal::MissingScope)
        }
    }

    /// Demands a token straight from a password.
    ///
    /// # Errors
    /// [`Refusal::NotFresh`].
    pub fn require_fresh(&self) -> Result<(), Refusal> {
        if self.fresh {
            Ok(())
        } else {
            Err(Refusal::NotFresh)
        }
    }

    /// Ready when this token is good no longer, so that a WebSocket or a stream can end with its
    /// login; see [`Guard::revoked`].
    pub fn revoked(&self) -> impl Future<Output = Refusal> + Send + 'static {
        let Self { accepted, guard } = self.clone();
        async move { guard.ended(&accepted).await }
    }
}

impl Deref for Authenticated {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        self.accepted.claims()
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticated").field(&**self).finish()
    }
}

/// Whoever a layer of this guard found. What an extractor finds is not kept for the next one: keeping
/// it costs a handler with one of them more than the second look would cost one with two.
fn known(guard: &Guard, extensions: &Extensions) -> Option<Authenticated> {
    let known = extensions.get::<Authenticated>()?;
    known.guard.is(guard).then(|| known.clone())
}

/// The one way from a request to whoever sent it; none without a credential.
async fn identify(guard: &Guard, parts: &Parts) -> Result<Option<Authenticated>, Refusal> {
    if let Some(known) = known(guard, &parts.extensions) {
        return Ok(Some(known));
    }
    let Some(token) = credential::find(&parts.headers, &parts.method, guard.web())? else {
        return Ok(None);
    };
    let accepted = guard.accept(token).await?;
    let guard = guard.clone();
    Ok(Some(Authenticated { accepted, guard }))
}

/// The same without waiting, which does nearly always; none where the issuer has to be asked.
fn identify_now(
    guard: &Guard,
    request: &Request,
) -> Option<Result<Option<Authenticated>, Refusal>> {
    if let Some(known) = known(guard, request.extensions()) {
        return Some(Ok(Some(known)));
    }
    let token = match credential::find(request.headers(), request.method(), guard.web()) {
        Ok(Some(token)) => token,
        Ok(None) => return Some(Ok(None)),
        Err(refusal) => return Some(Err(refusal)),
    };
    let accepted = guard.accept_now(token)?;
    Some(accepted.map(|accepted| {
        let guard = guard.clone();
        Some(Authenticated { accepted, guard })
    }))
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated
where
    Guard: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let found = identify(&Guard::from_ref(state), parts).await?;
        found.ok_or(Refusal::Missing)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Authenticated
where
    Guard: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        identify(&Guard::from_ref(state), parts).await
    }
}

/// `{"code", "message"}` with `WWW-Authenticate` or `Retry-After`, as Countersign itself answers.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"code": self.code(), "message": self.message()});
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, kind, body.to_string()).into_response();
        let challenge = self
            .challenge()
            .and_then(|text| HeaderValue::try_from(text).ok());
        if let Some(value) = challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = self.retry_after() {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
