//! The table of keys, and the macro that makes the rest of it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    load::Loader,
    net::{DatabaseUrl, Origin, PublicUrl, TrustedProxies},
    report::Row,
    sources::Source,
    value::{
        Algorithm, Blocklist, ByteSize, CookiePrefix, LogFormat, LogLevel, Moment, RequireAuth,
        SameSite, Subject, Value,
    },
};

/// What is known of a key before any value is.
#[derive(Debug)]
pub struct Key {
    /// The name in files and on the command line, as in `token.lifetime`.
    pub name: &'static str,
    /// A well-known environment variable that is read beside the key's own.
    pub alias: Option<&'static str>,
    /// The default as text, or where it comes from.
    pub default: Fallback,
    /// The least and the greatest value.
    pub bounds: Option<(&'static str, &'static str)>,
    /// Whether the value is hidden, and taken from the environment and `.env` only.
    pub secret: bool,
    /// What the key means.
    pub doc: &'static str,
}

impl Key {
    /// The key's own environment variable, as in `COUNTERSIGN_TOKEN__LIFETIME`.
    pub fn variable(&self) -> String {
        format!(
            "COUNTERSIGN_{}",
            self.name.replace('.', "__").to_uppercase()
        )
    }
}

/// What a key is worth when no source names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Value(&'static str),
    /// What follows from another key.
    From(&'static str),
    /// Nothing.
    Unset,
}

/// Declares keys: `field: Type = default, [least, most], as "WELL_KNOWN_NAME";`. A default is
/// `{"text"}`, `{}` for none, or `{from "other.key": expression}`, where the expression sees the
/// fields above it by their names, and finished sections by theirs.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $struct:ident at $path:literal {$(
            $(#[doc = $doc:literal])+
            $field:ident: $ty:ty = $default:tt
                $(, [$least:literal, $most:literal])?
                $(, as $alias:literal)?;
        )+}
    )+) => {
        /// Every key, by section.
        pub const KEYS: &[Key] = &[$($(
            Key {
                name: concat!($path, ".", stringify!($field)),
                alias: [$(Some($alias),)? None][0],
                default: settings!(@describe $default),
                bounds: [$(Some(($least, $most)),)? None][0],
                secret: <$ty as Value>::SECRET,
                doc: concat!($($doc),+),
            },
        )+)+];

        /// Every section: its path and what it is about.
        pub(super) const SECTIONS: &[(&str, &str)] = &[$(($path, concat!($($about),+))),+];

        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone)]
            pub struct $struct {$(
                $(#[doc = $doc])+
                pub $field: $ty,
            )+}
        )+

        /// The whole configuration: checked, typed, and aware of where each value came from.
        #[derive(Debug, Clone)]
        pub struct Config {
            $(
                $(#[doc = $about])+
                pub $section: $struct,
            )+
            pub(super) sources: BTreeMap<&'static str, Source>,
        }

        impl Config {
            /// Reads each key by itself. Where a value is refused, the default stands in for it, so
            /// that the keys after it can be read, too.
            pub(super) fn read(loader: &mut Loader) -> Option<Self> {
                $(
                    let $section = {
                        $(
                            let key = concat!($path, ".", stringify!($field));
                            let $field = match loader.take::<$ty>(key) {
                                Some(value) => {
                                    $(loader.bound(key, &value, $least, $most);)?
                                    value
                                }
                                None => settings!(@default loader, key, $ty, $default),
                            };
                        )+
                        $struct { $($field),+ }
                    };
                )+
                Some(Self { $($section,)+ sources: loader.sources() })
            }

            /// Each key with its value, secrets hidden, and where it came from.
            pub fn effective(&self) -> Vec<Row> {
                vec![$($(
                    self.row(concat!($path, ".", stringify!($field)), self.$section.$field.show()),
                )+)+]
            }
        }
    };
    (@describe {}) => { Fallback::Unset };
    (@describe {$text:literal}) => { Fallback::Value($text) };
    (@describe {from $from:literal: $value:expr}) => { Fallback::From($from) };
    (@default $loader:ident, $key:ident, $ty:ty, {}) => {{
        $loader.note($key, Source::Default);
        None
    }};
    (@default $loader:ident, $key:ident, $ty:ty, {$text:literal}) => {{
        $loader.note($key, Source::Default);
        <$ty as Value>::read($text).ok()?
    }};
    (@default $loader:ident, $key:ident, $ty:ty, {from $from:literal: $value:expr}) => {{
        $loader.note($key, Source::Derived($from));
        $value
    }};
}

