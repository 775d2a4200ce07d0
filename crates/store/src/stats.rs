//! What the database is doing, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What [`Db::stats`](crate::Db::stats) found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Open connections, without SQLite's writing one.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// Units of work that wait for SQLite's writer; on PostgreSQL they wait for a connection.
    pub waiting: usize,
    /// Units of work that were committed.
    pub units: u64,
    /// Commits: on SQLite units share them.
    pub commits: u64,
}

/// What is counted since the database was opened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    units: AtomicU64,
    commits: AtomicU64,
}

impl Counts {
    /// Counts a commit of so many units.
    pub(crate) fn committed(&self, units: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.units
            .fetch_add(u64::try_from(units).unwrap_or(0), Ordering::Relaxed);
    }

    /// Units and commits.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (
            self.units.load(Ordering::Relaxed),
            self.commits.load(Ordering::Relaxed),
        )
    }
}
