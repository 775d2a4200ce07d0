//! `countersign export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_core::UserId;
use countersign_flows::Cx;
use countersign_flows::export::{Exported, page};
use serde::Serialize;

use super::output::Output;
use super::{Failure, Global, Where, with_cx};

/// Accounts that are read at a time.
const PAGE: i64 = 1_000;

/// Writes every account with its password hash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign export people.jsonl
  countersign export - | gzip >people.jsonl.gz

One JSON object a line: `{\"id\", \"username\", \"email\", \"password_hash\", \"roles\", \
\"disabled\", \"created_at\"}`, as `countersign import` reads them. The file is made for its owner \
alone and never overwritten: whoever has it can guess passwords. Sessions, keys and the audit log \
stay behind. With --json: `{\"exported\", \"file\"}`.")]
pub(super) struct Export {
    /// A file that does not exist yet; - is standard output
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct Done {
    exported: u64,
    file: String,
}

/// An account as a line.
#[derive(Serialize)]
struct Line {
    id: String,
    username: Option<String>,
    email: Option<String>,
    password_hash: Option<String>,
    roles: Vec<String>,
    disabled: bool,
    created_at: i64,
}

impl From<Exported> for Line {
    fn from(Exported { user, hash }: Exported) -> Self {
        Self {
            id: user.id.to_string(),
            roles: user.roles.to_words(),
            disabled: !user.is_enabled(),
            created_at: user.created_at.as_secs(),
            username: user.username,
            email: user.email,
            password_hash: hash,
        }
    }
}

impl Export {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        with_cx(global, Where::Existing, async |cx| {
            let path = self.file.as_path();
            if path == Path::new("-") {
                let mut stdout = BufWriter::new(io::stdout().lock());
                write(cx, &mut stdout, path).await?;
                return Ok(());
            }
            let made = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            let made = made.map_err(|error| unwritable(path, &error))?;
            let mut file = BufWriter::new(made);
            let written = async {
                let exported = write(cx, &mut file, path).await?;
                let synced = file.get_ref().sync_all();
                synced.map_err(|error| unwritable(path, &error))?;
                Ok(exported)
            };
            match written.await {
                Ok(exported) => {
                    let file = path.display().to_string();
                    let done = Done { exported, file };
                    out.done(&done, || {
                        format!("Wrote {exported} accounts to {}", done.file)
                    })
                }
                Err(failure) => {
                    // Half of everybody looks like everybody.
                    let _ = fs::remove_file(path);
                    Err(failure)
                }
            }
        })
    }
}

async fn write(cx: &Cx, to: &mut impl Write, path: &Path) -> Result<u64, Failure> {
    let (mut exported, mut after): (u64, Option<UserId>) = (0, None);
    loop {
        let accounts = page(cx, after, PAGE).await?;
        let Some(last) = accounts.last() else {
            break;
        };
        after = Some(last.user.id);
        for account in accounts {
            let line = serde_json::to_string(&Line::from(account));
            let line = line.map_err(|error| Failure::refused("internal", error.to_string()))?;
            writeln!(to, "{line}").map_err(|error| unwritable(path, &error))?;
            exported += 1;
        }
    }
    to.flush().map_err(|error| unwritable(path, &error))?;
    Ok(exported)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let said = match error.kind() {
        io::ErrorKind::AlreadyExists => "exists already: choose another name".to_owned(),
        _ => error.to_string(),
    };
    Failure::refused("file_unusable", format!("{}: {said}", path.display()))
}
