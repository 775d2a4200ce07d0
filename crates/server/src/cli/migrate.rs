//! `countersign migrate`.

use clap::Args;
use countersign_store::{Db, Options, Plan, SCHEMA_VERSION};
use serde::Serialize;

use super::output::Output;
use super::{Failure, Global, block_on, configuration, must_exist};
use crate::boot::DataLock;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign migrate --dry-run
  countersign migrate

On SQLite a copy of the database is kept first, as countersign.db.schema-N.bak beside it, and the \
server must be stopped. With --json: `{\"found\", \"version\", \"steps\", \"kept\", \"done\"}`: the schema's \
version before, or null, and this binary's, the steps between them, and where the copy is kept, or \
null.")]
pub(super) struct Migrate {
    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Migrated {
    found: Option<i64>,
    version: i64,
    steps: Vec<String>,
    kept: Option<std::path::PathBuf>,
    done: bool,
}

impl Migrate {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let config = configuration(global, Vec::new())?;
        must_exist(&config)?;
        let url = config.database.url.expose();
        let plan = block_on(async { Ok(countersign_store::plan(url).await?) })?;
        let done = !self.dry_run && !plan.steps.is_empty();
        if done {
            // A server of the version before would go on with a schema that it does not know.
            let _lock = DataLock::take(&config)?;
            block_on(async {
                Db::open(&Options::new(url)).await?.close().await;
                Ok(())
            })?;
        }
        let migrated = Migrated {
            found: plan.found,
            version: SCHEMA_VERSION,
            steps: plan
                .steps
                .iter()
                .map(|(version, name)| format!("{version} {name}"))
                .collect(),
            kept: plan.kept.clone(),
            done,
        };
        Output::new(global).done(&migrated, || describe(&plan, done))
    }
}

fn describe(plan: &Plan, done: bool) -> String {
    let Some(found) = plan.found else {
        let what = if done { "is now made" } else { "would be made" };
        return format!("The database was empty: the schema of version {SCHEMA_VERSION} {what}");
    };
    if plan.steps.is_empty() {
        return format!("The schema has version {found}, as it should: there is nothing to do");
    }
    let verb = if done { "went" } else { "would go" };
    let mut text = format!("The schema {verb} from version {found} to {SCHEMA_VERSION}:");
    for (version, name) in &plan.steps {
        text.push_str(&format!("\n  {version}  {name}"));
    }
    if let Some(kept) = &plan.kept {
        let verb = if done { "is" } else { "would first be" };
        let kept = kept.display();
        text.push_str(&format!(
            "\nA copy of the database as it was {verb} kept as {kept}"
        ));
    }
    text
}
