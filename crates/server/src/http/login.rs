//! `POST /login`, `POST /refresh`, `POST /logout`, and how an answer hands over a login.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_flows::issue::Held;
use countersign_flows::login::Login;
use countersign_flows::logout::Proof;
use countersign_flows::{FlowError, Mode, SignedIn, Tokens, feed, login, logout, refresh};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Field, Fields, OptionalJson, StrictJson};
use super::cookies::{Cookie, Cookies, Found};
use super::error::{ApiError, ApiResult, ErrorBody, Refusals, token_missing};
use super::form;
use super::json::Json;
use super::origin::From;
use super::return_to::ReturnTo;
use super::{Site, credential, cross_site};

/// Who signs in, and how the login is to be held.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct LoginBody {
    /// A username; an e-mail address is taken here too.
    #[schema(value_type = Option<String>, example = "ada")]
    username: Field<String>,
    /// An e-mail address; a username is taken here too.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    email: Field<String>,
    /// The password.
    #[schema(value_type = String, format = Password, example = "plum-harbour-41")]
    password: Field<SecretString>,
    /// `token` (in the body, the default), `cookie` (the same in HttpOnly cookies) or `session`
    /// (one opaque cookie).
    #[schema(value_type = Option<ModeWord>)]
    mode: Field<ModeWord>,
}

/// How a client wants to hold its login.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeWord {
    /// Tokens in the body.
    #[default]
    Token,
    /// The same tokens in HttpOnly cookies.
    Cookie,
    /// One opaque HttpOnly cookie.
    Session,
}

impl std::convert::From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Token => Self::Token,
            ModeWord::Cookie => Self::Cookie,
            ModeWord::Session => Self::Session,
        }
    }
}

/// Tokens, for a client that keeps them itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAnswer {
    /// A JWT for the `Authorization: Bearer` header.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// How long the access token lives, in seconds.
    pub expires_in: u64,
    /// Traded for fresh tokens at `POST /refresh`, once.
    pub refresh_token: String,
    /// How long the refresh token lives if it is not used, in seconds.
    pub refresh_expires_in: u64,
}

/// A login that the browser holds in cookies.
#[derive(Debug, Serialize, ToSchema)]
pub struct CookieAnswer {
    /// For a person.
    pub message: &'static str,
    /// How long until the login must be refreshed (cookie) or ends unused (session), in seconds.
    pub expires_in: u64,
}

/// Either answer to a login; which one follows from the mode.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LoginAnswer {
    /// `token` mode.
    Token(TokenAnswer),
    /// `cookie` and `session` mode.
    Cookie(CookieAnswer),
}

/// Hands a login over: in the body, or in cookies, of which those of the other modes go.
pub fn hand_over(
    site: &Site,
    headers: &HeaderMap,
    signed_in: SignedIn,
    message: &'static str,
) -> Response {
    let rest = rest_of(&signed_in);
    let set = cookies_of(&signed_in.held);
    let answer = match signed_in.held {
        Held::Token(tokens) => LoginAnswer::Token(TokenAnswer {
            access_token: tokens.access,
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh,
            refresh_expires_in: rest,
        }),
        Held::Cookie(Tokens { expires_in, .. }) => LoginAnswer::Cookie(CookieAnswer {
            message,
            expires_in: expires_in.as_secs(),
        }),
        Held::Session(_) => LoginAnswer::Cookie(CookieAnswer {
            message,
            expires_in: rest,
        }),
    };
    let response = Json(answer).into_response();
    with_cookies(site.cookies, headers, set, rest, response)
}

/// Hands a login over in cookies to the page that a person came from, and sends them on.
pub fn hand_over_to_page(
    cookies: Cookies,
    headers: &HeaderMap,
    signed_in: &SignedIn,
    to: &ReturnTo,
) -> Response {
    let set = cookies_of(&signed_in.held);
    with_cookies(cookies, headers, set, rest_of(signed_in), to.redirect())
}

/// What is left of the session, in whole seconds.
fn rest_of(signed_in: &SignedIn) -> u64 {
    (signed_in.session_ends_in + Duration::from_millis(999)).as_secs()
}

