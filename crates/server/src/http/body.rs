//! Reading what clients send: strict JSON, fields that name themselves when they are wrong, queries.

use std::collections::BTreeMap;
use std::error::Error as _;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::Site;
use super::error::{ApiError, invalid_json};

/// The body of every JSON route: `application/json`, one object, no duplicate keys, no lone
/// surrogates, no deep nesting; then the type.
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Site> for StrictJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, site: &Site) -> Result<Self, ApiError> {
        let typed = is_json(&request);
        let bytes = read(request, site).await?;
        if typed {
            parse(&bytes).map(Self)
        } else {
            Err(not_json())
        }
    }
}

/// As [`StrictJson`], where a body may be left out.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Site> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, site: &Site) -> Result<Self, ApiError> {
        let typed = is_json(&request);
        let bytes = read(request, site).await?;
        match (bytes.is_empty(), typed) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => parse(&bytes).map(Self),
            (false, false) => Err(not_json()),
        }
    }
}

fn is_json(request: &Request) -> bool {
    is_of_type(request.headers(), "application/json")
}

/// Whether the body is said to be of this type, whatever its parameters.
pub(super) fn is_of_type(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|sent| sent.trim().eq_ignore_ascii_case(kind))
}

/// All of the body, if it is no larger than `limits.body_bytes`.
pub(super) async fn read(request: Request, site: &Site) -> Result<Bytes, ApiError> {
    let read = to_bytes(request.into_body(), site.body_bytes).await;
    read.map_err(|error| {
        let too_large = error
            .source()
            .is_some_and(|cause| cause.is::<LengthLimitError>());
        let (status, code, message) = if too_large {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            (status, "body_too_large", "The body is too large")
        } else {
            let status = StatusCode::BAD_REQUEST;
            (status, "invalid_body", "The body could not be read")
        };
        ApiError::new(status, code, message)
    })
}

fn unsupported(message: &'static str) -> ApiError {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    ApiError::new(status, "unsupported_media_type", message)
}

fn not_json() -> ApiError {
    unsupported("Send JSON with Content-Type: application/json")
}

/// Reads a body that is known to be meant as JSON.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    countersign_token::json::check_object(bytes).map_err(|_| invalid_json())?;
    serde_json::from_slice(bytes).map_err(|_| invalid_json())
}

/// A field as it was sent. A wrong type is remembered rather than refused at once, so that the
/// answer can name the field, and never repeats what stood in it.
#[derive(Debug, Clone, Default)]
pub enum Field<T> {
    /// Left out, or null.
    #[default]
    Missing,
    /// Of another type.
    Wrong,
    /// As wanted.
    Sent(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of an option: that is how serde fills in for a member that is not there.
        let value = Option::<serde_json::Value>::deserialize(deserializer)?;
        Ok(match value {
            None => Self::Missing,
            Some(value) => T::deserialize(value).map_or(Self::Wrong, Self::Sent),
        })
    }
}

/// Gathers what is wrong with the fields of one body.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// A field that may be left out.
    pub fn optional<T>(&mut self, name: &'static str, field: Field<T>) -> Option<T> {
        match field {
            Field::Sent(value) => Some(value),
            Field::Missing => None,
            Field::Wrong => {
                self.0.insert(name, "has the wrong type".to_owned());
                None
            }
        }
    }

    /// A field that must be there; a default stands in for it until [`Fields::finish`] refuses.
    pub fn required<T: Default>(&mut self, name: &'static str, field: Field<T>) -> T {
        if matches!(field, Field::Missing) {
            self.0.insert(name, "is required".to_owned());
        }
        self.optional(name, field).unwrap_or_default()
    }

    /// Notes a broken rule.
    pub fn refuse(&mut self, name: &'static str, message: impl Into<String>) {
        self.0.insert(name, message.into());
    }

    /// Refuses if anything was wrong.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::fields(self.0))
        }
    }
}

/// The query of a URL.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(params)| Self(params))
            .map_err(|_| {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_query",
                    "The query is not valid",
                )
            })
    }
}

/// The one part of a path that a route leaves open.
#[derive(Debug)]
pub struct PathPart(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(part)| Self(part))
            .map_err(|_| {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_path",
                    "The path is not valid",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    struct Body {
        name: Field<String>,
    }

    #[test]
    fn a_wrong_type_is_named_and_not_repeated() {
        for (json, wrong) in [
            (r#"{"name":123456}"#, true),
            (r#"{"name":["secret"]}"#, true),
            (r#"{"name":null}"#, false),
            (r#"{"name":"ada","other":{"name":1}}"#, false),
        ] {
            let mut fields = Fields::default();
            let body: Body = parse(json.as_bytes()).unwrap();
            fields.optional("name", body.name);
            assert_eq!(fields.finish().is_err(), wrong, "{json}");
        }
    }

    #[test]
    fn what_is_no_strict_object_is_refused() {
        for bad in [
            "",
            "[]",
            "null",
            "\"a\"",
            "{",
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\ud800"}"#,
        ] {
            assert!(parse::<Body>(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
