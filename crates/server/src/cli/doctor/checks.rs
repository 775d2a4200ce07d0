//! The checks: one pure function for each thing that can be wrong. Those of how clients reach the
//! server are in `reach`.

use std::time::Duration;

use countersign_core::Timestamp;
use countersign_flows::vitals::Vitals;
use serde::Serialize;

use super::facts::{Database, Facts, FileFact};
use super::reach::{
    cookies_need_https, cookies_on_safari, issuer_differs, proxies_everybody, proxies_not_named,
    public_url_is_another, public_url_redirects, public_url_silent,
};
use crate::boot;
use crate::cli::backup::secret_place;
use crate::cli::output::{size, when};
use crate::config::Engine;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Good to know; nothing need be done.
    Information,
    /// It works, and somebody will be sorry.
    Warning,
    /// Something does not work, or is not safe.
    Error,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) area: &'static str,
    pub(super) what: String,
    pub(super) mend: String,
}

/// One check.
#[derive(Debug)]
pub(super) struct Check {
    /// What its finding is called.
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    /// Under which heading it stands.
    pub(super) area: &'static str,
    find: fn(&Facts) -> Found,
}

impl Check {
    pub(super) fn of(&self, facts: &Facts) -> Option<Finding> {
        (self.find)(facts).map(|(what, mend)| Finding {
            code: self.code,
            severity: self.severity,
            area: self.area,
            what,
            mend,
        })
    }
}

macro_rules! checks {
    ($($area:literal { $($severity:ident $name:ident,)+ })+) => {
        /// Every check, in the order of the report.
        pub(super) const CHECKS: &[Check] = &[$($(Check {
            code: stringify!($name),
            severity: Severity::$severity,
            area: $area,
            find: $name,
        },)+)+];
    };
}

checks! {
    "Files" {
        Error data_unwritable,
        Warning data_open_to_others,
        Error secrets_open_to_others,
        Error disk_full,
        Warning disk_nearly_full,
    }
    "Secrets" {
        Error secret_unusable,
        Error secret_of_another_database,
        Information secret_beside_the_data,
        Information secret_previous_left,
        Information jwt_secret_shared,
        Information legacy_tokens_accepted,
        Warning legacy_tokens_over,
        Warning legacy_tokens_of_nobody,
    }
    "Database" {
        Information database_missing,
        Error database_unreachable,
        Error database_newer,
        Warning database_behind,
        Warning database_slow,
    }
    "Clock" {
        Error clock_off,
        Warning clock_behind_the_log,
    }
    "Address" {
        Warning public_url_silent,
        Error public_url_redirects,
        Error public_url_is_another,
        Error issuer_differs,
    }
    "Cookies" {
        Error cookies_need_https,
        Information cookies_on_safari,
    }
    "Proxies" {
        Warning proxies_not_named,
        Error proxies_everybody,
    }
    "Backup" {
        Warning backup_never_made,
        Warning backup_old,
        Information backup_by_other_means,
    }
}

/// What is wrong and how to mend it, if it is.
pub(super) type Found = Option<(String, String)>;

pub(super) fn found(what: impl Into<String>, mend: impl Into<String>) -> Found {
    Some((what.into(), mend.into()))
}

fn vitals(facts: &Facts) -> Option<&Vitals> {
    match &facts.database {
        Database::Open(vitals) => Some(vitals),
        _ => None,
    }
}

fn data_unwritable(facts: &Facts) -> Found {
    let (directory, why) = facts.unwritable.as_ref()?;
    let data = directory.display();
    found(
        format!("nothing can be written to {data}: {why}"),
        format!("run the server as the owner of {data}, or give it to the user that it runs as"),
    )
}

fn is_open(file: &FileFact) -> bool {
    file.mode & 0o077 != 0
}

fn data_open_to_others(facts: &Facts) -> Found {
    let data = facts.data.as_ref().filter(|data| is_open(data))?;
    let (path, mode) = (data.path.display(), data.mode);
    found(
        format!("other users of this machine can look into {path} (mode {mode:04o})"),
        format!("chmod go= {path}"),
    )
}

