//! What can go wrong between a flow and the database.

use sqlx::error::ErrorKind;

/// A failure of the database, sorted by what a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or did not answer in time. Ask again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// More writes are waiting than the queue holds. Ask again later.
    #[error("too many writes are waiting")]
    Busy,
    /// A unique value exists already, or a row that was referred to is gone: a race was lost.
    #[error("the write conflicts with what is stored")]
    Conflict,
    /// The database gave up one of two transactions that stood in each other's way.
    #[error("the transaction must be repeated")]
    Serialization,
    /// The database was written by a newer version of Countersign.
    #[error(
        "the database has schema version {found}, and this binary knows versions up to {known}: \
         use the newer binary, or restore the backup that was made before the upgrade"
    )]
    NewerSchema {
        /// The version that was found.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// What is stored is not what was ever written here.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// Anything else: a defect of a statement, a full disk.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => {
                let code = inner.code().unwrap_or_default();
                match inner.kind() {
                    ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation => Self::Conflict,
                    _ if matches!(&*code, "40001" | "40P01") => Self::Serialization,
                    _ if is_passing(&code) => Self::Unavailable(error.to_string()),
                    _ => Self::Failed(error.to_string()),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error.to_string()),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// PostgreSQL: class 08 (connection), 28 (the login is refused), 3D (the database is not there), 53
/// (resources), 57 (intervention, statement timeout), 25006 (a standby refuses writes). SQLite: 5 (busy), 6 (locked) and their extended codes.
fn is_passing(code: &str) -> bool {
    let postgres = code.len() == 5
        && (["08", "28", "3D", "53", "57"]
            .iter()
            .any(|class| code.starts_with(class))
            || code == "25006");
    let sqlite = code.len() < 5
        && code
            .parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14));
    postgres || sqlite
}
