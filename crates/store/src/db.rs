//! The database: opening it, reading from it, and units of work.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgPool, SqliteConnection, SqlitePool};

use crate::conn::{Conn, Pooled, Reader};
use crate::schema::{MIGRATIONS, Migration};
use crate::stats::{Counts, Stats};
use crate::writer::Writer;
use crate::{StoreError, migrate, snapshot, unit};

/// A boxed future, as units of work return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a connection may take to be had, and SQLite to wait for another process's write.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a unit is run again after the engine gave it up for another.
const ATTEMPTS: usize = 8;

/// How to open a database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Connections for reading (SQLite), or in all (PostgreSQL).
    pub connections: u32,
    /// Whether a commit survives a power cut. Only tests may say no.
    pub durable: bool,
    /// Whether a copy of a SQLite database is kept before its schema is changed.
    pub keep_old: bool,
}

impl Options {
    /// The database at `url`, durable, with a pool for one machine of a few cores.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 16,
            durable: true,
            keep_old: true,
        }
    }
}

/// An open database with its schema up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    engine: Arc<Engine>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
enum Engine {
    Sqlite {
        readers: SqlitePool,
        writer: Writer,
        file: OpenFile,
    },
    Postgres(PgPool),
}

impl Db {
    /// Opens the database, makes it where SQLite has none yet, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] where a newer version wrote it; [`StoreError::Unavailable`] where
    /// it cannot be reached.
    pub async fn open(options: &Options) -> Result<Self, StoreError> {
        Self::open_with(options, MIGRATIONS).await
    }

    /// As [`Db::open`] in a binary whose newest schema is that of these migrations.
    pub(crate) async fn open_with(
        options: &Options,
        migrations: &'static [Migration],
    ) -> Result<Self, StoreError> {
        let counts = Arc::<Counts>::default();
        let engine = if options.url.starts_with("sqlite:") {
            Self::open_sqlite(options, migrations, Arc::clone(&counts)).await?
        } else {
            Self::open_postgres(options, migrations).await?
        };
        Ok(Self {
            engine: Arc::new(engine),
            counts,
        })
    }

    async fn open_sqlite(
        options: &Options,
        migrations: &'static [Migration],
        counts: Arc<Counts>,
    ) -> Result<Engine, StoreError> {
        let synchronous = if options.durable {
            SqliteSynchronous::Full
        } else {
            SqliteSynchronous::Off
        };
        let connect = SqliteConnectOptions::from_str(&options.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("trusted_schema", "OFF")
            .pragma("secure_delete", "FAST");
        let mut pauses = (1..=10).map(|n| Duration::from_millis(10 * n));
        let first = loop {
            match first_sqlite(&connect, options.keep_old, migrations).await {
                Err(StoreError::Unavailable(_)) if let Some(pause) = pauses.next() => {
                    tokio::time::sleep(pause).await;
                }
                first => break first?,
            }
        };
        let readers = SqlitePoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(PATIENCE)
            // A file does not hang up; asking first would be as long a way as the question itself.
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone().pragma("query_only", "ON"));
        let file = OpenFile::note(connect.get_filename().to_owned())?;
        Ok(Engine::Sqlite {
            readers,
            file,
            writer: Writer::start(first, connect, counts),
        })
    }

    async fn open_postgres(
        options: &Options,
        migrations: &'static [Migration],
    ) -> Result<Engine, StoreError> {
        let connect = PgConnectOptions::from_str(&options.url)?.application_name("countersign");
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(PATIENCE)
            .after_connect(|conn, _| {
                Box::pin(async move {
                    for setting in SESSION_SETTINGS {
                        sqlx::query(setting).execute(&mut *conn).await?;
                    }
                    Ok(())
                })
            })
            .connect_with(connect)
            .await?;
        let mut conn = pool.acquire().await?;
        migrate::postgres(&mut conn, migrations).await?;
        drop(conn);
        Ok(Engine::Postgres(pool))
    }

