//! Checks of how clients reach the server: address, cookies, proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checks::{Found, found};
use super::facts::{Facts, Public};

pub(super) fn public_url_silent(facts: &Facts) -> Found {
    let Public::Silent(why) = &facts.public else {
        return None;
    };
    // Where no server runs, none can answer.
    facts.is_serving.then_some(())?;
    let url = &facts.config.server.public_url;
    found(
        format!("a server runs here, and {url} does not answer: {why}"),
        "see to the proxy, or set server.public_url to where clients reach the server",
    )
}

pub(super) fn public_url_redirects(facts: &Facts) -> Found {
    let Public::Redirected(to) = &facts.public else {
        return None;
    };
    let url = &facts.config.server.public_url;
    found(
        format!("{url} sends clients on to {to}"),
        "set server.public_url to where they arrive",
    )
}

pub(super) fn public_url_is_another(facts: &Facts) -> Found {
    let Public::Other(what) = &facts.public else {
        return None;
    };
    let url = &facts.config.server.public_url;
    found(
        format!("{url} is answered by something else: {what}"),
        "let the proxy pass that URL, with its path, to server.listen, or set server.public_url",
    )
}

pub(super) fn issuer_differs(facts: &Facts) -> Found {
    let Public::Issuer(theirs) = &facts.public else {
        return None;
    };
    let ours = &facts.config.token.issuer;
    if theirs == ours {
        return None;
    }
    let url = &facts.config.server.public_url;
    found(
        format!("the server at {url} issues as {theirs}, and this configuration says {ours}"),
        "run doctor with the server's configuration, or restart the server with this one",
    )
}

pub(super) fn cookies_need_https(facts: &Facts) -> Found {
    let origin = facts.config.server.public_url.origin();
    if origin.is_https() || origin.is_loopback() {
        return None;
    }
    found(
        format!(
            "browsers drop the cookies of {}, which is not https",
            origin.as_str()
        ),
        "put a proxy that speaks TLS in front, and set server.public_url to its https:// address",
    )
}

pub(super) fn cookies_on_safari(facts: &Facts) -> Found {
    let origin = facts.config.server.public_url.origin();
    if origin.is_https() || !origin.is_loopback() {
        return None;
    }
    found(
        format!(
            "Safari drops the cookies of {}; other browsers keep them",
            origin.as_str()
        ),
        "nothing, while you develop with another browser or with mode \"token\"",
    )
}

pub(super) fn proxies_not_named(facts: &Facts) -> Found {
    let server = &facts.config.server;
    let outside = server.public_url.origin().is_https();
    // Where clients speak TLS and this server does not, somebody stands before it.
    let proxied = outside && facts.config.tls.cert.is_none();
    if !proxied || !server.trusted_proxies.is_empty() {
        return None;
    }
    found(
        format!(
            "a proxy speaks TLS for {}, and none is trusted: everybody seems to come from it, and \
             shares its limits",
            server.public_url
        ),
        "set server.trusted_proxies to the proxy's address, such as 127.0.0.1",
    )
}

/// Addresses far from each other, none of which is a proxy of yours by accident.
const STRANGERS: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14)),
    IpAddr::V4(Ipv4Addr::new(151, 101, 1, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2a00, 0x1450, 0, 0, 0, 0, 0, 1)),
];

pub(super) fn proxies_everybody(facts: &Facts) -> Found {
    let trusted = &facts.config.server.trusted_proxies;
    let strangers = STRANGERS
        .iter()
        .filter(|address| trusted.contains(**address));
    if strangers.count() < 2 {
        return None;
    }
    found(
        "server.trusted_proxies holds half of the internet: anybody there can claim any address",
        "name the proxies alone, such as 127.0.0.1 or 10.0.0.0/8",
    )
}
