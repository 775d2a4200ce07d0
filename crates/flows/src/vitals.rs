//! How a database does, for whoever looks after it.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_store::{events, identifiers, log};

use crate::start::CHECK_CONTEXT;
use crate::{FlowError, Parts, backup};

/// How often a commit is timed; the middle one counts.
const COMMITS: usize = 5;

/// What was found.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// When it was looked, by this machine's clock.
    pub now: Timestamp,
    /// How far this machine's clock is ahead of the database's, in milliseconds.
    pub clock_ahead_millis: i64,
    /// When something was last written to the revocation log, by the clock of then.
    pub log_at: Timestamp,
    /// Whether the secret is the one that the database was sealed with.
    pub right_secret: bool,
    /// How long a commit takes, as every login needs one.
    pub commit: Duration,
    /// How far the audit log goes back.
    pub since: Option<Timestamp>,
    /// When the database was last written to a backup by `countersign backup`, or came from one;
    /// looked for on SQLite only.
    pub last_backup: Option<Timestamp>,
    /// Whether any account came from another program.
    pub any_imported: bool,
}

/// Looks. All that it writes is the log's clock, which every command moves on.
pub async fn look(parts: &Parts) -> Result<Vitals, FlowError> {
    let now = parts.clock.now();
    let (seq, check, since, any_imported, last_backup) = {
        let mut reader = parts.db.read().await?;
        let mut conn = reader.conn();
        (
            log::seq(&mut conn).await?,
            log::secret_check(&mut conn).await?,
            events::first(&mut conn).await?,
            identifiers::any_remembered(&mut conn).await?,
            // PostgreSQL's backups are not ours.
            match parts.db.is_embedded() {
                true => backup::last(&mut conn).await?,
                false => None,
            },
        )
    };
    let mut commits = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let began = parts.clock.monotonic();
        let now = parts.clock.now();
        parts
            .db
            .write(move |conn| Box::pin(async move { log::advance(conn, now).await }))
            .await?;
        commits.push(parts.clock.monotonic().saturating_sub(began));
    }
    commits.sort_unstable();
    Ok(Vitals {
        now,
        clock_ahead_millis: parts.db.clock_offset_millis(now.as_millis()).await?,
        log_at: Timestamp::from_millis(seq.0 / 1_000),
        right_secret: check
            .is_none_or(|sealed| parts.keyring.open(CHECK_CONTEXT, &sealed).is_some()),
        commit: commits[COMMITS / 2],
        since,
        last_backup,
        any_imported,
    })
}