    /// Whether what is open is still what stands at the database's path. A SQLite file that was moved
    /// away or replaced goes on working for whoever has it open, and everything acknowledged since
    /// would be gone at the next start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where it is not.
    pub fn is_in_place(&self) -> Result<(), StoreError> {
        match &*self.engine {
            Engine::Sqlite { file, .. } => file.is_in_place(),
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// What the start line calls the engine.
    pub fn engine_name(&self) -> &'static str {
        match &*self.engine {
            Engine::Sqlite { .. } => "SQLite",
            Engine::Postgres(_) => "PostgreSQL",
        }
    }

    /// Whether this process has the database to itself: no other server can be using it.
    pub fn is_embedded(&self) -> bool {
        matches!(&*self.engine, Engine::Sqlite { .. })
    }

    /// A connection for reading, which must not be held across anything but reading.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match &*self.engine {
            Engine::Sqlite { readers, .. } => Pooled::Sqlite(readers.acquire().await?),
            Engine::Postgres(pool) => Pooled::Postgres(pool.acquire().await?),
        }))
    }

    /// Runs a unit of work and answers after its commit.
    ///
    /// The unit owns its inputs and does nothing but SQL and pure rules: on SQLite everybody waits
    /// for it. It is rolled back, alone, when it answers with an error or panics, and when one of
    /// its statements failed, whatever it answers. Once begun it runs to its end, also where nobody
    /// waits for the answer any more. It may run more than once, after PostgreSQL gave it up for
    /// another (SQLSTATE 40001, 40P01).
    pub async fn write<T, E, U>(&self, unit: U) -> Result<T, E>
    where
        U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<T, E>>
            + Clone
            + Send
            + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite { writer, .. } => writer.submit(unit).await,
            Engine::Postgres(pool) => {
                // On a task of its own: a transaction whose future is dropped while BEGIN is under
                // way goes back to the pool open.
                let task = tokio::spawn(attempts(pool.clone(), unit));
                let result = task
                    .await
                    .unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()).into()));
                if result.is_ok() {
                    self.counts.committed(1);
                }
                result
            }
        }
    }

    /// What the database is doing at this moment.
    pub fn stats(&self) -> Stats {
        let (units, commits) = self.counts.so_far();
        let (connections, idle, waiting) = match &*self.engine {
            Engine::Sqlite {
                readers, writer, ..
            } => (readers.size(), readers.num_idle(), writer.waiting()),
            Engine::Postgres(pool) => (pool.size(), pool.num_idle(), 0),
        };
        Stats {
            connections,
            idle,
            waiting,
            units,
            commits,
        }
    }

    /// How far this process's clock is ahead of the database's, where that is another machine's.
    pub async fn clock_offset_millis(&self, now_millis: i64) -> Result<i64, StoreError> {
        match &*self.engine {
            Engine::Sqlite { .. } => Ok(0),
            Engine::Postgres(pool) => {
                let theirs: i64 = sqlx::query_scalar(DATABASE_CLOCK).fetch_one(pool).await?;
                Ok(now_millis - theirs)
            }
        }
    }

    /// Waits for units under way and closes every connection.
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite {
                readers, writer, ..
            } => {
                writer.stop().await;
                readers.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }

    /// Asks the engine to parse a statement, for the test that tries them all.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, sql: &'static str) -> Result<(), StoreError> {
        use sqlx::{Executor, SqlSafeStr};
        match &*self.engine {
            Engine::Sqlite { readers, .. } => {
                readers
                    .acquire()
                    .await?
                    .prepare(sql.into_sql_str())
                    .await
                    .map(drop)?;
            }
            Engine::Postgres(pool) => {
                pool.acquire()
                    .await?
                    .prepare(sql.into_sql_str())
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }
}

/// The file that SQLite has open, as the file system knows it.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFile {
    fn note(path: PathBuf) -> Result<Self, StoreError> {
        let (device, inode) = Self::look(&path)?;
        Ok(Self {
            path,
            device,
            inode,
        })
    }

    fn look(path: &std::path::Path) -> Result<(u64, u64), StoreError> {
        let found = std::fs::metadata(path)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        Ok((found.dev(), found.ino()))
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        if Self::look(&self.path)? == (self.device, self.inode) {
            return Ok(());
        }
        let path = self.path.display();
        Err(StoreError::Unavailable(format!(
            "{path} is another file than the one that is open"
        )))
    }
}

/// What every PostgreSQL connection starts with: the isolation that the orders of revocation were
/// checked on, commits that survive a crash whatever the server's default, and bounded waiting.
const SESSION_SETTINGS: [&str; 4] = [
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    "SET statement_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '10s'",
];

const DATABASE_CLOCK: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// A connection to a database whose schema is up to date.
///
/// Turning a new file to WAL takes a lock that SQLite refuses at once instead of waiting for it:
/// where another process does the same, this is unavailable for a moment.
async fn first_sqlite(
    connect: &SqliteConnectOptions,
    keep_old: bool,
    migrations: &'static [Migration],
) -> Result<SqliteConnection, StoreError> {
    let mut conn = SqliteConnection::connect_with(connect).await?;
    let found = migrate::version_on_sqlite(&mut conn).await?;
    if let Some(found) = found.filter(|_| keep_old)
        && let Some(newest) = migrate::missing(migrations, Some(found))?.last()
    {
        let kept = snapshot::keep_before_migration(connect.get_filename(), found).await?;
        tracing::info!(
            "the schema goes from version {found} to {}: a copy of the database as it was is kept \
             as {}",
            newest.version,
            kept.display()
        );
    }
    migrate::sqlite(&mut conn, migrations).await?;
    Ok(conn)
}

/// One unit on PostgreSQL, again where the engine gave it up for another.
async fn attempts<T, E, U>(pool: PgPool, unit: U) -> Result<T, E>
where
    U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<T, E>> + Clone + Send,
    E: From<StoreError>,
{
    for _ in 0..ATTEMPTS {
        match attempt(&pool, unit.clone()).await {
            Ok(result) => return result,
            Err(StoreError::Serialization) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Serialization.into())
}

/// One transaction: what the unit answered, or why the engine could not run or commit it.
async fn attempt<T, E, U>(pool: &PgPool, unit: U) -> Result<Result<T, E>, StoreError>
where
    U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<T, E>> + Send,
    E: From<StoreError>,
{
    let mut transaction = pool.begin().await?;
    let mut conn = Conn::postgres(&mut transaction);
    let result = unit::run(unit, &mut conn).await;
    let must_repeat = conn.must_repeat;
    if result.is_ok() {
        transaction.commit().await?;
    } else {
        // Dropping the transaction would roll back too, but only when the connection is used next.
        let _ = transaction.rollback().await;
    }
    if must_repeat {
        Err(StoreError::Serialization)
    } else {
        Ok(result)
    }
}
