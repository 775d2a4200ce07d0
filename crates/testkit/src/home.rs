use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use crate::process::{Exit, Process, Running};
use crate::{Server, TempDir, TestDatabase};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory in which the program lives for one test: working directory, data below `data`, its
/// environment and its flags. Clones share the directory.
#[derive(Debug, Clone)]
pub struct Home {
    program: PathBuf,
    directory: Arc<TempDir>,
    environment: Vec<(OsString, OsString)>,
    flags: Vec<OsString>,
}

impl Home {
    /// An empty one for `program`: `env!("CARGO_BIN_EXE_countersign")`, which only the tests of
    /// the server's crate can say.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let directory = Arc::new(TempDir::new());
        Self {
            program: program.into(),
            directory,
            environment: vec![],
            flags: vec![],
        }
    }

    /// With this variable in the environment of every command.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// With this flag after `serve`.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    /// With a file in the working directory, such as `.env` or `countersign.toml`.
    #[must_use]
    pub fn file(self, name: &str, contents: &str) -> Self {
        fs::write(self.directory.join(name), contents).expect("a writable directory");
        self
    }

    /// On this database. With PostgreSQL, where the program insists on it, also with a
    /// `SECRET_KEY`, always the same, so that several nodes can share the database.
    #[must_use]
    pub fn database(self, database: &TestDatabase) -> Self {
        let home = self.env("COUNTERSIGN_DATABASE__URL", database.url());
        if database.is_postgres() {
            return home.env(
                "SECRET_KEY",
                "7b1e0c94d2a85f36-for-tests-only-7b1e0c94d2a85f36",
            );
        }
        home
    }

    /// The working directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory, which the program makes.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts `serve` on a free port and waits until it takes requests.
    ///
    /// # Panics
    /// If it does not, showing what it wrote to standard error.
    #[must_use]
    pub fn start(&self) -> Server {
        self.try_start()
            .unwrap_or_else(|exit| panic!("serve ended at once: {exit:#?}"))
    }

    /// As [`Home::start`], for where a refusal to start is what is tested.
    ///
    /// # Errors
    /// How `serve` ended, if it did instead of taking requests.
    pub fn try_start(&self) -> Result<Server, Exit> {
        Server::launch(self, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Runs a command beside whatever is running here, to its end. Standard input is empty.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Exit {
        self.cli_with_input(args, "")
    }

    /// As [`Home::cli`] with this on standard input, for `--password-stdin`.
    #[must_use]
    pub fn cli_with_input(&self, args: &[&str], input: &str) -> Exit {
        self.spawn(args, input).finish()
    }

    /// Starts a command beside whatever is running here.
    #[must_use]
    pub fn spawn(&self, args: &[&str], input: &str) -> Running {
        let mut command = self.command();
        let (process, closed) = Process::spawn(command.args(args), input);
        Running {
            process,
            closed,
            patience: PATIENCE,
        }
    }

    /// The program in this home: nothing that configures it comes from the machine.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in env::vars_os().filter(|(name, _)| configures(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
            .current_dir(self.path())
            .env("COUNTERSIGN_SERVER__DATA", self.data());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `serve` in this home, listening there.
    pub(crate) fn serve(&self, listen: SocketAddr) -> Command {
        let mut command = self.command();
        command
            .args(["serve", "--listen", &listen.to_string(), "--data"])
            .arg(self.data());
        command.args(&self.flags);
        command
    }
}

/// Whether the program reads this variable of the environment.
fn configures(name: &str) -> bool {
    let known = [
        "SECRET_KEY",
        "SECRET_KEY_PREVIOUS",
        "JWT_SECRET_KEY",
        "DATABASE_URL",
        "RUST_LOG",
    ];
    name.starts_with("COUNTERSIGN_") || known.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_configures_the_program_is_known_and_the_rest_left_alone() {
        let ours = [
            "COUNTERSIGN_SERVER__LISTEN",
            "SECRET_KEY",
            "JWT_SECRET_KEY",
            "DATABASE_URL",
        ];
        assert!(ours.into_iter().all(configures));
        assert!(!["PATH", "HOME", "TMPDIR", "CI"].into_iter().any(configures));
    }
}
