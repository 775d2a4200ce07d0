//! `countersign backup`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_flows::{Clock, backup};
use countersign_store::snapshot::{self, FileError};
use countersign_store::{SCHEMA_VERSION, StoreError};
use serde::Serialize;

use super::output::{Output, size};
use super::{Failure, Global, block_on, configuration, must_exist, open};
use crate::boot;
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign backup /var/backups/countersign.db
  countersign backup \"/mnt/backups/countersign-$(date +%F).db\" --quiet

Nobody waits for it. The file appears under its name when it is whole, checked and flushed to the \
disk, with mode 0600. It does not hold SECRET_KEY, without which it is worth nothing: keep that too, \
in another place. On PostgreSQL use pg_dump. With --json: `{\"file\", \"bytes\", \"schema\", \"millis\", \
\"recorded\", \"secret\"}`, where `recorded` says whether the audit log has it, and `secret` where \
SECRET_KEY is.")]
pub(super) struct Backup {
    /// Where to write it
    file: PathBuf,
    /// Replace an older backup of this name
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Serialize)]
struct Made {
    file: PathBuf,
    bytes: u64,
    schema: i64,
    millis: u64,
    recorded: bool,
    secret: String,
}

impl Backup {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        let config = configuration(global, Vec::new())?;
        let from = database_file(&config, "pg_dump --format=custom --file=FILE --dbname=URL")?;
        must_exist(&config)?;
        self.may_write(&from)?;
        let made = block_on(self.write(&config, &from))?;
        out.done(&made, || {
            format!(
                "Backed up {} to {}: {} in {} ms, checked (schema {})\n\
                 Keep {} as well, in another place: without it nobody can use the backup",
                from.display(),
                made.file.display(),
                size(made.bytes),
                made.millis,
                made.schema,
                made.secret
            )
        })?;
        if !made.recorded {
            out.hint(
                "The backup is good, but the audit log of the database does not have it: see \
                 `countersign doctor`",
            );
        }
        Ok(())
    }

    /// Refuses a name that something else has.
    fn may_write(&self, from: &Path) -> Result<(), Failure> {
        let there = match fs::metadata(&self.file) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.unusable(&error.into())),
        };
        let file = self.file.display();
        let is_ours = fs::metadata(from)
            .is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()));
        let refusal = if is_ours {
            format!("{file} is the database itself")
        } else if there.is_dir() {
            format!("{file} is a directory: name a file in it")
        } else if !self.force {
            format!("{file} exists: choose another name, or add --force to replace it")
        } else if there.len() > 0 && !snapshot::is_sqlite(&self.file).unwrap_or(false) {
            format!("{file} is no older backup, and --force replaces nothing else")
        } else {
            return Ok(());
        };
        Err(Failure::refused("file_exists", refusal))
    }

    async fn write(&self, config: &Config, from: &Path) -> Result<Made, Failure> {
        let clock = Clock::system();
        let began = clock.monotonic();
        let partial = snapshot::beside(&self.file, &format!(".partial-{}", std::process::id()));
        let contents = snapshot::take(from, &partial)
            .await
            .map_err(|error| self.unusable(&error))?;
        if let Err(error) = self.place(&partial) {
            let _ = fs::remove_file(&partial);
            return Err(self.unusable(&error.into()));
        }
        let took = clock.monotonic().saturating_sub(began);
        // A database of an older version is not migrated by being backed up.
        let recorded = contents.schema == SCHEMA_VERSION && self.record(config).await.is_ok();
        Ok(Made {
            file: self.file.clone(),
            bytes: contents.bytes,
            schema: contents.schema,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            recorded,
            secret: secret_place(config),
        })
    }

    /// Gives the finished file its name, which nobody may have taken meanwhile.
    fn place(&self, partial: &Path) -> io::Result<()> {
        if self.force {
            fs::rename(partial, &self.file)?;
        } else {
            match fs::hard_link(partial, &self.file) {
                Ok(()) => fs::remove_file(partial)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // Not every file system has links.
                Err(_) => fs::rename(partial, &self.file)?,
            }
        }
        snapshot::sync_directory(&self.file)
    }

    async fn record(&self, config: &Config) -> Result<(), Failure> {
        let cx = open(config, 1).await?;
        let file = self.file.file_name().unwrap_or_default();
        let made = backup::made(&cx, &file.to_string_lossy()).await;
        cx.db.close().await;
        Ok(made?)
    }

    fn unusable(&self, error: &FileError) -> Failure {
        let file = self.file.display();
        let (code, text) = match error {
            FileError::NotOurs | FileError::Damaged(_) => (
                "file_unfit",
                format!(
                    "no backup was made: the database {error}; `countersign restore` puts an older backup in its place"
                ),
            ),
            FileError::File(error) => ("file_unusable", format!("{file}: {error}")),
            FileError::Store(StoreError::NewerSchema { .. }) => ("newer_schema", error.to_string()),
            FileError::Store(error) => ("unavailable", format!("no backup was made: {error}")),
        };
        Failure::refused(code, text)
    }
}

/// The database's file, or, where PostgreSQL has the data, what to type instead.
pub(super) fn database_file(config: &Config, instead: &str) -> Result<PathBuf, Failure> {
    config.database.url.file().ok_or_else(|| {
        let url = config.database.url.without_password();
        let text = format!(
            "PostgreSQL has programs of its own for this: `{}`",
            instead.replace("URL", &format!("'{url}'"))
        );
        Failure::refused("postgres", text)
    })
}

/// Where the secret is that the database was sealed with.
pub(super) fn secret_place(config: &Config) -> String {
    match (&config.secret.key, config.source("secret.key")) {
        (Some(_), Some(source)) => format!("SECRET_KEY ({source})"),
        _ => boot::secret_file(config).display().to_string(),
    }
}
