//! `countersign import`.

mod fields;
mod file;
mod report;

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use countersign_core::foreign::Caps;
use countersign_core::import::{Account, Rules};
use countersign_flows::import::{BATCH, Clash, Outcome, caps, look, run};
use countersign_flows::{Cx, Origin};

use self::fields::Told;
use self::file::{How, People};
use self::report::{Facts, Journal};
use super::{Failure, Global, Where, block_on, configuration, with_cx_on};
use crate::boot::{self, DataLock};

/// Takes over the accounts of another system.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign import --dry-run database.db
  countersign import database.db --rejects refused.jsonl
  countersign import people.csv --column password=pw --column username=nick
  countersign import export.jsonl

FILE is JSON lines, CSV with a first line of names, or an SQLite database. Passwords are hashes of \
Werkzeug, Django, bcrypt, passlib, or PHC strings; people sign in with the password they have, and \
the first time replaces the hash by Argon2id. Running the same file again skips who is there; a name \
that somebody else has is refused. docs/moving-in.md has the rest. With --json: `{\"rows\", \
\"imported\", \"present\", \"refused\", \"reasons\", \"passwords\", \"without_password\", \
\"administrators\", \"ignored\", \"dry_run\"}`; the exit code is 1 where rows were refused.")]
pub(super) struct Import {
    /// JSON lines, CSV or SQLite
    file: PathBuf,
    /// Say what would become of each row, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every refused row's number and the reason to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// What a field is called in the file (nothing after = leaves it out): id, username, email, password, roles, admin, disabled, active, created_at; may be repeated
    #[arg(long = "column", value_name = "FIELD=NAME")]
    columns: Vec<String>,
    /// The table of an SQLite database
    #[arg(long, value_name = "NAME", default_value = "users")]
    table: String,
    /// Take what is no hash for a password in plain text, and hash it
    #[arg(long)]
    plain_passwords: bool,
    /// Take accounts that have no password, too
    #[arg(long)]
    without_password: bool,
}

impl Import {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let told = Told::parse(&self.columns).map_err(Failure::usage)?;
        let how = How {
            file: self.file.clone(),
            table: self.table.clone(),
            told,
            without_password: self.without_password,
        };
        // All that can be wrong with the files, before there is a database.
        block_on(async { People::open(&how).await.map(drop) })?;
        let mut journal = Journal::new(global, self.rejects.clone())?;
        journal.report.dry_run = self.dry_run;
        let config = configuration(global, Vec::new())?;
        let rules = |caps: Caps| Rules {
            caps,
            plain: self.plain_passwords,
            without_password: self.without_password,
        };
        if self.dry_run && boot::missing_database(&config).is_some() {
            let rules = rules(Caps::beside(boot::cost(&config)));
            return block_on(async { all(None, &how, rules, true, false, journal).await });
        }
        let beside = DataLock::taken(&config).is_some();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        with_cx_on(global, Where::New, threads, async |cx| {
            all(
                Some(cx),
                &how,
                rules(caps(cx)),
                self.dry_run,
                beside,
                journal,
            )
            .await
        })
    }
}

/// Reads the file to its end, batch by batch.
async fn all(
    cx: Option<&Cx>,
    how: &How,
    rules: Rules,
    dry_run: bool,
    beside: bool,
    mut journal: Journal,
) -> Result<(), Failure> {
    let mut people = People::open(how).await?;
    let mut seen = Seen::default();
    loop {
        let rows = people.next(BATCH).await?;
        if rows.is_empty() {
            break;
        }
        let (mut numbers, mut accounts) = (Vec::new(), Vec::new());
        for (number, row) in rows {
            journal.report.rows += 1;
            match row {
                Err(reason) => journal.refuse(number, "unreadable", &reason)?,
                Ok(row) => match row.check(rules) {
                    Err(refused) => journal.refuse(number, refused.code(), &refused.to_string())?,
                    Ok(account) => {
                        numbers.push((number, Facts::from(&account)));
                        accounts.push(account);
                    }
                },
            }
        }
        let outcomes = match cx {
            None => seen.also(&accounts, vec![Outcome::Made; accounts.len()]),
            Some(cx) if dry_run => seen.also(&accounts, look(cx, &accounts).await?),
            Some(cx) => {
                let began = cx.clock.now();
                let outcomes = run(cx, &Origin::operator(), accounts).await?;
                if beside {
                    // SQLite gives its one place for writing to whoever asks at the right moment:
                    // the server gets half of them.
                    tokio::time::sleep(cx.clock.now().since(began)).await;
                }
                outcomes
            }
        };
        for ((number, facts), outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Made => journal.report.made(facts),
                Outcome::There => journal.report.present += 1,
                Outcome::Refused(clash) => {
                    journal.refuse(number, clash.code(), &clash.to_string())?;
                }
            }
        }
        journal.progress(people.read, people.length);
    }
    journal.report.ignored = people.ignored.names().iter().cloned().collect();
    journal.finish()
}

/// Whom a dry run has met: what is not written cannot be found in the database.
#[derive(Default)]
struct Seen {
    people: HashSet<String>,
    names: HashSet<String>,
}

impl Seen {
    fn also(&mut self, accounts: &[Account], mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
        for (account, outcome) in accounts.iter().zip(&mut outcomes) {
            if *outcome != Outcome::Made {
                continue;
            }
            let names = account.names.iter();
            let names: Vec<_> = names
                .map(|name| format!("{} {}", name.kind(), name.key()))
                .collect();
            let person = format!("{:?} {names:?}", account.source);
            if !self.people.insert(person) {
                *outcome = Outcome::There;
            } else if let Some(place) = names.iter().position(|name| self.names.contains(name)) {
                let kind = account.names.get(place).map(|name| name.kind());
                *outcome = kind.map_or(Outcome::There, |kind| {
                    Outcome::Refused(Clash::NameTaken(kind))
                });
            } else {
                self.names.extend(names);
            }
        }
        outcomes
    }
}
