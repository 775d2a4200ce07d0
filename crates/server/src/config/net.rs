//! Addresses: origins, the public URL, proxies, the database.

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::value::{Raw, Value, quote, read_list, show_list};

/// A web origin as browsers write it in `Origin` (RFC 6454, 6.2): scheme, host in lower case, and
/// the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The serialized origin, as in `https://app.example.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Whether browsers take it for this machine itself, and so for safe: `localhost`, a name below
    /// it, or a loopback address (Secure Contexts, 3.1).
    pub fn is_loopback(&self) -> bool {
        let host = self.0.split_once("://").map_or("", |(_, host)| host);
        let host = match host.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Splits an http or https URL into its origin and what follows it.
    pub fn split(url: &str) -> Option<(Self, &str)> {
        let (scheme, rest) = url.split_once("://")?;
        let own_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = port.bytes().all(|b| b.is_ascii_digit());
                (
                    host,
                    port.parse::<u16>()
                        .ok()
                        .filter(|port| digits && *port != 0)?,
                )
            }
            _ => (authority, own_port),
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
            None => host.to_ascii_lowercase(),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if host.is_empty() || !(host.starts_with('[') || host.chars().all(named)) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        Some((
            Self::assemble(&scheme, &host, (port != own_port).then_some(port)),
            path,
        ))
    }

    fn assemble(scheme: &str, host: &str, port: Option<u16>) -> Self {
        Self(match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        })
    }
}

impl Value for Origin {
    fn read(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Err(
                "`*` would let every site on the web act with its visitors' logins: \
                        name each origin"
                    .into(),
            );
        }
        match Self::split(text) {
            Some((origin, "" | "/")) => Ok(origin),
            _ => Err(format!(
                "{} is not an origin such as `https://app.example.com` (scheme, host and port)",
                quote(text)
            )),
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// The URL at which clients reach the server: an origin and perhaps a path, without the last slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Origin,
    path: String,
}

impl PublicUrl {
    /// The URL of a listener. One that listens on every address is reached on loopback, too, and
    /// that is all that it can know about itself.
    pub fn of_listener(listen: SocketAddr, tls: bool) -> Self {
        let address = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".into(),
            IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".into(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
        let port = (listen.port() != usual).then_some(listen.port());
        Self {
            origin: Origin::assemble(scheme, &address, port),
            path: String::new(),
        }
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path below which every route stands: empty, or as in `/auth`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin.0, self.path)
    }
}

impl Value for PublicUrl {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text = quote(text);
            format!(
                "{text} is not an http or https URL such as `https://login.example.com` or \
                 `https://example.com/auth`, without query, fragment and credentials"
            )
        };
        let (origin, path) = Origin::split(text)
            .filter(|_| text.len() <= 255)
            .ok_or_else(wrong)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let segment = |s: &str| !matches!(s, "" | "." | "..") && s.chars().all(plain);
        if !path.is_empty()
            && !path
                .strip_prefix('/')
                .is_some_and(|p| p.split('/').all(segment))
        {
            return Err(wrong());
        }
        Ok(Self {
            origin,
            path: path.into(),
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A block of addresses (RFC 4632, RFC 4291): `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && mask(address, self.prefix) == self.network
    }
}

/// The address with only its first `prefix` bits.
fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    }
}

impl Value for Cidr {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text = quote(text);
            format!("{text} is neither an IP address nor a block such as `10.0.0.0/8`")
        };
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(p) => p.parse().ok().filter(|n| *n <= bits).ok_or_else(wrong)?,
        };
        if prefix == 0 {
            let text = quote(text);
            return Err(format!(
                "{text} holds everybody, who could then forge their address"
            ));
        }
        let network = mask(address, prefix);
        if network != address {
            let text = quote(text);
            return Err(format!(
                "{text} has bits beyond its prefix: `{network}/{prefix}`?"
            ));
        }
        Ok(Self { network, prefix })
    }

    fn show(&self) -> String {
        match (self.network, self.prefix) {
            (IpAddr::V4(ip), 32) => ip.to_string(),
            (IpAddr::V6(ip), 128) => ip.to_string(),
            (network, prefix) => format!("{network}/{prefix}"),
        }
    }
}

/// The proxies whose forwarding headers are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Cidr>);

impl TrustedProxies {
    /// Whether a peer at this address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(address))
    }

    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for TrustedProxies {
    fn read(text: &str) -> Result<Self, String> {
        Self::read_raw(&Raw::Text(text.into()))
    }

    fn read_raw(raw: &Raw) -> Result<Self, String> {
        read_list(raw).map(Self)
    }

    fn show(&self) -> String {
        show_list(&self.0)
    }
}

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one server.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// Where the database is. The URL may hold a password, so it is only given out by
/// [`DatabaseUrl::expose`].
#[derive(Debug, Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    engine: Engine,
}

impl DatabaseUrl {
    /// The SQLite database in a data directory.
    pub fn in_directory(data: &Path) -> Self {
        Self::of_file(&data.join("countersign.db"))
    }

    /// A SQLite database.
    pub fn of_file(file: &Path) -> Self {
        // The path of a SQLite URL is percent-decoded, and ends at a question mark.
        let path = file.display().to_string();
        let path = path
            .replace('%', "%25")
            .replace('?', "%3F")
            .replace('#', "%23");
        Self {
            url: format!("sqlite:{path}").into(),
            engine: Engine::Sqlite,
        }
    }

    /// The kind of the database.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The file of a SQLite database, read off the URL as the driver reads it.
    pub fn file(&self) -> Option<PathBuf> {
        if self.engine != Engine::Sqlite {
            return None;
        }
        let path = self.expose().trim_start_matches("sqlite:");
        let mut parts = path.trim_start_matches("//").split('%');
        let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let code = part.get(..2).filter(|code| !code.starts_with('+'));
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                Some(byte) => {
                    decoded.push(byte);
                    decoded.extend_from_slice(&part.as_bytes()[2..]);
                }
                None => decoded.extend_from_slice(format!("%{part}").as_bytes()),
            }
        }
        Some(OsString::from_vec(decoded).into())
    }

    /// The URL as it is typed where the password comes from elsewhere.
    pub fn without_password(&self) -> String {
        self.show().replacen(":***@", "@", 1)
    }

    /// The whole URL, password included: for connecting, never for showing.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

/// Errors repeat nothing of the URL, since it may hold a password.
impl Value for DatabaseUrl {
    fn read(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let engine = match scheme {
            "sqlite" => Engine::Sqlite,
            "postgres" | "postgresql" if rest.starts_with("//") => Engine::Postgres,
            _ => {
                return Err("is not a URL such as `sqlite:./data/countersign.db` or \
                            `postgres://user:password@host/database`"
                    .into());
            }
        };
        if engine == Engine::Sqlite {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.starts_with(":memory:") {
                return Err("needs the path of a file: in memory every login would be lost".into());
            }
            if path.contains(['?', '#']) {
                return Err("takes no parameters after the path".into());
            }
        }
        Ok(Self {
            url: text.into(),
            engine,
        })
    }

    /// The URL with stars for the password, and without parameters, which may hold one, too.
    fn show(&self) -> String {
        let url = self.expose();
        let hidden = url.split_once("://").and_then(|(scheme, rest)| {
            let (account, host) = rest.rsplit_once('@')?;
            let (user, _) = account.split_once(':')?;
            Some(format!("{scheme}://{user}:***@{host}"))
        });
        let mut shown = hidden.unwrap_or_else(|| url.into());
        shown.truncate(shown.find(['?', '#']).unwrap_or(shown.len()));
        shown
    }
}