fn cookies_of(held: &Held) -> Vec<(Cookie, String)> {
    match held {
        Held::Token(_) => Vec::new(),
        // The access cookie outlives its token: a browser that comes back late can still sign out
        // with it.
        Held::Cookie(tokens) => vec![
            (Cookie::Access, tokens.access.clone()),
            (Cookie::Refresh, tokens.refresh.clone()),
        ],
        Held::Session(cookie) => vec![(Cookie::Session, cookie.reveal())],
    }
}

/// Sets the cookies of a login for `seconds`, and takes away those of the other modes.
fn with_cookies(
    cookies: Cookies,
    headers: &HeaderMap,
    set: Vec<(Cookie, String)>,
    seconds: u64,
    mut response: Response,
) -> Response {
    // A browser may hold a cookie of another mode and keep it back, as it does with Strict ones, so
    // a login in cookies deletes the others unseen. A token login sets no cookie for a client that
    // sent none.
    let in_cookies = !set.is_empty();
    for cookie in Cookie::ALL {
        let value = match set.iter().find(|(kind, _)| *kind == cookie) {
            Some((_, value)) => cookies.set(cookie, value, seconds),
            None if in_cookies || cookies.find(headers, cookie) != Found::Nothing => {
                cookies.delete(cookie)
            }
            None => None,
        };
        if let Some(value) = value {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Takes all our cookies away.
pub fn delete_cookies(site: &Site, mut response: Response) -> Response {
    for cookie in Cookie::ALL {
        if let Some(value) = site.cookies.delete(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

impl LoginBody {
    /// Checks the fields and gives what the flow wants.
    pub fn into_login(self) -> Result<Login, ApiError> {
        let mut fields = Fields::default();
        let username = fields.optional("username", self.username);
        let email = fields.optional("email", self.email);
        let password = fields.required("password", self.password);
        let mode = fields.optional("mode", self.mode).unwrap_or_default();
        let name = username.or(email);
        if name.is_none() {
            fields.refuse("username", "a username or an email is required");
        }
        fields.finish()?;
        Ok(Login {
            name: name.unwrap_or_default(),
            password,
            mode: mode.into(),
        })
    }
}

/// Sign in with a username or an e-mail address and a password.
#[utoipa::path(
    post, path = "/login", operation_id = "login", tag = "login", request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in; cookies are set in cookie and session mode", body = LoginAnswer),
        (status = 401, description = "`invalid_credentials`: wrong password, unknown user or disabled account", body = ErrorBody),
        (status = 429, description = "`too_many_attempts`, with Retry-After", body = ErrorBody),
        Refusals,
    )
)]
pub async fn log_in(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
    StrictJson(body): StrictJson<LoginBody>,
) -> ApiResult {
    let body = body.into_login()?;
    if body.mode != Mode::Token {
        cross_site::check(&site, &headers)?;
    }
    let signed_in = login::login(&site.cx, &origin, body).await?;
    Ok(hand_over(&site, &headers, signed_in, "Logged in"))
}

/// A refresh token, where it is not in a cookie.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RefreshBody {
    /// The refresh token of a `token` mode login.
    #[schema(value_type = Option<String>)]
    refresh_token: Field<String>,
}

/// Trade a refresh token for its successor and a fresh access token.
#[utoipa::path(
    post, path = "/refresh", operation_id = "refresh", tag = "login", request_body = RefreshBody,
    responses(
        (status = 200, description = "Fresh tokens, in the mode of the login", body = LoginAnswer),
        (status = 401, description = "`refresh_invalid`, `refresh_expired`, `refresh_reused` or `token_missing`: sign in again", body = ErrorBody),
        (status = 503, description = "`busy` or `unavailable`, with Retry-After: keep the token", body = ErrorBody),
        Refusals,
    )
)]
pub async fn renew(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RefreshBody>,
) -> Response {
    if let Err(error) = cross_site::check(&site, &headers) {
        return error.into_response();
    }
    match try_renew(&site, origin, &headers, body).await {
        Ok(response) => response,
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
            delete_cookies(&site, error.into_response())
        }
        Err(error) => error.into_response(),
    }
}

