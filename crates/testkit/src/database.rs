use std::env;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::temp::{TempDir, unique};

/// The variable with the address of a PostgreSQL that tests may make databases in;
/// `script/services` sets it.
const SERVER: &str = "COUNTERSIGN_TEST_POSTGRES";

/// An empty database of its own, gone when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Directory { _kept: TempDir },
    Server { url: String, name: String },
}

impl TestDatabase {
    /// A SQLite file, not yet made, in a temporary directory.
    #[must_use]
    pub fn sqlite() -> Self {
        let directory = TempDir::new();
        let url = format!("sqlite:{}", directory.join("countersign.db").display());
        Self {
            url,
            place: Place::Directory { _kept: directory },
        }
    }

    /// A fresh database on the PostgreSQL that `COUNTERSIGN_TEST_POSTGRES` names. Without it none,
    /// with a note, so that the other tests run on a machine that has no PostgreSQL.
    ///
    /// # Panics
    /// Where the server cannot be reached, and, in CI, where the variable is missing: there a
    /// silently skipped engine would look like a tested one.
    pub async fn postgres() -> Option<Self> {
        let Ok(url) = env::var(SERVER) else {
            assert!(
                env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{SERVER} is not set"
            );
            eprintln!("skipped on PostgreSQL: {SERVER} is not set, see script/services");
            return None;
        };
        let name = format!("countersign_test_{}", unique());
        // Left behind by an earlier process with our id, which was killed.
        execute(&url, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
            .unwrap_or_else(|error| panic!("{SERVER}: {error}"));
        execute(&url, format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .unwrap_or_else(|error| panic!("{SERVER}: {error}"));
        Some(Self {
            url: named(&url, &name),
            place: Place::Server { url, name },
        })
    }

    /// Both engines, or SQLite alone where [`TestDatabase::postgres`] gives none: what a contract
    /// suite runs over.
    pub async fn each() -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres().await]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Its address, as `database.url` takes it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement on it, for what the program never does: a database of another version, or
    /// one that somebody else wrote to. It must be there.
    ///
    /// # Panics
    /// If it fails.
    pub async fn execute(&self, statement: &str) {
        let done = match &self.place {
            Place::Server { .. } => execute(&self.url, statement.to_owned()).await,
            Place::Directory { .. } => execute_on_sqlite(&self.url, statement.to_owned()).await,
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Writes so many floors of sessions that nobody has, just below the log's position, for an
    /// hour: to measure, not to test. On SQLite, where the tables are and no server is.
    ///
    /// # Panics
    /// If it fails.
    pub async fn fill_floors(&self, count: usize) {
        self.execute(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO floors (seq, scope, subject, reason, expires)
             SELECT seq - n, 'session', randomblob(16), 'revoked', seq / 1000 + 3600000
             FROM n, log_clock"
        ))
        .await;
    }

    /// Whether it is on PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Server { .. })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Place::Server { url, name } = &self.place else {
            return;
        };
        let (url, statement) = (
            url.clone(),
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        // On a thread of its own, because a runtime cannot be blocked on from inside another.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime
                .block_on(execute(&url, statement))
                .map_err(std::io::Error::other)
        });
        // At worst the database stays until its cluster, itself temporary, is removed.
        let _ = dropping.join();
    }
}

async fn execute(url: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    // Safe: made of a constant and of `unique`, which is digits.
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Runs statements on a SQLite file that is not the program's, and makes it where there is none.
///
/// # Panics
/// If one fails.
pub async fn make_sqlite(file: &Path, statements: &[&str]) {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    for statement in statements {
        let done = execute_on_sqlite(&url, (*statement).to_owned()).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

async fn execute_on_sqlite(url: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = SqliteConnection::connect(url).await?;
    // Safe: what a test says about its own database.
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// The same server, another database.
fn named(url: &str, name: &str) -> String {
    let (base, query) = url
        .split_once('?')
        .map_or((url, None), |(base, query)| (base, Some(query)));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..]
        .find('/')
        .map_or(base.len(), |at| authority + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_name_is_replaced_and_nothing_else() {
        for (url, expected) in [
            ("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/x"),
            (
                "postgres://u:p@h:1/postgres?sslmode=disable",
                "postgres://u:p@h:1/x?sslmode=disable",
            ),
            ("postgres://h", "postgres://h/x"),
            ("postgres://h?host=/run/pg", "postgres://h/x?host=/run/pg"),
        ] {
            assert_eq!(named(url, "x"), expected);
        }
    }

    #[test]
    fn a_sqlite_database_lives_in_its_own_directory() {
        let (one, two) = (TestDatabase::sqlite(), TestDatabase::sqlite());
        assert_ne!(one.url(), two.url());
        assert!(one.url().starts_with("sqlite:/") && one.url().ends_with("/countersign.db"));
    }

    #[tokio::test]
    async fn a_postgres_database_is_fresh_and_goes_even_while_connected() {
        let Some(database) = TestDatabase::postgres().await else {
            return;
        };
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let count: i64 = sqlx::query_scalar(tables)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(count, 0);
        let url = database.url().to_owned();
        drop(database);
        assert!(PgConnection::connect(&url).await.is_err());
    }
}
