//! What became of the rows: counted, told while it goes on, and written down where it was refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use countersign_core::import::{Account, Proof};
use serde::Serialize;

use crate::cli::output::Output;
use crate::cli::{Failure, Global};

/// Refusals that are shown; `--rejects` has them all.
const SHOWN: u64 = 10;

/// How often whoever reads a log is told, in rows.
const EVERY: u64 = 100_000;

/// The report.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) rows: u64,
    pub(super) imported: u64,
    pub(super) present: u64,
    pub(super) refused: u64,
    reasons: BTreeMap<&'static str, u64>,
    passwords: BTreeMap<&'static str, u64>,
    without_password: u64,
    administrators: u64,
    pub(super) ignored: Vec<String>,
    pub(super) dry_run: bool,
}

/// What the report counts of an account that is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    password: Option<&'static str>,
    admin: bool,
}

impl From<&Account> for Facts {
    fn from(account: &Account) -> Self {
        Self {
            password: match &account.proof {
                Proof::Hash { family, .. } => Some(family),
                Proof::Plain(_) => Some("plain text"),
                Proof::Nothing => None,
            },
            admin: account.roles.is_admin(),
        }
    }
}

impl Report {
    pub(super) fn made(&mut self, facts: Facts) {
        self.imported += 1;
        self.administrators += u64::from(facts.admin);
        match facts.password {
            Some(family) => *self.passwords.entry(family).or_default() += 1,
            None => self.without_password += 1,
        }
    }

    /// What a person reads.
    pub(super) fn text(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let mut text = format!(
            "{} rows: {} {would}imported, {} there already, {} refused\n",
            self.rows, self.imported, self.present, self.refused
        );
        let list = |counts: &BTreeMap<&'static str, u64>| {
            let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        for (what, said) in [
            ("passwords", list(&self.passwords)),
            ("without a password", count(self.without_password)),
            ("administrators", count(self.administrators)),
            ("refused", list(&self.reasons)),
            ("fields without a meaning here", self.ignored.join(", ")),
        ] {
            if !said.is_empty() {
                let _ = writeln!(text, "  {what}: {said}");
            }
        }
        text
    }
}

fn count(count: u64) -> String {
    match count {
        0 => String::new(),
        count => count.to_string(),
    }
}

/// A row that was refused, as a line of `--rejects`.
#[derive(Debug, Serialize)]
struct Reject<'a> {
    row: i64,
    code: &'static str,
    reason: &'a str,
}

/// Where refusals and progress go.
pub(super) struct Journal {
    pub(super) report: Report,
    rejects: Option<(PathBuf, BufWriter<File>)>,
    out: Output,
    /// Whether a line on standard error is drawn again and again.
    bar: bool,
    drawn: u64,
    told: u64,
}

impl Journal {
    pub(super) fn new(global: &Global, rejects: Option<PathBuf>) -> Result<Self, Failure> {
        let open = |path: PathBuf| match open_rejects(&path) {
            Ok(file) => Ok((path, BufWriter::new(file))),
            Err(error) => Err(unwritable(&path, &error)),
        };
        Ok(Self {
            report: Report::default(),
            rejects: rejects.map(open).transpose()?,
            out: Output::new(global),
            bar: io::stderr().is_terminal() && !global.json && !global.quiet,
            drawn: u64::MAX,
            told: 0,
        })
    }

    pub(super) fn refuse(
        &mut self,
        row: i64,
        code: &'static str,
        reason: &str,
    ) -> Result<(), Failure> {
        let report = &mut self.report;
        report.refused += 1;
        *report.reasons.entry(code).or_default() += 1;
        if report.refused <= SHOWN {
            self.clear();
            self.out.hint(&format!("row {row}: {reason}"));
        } else if self.report.refused == SHOWN + 1 && self.rejects.is_none() {
            self.clear();
            self.out
                .hint("Further refusals are counted; --rejects FILE writes them all down");
        }
        if let Some((path, file)) = &mut self.rejects {
            let line = serde_json::to_string(&Reject { row, code, reason });
            let line = line.map_err(|error| Failure::refused("internal", error.to_string()))?;
            writeln!(file, "{line}").map_err(|error| unwritable(path, &error))?;
        }
        Ok(())
    }

    /// Shows how far it has come: a bar on a terminal, else now and then a line.
    pub(super) fn progress(&mut self, read: u64, length: u64) {
        let report = &self.report;
        let percent = (read.min(length) * 100).checked_div(length).unwrap_or(100);
        if self.bar {
            // Every few batches the numbers move as well.
            let step = percent * 1_000_000 + report.rows / 2_000;
            if step != self.drawn {
                self.drawn = step;
                let done = "#".repeat(usize::try_from(percent / 5).unwrap_or(0));
                let _ = write!(
                    io::stderr(),
                    "\r[{done:.<20}] {percent:3} %  {} rows, {} refused ",
                    report.rows,
                    report.refused
                );
            }
        } else if report.rows / EVERY > self.told {
            self.told = report.rows / EVERY;
            let said = format!(
                "{percent} %: {} rows, {} refused",
                report.rows, report.refused
            );
            self.out.hint(&said);
        }
    }

    /// Takes the bar away, where one is drawn.
    fn clear(&mut self) {
        if self.bar && self.drawn != u64::MAX {
            self.drawn = u64::MAX;
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    /// Ends with the report; rows that were refused are a refusal.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.clear();
        if let Some((path, file)) = &mut self.rejects {
            let written = file.flush().and_then(|()| file.get_ref().sync_all());
            written.map_err(|error| unwritable(path, &error))?;
        }
        self.out.answer(&self.report, || self.report.text())?;
        match self.report.refused {
            0 => Ok(()),
            refused => Err(Failure::refused(
                "rows_refused",
                format!(
                    "{refused} rows were refused; the others are done, and running it again skips them"
                ),
            )),
        }
    }
}

/// Opens a new file for its owner alone, or one of ours from before; anything else stays as it is.
fn open_rejects(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Ok(mut file) => {
            let mut begin = [0; 7];
            let read = file.read(&mut begin)?;
            if read > 0 && begin != *b"{\"row\":" {
                let said = "exists, and is no list of refused rows: choose another name";
                return Err(io::Error::other(said));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused("file_unusable", format!("{}: {error}", path.display()))
}
