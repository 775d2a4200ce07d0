//! What HTML forms and URLs carry: `application/x-www-form-urlencoded`, read strictly.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};

use super::Site;
use super::body::{is_of_type, read};
use super::error::{ApiError, invalid_form};

/// The names and values of a form or a query, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads them. A broken escape, or bytes that are no UTF-8, make it none: replaced characters
    /// could turn two passwords into one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        text.split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let name = decode(halves.next().unwrap_or_default())?;
                Some((name, decode(halves.next().unwrap_or_default())?))
            })
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The same, unless a name stands there twice.
    pub fn each_once(self) -> Option<Self> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let once = names.windows(2).all(|pair| pair[0] != pair[1]);
        once.then_some(self)
    }

    /// Takes the first value of this name out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// All of them.
    pub fn into_inner(self) -> Vec<(String, String)> {
        self.0
    }
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but the unreserved characters of RFC 3986 (section 2.3) and those in `keep`.
pub fn encode(text: &str, keep: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Whether a request says that its body is an HTML form.
pub fn is_form(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/x-www-form-urlencoded")
}

/// The body of a page's form, each field at most once.
#[derive(Debug)]
pub struct StrictForm(pub Pairs);

impl FromRequest<Site> for StrictForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, site: &Site) -> Result<Self, ApiError> {
        let typed = is_form(request.headers());
        let bytes = read(request, site).await?;
        if !typed {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Send a form: Content-Type: application/x-www-form-urlencoded",
            ));
        }
        Pairs::parse(&bytes)
            .and_then(Pairs::each_once)
            .map(Self)
            .ok_or_else(invalid_form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in [
            "a=%",
            "a=%4",
            "a=%4g",
            "a=%+1",
            "%zz=1",
            "a=%ff",
            "a=%c3",
            "a=%ed%a0%80",
        ] {
            assert!(Pairs::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Pairs::parse(b"a=\xff").is_none());
        for twice in ["a=1&a=1", "a&b&a", "a=1&%61=2"] {
            let pairs = Pairs::parse(twice.as_bytes()).unwrap();
            assert!(pairs.each_once().is_none(), "{twice}");
        }
    }

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let mut pairs =
            Pairs::parse("username=zo%C3%AB&password=a+b%2B%26%3D==&&x&=y".as_bytes()).unwrap();
        assert_eq!(pairs.take("username").as_deref(), Some("zoë"));
        assert_eq!(pairs.take("password").as_deref(), Some("a b+&==="));
        assert_eq!(pairs.take("nothing"), None);
        let rest = [("x", ""), ("", "y")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(pairs.into_inner(), rest);
    }

    #[test]
    fn what_was_encoded_reads_back() {
        let text: String = (0..=0x250).filter_map(char::from_u32).collect();
        let encoded = encode(&text, b"/");
        assert!(
            encoded
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"&+#\"".contains(&b))
        );
        let mut pairs = Pairs::parse(format!("a={encoded}").as_bytes()).unwrap();
        assert_eq!(pairs.take("a"), Some(text));
        assert_eq!(encode("a@b+c", b"@"), "a@b%2Bc");
    }
}
