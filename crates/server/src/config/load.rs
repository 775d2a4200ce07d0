//! From sources to a checked configuration, or to every problem at once.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::SocketAddr,
    path::Path,
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    net::{Engine, PublicUrl},
    secret::MAKE_ONE,
    sources::{Gathered, Inputs, Source},
    table::Config,
    value::{Algorithm, Blocklist, Raw, SameSite, Value},
};

/// One thing that is wrong: which key, where it was set, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, the variable, or the place in the file.
    pub key: String,
    /// Where it was set.
    pub source: Source,
    /// What is wrong and what would be right. Never repeats a secret.
    pub message: String,
}

impl Problem {
    pub(super) fn new(key: &str, source: Source, message: impl Into<String>) -> Self {
        Self {
            key: tame(key),
            source,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            source,
            message,
        } = self;
        match source {
            Source::Environment(name) if name == key => write!(f, "{key} (environment): {message}"),
            _ => write!(f, "{key} ({source}): {message}"),
        }
    }
}

/// A name that somebody else chose, fit to be shown: short, and without control characters.
pub(super) fn tame(name: &str) -> String {
    name.chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect()
}

/// Everything that is wrong with a configuration, one problem a line; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(
    /// The problems, those of the sources first.
    pub Vec<Problem>,
);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a problem:")?,
            n => write!(f, "the configuration has {n} problems:")?,
        }
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// What is being read: each key is taken once.
pub(super) struct Loader {
    gathered: Gathered,
    sources: BTreeMap<&'static str, Source>,
    refused: HashSet<&'static str>,
}

impl Loader {
    /// The key's value, unless no source names it or it is refused.
    pub(super) fn take<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let (raw, source): (Raw, Source) = self.gathered.values.remove(key)?;
        self.sources.insert(key, source);
        match T::read_raw(&raw) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(key, message);
                None
            }
        }
    }

    /// Refuses a value beyond the bounds of its key.
    pub(super) fn bound<T: Value + PartialOrd>(
        &mut self,
        key: &'static str,
        value: &T,
        least: &'static str,
        most: &'static str,
    ) {
        let below = T::read(least).is_ok_and(|least| *value < least);
        let above = T::read(most).is_ok_and(|most| *value > most);
        if below || above {
            self.refuse(
                key,
                format!("{} is not within {least} to {most}", value.show()),
            );
        }
    }

    /// Notes where a value came from that no source gave.
    pub(super) fn note(&mut self, key: &'static str, source: Source) {
        self.sources.entry(key).or_insert(source);
    }

    pub(super) fn sources(&self) -> BTreeMap<&'static str, Source> {
        self.sources.clone()
    }

    fn refuse(&mut self, key: &'static str, message: impl Into<String>) {
        self.refused.insert(key);
        let source = self.sources.get(key).cloned().unwrap_or(Source::Default);
        self.gathered
            .problems
            .push(Problem::new(key, source, message));
    }

    /// Refuses the first key if the keys do not go together, unless one was refused already.
    fn together(&mut self, keys: &[&'static str], right: bool, message: impl FnOnce() -> String) {
        if !right && !keys.iter().any(|key| self.refused.contains(key)) {
            self.refuse(keys[0], message());
        }
    }
}

impl Config {
    /// Loads and checks the configuration: flags before the environment, before `.env`, before the
    /// file, before the defaults.
    ///
    /// # Errors
    /// All that is wrong, in every source.
    pub fn load(inputs: &Inputs) -> Result<Self, Problems> {
        Self::assemble(Gathered::from(inputs), &inputs.directory)
    }

    /// The configuration of a server of which nothing is set.
    pub(super) fn defaults() -> Result<Self, Problems> {
        Self::assemble(Gathered::default(), Path::new(""))
    }

    fn assemble(gathered: Gathered, directory: &Path) -> Result<Self, Problems> {
        let mut loader = Loader {
            gathered,
            sources: BTreeMap::new(),
            refused: HashSet::new(),
        };
        let config = Self::read(&mut loader).map(|mut config| {
            // Whether it speaks TLS is known by now.
            config.listening_on(config.server.listen);
            config.sign_with_shared_secret(&mut loader);
            config.check(directory, &mut loader);
            config
        });
        match config {
            Some(config) if loader.gathered.problems.is_empty() => Ok(config),
            _ => Err(Problems(loader.gathered.problems)),
        }
    }

