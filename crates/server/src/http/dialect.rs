//! `/users/*`: the same flows in the dialect of flask-jwt-extended programs, whose bodies say `msg`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_flows::issue::Held;
use countersign_flows::logout::Proof;
use countersign_flows::{FlowError, Mode, authenticate, login, logout};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::StrictJson;
use super::error::ApiError;
use super::json::Json;
use super::login::LoginBody;
use super::origin::From;
use super::{Site, credential, cross_site};

/// An answer in the dialect.
#[derive(Debug, Serialize, ToSchema)]
pub struct Msg {
    /// The text.
    msg: String,
}

/// A refusal in the dialect: our status and headers, its body.
#[derive(Debug)]
pub struct Refused(ApiError);

impl<E: Into<ApiError>> std::convert::From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let msg = self.0.message().to_owned();
        let (mut parts, _) = self.0.into_response().into_parts();
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        (parts, Json(Msg { msg })).into_response()
    }
}

/// flask-jwt-extended's words for a missing header.
fn missing() -> Refused {
    let code = "token_missing";
    Refused(ApiError::new(
        StatusCode::UNAUTHORIZED,
        code,
        "Missing Authorization Header",
    ))
}

/// An access token, and nothing else.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessToken {
    /// A JWT for the `Authorization: Bearer` header.
    access_token: String,
}

/// Sign in, in the dialect of flask-jwt-extended programs.
#[utoipa::path(
    post, path = "/users/login", operation_id = "usersLogin", tag = "dialect", request_body = LoginBody,
    responses(
        (status = 200, description = "An access token", body = AccessToken),
        (status = "4XX", description = "The request was refused", body = Msg),
        (status = 503, description = "Try again after Retry-After", body = Msg),
    )
)]
pub async fn users_login(
    State(site): State<Site>,
    From(origin): From,
    body: Result<StrictJson<LoginBody>, ApiError>,
) -> Result<Json<AccessToken>, Refused> {
    let StrictJson(body) = body?;
    let body = login::Login {
        mode: Mode::Token,
        ..body.into_login()?
    };
    match login::login(&site.cx, &origin, body).await?.held {
        Held::Token(tokens) => Ok(Json(AccessToken {
            access_token: tokens.access,
        })),
        Held::Cookie(_) | Held::Session(_) => {
            Err(FlowError::Internal("a token login without tokens".to_owned()).into())
        }
    }
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Welcome {
    /// The e-mail address, else the username.
    email: String,
    /// For a person.
    message: &'static str,
}

/// Read one's own profile, in the dialect of flask-jwt-extended programs.
#[utoipa::path(
    get, path = "/users/profile", operation_id = "usersProfile", tag = "dialect",
    responses(
        (status = 200, description = "Who is signed in", body = Welcome),
        (status = 401, description = "The credential is missing or refused", body = Msg),
        (status = 503, description = "Try again after Retry-After", body = Msg),
    )
)]
pub async fn users_profile(
    State(site): State<Site>,
    headers: HeaderMap,
) -> Result<Json<Welcome>, Refused> {
    let credential = credential::find(&headers, site.cookies)?.ok_or_else(missing)?;
    let caller = authenticate::identify(&site.cx, &credential).await?;
    Ok(Json(Welcome {
        email: caller.email.unwrap_or(caller.name),
        message: "Welcome!",
    }))
}

/// Sign out, in the dialect of flask-jwt-extended programs.
#[utoipa::path(
    post, path = "/users/logout", operation_id = "usersLogout", tag = "dialect",
    responses(
        (status = 200, description = "The token is refused from now on", body = Msg),
        (status = "4XX", description = "The credential is missing or refused", body = Msg),
        (status = 503, description = "Try again after Retry-After", body = Msg),
    )
)]
pub async fn users_logout(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = cross_site::check(&site, &headers) {
        return Refused(error).into_response();
    }
    let done = async {
        let credential = credential::find(&headers, site.cookies)?.ok_or_else(missing)?;
        logout::logout(&site.cx, &origin, Proof::Credential(credential), false).await?;
        Ok::<_, Refused>(Json(Msg {
            msg: "Token revoked".to_owned(),
        }))
    };
    super::login::delete_cookies(&site, done.await.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::token_missing;

    #[test]
    fn a_refusal_keeps_our_status_and_headers() {
        let response = Refused(token_missing()).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key("www-authenticate"));
    }
}
