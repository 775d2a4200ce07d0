//! Somebody else's SQLite file, from which people move in. It is read and never written, and nothing
//! is known of its schema beforehand: the one place where SQL is put together, from names that the
//! file itself gives.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row as _, SqliteConnection};

use crate::StoreError;

/// An open table of another system.
#[derive(Debug)]
pub struct Source {
    conn: SqliteConnection,
    table: String,
    columns: Vec<String>,
}

/// A row: its number in the table, and the chosen columns as text. A value that is no text is the
/// name of its column.
pub type SourceRow = (i64, Vec<Result<Option<String>, String>>);

/// The longest value that is read; no name and no hash comes near.
const MOST_CHARACTERS: i64 = 4096;

impl Source {
    /// Opens a table for reading.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the file has no such table, naming those it has, or one that
    /// cannot be read in pages.
    pub async fn open(file: &Path, table: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .pragma("trusted_schema", "OFF")
            .pragma("query_only", "ON");
        let mut conn = SqliteConnection::connect_with(&options).await?;
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info($1) ORDER BY cid")
                .bind(table)
                .fetch_all(&mut conn)
                .await?;
        if columns.is_empty() {
            let tables: Vec<String> = sqlx::query_scalar(
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
            )
            .fetch_all(&mut conn)
            .await?;
            return Err(StoreError::Failed(format!(
                "there is no table {table:?}; there are: {}",
                tables.join(", ")
            )));
        }
        // Views have none, and neither have tables WITHOUT ROWID.
        let numbers = format!("SELECT rowid FROM {} LIMIT 1", quoted(table));
        let probe = sqlx::query(AssertSqlSafe(numbers)).fetch_optional(&mut conn);
        if probe.await.is_err() {
            return Err(StoreError::Failed(format!(
                "the rows of {table:?} have no numbers: write it to a CSV file"
            )));
        }
        Ok(Self {
            conn,
            table: table.to_owned(),
            columns,
        })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub async fn count(&mut self) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", quoted(&self.table));
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.conn)
            .await?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Up to `limit` rows after the one with the number `after`, in order; of each the columns with
    /// these places among [`Source::columns`].
    pub async fn page(
        &mut self,
        wanted: &[usize],
        after: i64,
        limit: i64,
    ) -> Result<Vec<SourceRow>, StoreError> {
        let names: Vec<&String> = wanted
            .iter()
            .filter_map(|place| self.columns.get(*place))
            .collect();
        let values: String = names
            .iter()
            .map(|name| {
                format!(
                    ", substr(CAST({} AS TEXT), 1, {MOST_CHARACTERS})",
                    quoted(name)
                )
            })
            .collect();
        let sql = format!(
            "SELECT rowid{values} FROM {} WHERE rowid > $1 ORDER BY rowid LIMIT $2",
            quoted(&self.table)
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(limit)
            .fetch_all(&mut self.conn)
            .await?;
        let value = |row: &SqliteRow, place: usize, name: &str| {
            row.try_get::<Option<String>, _>(place + 1)
                .map_err(|_| name.to_owned())
        };
        rows.iter()
            .map(|row| {
                let values = names.iter().enumerate();
                let values = values.map(|(place, name)| value(row, place, name));
                Ok((row.try_get(0)?, values.collect()))
            })
            .collect()
    }
}

/// A name as SQL writes it, whatever it consists of.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