settings! {
    /// Where the server listens and keeps its files.
    server: Server at "server" {
        /// Address and port to listen on.
        listen: SocketAddr = {"127.0.0.1:5000"};
        /// The URL at which clients reach the server; every route stands below its path.
        public_url: PublicUrl = {from "server.listen": PublicUrl::of_listener(listen, false)};
        /// Addresses or blocks of the proxies whose forwarding headers are believed.
        trusted_proxies: TrustedProxies = {""};
        /// The data directory, made with mode 0700.
        data: PathBuf = {"./data"};
        /// How long a request may take.
        request_timeout: Duration = {"30s"}, ["100ms", "10m"];
        /// How long open requests may finish once the server is told to stop.
        shutdown_grace: Duration = {"10s"}, ["0s", "10m"];
    }
    /// TLS without a proxy. Both files, or neither.
    tls: Tls at "tls" {
        /// The certificate and those that lead to its root, in PEM.
        cert: Option<PathBuf> = {};
        /// Its private key, in PEM.
        key: Option<PathBuf> = {};
    }
    /// Where accounts and sessions are remembered.
    database: Database at "database" {
        /// A SQLite file (`sqlite:PATH`) or a PostgreSQL server (`postgres://…`).
        url: DatabaseUrl = {from "server.data": DatabaseUrl::in_directory(&server.data)},
            as "DATABASE_URL";
    }
    /// Access tokens.
    token: Token at "token" {
        /// How tokens are signed: `ES256`, `EdDSA`, `RS256` or `HS256`.
        algorithm: Algorithm = {"ES256"};
        /// How long an access token is valid.
        lifetime: Duration = {"15m"}, ["1s", "24h"];
        /// The `iss` claim.
        issuer: String = {from "server.public_url": server.public_url.to_string()};
        /// The `aud` claim.
        audience: String = {"countersign"};
        /// How long a new signing key is published before it signs.
        publish_ahead: Duration = {"10m"}, ["0s", "7d"];
    }
    /// Tokens of the program that was here before, HS256 under its secret, for the days of a move.
    /// They say who somebody is at `GET /protected`, `/profile` and `/users/profile`, and change
    /// nothing. Off unless a secret is set.
    accept_hs256: AcceptHs256 at "token.accept_hs256" {
        /// The secret that the former program signed with. Whoever holds it can read as anybody who
        /// was imported.
        secret: Option<SecretString> = {};
        /// When it is over, at most 90 days ahead: a date, in UTC, or a moment such as
        /// `2027-01-31T18:00:00Z`.
        until: Option<Moment> = {};
        /// The claim that says who it is.
        claim: String = {"sub"};
        /// What that claim holds: the `id` that an account was imported with, or its `name`, a
        /// username or e-mail address.
        subject: Subject = {"id"};
        /// What their `aud` must contain. If unset, tokens that have one are refused.
        audience: Option<String> = {};
    }
    /// How long a login lasts.
    session: Session at "session" {
        /// A session unused for so long has ended.
        idle: Duration = {"30d"}, ["1s", "3650d"];
        /// A session ends after so long, used or not.
        absolute: Duration = {"90d"}, ["1s", "3650d"];
        /// How long the refresh token before the current one still gets the same successor.
        refresh_grace: Duration = {"30s"}, ["0s", "5m"];
    }
    /// The cookies of browser logins.
    cookie: Cookie at "cookie" {
        /// What cookie names begin with: `__Host-`, or nothing.
        prefix: CookiePrefix = {"__Host-"};
        /// The `SameSite` attribute after API logins: `strict`, `lax` or `none`.
        same_site: SameSite = {"strict"};
    }
    /// Which other sites may call with their visitors' logins.
    cors: Cors at "cors" {
        /// Exact origins such as `https://app.example.com`.
        origins: Vec<Origin> = {""};
    }
    /// The proxies' question whether a request may pass (`GET /verify`).
    forward_auth: ForwardAuth at "forward_auth" {
        /// Origins of protected hosts other than that of `server.public_url`, such as
        /// `https://app.example.com`: sign-in leads back to them, and they count as our own pages.
        hosts: Vec<Origin> = {""};
    }
    /// Which passwords are taken.
    password: Password at "password" {
        /// The least number of characters in a new password.
        min_length: usize = {"8"}, ["1", "1024"];
        /// Passwords that are refused: `built-in`, `none`, or a file with one a line.
        blocklist: Blocklist = {"built-in"};
    }
    /// What hashing a password costs (Argon2id, RFC 9106).
    argon2: Argon2 at "password.argon2" {
        /// Memory in KiB.
        memory_kib: u32 = {"19456"}, ["8", "4194304"];
        /// Passes over the memory.
        iterations: u32 = {"2"}, ["1", "1000"];
        /// Lanes, each of which needs 8 KiB of memory.
        lanes: u32 = {"1"}, ["1", "64"];
    }
    /// What is too much.
    limits: Limits at "limits" {
        /// Failed logins in 15 minutes for one name from one address.
        login_failures: u32 = {"10"}, ["1", "1000000"];
        /// Failed logins in 15 minutes from one address.
        login_failures_per_address: u32 = {"100"}, ["1", "1000000"];
        /// Bytes in the body of a request.
        body_bytes: ByteSize = {"64KiB"}, ["1KiB", "16MiB"];
        /// Passwords waiting to be hashed.
        hashing_queue: usize = {"256"}, ["4", "65536"];
        /// Open connections, besides those of services; past it the answer is 503.
        connections: usize = {"10000"}, ["1", "1000000"];
        /// Bytes in the head of a request.
        header_bytes: ByteSize = {"16KiB"}, ["8KiB", "1MiB"];
    }
    /// Who may follow the revocation log.
    revocation: Revocation at "revocation" {
        /// Whether it takes a service's credentials: `auto` (off on loopback), `always`, `never`.
        require_auth: RequireAuth = {"auto"};
    }
    /// Who may make an account.
    registration: Registration at "registration" {
        /// Whether strangers may register.
        enabled: bool = {"true"};
    }
    /// The record of what happened.
    audit: Audit at "audit" {
        /// How long events are kept.
        retention: Duration = {"400d"}, ["1d", "36500d"];
    }
    /// What is measured.
    metrics: Metrics at "metrics" {
        /// Where `GET /metrics` listens by itself. If unset, it stands beside the other routes where
        /// those listen on loopback only, and nowhere else.
        listen: Option<SocketAddr> = {};
    }
    /// Traces. Only in a binary that was built with `--features otlp`; any other one ignores it.
    otlp: Otlp at "otlp" {
        /// The OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`: spans are
        /// sent to `/v1/traces` below it.
        endpoint: Option<PublicUrl> = {}, as "OTEL_EXPORTER_OTLP_ENDPOINT";
    }
    /// What is written to the log.
    log: Log at "log" {
        /// `pretty`, `json`, or `auto`: pretty on a terminal, else JSON.
        format: LogFormat = {"auto"};
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: LogLevel = {"info"};
    }
    /// Secrets, read from the environment and `.env` only.
    secret: Secret at "secret" {
        /// Seals signing keys and authenticates refresh tokens; with SQLite, one is made if unset.
        key: Option<SecretString> = {}, as "SECRET_KEY";
        /// The former secret key: opens and verifies what it made.
        key_previous: Option<SecretString> = {}, as "SECRET_KEY_PREVIOUS";
        /// Signs tokens with HS256, for services that already share it. Whoever holds it can sign
        /// as anybody.
        jwt_key: Option<SecretString> = {}, as "JWT_SECRET_KEY";
    }
}
