//! Finding the token of a request. What is found first decides: a bad one is not skipped in favour
//! of a better one.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use countersign_token::Refusal::Malformed;
use countersign_token::jws::is_word;

use super::Settings;
use crate::Refusal;

/// The token of a request: `Authorization: Bearer`, then the cookie, if the request may use it.
pub(super) fn find<'r>(
    headers: &'r HeaderMap,
    method: &Method,
    settings: &Settings,
) -> Result<Option<&'r str>, Refusal> {
    if let Some(token) = bearer(headers)? {
        return Ok(Some(token));
    }
    let Some(token) = cookie(headers, &settings.cookie)? else {
        return Ok(None);
    };
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        same_site(headers, &settings.origins)?;
    }
    Ok(Some(token))
}

/// Another scheme than `Bearer` is somebody else's, such as a proxy's Basic login.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let text = match only(headers, &header::AUTHORIZATION) {
        Ok(None) => return Ok(None),
        Ok(Some(value)) if value.as_bytes().is_ascii() => std::str::from_utf8(value.as_bytes())
            .map_err(|_| Malformed)?
            .trim(),
        Ok(Some(_)) => return Err(Malformed.into()),
        Err(Repeated) => return Err(Malformed.into()),
    };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        let is_scheme = scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        return if is_scheme {
            Ok(None)
        } else {
            Err(Malformed.into())
        };
    }
    match token.trim() {
        token if token.is_empty() || !is_word(token) => Err(Malformed.into()),
        token => Ok(Some(token)),
    }
}

/// The cookie of that name. A second one was put there by somebody else, so neither counts.
fn cookie<'r>(headers: &'r HeaderMap, name: &str) -> Result<Option<&'r str>, Refusal> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|&byte| byte == b';') {
            let pair = pair.trim_ascii();
            let Some(value) = pair.strip_prefix(name.as_bytes()) else {
                continue;
            };
            let Some(value) = value.strip_prefix(b"=") else {
                continue;
            };
            let value = std::str::from_utf8(value).map_err(|_| Malformed)?;
            if found.replace(value).is_some() {
                return Err(Malformed.into());
            }
        }
    }
    // Browsers send the name of a deleted cookie in no form, some programs an empty one.
    Ok(found.filter(|token| !token.is_empty()))
}

/// The cross-site rule of the contract. Without either header it is no browser, and carries no
/// visitor's cookies.
fn same_site(headers: &HeaderMap, origins: &[String]) -> Result<(), Refusal> {
    let refused = |Repeated| Refusal::CrossSite;
    let origin = only(headers, &header::ORIGIN).map_err(refused)?;
    let site = headers.get_all("sec-fetch-site");
    let mut sites = site.iter();
    let (site, second) = (sites.next().map(HeaderValue::as_bytes), sites.next());
    let trusted = origin.is_some_and(|origin| {
        let mut known = origins.iter();
        known.any(|known| known.as_bytes() == origin.as_bytes())
    });
    let allowed = second.is_none()
        && match site {
            _ if trusted => true,
            Some(site) => matches!(site, b"same-origin" | b"none"),
            None => origin.is_none(),
        };
    if allowed {
        Ok(())
    } else {
        Err(Refusal::CrossSite)
    }
}

struct Repeated;

fn only<'r>(
    headers: &'r HeaderMap,
    name: &header::HeaderName,
) -> Result<Option<&'r HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Repeated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        method: Method,
        lines: &[(&'static str, &'static [u8])],
    ) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let settings = Settings {
            origins: vec!["https://app.example".to_owned()],
            ..Settings::default()
        };
        match find(&headers, &method, &settings) {
            Ok(token) => Ok(token.map(str::to_owned)),
            Err(refusal) => Err(refusal.code()),
        }
    }

    const COOKIE: (&str, &[u8]) = ("cookie", b"a=b; __Host-token=c; z");

    #[test]
    fn odd_headers_are_refused_and_never_skipped_for_a_cookie() {
        for bad in [
            b", ,".as_slice(),
            b"Bearer",
            b"bearer  ",
            b"Bearer a b",
            b"Bearer \xff\xfe",
            b"Bearer a, Bearer b",
        ] {
            let answer = found(Method::GET, &[("authorization", bad), COOKIE]);
            assert_eq!(answer, Err("token_malformed"), "{bad:?}");
        }
        let twice = [("authorization", b"Bearer a".as_slice()); 2];
        assert_eq!(found(Method::GET, &twice), Err("token_malformed"));
        for more in [
            ("cookie", b"__Host-token=d".as_slice()),
            ("cookie", b"__Host-token="),
            ("cookie", b"__Host-token=\xff"),
        ] {
            let answer = found(Method::GET, &[COOKIE, more]);
            assert_eq!(answer, Err("token_malformed"), "{more:?}");
        }
    }

    #[test]
    fn the_header_wins_and_other_schemes_and_cookies_are_not_ours() {
        let bearer = ("authorization", b"bEaReR t".as_slice());
        let basic = ("authorization", b"Basic eDp5".as_slice());
        let similar = (
            "cookie",
            b"__Host-tokens=x; x__Host-token=y; token=z".as_slice(),
        );
        for (lines, token) in [
            (vec![], None),
            (vec![bearer, COOKIE], Some("t")),
            (vec![basic, COOKIE], Some("c")),
            (vec![basic, similar], None),
            (vec![("cookie", b"__Host-token=".as_slice())], None),
        ] {
            let answer = found(Method::GET, &lines);
            assert_eq!(answer, Ok(token.map(str::to_owned)), "{lines:?}");
        }
    }

    #[test]
    fn a_change_by_cookie_must_come_from_here_or_from_a_trusted_origin() {
        let site = |value: &'static [u8]| ("sec-fetch-site", value);
        let origin = |value: &'static [u8]| ("origin", value);
        for (lines, allowed) in [
            (vec![site(b"cross-site")], false),
            (vec![site(b"same-site")], false),
            (vec![site(b"same-origin"), site(b"cross-site")], false),
            (vec![origin(b"https://evil.example")], false),
            (vec![origin(b"null")], false),
            (
                vec![
                    origin(b"https://app.example"),
                    origin(b"https://app.example"),
                ],
                false,
            ),
            (
                vec![origin(b"https://evil.example"), site(b"cross-site")],
                false,
            ),
            (vec![], true),
            (vec![site(b"same-origin")], true),
            (vec![site(b"none")], true),
            (
                vec![origin(b"https://app.example"), site(b"cross-site")],
                true,
            ),
            (
                vec![origin(b"https://evil.example"), site(b"same-origin")],
                true,
            ),
        ] {
            let with = |other| [lines.as_slice(), &[other]].concat();
            let expected = |token: &str| {
                if allowed {
                    Ok(Some(token.to_owned()))
                } else {
                    Err("cross_site_request")
                }
            };
            for method in [
                Method::POST,
                Method::DELETE,
                Method::from_bytes(b"ODD").unwrap(),
            ] {
                assert_eq!(found(method, &with(COOKIE)), expected("c"), "{lines:?}");
            }
            assert_eq!(found(Method::GET, &with(COOKIE)), Ok(Some("c".to_owned())));
            let bearer = ("authorization", b"Bearer t".as_slice());
            assert_eq!(found(Method::POST, &with(bearer)), Ok(Some("t".to_owned())));
        }
    }
}