fn secrets_open_to_others(facts: &Facts) -> Found {
    // What stands in a closed directory is closed.
    let closed = facts.data.as_ref().is_some_and(|data| !is_open(data));
    let open = facts.files.iter().filter(|file| is_open(file));
    let paths: Vec<_> = open
        .filter(|file| file.stands_alone || !closed)
        .map(|file| file.path.display().to_string())
        .collect();
    if paths.is_empty() {
        return None;
    }
    found(
        format!("other users of this machine can open {}", paths.join(", ")),
        format!("chmod go= {}", paths.join(" ")),
    )
}

const MEGABYTE: u64 = 1_000_000;

fn disk_full(facts: &Facts) -> Found {
    let disk = facts.disk.filter(|disk| disk.free < 100 * MEGABYTE)?;
    found(
        format!("the disk of the database has {} left", size(disk.free)),
        "make room, or move server.data to a larger disk: nobody can sign in where nothing can be \
         written",
    )
}

fn disk_nearly_full(facts: &Facts) -> Found {
    let disk = facts.disk.filter(|disk| {
        disk.free >= 100 * MEGABYTE && disk.free < 10_000 * MEGABYTE && disk.free < disk.total / 20
    })?;
    let (free, total) = (size(disk.free), size(disk.total));
    found(
        format!("the disk of the database has {free} left of {total}"),
        "make room, or move server.data to a larger disk",
    )
}

fn secret_unusable(facts: &Facts) -> Found {
    let Database::NoSecret(why) = &facts.database else {
        return None;
    };
    found(
        why,
        format!(
            "put the secret in place that this database was made with: {}",
            secret_place(&facts.config)
        ),
    )
}

fn secret_of_another_database(facts: &Facts) -> Found {
    let place = secret_place(&facts.config);
    vitals(facts).filter(|vitals| !vitals.right_secret)?;
    found(
        format!("{place} is not the secret that this database was sealed with"),
        "set SECRET_KEY to the right one, or, to change it, the old one as SECRET_KEY_PREVIOUS",
    )
}

fn secret_beside_the_data(facts: &Facts) -> Found {
    let file = boot::secret_file(&facts.config);
    let sqlite = facts.config.database.url.engine() == Engine::Sqlite;
    let beside = sqlite && facts.config.secret.key.is_none();
    beside.then_some(())?;
    found(
        format!(
            "the secret is {}, beside the database that it seals",
            file.display()
        ),
        "whoever copies the directory has both: set SECRET_KEY in the environment to keep them apart",
    )
}

fn secret_previous_left(facts: &Facts) -> Found {
    facts.config.secret.key_previous.as_ref()?;
    found(
        "SECRET_KEY_PREVIOUS is still set",
        "take it away once every server has started with the new SECRET_KEY",
    )
}

fn jwt_secret_shared(facts: &Facts) -> Found {
    facts.config.secret.jwt_key.as_ref()?;
    found(
        "tokens are signed with JWT_SECRET_KEY: whoever holds it can sign as anybody",
        "where no service needs it any more, unset it: tokens are then signed with a key of our own",
    )
}

/// When tokens of a former program end, where they are configured, and the time.
fn legacy_until(facts: &Facts) -> Option<(Timestamp, Timestamp)> {
    let until = facts.config.accept_hs256.until.as_ref()?;
    Some((until.at, vitals(facts)?.now))
}

fn legacy_tokens_accepted(facts: &Facts) -> Found {
    let (until, now) = legacy_until(facts).filter(|(until, now)| until > now)?;
    let days = until.since(now).as_secs() / DAY.as_secs();
    found(
        format!(
            "tokens of the former program are accepted for {days} more days, until {} UTC: no \
             logout of one device reaches them, and whoever holds their secret can read as anybody \
             who was imported",
            when(until.as_secs())
        ),
        "end it earlier, by taking token.accept_hs256 away, once countersign_legacy_tokens_total \
         of GET /metrics stands still",
    )
}

fn legacy_tokens_over(facts: &Facts) -> Found {
    let (until, _) = legacy_until(facts).filter(|(until, now)| until <= now)?;
    found(
        format!(
            "tokens of the former program are accepted no longer, since {} UTC",
            when(until.as_secs())
        ),
        "take token.accept_hs256 away, and its secret out of the environment",
    )
}

