//! `countersign restore`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_flows::start::{self, StartError};
use countersign_flows::{Clock, Cx, backup};
use countersign_store::StoreError;
use countersign_store::snapshot::{self, Contents, FileError, Past};
use serde::Serialize;

use super::backup::{database_file, secret_place};
use super::output::{Output, when};
use super::{Failure, Global, block_on, configuration};
use crate::boot::{self, BootError, DataLock};
use crate::config::{Config, DatabaseUrl};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign restore /var/backups/countersign.db

Stop the server first. A database from the past has forgotten logouts and changed passwords, so \
everybody is signed out: all sessions and tokens from before are refused, also by services that were \
following, and the signing keys are replaced. The database that was there is kept beside the new \
one. Everything is done on a copy that then takes its place in one step; the backup is only read. With --json: \
`{\"file\", \"database\", \"schema\", \"last_event\", \"kept\"}`, where `kept` is the database that was there, \
or null, and `last_event` the backup's latest entry in its audit log, in unix seconds.")]
pub(super) struct Restore {
    /// A file that `countersign backup` wrote
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct Restored {
    file: PathBuf,
    database: PathBuf,
    schema: i64,
    last_event: Option<i64>,
    kept: Option<PathBuf>,
}

const INSTEAD: &str = "pg_restore --clean --if-exists --dbname=URL FILE` with every server stopped, \
    then, before they start again, `countersign session revoke --all` and `countersign key revoke KID` \
    for each key of `countersign key list";

impl Restore {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        let config = configuration(global, Vec::new())?;
        let database = database_file(&config, INSTEAD)?;
        self.may_read(&database)?;
        let lock = DataLock::take(&config)?;
        let copy = Copy::new(&self.file, &database, &config.server.data)
            .map_err(|error| self.unfit(&error.into()))?;
        let restored = block_on(self.restore(&config, &database, &copy.0))?;
        drop((copy, lock));
        out.done(&restored, || {
            let last = restored
                .last_event
                .map_or_else(String::new, |at| format!(", latest entry {} UTC", when(at)));
            let keys = match config.secret.jwt_key {
                None => "the signing keys are new",
                Some(_) => "JWT_SECRET_KEY is what it was: whoever holds it can sign",
            };
            let kept = restored.kept.as_ref().map_or_else(String::new, |kept| {
                format!(
                    "\nThe database that was there is kept as {}",
                    kept.display()
                )
            });
            format!(
                "Restored {} from {} (schema {}{last})\n\
                 Everybody is signed out, and {keys}{kept}",
                database.display(),
                self.file.display(),
                restored.schema,
            )
        })
    }

    fn may_read(&self, database: &Path) -> Result<(), Failure> {
        let file = fs::metadata(&self.file).map_err(|error| self.unfit(&error.into()))?;
        let is_it = fs::metadata(database)
            .is_ok_and(|ours| (ours.dev(), ours.ino()) == (file.dev(), file.ino()));
        if is_it {
            let file = self.file.display();
            return Err(Failure::refused(
                "file_unfit",
                format!("{file} is the database itself"),
            ));
        }
        match snapshot::is_sqlite(&self.file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.unfit(&FileError::NotOurs)),
            Err(error) => Err(self.unfit(&error.into())),
        }
    }

    async fn restore(
        &self,
        config: &Config,
        database: &Path,
        copy: &Path,
    ) -> Result<Restored, Failure> {
        let contents = snapshot::inspect(copy)
            .await
            .map_err(|error| self.unfit(&error))?;
        let cx = self.open(config, copy).await?;
        let done = self.finish(&cx, database, contents, copy).await;
        cx.db.close().await;
        done
    }

    /// The copy, with the secret that it must have been sealed with.
    async fn open(&self, config: &Config, copy: &Path) -> Result<Cx, Failure> {
        let parts = boot::open_as_it_is(config, &DatabaseUrl::of_file(copy))
            .await
            .map_err(|error| match error {
                BootError::SecretMissing(path) => {
                    let (file, path) = (self.file.display(), path.display());
                    Failure::configuration(
                        "secret_missing",
                        format!(
                            "{path} is missing: put the one there that you kept for {file}, or set \
                     SECRET_KEY to it"
                        ),
                    )
                }
                error => error.into(),
            })?;
        let db = parts.db.clone();
        match start::command(parts).await {
            Ok(cx) => Ok(cx),
            Err(error) => {
                db.close().await;
                Err(match error {
                    StartError::WrongSecret => {
                        let (file, place) = (self.file.display(), secret_place(config));
                        Failure::configuration(
                            "wrong_secret",
                            format!(
                                "{file} was made with another SECRET_KEY than {place}: put the one in \
                             place that you kept for the backup"
                            ),
                        )
                    }
                    error => BootError::from(error).into(),
                })
            }
        }
    }

    /// Ends everything in the copy, and puts it in the database's place.
    async fn finish(
        &self,
        cx: &Cx,
        database: &Path,
        contents: Contents,
        copy: &Path,
    ) -> Result<Restored, Failure> {
        let replaces = snapshot::files(database).iter().any(|file| file.exists());
        let aside = aside(database, &cx.clock);
        let past = past(database, &aside).await?;
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        backup::restored(cx, past, &file).await?;
        cx.db.close().await;
        snapshot::settle(copy)
            .await
            .map_err(|error| self.unfit(&error))?;
        snapshot::replace(copy, database, &aside).map_err(|error| {
            Failure::refused("file_unusable", format!("{}: {error}", database.display()))
        })?;
        Ok(Restored {
            file: self.file.clone(),
            database: database.to_owned(),
            schema: countersign_store::SCHEMA_VERSION,
            last_event: contents.last_event.map(|at| at.as_secs()),
            kept: replaces.then_some(aside),
        })
    }

    fn unfit(&self, error: &FileError) -> Failure {
        let file = self.file.display();
        let (code, text) = match error {
            FileError::NotOurs => ("file_unfit", format!("{file} {error}: nothing was changed")),
            FileError::Damaged(_) => (
                "file_unfit",
                format!("{file} {error}: nothing was changed; try an older backup"),
            ),
            FileError::File(error) => ("file_unusable", format!("{file}: {error}")),
            FileError::Store(StoreError::NewerSchema { found, known }) => (
                "newer_schema",
                format!(
                    "{file} has schema version {found}, and this binary knows versions up to \
                     {known}: restore it with the version of Countersign that wrote it, or a later \
                     one"
                ),
            ),
            FileError::Store(error) => ("unavailable", format!("{file}: {error}")),
        };
        Failure::refused(code, text)
    }
}

