//! What the checks look at, gathered without changing anything.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_flows::vitals::{self, Vitals};
use countersign_store::{Plan, StoreError, snapshot};
use reqwest::redirect;
use serde_json::Value;

use crate::boot::{self, BootError, DataLock};
use crate::config::{Config, Source};

/// How long the public URL, and the database at first, may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the database may take with everything: a long audit log is read to its beginning where
/// no backup was ever made.
const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// No metadata is as long as this.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Everything that was found out.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) config: Config,
    /// The data directory, where there is one.
    pub(super) data: Option<FileFact>,
    /// The database's directory, and why nothing can be written to it.
    pub(super) unwritable: Option<(PathBuf, String)>,
    /// The files that hold what others must not read.
    pub(super) files: Vec<FileFact>,
    pub(super) disk: Option<Disk>,
    pub(super) database: Database,
    /// Whether a server has the data directory.
    pub(super) is_serving: bool,
    pub(super) public: Public,
}

#[derive(Debug, Clone)]
pub(super) struct FileFact {
    pub(super) path: PathBuf,
    /// The permission bits.
    pub(super) mode: u32,
    /// Whether it, and not only the data directory around it, decides who can read it.
    pub(super) stands_alone: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    pub(super) free: u64,
    pub(super) total: u64,
}

/// How far one comes with the database.
#[derive(Debug)]
pub(super) enum Database {
    /// There is none yet.
    Missing,
    /// It cannot be reached, or not used; why.
    Unreachable(String),
    /// A newer version wrote it.
    Newer { found: i64, known: i64 },
    /// Its schema is that of an older version, or none.
    Behind { found: Option<i64>, steps: usize },
    /// The secret is missing, or unfit; why.
    NoSecret(String),
    /// It is open.
    Open(Vitals),
}

/// What the public URL answers.
#[derive(Debug, Clone)]
pub(super) enum Public {
    /// Nobody answers; why.
    Silent(String),
    /// The answer leads elsewhere.
    Redirected(String),
    /// Somebody else answers; what.
    Other(String),
    /// A Countersign answers, and calls itself this.
    Issuer(String),
}

/// Looks at everything.
pub(super) async fn gather(config: Config) -> Facts {
    let data = &config.server.data;
    let sqlite = config.database.url.file();
    let secret = boot::secret_file(&config);
    let dotenv = [
        "secret.key",
        "secret.key_previous",
        "secret.jwt_key",
        "token.accept_hs256.secret",
        "database.url",
    ]
    .into_iter()
    .any(|key| matches!(config.source(key), Some(Source::DotEnv(_))))
    .then(|| PathBuf::from(".env"));
    let inside = sqlite
        .iter()
        .flat_map(|file| snapshot::files(file))
        .chain([secret]);
    let files = inside
        .filter_map(|path| look(&path, !path.starts_with(data)))
        .chain(dotenv.and_then(|path| look(&path, true)))
        .collect();
    let public = tokio::time::timeout(PATIENCE, ask(&config))
        .await
        .unwrap_or_else(|_| Public::Silent(too_late(PATIENCE)));
    let database = tokio::time::timeout(LONG_PATIENCE, database(&config))
        .await
        .unwrap_or_else(|_| Database::Unreachable(too_late(LONG_PATIENCE)));
    Facts {
        data: look(data, true),
        unwritable: sqlite.as_ref().and_then(|file| unwritable(file.parent()?)),
        files,
        disk: sqlite.and_then(|file| disk(&file)),
        database,
        is_serving: DataLock::taken(&config).is_some(),
        public,
        config,
    }
}

fn too_late(patience: Duration) -> String {
    format!("no answer in {} s", patience.as_secs())
}

fn look(path: &Path, stands_alone: bool) -> Option<FileFact> {
    let found = fs::metadata(path).ok()?;
    Some(FileFact {
        path: path.to_owned(),
        mode: found.mode() & 0o777,
        stands_alone,
    })
}

/// Why nothing can be written into a directory; what is not there yet is made later.
fn unwritable(directory: &Path) -> Option<(PathBuf, String)> {
    let probe = directory.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&probe)?;
        file.write_all(&[0; 4096])
    };
    let written = write();
    let _ = fs::remove_file(&probe);
    match written {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Some((directory.to_owned(), error.to_string()))
        }
        _ => None,
    }
}

/// The disk that the database is on, or will be on.
fn disk(file: &Path) -> Option<Disk> {
    let directory = file.ancestors().skip(1).find(|path| path.is_dir());
    let found = rustix::fs::statvfs(directory.unwrap_or(Path::new("."))).ok()?;
    Some(Disk {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

async fn database(config: &Config) -> Database {
    if boot::missing_database(config).is_some() {
        return Database::Missing;
    }
    let url = &config.database.url;
    let plan = tokio::time::timeout(PATIENCE, countersign_store::plan(url.expose()));
    let Ok(plan) = plan.await else {
        return Database::Unreachable(too_late(PATIENCE));
    };
    match plan {
        Err(StoreError::NewerSchema { found, known }) => return Database::Newer { found, known },
        Err(error) => return Database::Unreachable(error.to_string()),
        Ok(Plan { found, steps, .. }) if !steps.is_empty() => {
            let steps = steps.len();
            return Database::Behind { found, steps };
        }
        Ok(_) => {}
    }
    let parts = match boot::open_as_it_is(config, url).await {
        Ok(parts) => parts,
        Err(BootError::Store(error)) => return Database::Unreachable(error.to_string()),
        Err(error) => return Database::NoSecret(error.to_string()),
    };
    let looked = vitals::look(&parts).await;
    parts.db.close().await;
    match looked {
        Ok(vitals) => Database::Open(vitals),
        Err(error) => Database::Unreachable(error.to_string()),
    }
}

/// Asks the public URL what it is, as a client would.
async fn ask(config: &Config) -> Public {
    let url = format!(
        "{}/.well-known/oauth-authorization-server",
        config.server.public_url
    );
    let client = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build();
    let answer = match client {
        Ok(client) => client.get(&url).send().await,
        Err(error) => Err(error),
    };
    let mut answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Public::Silent(cause(&error)),
    };
    let status = answer.status();
    if status.is_redirection() {
        let to = answer
            .headers()
            .get("location")
            .and_then(|to| to.to_str().ok());
        return Public::Redirected(to.unwrap_or("elsewhere").chars().take(200).collect());
    }
    let mut body = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        body.extend_from_slice(&part);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    let metadata = serde_json::from_slice::<Value>(&body).ok();
    match metadata
        .as_ref()
        .and_then(|metadata| metadata["issuer"].as_str())
    {
        Some(issuer) if status.is_success() => Public::Issuer(issuer.chars().take(300).collect()),
        _ => Public::Other(format!("{status} without an issuer")),
    }
}

/// The innermost reason, without the URL again.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