    /// Where a key's value came from.
    pub fn source(&self, key: &str) -> Option<&Source> {
        self.sources.get(key)
    }

    /// Takes note of the address on which the server really listens, which differs where port 0
    /// was asked for: the public URL and the issuer follow, unless they were set.
    pub fn listening_on(&mut self, address: SocketAddr) {
        self.server.listen = address;
        let derived = |key: &str| matches!(self.source(key), Some(Source::Derived(_)));
        let (public_url, issuer) = (derived("server.public_url"), derived("token.issuer"));
        if public_url {
            self.server.public_url = PublicUrl::of_listener(address, self.tls.cert.is_some());
        }
        if issuer {
            self.token.issuer = self.server.public_url.to_string();
        }
    }

    /// A shared JWT secret decides how tokens are signed.
    fn sign_with_shared_secret(&mut self, loader: &mut Loader) {
        if self.secret.jwt_key.is_none() {
            return;
        }
        if self.sources.get("token.algorithm") == Some(&Source::Default) {
            self.sources
                .insert("token.algorithm", Source::Derived("secret.jwt_key"));
            self.token.algorithm = Algorithm::Hs256;
        }
        let algorithm = self.token.algorithm;
        loader.together(&["token.algorithm"], algorithm == Algorithm::Hs256, || {
            let algorithm = algorithm.as_str();
            format!(
                "{algorithm} beside JWT_SECRET_KEY, which signs with HS256: leave out one of them"
            )
        });
    }

    /// What no key can check by itself.
    fn check(&self, directory: &Path, loader: &mut Loader) {
        let Self {
            session,
            argon2,
            cookie,
            cors,
            secret,
            ..
        } = self;
        loader.together(
            &["session.idle", "session.absolute"],
            session.idle <= session.absolute,
            || {
                let (idle, absolute) = (session.idle.show(), session.absolute.show());
                format!("{idle} is more than session.absolute, which is {absolute}")
            },
        );
        let least = argon2.lanes.saturating_mul(8);
        loader.together(
            &["password.argon2.memory_kib", "password.argon2.lanes"],
            argon2.memory_kib >= least,
            || {
                format!(
                    "{} is too little for {} lanes: at least {least}",
                    argon2.memory_kib, argon2.lanes
                )
            },
        );
        loader.together(
            &["cookie.same_site", "cors.origins"],
            cookie.same_site != SameSite::None || !cors.origins.is_empty(),
            || "`none` serves pages of other sites, but cors.origins names no site".into(),
        );
        let tls = &self.tls;
        loader.together(
            &["tls.cert", "tls.key"],
            tls.cert.is_some() == tls.key.is_some(),
            || "goes with tls.key: set both, or neither".into(),
        );
        if let Blocklist::File(path) = &self.password.blocklist {
            let found = directory.join(path).is_file();
            loader.together(&["password.blocklist"], found, || {
                format!(
                    "there is no file `{}`: `built-in`, `none` or a file",
                    path.show().escape_debug()
                )
            });
        }
        let sqlite = self.database.url.engine() == Engine::Sqlite;
        loader.together(
            &["secret.key", "database.url"],
            sqlite || secret.key.is_some(),
            || {
                format!(
                    "with PostgreSQL, SECRET_KEY must be set, alike on all servers: `{MAKE_ONE}`"
                )
            },
        );
        let same = |a: &Option<SecretString>, b: &Option<SecretString>| match (a, b) {
            (Some(a), Some(b)) => a.expose_secret() == b.expose_secret(),
            _ => false,
        };
        loader.together(
            &["secret.jwt_key", "secret.key"],
            !same(&secret.jwt_key, &secret.key),
            || "is the same as SECRET_KEY: who shares the one must not hold the other".into(),
        );
        let former = &self.accept_hs256;
        loader.together(
            &["token.accept_hs256.secret", "secret.key"],
            !same(&former.secret, &secret.key),
            || "is the same as SECRET_KEY: give Countersign a SECRET_KEY of its own".into(),
        );
        loader.together(
            &["token.accept_hs256.until", "token.accept_hs256.secret"],
            former.until.is_some() == former.secret.is_some(),
            || "goes with token.accept_hs256.secret: set both, or neither".into(),
        );
    }
}
