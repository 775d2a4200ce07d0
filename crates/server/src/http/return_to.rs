//! Where somebody goes once they are signed in. Anybody can write such an address into a link to our
//! page, so it leads to our own hosts or nowhere.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Site, form};
use crate::config::Origin;

/// The most bytes of an address once it is encoded: what a proxy's buffer for a head surely takes.
const MAX_ENCODED: usize = 3_000;

/// A place on this host, or on another of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo {
    address: String,
    origin: Option<Origin>,
}

impl ReturnTo {
    /// The front page, which stands in for whatever is refused.
    pub fn home() -> Self {
        Self::here("/".to_owned())
    }

    /// Our page for signing in, from this host.
    pub fn sign_in(site: &Site) -> Self {
        Self::here(format!("{}/sign-in", site.path))
    }

    fn here(address: String) -> Self {
        let origin = None;
        Self { address, origin }
    }

    /// A path on this host (one slash and no other behind it), or an http or https URL of one of
    /// our own origins; anything else is the front page. Browsers read a backslash as a slash and
    /// skip tabs and line breaks; none of these passes, nor what no URL has in it (RFC 3986).
    pub fn read(text: &str, own: &[Origin]) -> Self {
        Self::try_read(text, own).unwrap_or_else(Self::home)
    }

    fn try_read(text: &str, own: &[Origin]) -> Option<Self> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\\"<>".contains(&b));
        if !plain || text.len() > MAX_ENCODED || encode(text).len() > MAX_ENCODED {
            return None;
        }
        if let Some(rest) = text.strip_prefix('/') {
            return (!rest.starts_with('/')).then(|| Self::here(text.to_owned()));
        }
        let (origin, rest) = Origin::split(text).filter(|(origin, _)| own.contains(origin))?;
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Some(Self {
            address: format!("{}{slash}{rest}", origin.as_str()),
            origin: Some(origin),
        })
    }

    /// As a browser reads it.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The other host, where it is on one.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The address of our page that leads here after signing in.
    pub fn by_way_of_sign_in(&self, site: &Site) -> String {
        format!("{}/sign-in?return_to={}", site.path, encode(&self.address))
    }

    /// 303: whatever the browser did before, it now asks for that page.
    pub fn redirect(&self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(value) = HeaderValue::try_from(&self.address) {
            response.headers_mut().insert(header::LOCATION, value);
        }
        response
    }
}

fn encode(address: &str) -> String {
    form::encode(address, b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<Origin> {
        ["https://app.example.com", "http://10.0.0.7:8080"]
            .map(|url| Origin::split(url).unwrap().0)
            .to_vec()
    }

    #[test]
    fn whatever_could_lead_elsewhere_leads_home() {
        let long = format!("/{}", "a".repeat(MAX_ENCODED));
        let wide = format!("/{}", "&".repeat(MAX_ENCODED / 3));
        for bad in [
            "",
            "x",
            "app",
            "//evil.example",
            "//evil.example/x",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " /x",
            "/x y",
            "/\u{0}",
            "/\u{85}",
            "/\"",
            "/<b>",
            "/ä",
            "javascript:alert(1)",
            "data:text/html,x",
            "https:evil.example",
            "https:/evil.example",
            "https://evil.example",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://evil.example@app.example.com/",
            "https://app.example.com:444/",
            "http://app.example.com/",
            "https://app.example.com\\@evil.example",
            "https://evil.example#app.example.com",
            "ftp://app.example.com/",
            "?return_to=/",
            "#x",
            "http://10.0.0.7/",
            "https://",
            "https:///x",
            &long,
            &wide,
        ] {
            assert_eq!(ReturnTo::read(bad, &own()), ReturnTo::home(), "{bad:?}");
        }
    }

    #[test]
    fn ways_back_to_our_own_hosts_are_kept_whole() {
        for (text, address) in [
            ("/", "/"),
            ("/a/b?c=1&d=2%20e#f", "/a/b?c=1&d=2%20e#f"),
            (
                "/a//b/@:?u=https://evil.example",
                "/a//b/@:?u=https://evil.example",
            ),
            ("https://app.example.com", "https://app.example.com/"),
            ("HTTPS://App.Example.com:443/x", "https://app.example.com/x"),
            (
                "https://app.example.com?a=b",
                "https://app.example.com/?a=b",
            ),
            ("http://10.0.0.7:8080/x#y", "http://10.0.0.7:8080/x#y"),
        ] {
            let to = ReturnTo::read(text, &own());
            assert_eq!(to.as_str(), address, "{text}");
            assert_eq!(to.origin().is_some(), !text.starts_with('/'), "{text}");
        }
    }
}
