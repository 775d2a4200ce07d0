//! A connection of either engine, and rows read from it. The only place that matches on the engine
//! to run a statement.

use countersign_core::{Seq, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, Decode, PgConnection, Postgres, Row as _, Sqlite, SqliteConnection, Type,
};

use crate::StoreError;
use crate::args::Arg;
use crate::statement::Statement;

/// A connection inside a unit of work, or for reading.
#[derive(Debug)]
pub struct Conn<'c> {
    link: Link<'c>,
    pub(crate) reading: bool,
    /// A statement failed: nothing that this transaction did may be kept.
    pub(crate) failed: bool,
    /// The engine gave this transaction up for another: it must be repeated.
    pub(crate) must_repeat: bool,
}

#[derive(Debug)]
enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A pooled connection for reading. Each statement sees what was committed when it began.
#[derive(Debug)]
pub struct Reader(pub(crate) Pooled);

#[derive(Debug)]
pub(crate) enum Pooled {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    /// The connection to pass to the functions of this crate.
    pub fn conn(&mut self) -> Conn<'_> {
        let conn = match &mut self.0 {
            Pooled::Sqlite(conn) => Conn::sqlite(conn),
            Pooled::Postgres(conn) => Conn::postgres(conn),
        };
        Conn {
            reading: true,
            ..conn
        }
    }
}

/// Expands one body for both engines.
macro_rules! on {
    ($link:expr, $conn:ident => $body:expr) => {
        match $link {
            Link::Sqlite($conn) => $body,
            Link::Postgres($conn) => $body,
        }
    };
}

/// Rows that one statement writes at once. A row has at most nine values, and SQLite takes 32,766
/// of them.
const ROWS: usize = 100;

/// A text with its values bound, for the engine at hand.
macro_rules! bound {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query($sql);
        for arg in $args {
            query = match arg {
                Arg::Text(value) => query.bind(value),
                Arg::Int(value) => query.bind(value),
                Arg::Bool(value) => query.bind(value),
                Arg::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

impl<'c> Conn<'c> {
    pub(crate) fn sqlite(conn: &'c mut SqliteConnection) -> Self {
        Self::new(Link::Sqlite(conn))
    }

    pub(crate) fn postgres(conn: &'c mut PgConnection) -> Self {
        Self::new(Link::Postgres(conn))
    }

    fn new(link: Link<'c>) -> Self {
        Self {
            link,
            reading: false,
            failed: false,
            must_repeat: false,
        }
    }

    /// Runs a statement; answers how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        self.permit(statement)?;
        let done = on!(&mut self.link, conn => bound!(statement.sql, args)
            .execute(&mut **conn)
            .await
            .map(|done| done.rows_affected()));
        self.sorted(done)
    }

    /// Runs a statement that gives at most one row.
    pub(crate) async fn optional(
        &mut self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        self.permit(statement)?;
        let row = on!(&mut self.link, conn => bound!(statement.sql, args)
            .fetch_optional(&mut **conn)
            .await
            .map(|row| row.map(Row::from)));
        self.sorted(row)
    }

    /// Runs a statement that always gives a row.
    pub(crate) async fn one(
        &mut self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Row, StoreError> {
        self.optional(statement, args)
            .await?
            .ok_or_else(|| StoreError::Corrupt(format!("{} found no row", statement.name)))
    }

    /// Runs a statement that gives any number of rows.
    pub(crate) async fn all(
        &mut self,
        statement: Statement,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        self.permit(statement)?;
        let rows = on!(&mut self.link, conn => bound!(statement.sql, args)
            .fetch_all(&mut **conn)
            .await
            .map(|rows| rows.into_iter().map(Row::from).collect()));
        self.sorted(rows)
    }

    /// Runs a statement that writes one row for many of them, a hundred at a time; answers what they
    /// return. Each row has as many values as the statement has placeholders.
    pub(crate) async fn many(
        &mut self,
        statement: Statement,
        mut rows: Vec<Vec<Arg>>,
    ) -> Result<Vec<Row>, StoreError> {
        if rows.len() == 1 {
            return self.all(statement, rows.remove(0)).await;
        }
        self.permit(statement)?;
        let columns = rows.first().map_or(0, Vec::len);
        let mut returned = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let chunk: Vec<_> = rows.by_ref().take(ROWS).collect();
            let sql = statement.repeated(chunk.len(), columns).ok_or_else(|| {
                StoreError::Failed(format!("{} is not for many rows", statement.name))
            })?;
            // A full hundred comes again and is worth preparing; the rest has a text of its own.
            let again = chunk.len() == ROWS;
            let sql = AssertSqlSafe(sql);
            let args = chunk.into_iter().flatten();
            let found = on!(&mut self.link, conn => bound!(sql, args)
                .persistent(again)
                .fetch_all(&mut **conn)
                .await
                .map(|rows| rows.into_iter().map(Row::from).collect::<Vec<_>>()));
            returned.extend(self.sorted(found)?);
        }
        Ok(returned)
    }

    /// Refuses a write outside a unit, which PostgreSQL would commit by itself.
    fn permit(&self, statement: Statement) -> Result<(), StoreError> {
        if self.reading && !statement.sql.starts_with("SELECT") {
            let name = statement.name;
            return Err(StoreError::Failed(format!("{name} is not for reading")));
        }
        Ok(())
    }

    /// Remembers what a failure means for the transaction, whatever the unit makes of it.
    fn sorted<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        result.map_err(|error| {
            let error = StoreError::from(error);
            self.failed = true;
            self.must_repeat |= matches!(error, StoreError::Serialization);
            error
        })
    }
}

/// A row of either engine.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

/// Types that both engines decode.
pub(crate) trait Portable:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Portable for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    /// The value of a column.
    pub(crate) fn get<T: Portable>(&self, column: &str) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A column of bytes of a known length.
    pub(crate) fn bytes<const N: usize>(&self, column: &str) -> Result<[u8; N], StoreError> {
        self.get::<Vec<u8>>(column)?
            .try_into()
            .map_err(|_| StoreError::Corrupt(format!("{column} has the wrong length")))
    }

    /// As [`Row::bytes`], where the column may be null.
    pub(crate) fn optional_bytes<const N: usize>(
        &self,
        column: &str,
    ) -> Result<Option<[u8; N]>, StoreError> {
        match self.get::<Option<Vec<u8>>>(column)? {
            Some(_) => self.bytes(column).map(Some),
            None => Ok(None),
        }
    }

    /// A column of unix milliseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_millis)
    }

    /// As [`Row::time`], where the column may be null.
    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    /// A position of the revocation log.
    pub(crate) fn seq(&self, column: &str) -> Result<Seq, StoreError> {
        self.get(column).map(Seq)
    }

    /// A column that holds one of a set of words.
    pub(crate) fn word<T: std::str::FromStr>(&self, column: &str) -> Result<T, StoreError> {
        let word: String = self.get(column)?;
        word.parse()
            .map_err(|_| StoreError::Corrupt(format!("{column} is {word:?}")))
    }
}
