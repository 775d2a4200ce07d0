//! Brings a database to the schema of this binary, at start.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::StoreError;
use crate::schema::MIGRATIONS;

/// The schema version that this binary writes.
pub const SCHEMA_VERSION: i64 = match MIGRATIONS.last() {
    Some(migration) => migration.version,
    None => 0,
};

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
)";
const NEWEST: &str = "SELECT MAX(version) FROM schema_migrations";
/// Inserted first in its transaction: a second node that starts at the same time waits here for the
/// first one's commit, and then finds the work done.
const CLAIM: &str = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";

macro_rules! migrate {
    ($conn:expr, $begin:literal, $dialect:expr) => {{
        let conn = $conn;
        let dialect: fn(&str) -> String = $dialect;
        // Two nodes that start at once can both try to make the register, and one then fails.
        if sqlx::query(REGISTER).execute(&mut *conn).await.is_err() {
            sqlx::query(REGISTER).execute(&mut *conn).await?;
        }
        let newest: Option<i64> = sqlx::query_scalar(NEWEST).fetch_one(&mut *conn).await?;
        let found = newest.unwrap_or(0);
        if found > SCHEMA_VERSION {
            return Err(StoreError::NewerSchema {
                found,
                known: SCHEMA_VERSION,
            });
        }
        for migration in MIGRATIONS
            .iter()
            .filter(|migration| migration.version > found)
        {
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

pub(crate) async fn sqlite(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    migrate!(conn, "BEGIN IMMEDIATE", |sql| sql
        .replace("BYTES", "BLOB")
        .replace("KEYTEXT", "TEXT"))
}

pub(crate) async fn postgres(conn: &mut PgConnection) -> Result<(), StoreError> {
    migrate!(conn, "BEGIN", |sql| {
        sql.replace("BYTES", "BYTEA")
            .replace("KEYTEXT", "TEXT COLLATE \"C\"")
    })
}
