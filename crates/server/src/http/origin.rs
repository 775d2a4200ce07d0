//! Where a request comes from: the client's address behind proxies, its program, the request's id.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use countersign_flows::Origin;

use super::Site;
use crate::config::TrustedProxies;
use crate::serve::Arrival;

/// Where the request comes from, as flows want to know it.
#[derive(Debug)]
pub struct From(pub Origin);

impl FromRequestParts<Site> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Infallible> {
        let arrival = parts.extensions.get::<Arrival>();
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = arrival.map_or(unknown, |arrival| arrival.peer.ip());
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default();
        let request_id = arrival
            .and_then(|arrival| arrival.request_id)
            .map(|id| id.as_str().to_owned());
        Ok(Self(Origin {
            address: Some(client_address(&parts.headers, peer, &site.trusted_proxies)),
            user_agent: user_agent.chars().filter(|c| !c.is_control()).collect(),
            request_id: request_id.unwrap_or_default(),
        }))
    }
}

/// The client's address. `X-Forwarded-For` is believed from the right for as long as each hop is a
/// proxy that the operator trusts: everything to the left of that, a client can make up.
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let mut address = peer;
    for hop in hops.iter().rev() {
        if !trusted.contains(address.to_canonical()) {
            break;
        }
        match parse_hop(hop) {
            Some(next) => address = next,
            None => break,
        }
    }
    address
}

/// An address, or one with a port as some proxies write it.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse()
        .ok()
        .or_else(|| {
            hop.parse::<std::net::SocketAddr>()
                .ok()
                .map(|address| address.ip())
        })
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}
