//! Wiring: from a configuration to what flows are given.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::password::{Blocklist, PasswordPolicy};
use countersign_core::phc::Cost;
use countersign_core::secrets::Keyring;
use countersign_core::throttle;
use countersign_flows::start::StartError;
use countersign_flows::{Clock, Hasher, Parts, Random, Settings};
use countersign_store::{Db, Options, StoreError};
use countersign_token::{
    Algorithm, Legacy, LegacySubject, MAX_LEGACY, SigningKey, Timestamp, crypto,
};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{self, AcceptHs256, Config, DatabaseUrl, Engine};

/// Why Countersign cannot work with this configuration on this machine.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The data directory, or a file in it, cannot be made or read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is a database, but not the key that it was sealed with.
    #[error(
        "{} is missing, and the database beside it was made with that key: restore the file, or set \
         SECRET_KEY to the key that was used", .0.display()
    )]
    SecretMissing(PathBuf),
    /// Another server uses the data directory.
    #[error("another server (process {pid}) uses {}: stop it, or choose another --data", data.display())]
    InUse {
        /// The other's process id, as it wrote it.
        pid: String,
        /// The directory.
        data: PathBuf,
    },
    /// A value is right by itself, but does not work.
    #[error("{0}")]
    Setting(String),
    /// The database is unreachable, or not ours to use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret is wrong, or something failed while getting ready.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// What was opened, and what the start line says about it.
#[derive(Debug)]
pub struct Opened {
    /// What flows need.
    pub parts: Parts,
    /// Whether the database file was made just now.
    pub new_data: bool,
}

/// The database file that does not exist yet, if it is one that we would make.
pub fn missing_database(config: &Config) -> Option<PathBuf> {
    config.database.url.file().filter(|file| !file.exists())
}

/// Makes the data directory where there is none, finds the secret, and opens the database, with
/// `hashing_threads` to check passwords on.
pub async fn open(config: &Config, hashing_threads: usize) -> Result<Opened, BootError> {
    if config.database.url.engine() == Engine::Sqlite {
        make_directory(&config.server.data)?;
    }
    let missing = missing_database(config);
    // Before the database: a database without its key is refused from then on.
    let secret = secret_key(config)?;
    let with = prepare(config, &secret, hashing_threads)?;
    if let Some(file) = &missing {
        // SQLite gives the files that it puts beside the database the same mode.
        private().open(file).map_err(file_error(file))?;
    }
    let db = Db::open(&Options::new(config.database.url.expose())).await?;
    Ok(Opened {
        parts: with(db),
        new_data: missing.is_some(),
    })
}

/// As [`open`] for a database that is there, which may be another than the configured one, and with
/// the secret that there is: nothing is made, and no copy kept of an older database.
pub async fn open_as_it_is(config: &Config, url: &DatabaseUrl) -> Result<Parts, BootError> {
    let secret = match &config.secret.key {
        Some(secret) => secret.clone(),
        None => {
            let path = secret_file(config);
            read_secret(&path)?.ok_or(BootError::SecretMissing(path))?
        }
    };
    let with = prepare(config, &secret, 1)?;
    let options = Options {
        keep_old: false,
        ..Options::new(url.expose())
    };
    Ok(with(Db::open(&options).await?))
}

/// Everything but the database.
fn prepare(
    config: &Config,
    secret: &SecretString,
    hashing_threads: usize,
) -> Result<impl FnOnce(Db) -> Parts + use<>, BootError> {
    let previous = config
        .secret
        .key_previous
        .as_ref()
        .map(|key| key.expose_secret().as_bytes());
    let keyring = Keyring::new(secret.expose_secret().as_bytes(), previous);
    let settings = settings(config)?;
    let hasher = hasher(config, hashing_threads)?;
    let shared_key = match &config.secret.jwt_key {
        None => None,
        Some(secret) => Some(Arc::new(
            SigningKey::shared_secret(secret.expose_secret().as_bytes())
                .map_err(|error| BootError::Setting(format!("JWT_SECRET_KEY: {error}")))?,
        )),
    };
    Ok(move |db| Parts {
        db,
        clock: Clock::system(),
        random: Random::system(),
        keyring,
        hasher,
        shared_key,
        settings,
    })
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BootError {
    let path = path.to_owned();
    move |source| BootError::File { path, source }
}

/// Makes the data directory, readable by its owner alone.
fn make_directory(data: &Path) -> Result<(), BootError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(file_error(data))
}

/// Where the secret is kept that was made here, where none is set.
pub fn secret_file(config: &Config) -> PathBuf {
    config.server.data.join("secret.key")
}

/// `SECRET_KEY`, or the one that is kept in the data directory, made where there is none yet.
fn secret_key(config: &Config) -> Result<SecretString, BootError> {
    if let Some(secret) = &config.secret.key {
        return Ok(secret.clone());
    }
    let path = secret_file(config);
    // Looked for first: whoever makes both at this moment makes the key before the database.
    let new = missing_database(config).is_some();
    match read_secret(&path)? {
        Some(secret) => Ok(secret),
        None if new => {
            make_secret(&path)?;
            read_secret(&path)?.ok_or(BootError::SecretMissing(path))
        }
        None => Err(BootError::SecretMissing(path)),
    }
}

