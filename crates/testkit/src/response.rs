use std::fmt;

use hyper::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

/// A whole answer.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Every header, repeated ones included.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The body as text, what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The stable error code: the member `code` of the body, or `error` in the shape of RFC 6749.
    /// Empty where there is neither.
    #[must_use]
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body.get("code").or_else(|| body.get("error"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The first header of this name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The cookies it sets, in order.
    #[must_use]
    pub fn cookies(&self) -> Vec<Cookie> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values
            .map(|value| Cookie::parse(&String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }

    /// The cookie of this name, if the answer sets it.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.cookies()
            .into_iter()
            .find(|cookie| cookie.name == name)
    }

    /// Itself, if it has this status.
    ///
    /// # Panics
    /// If it has another, showing the answer.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Demands a refusal: this status with this error code.
    ///
    /// # Panics
    /// If it is anything else, showing the answer.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{self:?}"
        );
    }
}

/// As on the wire.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", self.text())
    }
}

/// One `Set-Cookie` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The name, prefix included.
    pub name: String,
    /// The value as it came.
    pub value: String,
    /// The attributes in order, names in lower case, a flag's value empty.
    pub attributes: Vec<(String, String)>,
}

impl Cookie {
    pub(crate) fn parse(header: &str) -> Self {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.trim().to_owned(), value.trim().to_owned())
        };
        let mut parts = header.split(';').map(pair);
        let (name, value) = parts.next().unwrap_or_default();
        let attributes = parts
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        Self {
            name,
            value,
            attributes,
        }
    }

    /// The value of an attribute, empty for a flag such as `secure`; the name in lower case.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `Max-Age` in seconds.
    #[must_use]
    pub fn max_age(&self) -> Option<i64> {
        self.attribute("max-age")?.parse().ok()
    }

    /// Whether it tells the browser to forget the cookie.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.max_age().map_or_else(
            || {
                self.attribute("expires")
                    .is_some_and(|date| date.contains("1970"))
            },
            |seconds| seconds <= 0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_with_all_its_attributes() {
        let cookie = Cookie::parse("__Host-token=a.b=; HttpOnly; Secure; SameSite=Strict; Path=/");
        assert_eq!(
            (cookie.name.as_str(), cookie.value.as_str()),
            ("__Host-token", "a.b=")
        );
        assert_eq!(cookie.attribute("samesite"), Some("Strict"));
        assert_eq!(cookie.attribute("httponly"), Some(""));
        assert_eq!(cookie.attribute("domain"), None);
    }

    #[test]
    fn a_cookie_is_deleted_by_max_age_first_then_by_expires() {
        for (header, deletes) in [
            ("a=b", false),
            ("a=b; Max-Age=60", false),
            ("a=; Max-Age=0", true),
            ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", true),
            (
                "a=; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                false,
            ),
        ] {
            assert_eq!(Cookie::parse(header).deletes(), deletes, "{header}");
        }
    }
}
