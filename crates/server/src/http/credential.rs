//! Finding the credential of a request. What is found first decides: a bad one is not skipped in
//! favour of a better one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use countersign_core::{Client, User};
use countersign_flows::clients::Recognised;
use countersign_flows::{Credential, FlowError, Identity, Live, authenticate, clients, legacy};
use countersign_token::jws::is_word;
use countersign_token::{Refusal, crypto};

use super::Site;
use super::cookies::{Cookie, Cookies, Found};
use super::error::{ApiError, invalid_client, token_missing};

/// What an `Authorization` header holds.
enum Authorization {
    /// None, or a scheme that is somebody else's (a proxy's Basic login).
    NotOurs,
    Bearer(String),
}

fn authorization(headers: &HeaderMap) -> Result<Authorization, FlowError> {
    let malformed = FlowError::Token(Refusal::Malformed);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(Authorization::NotOurs),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(malformed),
    };
    let value = value.as_bytes().trim_ascii();
    if value.is_empty() {
        return Ok(Authorization::NotOurs);
    }
    let end = value.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return match std::str::from_utf8(rest.trim_ascii()) {
            Ok(token) if !token.is_empty() && is_word(token) => {
                Ok(Authorization::Bearer(token.to_owned()))
            }
            _ => Err(malformed),
        };
    }
    let is_scheme = value.is_ascii()
        && scheme
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b));
    if is_scheme {
        Ok(Authorization::NotOurs)
    } else {
        Err(malformed)
    }
}

/// The user name and password of HTTP Basic (RFC 7617), as services send them.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(invalid_client()),
    };
    let read = || {
        let (scheme, encoded) = ascii(value)?.split_once(' ')?;
        let encoded = scheme
            .eq_ignore_ascii_case("basic")
            .then_some(encoded.trim())?;
        let (id, secret) = crypto::basic_credentials(encoded)?;
        Some((id, secret))
    };
    read().map(Some).ok_or_else(invalid_client)
}

/// A header's value as text, if it is ASCII: what `HeaderValue::to_str` asks byte by byte, asked of
/// sixteen at a time. Control characters are none of a value's.
fn ascii(value: &HeaderValue) -> Option<&str> {
    let bytes = value.as_bytes();
    bytes
        .is_ascii()
        .then(|| std::str::from_utf8(bytes).ok())
        .flatten()
}

/// Whether a request means to say which service it comes from, rightly or not.
pub fn names_a_service(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION);
    let scheme = value.and_then(|value| value.as_bytes().get(.."basic ".len()));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
}

/// The service whose name and secret these headers hold; none where they hold nothing of the kind.
pub async fn service(site: &Site, headers: &HeaderMap) -> Result<Option<Client>, ApiError> {
    let Some((id, secret)) = basic(headers)? else {
        return Ok(None);
    };
    let client = Box::pin(clients::authenticate(&site.cx, &id, &secret)).await?;
    client.map(Some).ok_or_else(invalid_client)
}

/// As [`service`], for a request that waits: to be confirmed before it is answered.
pub async fn follower(site: &Site, headers: &HeaderMap) -> Result<Option<Recognised>, ApiError> {
    let Some((id, secret)) = basic(headers)? else {
        return Ok(None);
    };
    let recognised = Box::pin(clients::recognise(&site.cx, &id, &secret)).await?;
    recognised.map(Some).ok_or_else(invalid_client)
}

/// The credential of a request: `Authorization`, then the access cookie, then the session cookie.
pub fn find(headers: &HeaderMap, cookies: Cookies) -> Result<Option<Credential>, FlowError> {
    if let Authorization::Bearer(token) = authorization(headers)? {
        return Ok(Some(Credential::Bearer(token)));
    }
    match cookies.find(headers, Cookie::Access) {
        Found::Once(token) => return Ok(Some(Credential::AccessCookie(token))),
        Found::Repeated => return Err(FlowError::Token(Refusal::Malformed)),
        Found::Nothing => {}
    }
    match cookies.find(headers, Cookie::Session) {
        Found::Once(id) => Ok(Some(Credential::SessionCookie(id))),
        Found::Repeated => Err(FlowError::SessionInvalid),
        Found::Nothing => Ok(None),
    }
}

