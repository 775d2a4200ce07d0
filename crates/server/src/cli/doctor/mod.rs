//! `countersign doctor`: gathers facts, asks each check, and prints what they found.

mod checks;
mod facts;
mod reach;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io::{self, IsTerminal};

use clap::Args;
use serde::Serialize;

use self::checks::{CHECKS, Finding, Severity};
use super::output::Output;
use super::{Failure, Global, block_on, configuration};

/// How severe what was found is decides the exit code: a script asks for this alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign doctor
  countersign doctor --json

It looks where the server would: run it as the same user, in the same directory, with the same \
environment. It asks the public URL, for at most 5 seconds, \
and the database, for at most 30, and writes nothing but the log's clock, as every command does. Exit codes: 0 where \
nothing is wrong (information may be printed), 1 for warnings and errors, 78 for a configuration with \
which nothing starts. With --json: `{\"worst\", \"findings\": [{\"code\", \"severity\", \"area\", \"what\", \
\"mend\"}]}`, where `severity` is `information`, `warning` or `error`, and `worst` the gravest of them, \
or null. The codes are listed in docs/operations.md.")]
pub(super) struct Doctor {}

#[derive(Debug, Serialize)]
struct Report {
    worst: Option<Severity>,
    findings: Vec<Finding>,
}

impl Doctor {
    /// Whether all is well.
    pub(super) fn run(self, global: &Global) -> Result<bool, Failure> {
        let config = configuration(global, Vec::new())?;
        let facts = block_on(async { Ok(facts::gather(config).await) })?;
        let findings: Vec<_> = CHECKS.iter().filter_map(|check| check.of(&facts)).collect();
        let worst = findings.iter().map(|finding| finding.severity).max();
        let report = Report { worst, findings };
        let color = global.color() && io::stdout().is_terminal();
        Output::new(global).answer(&report, || report.text(color))?;
        Ok(worst.is_none_or(|worst| worst == Severity::Information))
    }
}

impl Report {
    fn text(&self, color: bool) -> String {
        let paint = |code: &str, text: &str| match color {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let mut text = String::new();
        let mut areas: Vec<&str> = Vec::new();
        for check in CHECKS {
            if !areas.contains(&check.area) {
                areas.push(check.area);
            }
        }
        for area in areas {
            let found: Vec<_> = self.findings.iter().filter(|f| f.area == area).collect();
            let fine = found.iter().all(|f| f.severity == Severity::Information);
            let mark = if fine {
                paint("32", "ok")
            } else {
                String::new()
            };
            let _ = writeln!(text, "{} {mark}", paint("1", &format!("{area:<10}")));
            for Finding {
                severity,
                what,
                mend,
                ..
            } in found
            {
                let mark = match severity {
                    Severity::Information => paint("36", "note   "),
                    Severity::Warning => paint("33", "warning"),
                    Severity::Error => paint("31", "error  "),
                };
                let _ = writeln!(text, "  {mark}  {what}\n           {mend}");
            }
        }
        text.lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}