async fn try_renew(
    site: &Site,
    origin: countersign_flows::Origin,
    headers: &HeaderMap,
    body: RefreshBody,
) -> ApiResult {
    let mut fields = Fields::default();
    let sent = fields.optional("refresh_token", body.refresh_token);
    fields.finish()?;
    let (token, mode) = match (sent, site.cookies.find(headers, Cookie::Refresh)) {
        (Some(token), _) => (token, Mode::Token),
        (None, Found::Once(token)) => (token, Mode::Cookie),
        (None, Found::Repeated) => return Err(FlowError::RefreshInvalid.into()),
        (None, Found::Nothing) => return Err(token_missing()),
    };
    let signed_in = refresh::refresh(&site.cx, &origin, &token, mode).await?;
    Ok(hand_over(site, headers, signed_in, "Refreshed"))
}

/// What to sign out of.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct LogoutBody {
    /// Every login of the user, not this one alone.
    #[schema(value_type = Option<bool>)]
    all: Field<bool>,
    /// A refresh token, where no other credential is at hand.
    #[schema(value_type = Option<String>)]
    refresh_token: Field<String>,
}

/// The login is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedOut {
    /// For a person.
    pub message: &'static str,
    /// With `Prefer: wait=N`: whether every service that follows with credentials refuses the login
    /// by now. Left out where several servers share a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagated: Option<bool>,
}

/// The longest that `Prefer: wait` waits.
const MAX_PREFERRED_WAIT: u64 = 5;

/// How long the client would rather wait for services to follow (RFC 7240, section 4.3).
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|preference| preference.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .find_map(|(_, seconds)| seconds.trim().parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(MAX_PREFERRED_WAIT)))
}

/// Sign out: the login is over on this server with the very next request.
#[utoipa::path(
    post, path = "/logout", operation_id = "logout", tag = "login", request_body = LogoutBody,
    security(("bearer" = []), ("access_cookie" = []), ("session_cookie" = []), ()),
    responses(
        (status = 200, description = "Signed out; all cookies are deleted", body = LoggedOut),
        (status = 303, description = "The same, and nothing to sign out of, for an empty HTML form: to the sign-in page"),
        (status = 401, description = "No credential that could be signed out; all cookies are deleted", body = ErrorBody),
        Refusals,
    )
)]
pub async fn log_out(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
    body: Result<OptionalJson<LogoutBody>, ApiError>,
) -> Response {
    // Asked here, too, and not only where a cookie came along: a form on another site would sign the
    // visitor's browser out by an answer that deletes its cookies.
    if let Err(error) = cross_site::check(&site, &headers) {
        return error.into_response();
    }
    let result = match body {
        Ok(OptionalJson(body)) => try_log_out(&site, &origin, &headers, body).await,
        Err(error) => Err(error),
    };
    let response = match result {
        Ok(()) => {
            let propagated = match preferred_wait(&headers) {
                // Only one server can know all followers.
                Some(wait) if site.cx.db.is_embedded() => {
                    feed::propagated(&site.cx, wait).await.ok()
                }
                _ => None,
            };
            let message = "Logged out";
            Json(LoggedOut {
                message,
                propagated,
            })
            .into_response()
        }
        Err(error) => error.into_response(),
    };
    // A button on a page, rather than a program: the person sees where to sign in again, and
    // whether there was anything to sign out of does not matter to them.
    let response = match response.status() {
        StatusCode::OK | StatusCode::UNAUTHORIZED if form::is_form(&headers) => {
            ReturnTo::sign_in(&site).redirect()
        }
        _ => response,
    };
    delete_cookies(&site, response)
}

/// Tries each credential of the request; one that works is enough.
async fn try_log_out(
    site: &Site,
    origin: &countersign_flows::Origin,
    headers: &HeaderMap,
    body: LogoutBody,
) -> ApiResult<()> {
    let mut fields = Fields::default();
    let all = fields.optional("all", body.all).unwrap_or(false);
    let refresh_token = fields.optional("refresh_token", body.refresh_token);
    fields.finish()?;
    let mut proofs: Vec<Proof> = credential::all(headers, site.cookies)?
        .into_iter()
        .map(Proof::Credential)
        .collect();
    proofs.extend(refresh_token.map(Proof::Refresh));
    if let Found::Once(token) = site.cookies.find(headers, Cookie::Refresh) {
        proofs.push(Proof::Refresh(token));
    }
    let mut refusal = None;
    for proof in proofs {
        match logout::logout(&site.cx, origin, proof, all).await {
            Ok(()) => return Ok(()),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.map_or_else(token_missing, ApiError::from))
}