/// What the database that is to be replaced had promised; nothing where there is none, or where it
/// cannot be read, which may be why it is replaced. Unless it cannot be read it is one file
/// afterwards.
async fn past(database: &Path, aside: &Path) -> Result<Option<Past>, Failure> {
    let unusable = |error: io::Error| {
        Failure::refused("file_unusable", format!("{}: {error}", database.display()))
    };
    if !database.exists() {
        return Ok(None);
    }
    // SQLite removes a log that does not fit what is left of a damaged database.
    let ([_, wal, _], [_, kept_wal, _]) = (snapshot::files(database), snapshot::files(aside));
    snapshot::keep(&wal, &kept_wal).map_err(unusable)?;
    let settled = snapshot::settle(database).await;
    let unavailable = matches!(settled, Err(FileError::Store(StoreError::Unavailable(_))));
    if settled.is_ok() || unavailable {
        match fs::remove_file(&kept_wal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    match settled {
        Ok(()) => Ok(snapshot::past(database).await.ok()),
        Err(_) if unavailable => Err(Failure::refused(
            "in_use",
            format!(
                "another command uses {}: try again when it has ended",
                database.display()
            ),
        )),
        Err(_) => Ok(None),
    }
}

/// A name beside the database that nothing has.
fn aside(database: &Path, clock: &Clock) -> PathBuf {
    let at = when(clock.now().as_secs())
        .replace(' ', "T")
        .replace(':', "");
    let names = (1..).map(|n| match n {
        1 => format!(".before-restore-{at}"),
        n => format!(".before-restore-{at}-{n}"),
    });
    let mut paths = names.map(|name| snapshot::beside(database, &name));
    paths.find(|path| !path.exists()).unwrap_or_default()
}

/// A copy of a file in the directory of the database, for its owner alone; gone when dropped. Whoever
/// makes one holds the lock of the data directory, so that there is one at a time.
struct Copy(PathBuf);

impl Copy {
    fn new(file: &Path, database: &Path, data: &Path) -> io::Result<Self> {
        let copy = Self(snapshot::beside(database, ".restoring"));
        copy.remove();
        // A log beside the file belongs to it: it was copied by hand, or kept by a restore.
        let [_, wal, _] = snapshot::files(file);
        let [_, copied_wal, _] = snapshot::files(&copy.0);
        // Root restores for the user that the server runs as, who could not open a file of root's.
        let owner = fs::metadata(database).or_else(|_| fs::metadata(data))?;
        copy_privately(file, &copy.0, &owner)?;
        if wal.exists() {
            copy_privately(&wal, &copied_wal, &owner)?;
        }
        Ok(copy)
    }

    fn remove(&self) {
        for file in snapshot::files(&self.0) {
            let _ = fs::remove_file(file);
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.remove();
    }
}

fn copy_privately(from: &Path, to: &Path, owner: &fs::Metadata) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut to = options.write(true).create_new(true).mode(0o600).open(to)?;
    if rustix::process::geteuid().is_root() {
        fchown(&to, Some(owner.uid()), Some(owner.gid()))?;
    }
    io::copy(&mut fs::File::open(from)?, &mut to).map(drop)
}
