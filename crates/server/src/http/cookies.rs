//! Our cookies: their names, how they are set, deleted and read.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::config::{CookiePrefix, SameSite};

/// The three cookies that hold a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// The opaque name of a session.
    Session,
}

impl Cookie {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Access, Self::Refresh, Self::Session];

    fn base_name(self) -> &'static str {
        match self {
            Self::Access => "token",
            Self::Refresh => "refresh",
            Self::Session => "sessionId",
        }
    }
}

/// How cookies are named and marked here.
#[derive(Debug, Clone, Copy)]
pub struct Cookies {
    /// What names begin with.
    pub prefix: CookiePrefix,
    /// When browsers send them along.
    pub same_site: SameSite,
}

/// What a request's cookies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The cookie was not sent.
    Nothing,
    /// It was sent once.
    Once(String),
    /// It was sent more than once: somebody planted another, and which one is ours cannot be told.
    Repeated,
}

impl Cookies {
    fn name(self, cookie: Cookie) -> String {
        format!("{}{}", self.prefix.as_str(), cookie.base_name())
    }

    fn attributes(self) -> String {
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        format!("HttpOnly; Secure; SameSite={same_site}; Path=/")
    }

    /// The `Set-Cookie` that hands out `value` for `seconds`.
    pub fn set(self, cookie: Cookie, value: &str, seconds: u64) -> Option<HeaderValue> {
        let text = format!(
            "{}={value}; {}; Max-Age={seconds}",
            self.name(cookie),
            self.attributes()
        );
        HeaderValue::try_from(text).ok()
    }

    /// The `Set-Cookie` that takes a cookie away.
    pub fn delete(self, cookie: Cookie) -> Option<HeaderValue> {
        let text = format!(
            "{}=; {}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            self.name(cookie),
            self.attributes()
        );
        HeaderValue::try_from(text).ok()
    }

    /// Looks for a cookie in a request.
    pub fn find(self, headers: &HeaderMap, cookie: Cookie) -> Found {
        let name = self.name(cookie);
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| {
                let pair = pair.trim_ascii();
                let rest = pair.strip_prefix(name.as_bytes())?;
                rest.strip_prefix(b"=")
                    .or_else(|| rest.is_empty().then_some(rest))
            });
        match (values.next(), values.next()) {
            (None, _) => Found::Nothing,
            // Bytes that are no text cannot be ours; whatever reads the value refuses it.
            (Some(value), None) => Found::Once(String::from_utf8_lossy(value).into_owned()),
            (Some(_), Some(_)) => Found::Repeated,
        }
    }

    /// The cookies of a request without any that could be ours, under either prefix, for a program
    /// that is to see none of them. What is left stands as it was sent, in one line.
    pub fn without_ours(headers: &HeaderMap) -> Vec<u8> {
        let ours = |pair: &[u8]| {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            let name = name.trim_ascii();
            let base = name.strip_prefix(b"__Host-").unwrap_or(name);
            Cookie::ALL
                .iter()
                .any(|cookie| cookie.base_name().as_bytes() == base)
        };
        let kept: Vec<&[u8]> = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .map(<[u8]>::trim_ascii)
            .filter(|pair| !pair.is_empty() && !ours(pair))
            .collect();
        kept.join(b"; ".as_slice())
    }

    /// Whether a request carries any of our cookies.
    pub fn any(self, headers: &HeaderMap) -> bool {
        Cookie::ALL
            .iter()
            .any(|cookie| self.find(headers, *cookie) != Found::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Cookies = Cookies {
        prefix: CookiePrefix::Host,
        same_site: SameSite::Strict,
    };

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (header::COOKIE, HeaderValue::from_bytes(line).unwrap()))
            .collect()
    }

    #[test]
    fn a_name_sent_twice_is_told_apart() {
        for twice in [
            &[b"__Host-token=a; __Host-token=b".as_slice()][..],
            &[b"__Host-token=a", b"x=1;__Host-token=a"],
            &[b"__Host-token; __Host-token=a"],
        ] {
            assert_eq!(OURS.find(&headers(twice), Cookie::Access), Found::Repeated);
        }
    }

    #[test]
    fn only_the_exact_name_counts() {
        let sent =
            headers(&[b"token=a; __Host-tokens=b; __host-token=c; x__Host-token=d; \xff\xfe"]);
        assert_eq!(OURS.find(&sent, Cookie::Access), Found::Nothing);
        assert!(!OURS.any(&sent));
        let sent = headers(&[b"a=b;  __Host-token=x=y ;c"]);
        assert_eq!(OURS.find(&sent, Cookie::Access), Found::Once("x=y".into()));
    }

    #[test]
    fn of_a_programs_cookies_only_ours_are_taken_away() {
        for (sent, left) in [
            (&[][..], b"".as_slice()),
            (
                &[b"__Host-token=a; __Host-refresh=b;__Host-sessionId=c".as_slice()],
                b"",
            ),
            (&[b"token=a; x=1; refresh=b; y=2;sessionId=c"], b"x=1; y=2"),
            (
                &[b"token=a; token=b; x=1", b"__Host-token=c", b"y=token=2"],
                b"x=1; y=token=2",
            ),
            (&[b" token =a; refresh; =; x"], b"=; x"),
            (
                &[b"tokens=a; Token=b; __Host-theme=c; my-token=d"],
                b"tokens=a; Token=b; __Host-theme=c; my-token=d",
            ),
            (&[b"x=\xff; __Host-sessionId=\xfe"], b"x=\xff"),
        ] {
            assert_eq!(Cookies::without_ours(&headers(sent)), left, "{sent:?}");
        }
    }

    #[test]
    fn cookies_are_marked_as_the_contract_says() {
        let set = OURS.set(Cookie::Session, "v", 9).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-sessionId=v; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=9"
        );
        let gone = OURS.delete(Cookie::Session).unwrap();
        assert!(gone.to_str().unwrap().contains("Expires=Thu, 01 Jan 1970"));
        let plain = Cookies {
            prefix: CookiePrefix::Plain,
            same_site: SameSite::Lax,
        };
        assert!(
            plain
                .set(Cookie::Access, "v", 9)
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("token=v;")
        );
    }
}