fn legacy_tokens_of_nobody(facts: &Facts) -> Found {
    legacy_until(facts).filter(|(until, now)| until > now)?;
    vitals(facts).filter(|vitals| !vitals.any_imported)?;
    found(
        "tokens of the former program are accepted, and nobody was imported from it",
        "countersign import FILE; or take token.accept_hs256 away",
    )
}

fn database_missing(facts: &Facts) -> Found {
    matches!(facts.database, Database::Missing).then_some(())?;
    found(
        format!(
            "there is no database in {} yet",
            facts.config.server.data.display()
        ),
        "`countersign serve` makes it; if there should be one, --data names its directory",
    )
}

fn database_unreachable(facts: &Facts) -> Found {
    let Database::Unreachable(why) = &facts.database else {
        return None;
    };
    let mend = match facts.config.database.url.engine() {
        Engine::Sqlite => "where it is damaged, `countersign restore` puts a backup in its place",
        Engine::Postgres => "see that PostgreSQL runs, and that DATABASE_URL names it and its user",
    };
    found(why, mend)
}

fn database_newer(facts: &Facts) -> Found {
    let Database::Newer {
        found: version,
        known,
    } = facts.database
    else {
        return None;
    };
    found(
        format!("the database has schema version {version}, and this binary knows {known}"),
        "use the newer binary",
    )
}

fn database_behind(facts: &Facts) -> Found {
    let Database::Behind {
        found: version,
        steps,
    } = facts.database
    else {
        return None;
    };
    let what = match version {
        Some(version) => format!("the schema has version {version}: {steps} steps are missing"),
        None => "the database is empty".to_owned(),
    };
    found(
        what,
        "`countersign migrate --dry-run` says what would happen; `migrate` does it, and so does the \
         next start",
    )
}

fn database_slow(facts: &Facts) -> Found {
    let took = vitals(facts)?.commit;
    if took < Duration::from_millis(100) {
        return None;
    }
    found(
        format!(
            "a commit takes {} ms, and every login waits for one",
            took.as_millis()
        ),
        "a disk of its own, or a faster one; a network file system is none for SQLite",
    )
}

fn clock_off(facts: &Facts) -> Found {
    let millis = vitals(facts)?.clock_ahead_millis;
    if millis.abs() <= 5_000 {
        return None;
    }
    let (seconds, side) = (
        millis.abs() / 1_000,
        if millis > 0 { "ahead of" } else { "behind" },
    );
    found(
        format!("this machine's clock is {seconds} s {side} the database's"),
        "set both right (NTP): until then the server is not ready",
    )
}

fn clock_behind_the_log(facts: &Facts) -> Found {
    let vitals = vitals(facts)?;
    if vitals.log_at <= vitals.now.plus(Duration::from_secs(60)) {
        return None;
    }
    let (log, now) = (when(vitals.log_at.as_secs()), when(vitals.now.as_secs()));
    found(
        format!("the revocation log was written to at {log} UTC, and the clock says {now}"),
        "set the clock right (NTP): tokens expire by it",
    )
}

const DAY: Duration = Duration::from_secs(86_400);

fn backup_never_made(facts: &Facts) -> Found {
    let vitals = vitals(facts).filter(|_| !is_postgres(facts))?;
    // The first day is for looking around.
    let since = vitals
        .since
        .filter(|since| vitals.now.since(*since) > DAY)?;
    if vitals.last_backup.is_some() {
        return None;
    }
    found(
        format!(
            "the accounts go back to {} UTC, and there is no backup",
            when(since.as_secs())
        ),
        "countersign backup FILE, every night, to another disk; and keep SECRET_KEY elsewhere",
    )
}

fn backup_old(facts: &Facts) -> Found {
    let vitals = vitals(facts).filter(|_| !is_postgres(facts))?;
    let last = vitals
        .last_backup
        .filter(|last| vitals.now.since(*last) > DAY * 30)?;
    found(
        format!("the last backup is of {} UTC", when(last.as_secs())),
        "countersign backup FILE, every night, to another disk",
    )
}

fn backup_by_other_means(facts: &Facts) -> Found {
    is_postgres(facts).then_some(())?;
    found(
        "PostgreSQL's backups are not seen from here",
        "after restoring one: `countersign session revoke --all`, before the server starts",
    )
}

fn is_postgres(facts: &Facts) -> bool {
    facts.config.database.url.engine() == Engine::Postgres
}
