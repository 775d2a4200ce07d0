//! Brings a database to the schema of this binary, at start.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::StoreError;
use crate::schema::{MIGRATIONS, Migration};
use crate::snapshot;

/// The schema version that this binary writes.
pub const SCHEMA_VERSION: i64 = newest(MIGRATIONS);

const fn newest(migrations: &[Migration]) -> i64 {
    match migrations.last() {
        Some(migration) => migration.version,
        None => 0,
    }
}

pub(crate) const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
)";
pub(crate) const NEWEST: &str = "SELECT MAX(version) FROM schema_migrations";
/// Inserted first in its transaction: a second node that starts at the same time waits here for the
/// first one's commit, and then finds the work done.
const CLAIM: &str = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";

const HAS_REGISTER_SQLITE: &str =
    "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_migrations'";
const HAS_REGISTER_POSTGRES: &str = "SELECT COUNT(*) FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_name = 'schema_migrations'";

/// What opening a database would change about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The version of its schema; `None` where there is none yet.
    pub found: Option<i64>,
    /// The steps that are missing: version and name.
    pub steps: Vec<(i64, &'static str)>,
    /// Where a copy of it would be kept first.
    pub kept: Option<PathBuf>,
}

/// Says what [`crate::Db::open`] would do to the database at `url`, which must exist. Changes nothing.
///
/// # Errors
/// [`StoreError::NewerSchema`] where a newer version wrote it; [`StoreError::Unavailable`] where it
/// cannot be reached.
pub async fn plan(url: &str) -> Result<Plan, StoreError> {
    plan_with(url, MIGRATIONS).await
}

pub(crate) async fn plan_with(
    url: &str,
    migrations: &'static [Migration],
) -> Result<Plan, StoreError> {
    let (found, file) = if url.starts_with("sqlite:") {
        let connect = SqliteConnectOptions::from_str(url)?;
        let mut conn = SqliteConnection::connect_with(&connect).await?;
        let found = version_on_sqlite(&mut conn).await?;
        conn.close().await?;
        (found, Some(connect.get_filename().to_owned()))
    } else {
        let connect = PgConnectOptions::from_str(url)?.application_name("countersign");
        let mut conn = PgConnection::connect_with(&connect).await?;
        let has: i64 = sqlx::query_scalar(HAS_REGISTER_POSTGRES)
            .fetch_one(&mut conn)
            .await?;
        let found = match has {
            0 => None,
            _ => sqlx::query_scalar(NEWEST).fetch_one(&mut conn).await?,
        };
        conn.close().await?;
        (found, None)
    };
    let steps = missing(migrations, found)?;
    let kept = file
        .zip(found.filter(|_| !steps.is_empty()))
        .map(|(file, found)| kept(&file, found));
    Ok(Plan {
        found,
        steps: steps.iter().map(|step| (step.version, step.name)).collect(),
        kept,
    })
}

/// The version of a SQLite database, `None` where it has no schema.
pub(crate) async fn version_on_sqlite(
    conn: &mut SqliteConnection,
) -> Result<Option<i64>, StoreError> {
    let has: i64 = sqlx::query_scalar(HAS_REGISTER_SQLITE)
        .fetch_one(&mut *conn)
        .await?;
    Ok(match has {
        0 => None,
        _ => sqlx::query_scalar(NEWEST).fetch_one(&mut *conn).await?,
    })
}

/// The migrations that a database of version `found` lacks.
pub(crate) fn missing(
    migrations: &'static [Migration],
    found: Option<i64>,
) -> Result<&'static [Migration], StoreError> {
    let (found, known) = (found.unwrap_or(0), newest(migrations));
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    let first = migrations.partition_point(|migration| migration.version <= found);
    Ok(&migrations[first..])
}

/// Where the copy of a SQLite database is kept that had schema version `schema`.
pub(crate) fn kept(database: &Path, schema: i64) -> PathBuf {
    snapshot::beside(database, &format!(".schema-{schema}.bak"))
}

macro_rules! migrate {
    ($conn:expr, $migrations:expr, $begin:literal, $dialect:expr) => {{
        let (conn, migrations) = ($conn, $migrations);
        let dialect: fn(&str) -> String = $dialect;
        // Two nodes that start at once can both try to make the register, and one then fails.
        if sqlx::query(REGISTER).execute(&mut *conn).await.is_err() {
            sqlx::query(REGISTER).execute(&mut *conn).await?;
        }
        let newest: Option<i64> = sqlx::query_scalar(NEWEST).fetch_one(&mut *conn).await?;
        for migration in missing(migrations, newest)? {
            let mut transaction = conn.begin_with($begin).await?;
            let claimed = sqlx::query(CLAIM)
                .bind(migration.version)
                .bind(migration.name)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if claimed == 1 {
                for statement in migration.statements {
                    sqlx::query(AssertSqlSafe(dialect(statement)))
                        .execute(&mut *transaction)
                        .await?;
                }
            }
            transaction.commit().await?;
        }
        Ok(())
    }};
}

pub(crate) async fn sqlite(
    conn: &mut SqliteConnection,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    migrate!(conn, migrations, "BEGIN IMMEDIATE", for_sqlite)
}

pub(crate) async fn postgres(
    conn: &mut PgConnection,
    migrations: &'static [Migration],
) -> Result<(), StoreError> {
    migrate!(conn, migrations, "BEGIN", for_postgres)
}

pub(crate) fn for_sqlite(sql: &str) -> String {
    sql.replace("BYTES", "BLOB").replace("KEYTEXT", "TEXT")
}

pub(crate) fn for_postgres(sql: &str) -> String {
    sql.replace("BYTES", "BYTEA")
        .replace("KEYTEXT", "TEXT COLLATE \"C\"")
}
