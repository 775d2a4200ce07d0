//! `/oauth2/*`: asking about a token, and taking one back, in the words of OAuth 2.0.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_flows::tokens;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Fields;
use super::error::{ApiResult, ErrorBody, invalid_client};
use super::form::{Pairs, StrictForm};
use super::json::Json;
use super::origin::From;
use super::{Site, credential};

/// A refusal as OAuth 2.0 words it (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OauthError {
    /// `invalid_request`, `invalid_client`, `temporarily_unavailable` or `server_error`.
    error: &'static str,
    /// For a person. May change.
    error_description: String,
}

/// Gives a refusal the shape that clients of `/oauth2/` read, one of the framework included.
pub fn in_its_shape(response: Response) -> Response {
    let Some(body) = response.extensions().get::<ErrorBody>().cloned() else {
        return response;
    };
    let error = match response.status() {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    // The fields are named in the text, for want of another place.
    let described = |(name, why): (&&str, &String)| format!("{name} {why}");
    let error_description = match body
        .fields
        .iter()
        .map(described)
        .reduce(|a, b| a + ", " + &b)
    {
        Some(fields) => fields,
        None => body.message,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = OauthError {
        error,
        error_description,
    };
    (parts, Json(body)).into_response()
}

/// The token that it is about. A `token_type_hint` may come along; a look at the token says more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says in the OpenAPI document what `token` reads")]
pub struct TokenForm {
    /// The token.
    token: String,
}

fn token(mut form: Pairs) -> ApiResult<String> {
    let mut fields = Fields::default();
    // A parameter without a value counts as left out (RFC 6749, section 3.1).
    let token = form.take("token").filter(|token| !token.is_empty());
    if token.is_none() {
        fields.refuse("token", "is required");
    }
    fields.finish()?;
    Ok(token.unwrap_or_default())
}

/// What a service is told about a token (RFC 7662, section 2.2).
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// It is no access token of ours, or its login has ended; nothing else is said.
    Inactive(Inactive),
    /// Its login is alive.
    Active(Box<Active>),
}

/// Nothing that a service should take for a login.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Inactive {
    /// False.
    active: bool,
}

/// What an active token says, with the user's names as they are now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Active {
    /// True.
    active: bool,
    /// `Bearer`.
    token_type: &'static str,
    /// What the client may do, as words between spaces; absent from tokens of `/login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The client that asked for it.
    client_id: String,
    /// What to call the user.
    username: String,
    /// When it expires, in Unix seconds.
    exp: i64,
    /// When it was made.
    iat: i64,
    /// From when on it holds.
    nbf: i64,
    /// The user, by an id that never changes hands.
    sub: String,
    /// Whom it is for.
    aud: Vec<String>,
    /// Who issued it.
    iss: String,
    /// The token's own id.
    jti: String,
    /// The session.
    sid: String,
    /// What the user may do.
    roles: Vec<String>,
    /// Whether it comes straight from a password.
    fresh: bool,
}

/// Ask whether a token is good, for services that do not check tokens themselves (RFC 7662).
///
/// Stricter than a check of the token alone: its session is looked up. A refresh token is never
/// active: it is its client's alone, and no login.
#[utoipa::path(
    post, path = "/oauth2/introspect", operation_id = "introspect", tag = "discovery",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    security(("service" = [])),
    responses(
        (status = 200, description = "Whether it is active, and what it says", body = Introspection),
        (status = 401, description = "`invalid_client`: a service's credentials are wrong or missing", body = OauthError),
        (status = 503, description = "`temporarily_unavailable`, with Retry-After", body = OauthError),
        (status = "4XX", description = "The request was refused", body = OauthError),
    )
)]
pub async fn introspect(
    State(site): State<Site>,
    headers: HeaderMap,
    form: ApiResult<StrictForm>,
) -> ApiResult<Json<Introspection>> {
    if credential::service(&site, &headers).await?.is_none() {
        return Err(invalid_client());
    }
    let token = token(form?.0)?;
    let Some((claims, user)) = tokens::introspect(&site.cx, &token).await? else {
        return Ok(Json(Introspection::Inactive(Inactive { active: false })));
    };
    let claims = (*claims).clone();
    Ok(Json(Introspection::Active(Box::new(Active {
        active: true,
        token_type: "Bearer",
        scope: claims.scope,
        client_id: claims.client_id,
        username: user.name().to_owned(),
        exp: claims.exp,
        iat: claims.iat,
        nbf: claims.nbf,
        sub: claims.sub,
        aud: claims.aud,
        iss: claims.iss,
        jti: claims.jti,
        sid: claims.sid,
        roles: claims.roles,
        fresh: claims.fresh,
    }))))
}

/// Take back a token (RFC 7009): an access token alone, or with a refresh token its whole login.
///
/// Whoever holds it may. A token that is no good already, or never was one, is answered alike.
#[utoipa::path(
    post, path = "/oauth2/revoke", operation_id = "revoke", tag = "discovery",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    security(()),
    responses(
        (status = 200, description = "The token is good no longer"),
        (status = 503, description = "`temporarily_unavailable`, with Retry-After: the token may live", body = OauthError),
        (status = "4XX", description = "The request was refused", body = OauthError),
    )
)]
pub async fn revoke(
    State(site): State<Site>,
    From(origin): From,
    StrictForm(form): StrictForm,
) -> ApiResult<()> {
    Ok(tokens::revoke(&site.cx, &origin, &token(form)?).await?)
}