/// Everything in a request that may prove the right to sign out, in the order to try.
pub fn all(headers: &HeaderMap, cookies: Cookies) -> Result<Vec<Credential>, FlowError> {
    if let Authorization::Bearer(token) = authorization(headers)? {
        return Ok(vec![Credential::Bearer(token)]);
    }
    let once = |cookie| match cookies.find(headers, cookie) {
        Found::Once(value) => Some(value),
        Found::Nothing | Found::Repeated => None,
    };
    let access = once(Cookie::Access).map(Credential::AccessCookie);
    let session = once(Cookie::Session).map(Credential::SessionCookie);
    Ok(access.into_iter().chain(session).collect())
}

fn required(parts: &Parts, site: &Site) -> Result<Credential, ApiError> {
    find(&parts.headers, site.cookies)?.ok_or_else(token_missing)
}

/// Whoever sends the request, by the credential alone; 401 without one.
#[derive(Debug)]
pub struct Caller(pub Identity);

impl FromRequestParts<Site> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, ApiError> {
        let credential = required(parts, site)?;
        Ok(Self(authenticate::identify(&site.cx, &credential).await?))
    }
}

/// Whoever sends the request, with a session that is alive now; for every change.
#[derive(Debug)]
pub struct LiveCaller(pub Live);

impl FromRequestParts<Site> for LiveCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, ApiError> {
        let credential = required(parts, site)?;
        Ok(Self(
            authenticate::require_live(&site.cx, &credential).await?,
        ))
    }
}

/// The account of whoever sends the request, to be read: of a session that is alive now, or of a
/// token of the former program.
#[derive(Debug)]
pub struct Account(pub User);

impl FromRequestParts<Site> for Account {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, ApiError> {
        let credential = required(parts, site)?;
        Ok(Self(legacy::account(&site.cx, &credential).await?))
    }
}

/// An administrator with a session that is alive now; 401 to strangers, 403 to everybody else.
#[derive(Debug)]
pub struct Admin(pub Live);

impl FromRequestParts<Site> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, ApiError> {
        let credential = required(parts, site)?;
        Ok(Self(
            authenticate::require_admin(&site.cx, &credential).await?,
        ))
    }
}

impl Admin {
    /// The administrator as the audit log names them.
    pub fn actor(&self) -> countersign_core::Actor {
        countersign_core::Actor::User(self.0.user.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[(&'static str, &[u8])]) -> Result<Option<&'static str>, &'static str> {
        let headers: HeaderMap = lines
            .iter()
            .map(|(name, value)| {
                (
                    name.parse().unwrap(),
                    HeaderValue::from_bytes(value).unwrap(),
                )
            })
            .collect();
        let cookies = Cookies {
            prefix: crate::config::CookiePrefix::Plain,
            same_site: crate::config::SameSite::Strict,
        };
        match find(&headers, cookies) {
            Ok(None) => Ok(None),
            Ok(Some(Credential::Bearer(_))) => Ok(Some("bearer")),
            Ok(Some(Credential::AccessCookie(_))) => Ok(Some("access")),
            Ok(Some(Credential::SessionCookie(_))) => Ok(Some("session")),
            Err(_) => Err("refused"),
        }
    }

    #[test]
    fn odd_headers_are_refused_and_never_skipped() {
        let good = ("cookie", b"token=t".as_slice());
        for bad in [
            b", ,".as_slice(),
            b"Bearer",
            b"Bearer ",
            b"Bearer a b",
            b"Bearer \xff\xfe",
            b"\xe4\xf6\xfc",
            b"Bearer a, Bearer b",
        ] {
            assert_eq!(
                found(&[("authorization", bad), good]),
                Err("refused"),
                "{bad:?}"
            );
        }
        let twice = [
            ("authorization", b"Bearer a".as_slice()),
            ("authorization", b"Bearer a"),
            good,
        ];
        assert_eq!(found(&twice), Err("refused"));
        assert_eq!(
            found(&[("cookie", b"token=a; token=b"), ("cookie", b"sessionId=c")]),
            Err("refused")
        );
    }

    #[test]
    fn the_header_wins_over_cookies_and_tokens_over_sessions() {
        let both = ("cookie", b"sessionId=s; token=t".as_slice());
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(
            found(&[("authorization", b"bearer a"), both]),
            Ok(Some("bearer"))
        );
        assert_eq!(
            found(&[("authorization", b"Basic YTpi"), both]),
            Ok(Some("access"))
        );
        assert_eq!(
            found(&[("authorization", b""), ("cookie", b"sessionId=s")]),
            Ok(Some("session"))
        );
    }
}
