//! Every refusal that a client can see: status, stable code, text. The one place that maps them.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_core::IdentifierKind;
use countersign_flows::FlowError;
use serde::Serialize;
use utoipa::ToSchema;

use super::codes;
use super::json::Json;

/// An error as clients read it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorBody {
    /// A stable code: programs match on this.
    #[schema(example = "invalid_credentials")]
    pub code: &'static str,
    /// What is wrong, for a person. May change.
    pub message: String,
    /// What is wrong with each field, where a rule about fields was broken.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub fields: BTreeMap<&'static str, String>,
}

/// What any route may answer, for the OpenAPI document.
#[derive(Debug, utoipa::IntoResponses)]
pub enum Refusals {
    /// The request was refused: see the code.
    #[response(status = "4XX")]
    Refused(ErrorBody),
    /// `busy` or `unavailable`: wait out Retry-After, and keep the credential.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// A refusal on its way to the client.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    retry_after: Option<Duration>,
    challenge: Challenge,
}

/// What a 401 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    /// A token (RFC 6750, section 3).
    Token,
    /// Another token than the one that was sent (RFC 6750, section 3.1).
    BetterToken,
    /// A service's name and secret (RFC 7617).
    Client,
}

impl ApiError {
    /// A refusal with a code of its own.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(
            codes::is_known(status.as_u16(), code),
            "{status} {code} does not stand in the table of codes"
        );
        let body = ErrorBody {
            code,
            message: message.into(),
            fields: BTreeMap::new(),
        };
        Self {
            status,
            body,
            retry_after: None,
            challenge: Challenge::Token,
        }
    }

    /// Fields that break rules.
    pub fn fields(fields: BTreeMap<&'static str, String>) -> Self {
        let mut error = bad_request("invalid_request", "The request is not valid");
        error.body.fields = fields;
        error
    }

    fn after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The status, for the log and for rules that hang on it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said of it, for the command line, which has no statuses.
    pub fn into_body(self) -> ErrorBody {
        self.body
    }

    /// The text, for the dialects that have a shape of their own.
    pub fn message(&self) -> &str {
        &self.body.message
    }
}

fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

fn unauthorized(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
}

/// 401: no credential was sent.
pub fn token_missing() -> ApiError {
    unauthorized("token_missing", "Missing credentials")
}

/// 401: a service must say who it is, and did not, or wrongly.
pub fn invalid_client() -> ApiError {
    let message = "Send a service's name and secret with HTTP Basic";
    ApiError {
        challenge: Challenge::Client,
        ..unauthorized("invalid_client", message)
    }
}

/// 400: the body is not one strict JSON object.
pub fn invalid_json() -> ApiError {
    bad_request(
        "invalid_json",
        "The body must be one JSON object, without duplicate keys, lone surrogates or deep nesting",
    )
}

/// 400: the body is not one form.
pub fn invalid_form() -> ApiError {
    bad_request(
        "invalid_form",
        "The body must be one form, without broken escapes or a field that comes twice",
    )
}

/// 400: the query is not what the route takes.
pub fn invalid_query(message: impl Into<String>) -> ApiError {
    bad_request("invalid_query", message)
}

/// 403: known, but not allowed.
pub fn forbidden(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

/// 503: requests cannot be answered, and why.
pub fn not_ready(why: &'static str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why).after(Duration::from_secs(1))
}

/// 403: the request comes from another site.
pub fn cross_site() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_site_request",
        "The request comes from another site",
    )
}

/// 404: there is no such route, or nothing of that id.
pub fn not_found(what: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        format!("There is no such {what}"),
    )
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        let second = Duration::from_secs(1);
        let unavailable =
            |code, message| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        let conflict = |code, message: String| ApiError::new(StatusCode::CONFLICT, code, message);
        let text = sentence(&error.to_string());
        match error {
            FlowError::Invalid(rules) => Self::fields(
                rules
                    .into_iter()
                    .map(|rule| (rule.field, rule.message))
                    .collect(),
            ),
            FlowError::NameTaken(IdentifierKind::Username) => {
                bad_request("username_taken", "Username already exists")
            }
            FlowError::NameTaken(IdentifierKind::Email) => {
                bad_request("email_taken", "Email already exists")
            }
            FlowError::RegistrationClosed => {
                Self::new(StatusCode::FORBIDDEN, "registration_closed", text)
            }
            FlowError::InvalidCredentials => {
                unauthorized("invalid_credentials", "Invalid credentials")
            }
            FlowError::Throttled { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "Too many attempts",
            )
            .after(retry_after),
            FlowError::Busy { retry_after } => {
                unavailable("busy", "Too much is waiting").after(retry_after)
            }
            FlowError::Unavailable => {
                unavailable("unavailable", "Try again in a moment").after(second)
            }
            FlowError::Conflict => unavailable("busy", "The request met another one").after(second),
            FlowError::TokenMissing => token_missing(),
            FlowError::Token(refusal) => Self {
                challenge: Challenge::BetterToken,
                ..unauthorized(refusal.code(), refusal.message())
            },
            FlowError::SessionInvalid => unauthorized("session_invalid", text),
            FlowError::RefreshInvalid => unauthorized("refresh_invalid", text),
            FlowError::RefreshExpired => unauthorized("refresh_expired", text),
            FlowError::RefreshReused => unauthorized("refresh_reused", text),
            FlowError::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", text),
            FlowError::NotFound(what) => not_found(what),
            FlowError::LastAdmin => conflict("last_admin", text),
            FlowError::Exists(_) => conflict("exists", text),
            FlowError::SharedSecret => conflict("shared_secret", text),
            FlowError::TokenTooLarge(_) => bad_request("token_too_large", text),
            FlowError::Internal(cause) => {
                tracing::error!(%cause, "a request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Something went wrong here",
                )
            }
        }
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let challenge = (self.status == StatusCode::UNAUTHORIZED).then(|| {
            let message = &self.body.message;
            match self.challenge {
                Challenge::Token => "Bearer realm=\"countersign\"".to_owned(),
                Challenge::BetterToken => format!(
                    "Bearer realm=\"countersign\", error=\"invalid_token\", error_description=\"{message}\""
                ),
                Challenge::Client => "Basic realm=\"countersign\", charset=\"UTF-8\"".to_owned(),
            }
        });
        let mut response = (self.status, Json(self.body.clone())).into_response();
        // For whoever has to say it in another shape.
        response.extensions_mut().insert(self.body);
        let headers = response.headers_mut();
        if let Some(value) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}

/// What a handler answers.
pub type ApiResult<T = Response> = Result<T, ApiError>;
