//! Whole SQLite databases as files: a consistent copy of one that is in use, a look into one, and
//! putting one in the place of another. PostgreSQL has programs of its own for this.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::{Seq, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

use crate::migrate::SCHEMA_VERSION;
use crate::{StoreError, migrate};

/// Why a file cannot be made, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It holds something else.
    #[error("is not a database of Countersign")]
    NotOurs,
    /// It was ours, and is not whole.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// It could not be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for FileError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code()?.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            // SQLITE_CORRUPT, SQLITE_NOTADB
            Some(11 | 26) => Self::Damaged(error.to_string()),
            _ => Self::Store(error.into()),
        }
    }
}

/// What a database file holds.
#[derive(Debug, Clone, Copy)]
pub struct Contents {
    /// Its size in bytes.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: i64,
    /// When the last thing happened that its audit log knows of.
    pub last_event: Option<Timestamp>,
}

/// What a database that is to be replaced had promised.
#[derive(Debug, Clone)]
pub struct Past {
    /// The position of its revocation log.
    pub seq: Seq,
    /// The longest that its access tokens live.
    pub life: Duration,
    /// Who issued them.
    pub issuer: Option<String>,
}

/// Writes a consistent copy of the SQLite database `from` to the new file `to`, for its owner alone,
/// flushed to the disk and checked. Whoever reads and writes `from` goes on meanwhile.
///
/// # Errors
/// Whatever fails; `to` is gone then.
pub async fn take(from: &Path, to: &Path) -> Result<Contents, FileError> {
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let taken = async {
        let path = to
            .to_str()
            .ok_or_else(|| io::Error::other(format!("{}: the name must be UTF-8", to.display())))?;
        let mut conn = connect(from).await?;
        // Under WAL this only reads `from`. An empty file is taken as if there were none.
        sqlx::query("VACUUM INTO $1")
            .bind(path)
            .execute(&mut conn)
            .await?;
        conn.close().await?;
        new.sync_all()?;
        inspect(to).await
    };
    let taken = taken.await;
    if taken.is_err() {
        let _ = fs::remove_file(to);
    }
    taken
}

/// Checks a database file: ours, whole, and not of a newer version.
pub async fn inspect(file: &Path) -> Result<Contents, FileError> {
    if !is_sqlite(file)? {
        return Err(FileError::NotOurs);
    }
    let mut conn = connect(file).await?;
    let tables: i64 = sqlx::query_scalar(OUR_TABLES).fetch_one(&mut conn).await?;
    if tables != 3 {
        return Err(FileError::NotOurs);
    }
    let schema: Option<i64> = sqlx::query_scalar(migrate::NEWEST)
        .fetch_one(&mut conn)
        .await?;
    let schema = schema.ok_or(FileError::NotOurs)?;
    if schema > SCHEMA_VERSION {
        return Err(FileError::Store(StoreError::NewerSchema {
            found: schema,
            known: SCHEMA_VERSION,
        }));
    }
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut conn)
        .await?;
    if verdict != "ok" {
        return Err(FileError::Damaged(verdict));
    }
    let last_event: Option<i64> = sqlx::query_scalar("SELECT MAX(at) FROM events")
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    Ok(Contents {
        bytes: fs::metadata(file)?.len(),
        schema,
        last_event: last_event.map(Timestamp::from_millis),
    })
}

/// Whether the file begins as SQLite's do.
pub fn is_sqlite(file: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(file)?.take(16).read_to_end(&mut head)?;
    Ok(head == b"SQLite format 3\0")
}

/// Makes a database the one file that it is named after: what its write-ahead log holds is folded
/// in.
///
/// # Errors
/// [`StoreError::Unavailable`] while anybody else has it open.
pub async fn settle(file: &Path) -> Result<(), FileError> {
    let mut conn = connect(file).await?;
    // Leaving WAL takes a lock that nobody else's connection shares.
    sqlx::query("PRAGMA journal_mode = DELETE")
        .fetch_one(&mut conn)
        .await?;
    conn.close().await?;
    Ok(File::open(file)?.sync_all()?)
}

/// Reads what a database had promised.
pub async fn past(file: &Path) -> Result<Past, FileError> {
    let mut conn = connect(file).await?;
    let row = sqlx::query("SELECT seq, life, issuer FROM log_clock WHERE id = 1")
        .fetch_one(&mut conn)
        .await?;
    let past = Past {
        seq: Seq(row.try_get("seq")?),
        life: Duration::from_millis(u64::try_from(row.try_get::<i64, _>("life")?).unwrap_or(0)),
        issuer: row.try_get("issuer")?,
    };
    conn.close().await?;
    Ok(past)
}

/// The files of which a SQLite database may consist: itself, and what SQLite puts beside it.
pub fn files(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(database, suffix))
}

/// A file beside another, whose name begins with the other's.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file.as_os_str());
    name.push(suffix);
    name.into()
}

/// Puts the settled database `new` in the place of `old`, which is kept as `aside` where there is
/// one. Whenever this is interrupted, either of the two stands in that place, whole.
pub fn replace(new: &Path, old: &Path, aside: &Path) -> io::Result<()> {
    File::open(new)?.sync_all()?;
    let [_, wal, shm] = files(old);
    for (from, to) in files(old).iter().zip(files(aside)) {
        keep(from, &to)?;
    }
    sync_directory(old)?;
    // Only where `old` could not be settled, being damaged. SQLite would take the log of one
    // database for that of the other.
    for stale in [wal, shm] {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_directory(old)?;
    fs::rename(new, old)?;
    sync_directory(old)
}

/// Keeps a file under a second name as well, where it exists and the name is free.
pub fn keep(file: &Path, name: &Path) -> io::Result<()> {
    if !file.exists() || name.exists() {
        return Ok(());
    }
    // Not every file system has links.
    fs::hard_link(file, name).or_else(|_| {
        fs::copy(file, name)?;
        File::open(name)?.sync_all()
    })
}

/// Flushes to the disk which names the directory of `file` has.
pub fn sync_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) if directory.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Keeps a copy of a database whose schema is about to be changed from version `schema` on. One
/// for each version: a later copy of the same version takes the place of the earlier.
pub(crate) async fn keep_before_migration(
    database: &Path,
    schema: i64,
) -> Result<PathBuf, StoreError> {
    let kept = migrate::kept(database, schema);
    let partial = beside(&kept, &format!(".partial-{}", std::process::id()));
    let keep = async {
        let contents = take(database, &partial).await?;
        if contents.schema == schema {
            fs::rename(&partial, &kept)?;
            sync_directory(&kept)?;
        } else {
            // Another process migrated meanwhile, and kept its own copy first.
            fs::remove_file(&partial)?;
        }
        Ok::<_, FileError>(())
    };
    keep.await.map_err(|error| {
        let _ = fs::remove_file(&partial);
        let kept = kept.display();
        StoreError::Failed(format!(
            "no copy of it could be kept as {kept}, so its schema was not changed: {error}"
        ))
    })?;
    Ok(kept)
}

const OUR_TABLES: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'
    AND name IN ('schema_migrations', 'log_clock', 'users')";

async fn connect(file: &Path) -> Result<SqliteConnection, FileError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(2))
        .pragma("trusted_schema", "OFF");
    Ok(SqliteConnection::connect_with(&options).await?)
}