/// The key in that file. An empty file holds none: whoever made it died before writing.
fn read_secret(path: &Path) -> Result<Option<SecretString>, BootError> {
    let read = || {
        let mut file = File::open(path)?;
        // Whoever makes the file at this moment writes it first.
        file.lock_shared()?;
        let mut text = String::new();
        file.read_to_string(&mut text).map(|_| text)
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path)(error)),
    };
    match text.trim() {
        "" => Ok(None),
        secret => match config::weakness(secret) {
            None => Ok(Some(SecretString::from(secret))),
            Some(weakness) => {
                let path = path.display();
                Err(BootError::Setting(format!("{path}: {weakness}")))
            }
        },
    }
}

/// Makes the key file, unless a command or a server that started at the same time just did.
fn make_secret(path: &Path) -> Result<(), BootError> {
    let mut random = [0; 48];
    crypto::fill_random(&mut random);
    let secret = crypto::b64(&random);
    let write = || {
        let mut file = private().open(path)?;
        file.lock()?;
        if file.metadata()?.len() > 0 {
            return Ok(());
        }
        file.write_all(secret.as_bytes())?;
        // The first login must not be sealed under a key that a power cut takes away.
        file.sync_all()?;
        path.parent()
            .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().map_err(file_error(path))
}

/// How to open a file that is our own affair: made for its owner alone, else left as it is.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
}

/// Held while a server uses a data directory; the operating system lets go when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: Option<File>,
}

impl DataLock {
    /// Takes the lock, or says who has it. A PostgreSQL database takes any number of servers.
    pub fn take(config: &Config) -> Result<Self, BootError> {
        if config.database.url.engine() != Engine::Sqlite {
            return Ok(Self { _file: None });
        }
        let data = config.server.data.clone();
        make_directory(&data)?;
        let path = data.join("serve.lock");
        let mut file = private().open(&path).map_err(file_error(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(in_use(&mut file, data));
            }
            Err(TryLockError::Error(error)) => return Err(file_error(&path)(error)),
        }
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write().map_err(file_error(&path))?;
        Ok(Self { _file: Some(file) })
    }

    /// Whether another server has the lock. Makes nothing.
    pub fn taken(config: &Config) -> Option<BootError> {
        if config.database.url.engine() != Engine::Sqlite {
            return None;
        }
        let data = config.server.data.clone();
        let mut file = File::open(data.join("serve.lock")).ok()?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Some(in_use(&mut file, data)),
            _ => None,
        }
    }
}

fn in_use(lock: &mut File, data: PathBuf) -> BootError {
    let mut pid = String::new();
    let pid = match lock.read_to_string(&mut pid) {
        Ok(1..) => pid.trim().to_owned(),
        // It has the lock and has not written yet.
        _ => "unknown".to_owned(),
    };
    BootError::InUse { pid, data }
}

fn settings(config: &Config) -> Result<Settings, BootError> {
    let blocklist = match &config.password.blocklist {
        config::Blocklist::BuiltIn => Blocklist::BuiltIn,
        config::Blocklist::None => Blocklist::None,
        config::Blocklist::File(path) => {
            Blocklist::from_lines(&std::fs::read_to_string(path).map_err(file_error(path))?)
        }
    };
    Ok(Settings {
        issuer: config.token.issuer.clone(),
        audience: config.token.audience.clone(),
        algorithm: match config.token.algorithm {
            config::Algorithm::Es256 => Algorithm::Es256,
            config::Algorithm::EdDsa => Algorithm::EdDsa,
            config::Algorithm::Rs256 => Algorithm::Rs256,
            config::Algorithm::Hs256 => Algorithm::Hs256,
        },
        token_lifetime: config.token.lifetime,
        publish_ahead: config.token.publish_ahead,
        session_idle: config.session.idle,
        session_absolute: config.session.absolute,
        refresh_grace: config.session.refresh_grace,
        passwords: PasswordPolicy {
            min_length: config.password.min_length,
            blocklist,
        },
        limits: throttle::Limits {
            failures: config.limits.login_failures.into(),
            per_address: config.limits.login_failures_per_address.into(),
        },
        registration: config.registration.enabled,
        audit_retention: config.audit.retention,
        legacy: legacy(&config.accept_hs256, Clock::system().now())?,
    })
}

/// Which tokens of a former program are accepted. One whose time is over is none, and no mistake:
/// a server must start on the day after.
fn legacy(config: &AcceptHs256, now: Timestamp) -> Result<Option<Legacy>, BootError> {
    let (Some(secret), Some(until)) = (&config.secret, &config.until) else {
        return Ok(None);
    };
    if until.at > now.plus(MAX_LEGACY) {
        let text = "token.accept_hs256.until: is more than 90 days ahead";
        return Err(BootError::Setting(text.to_owned()));
    }
    let legacy = Legacy::new(secret.expose_secret().as_bytes(), until.at)
        .map_err(|error| BootError::Setting(format!("token.accept_hs256.secret: {error}")))?;
    let holds = match config.subject {
        config::Subject::Id => LegacySubject::Id,
        config::Subject::Name => LegacySubject::Name,
    };
    Ok(Some(
        legacy
            .subject(&config.claim, holds)
            .audience(config.audience.clone()),
    ))
}

/// What one password hash costs by this configuration.
pub fn cost(config: &Config) -> Cost {
    Cost {
        memory_kib: config.argon2.memory_kib,
        iterations: config.argon2.iterations,
        lanes: config.argon2.lanes,
    }
}

fn hasher(config: &Config, threads: usize) -> Result<Hasher, BootError> {
    Hasher::new(cost(config), threads, config.limits.hashing_queue)
        .map_err(|error| BootError::Setting(format!("password.argon2: {error}")))
}
