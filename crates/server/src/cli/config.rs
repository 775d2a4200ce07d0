//! `countersign config`.

use clap::Args;
use serde::Serialize;

use super::output::{Output, table};
use super::{Failure, Global, configuration};
use crate::config::Row;

/// Shows what is in effect. It reads no database and makes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign config
  countersign config --config /etc/countersign.toml --json

Secrets are hidden. With --json: `{\"settings\": [{\"key\", \"value\", \"source\"}]}`.")]
pub(super) struct Show {}

#[derive(Debug, Serialize)]
struct Settings {
    settings: Vec<Row>,
}

impl Show {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let settings = configuration(global, Vec::new())?.effective();
        let settings = Settings { settings };
        let row = |row: &Row| [row.key.to_owned(), row.value.clone(), row.source.clone()];
        Output::new(global).answer(&settings, || {
            let rows: Vec<_> = settings.settings.iter().map(row).collect();
            table(["KEY", "VALUE", "SOURCE"], &rows)
        })
    }
}
