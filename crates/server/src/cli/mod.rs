//! The command line: it parses, calls one flow, and prints.

mod ask;
mod backup;
mod client;
mod config;
mod demo;
mod doctor;
mod export;
mod failure;
mod import;
mod key;
mod migrate;
mod output;
#[cfg(test)]
mod reference;
mod restore;
mod serve;
mod session;
mod shell;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, Parser, Subcommand};
use countersign_flows::{Cx, start};

use self::failure::Failure;
use crate::boot::{self, BootError};
use crate::config::{Config, Inputs};

/// The login for any application, in one binary
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    color = ColorChoice::Never,
    arg_required_else_help = true,
    after_help = "\
Examples:
  countersign demo
  countersign user add --username ada --role admin
  countersign serve

Exit codes: 0 done, 1 refused, 2 wrong usage, 78 wrong configuration. With --json, refusals are \
{\"code\", \"message\"} on standard error, with the codes of the HTTP interface."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The data directory [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file, instead of countersign.toml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print no colors, as with NO_COLOR in the environment
    #[arg(long, global = true)]
    no_color: bool,
    /// Print nothing but what was asked for
    #[arg(long, global = true)]
    quiet: bool,
}

impl Global {
    /// Whether colors are welcome, where there is a terminal to show them.
    fn color(&self) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
        !self.no_color && !unwanted
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Serve),
    /// See a logout arrive: an issuer and two services on this machine, for trying out
    Demo(demo::Demo),
    /// Accounts: add, list, show, change, delete
    #[command(subcommand)]
    User(user::User),
    /// Logins on devices: list, revoke
    #[command(subcommand)]
    Session(session::Session),
    /// Services that check tokens: add, list, rotate, remove
    #[command(subcommand)]
    Client(client::Client),
    /// Signing keys: list, rotate, revoke
    #[command(subcommand)]
    Key(key::Key),
    /// Take over the accounts of another system, with their passwords
    Import(import::Import),
    /// Write every account with its password hash, for another system
    Export(export::Export),
    /// Show the effective configuration and where each value came from
    Config(config::Show),
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Write manual pages
    Man(shell::Man),
    /// Look for what is wrong here, and say how to mend it
    Doctor(doctor::Doctor),
    /// Write the database to one file, while the server runs or not
    Backup(backup::Backup),
    /// Put a backup in the place of the database, and end everything that was ever issued
    Restore(restore::Restore),
    /// Bring the database to the schema of this version, which `serve` does too
    Migrate(migrate::Migrate),
}

/// Runs the command that the arguments name.
///
/// Exit codes: 0 done, 1 refused, 2 wrong usage, 78 wrong configuration.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let Cli { global, command } = cli;
    let done = match command {
        Command::Serve(serve) => serve.run(&global),
        Command::Demo(demo) => demo.run(&global),
        Command::User(user) => user.run(&global),
        Command::Session(session) => session.run(&global),
        Command::Client(client) => client.run(&global),
        Command::Key(key) => key.run(&global),
        Command::Import(import) => import.run(&global),
        Command::Export(export) => export.run(&global),
        Command::Config(show) => show.run(&global),
        Command::Completions(completions) => completions.run(&global),
        Command::Man(man) => man.run(&global),
        Command::Doctor(doctor) => match doctor.run(&global) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(failure) => Err(failure),
        },
        Command::Backup(backup) => backup.run(&global),
        Command::Restore(restore) => restore.run(&global),
        Command::Migrate(migrate) => migrate.run(&global),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(global.json),
    }
}

/// Help that was asked for, or what is wrong with the arguments.
fn misunderstood(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as Incomplete;
    if !error.use_stderr() || error.kind() == Incomplete {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
    Failure::usage(text).report(json)
}

/// Loads the configuration from where this process finds it.
fn configuration(global: &Global, mut flags: Vec<(String, String)>) -> Result<Config, Failure> {
    if let Some(data) = &global.data {
        flags.push(("server.data".to_owned(), data.display().to_string()));
    }
    let directory = std::env::current_dir().map_err(|error| {
        Failure::refused("file_unusable", format!("the working directory: {error}"))
    })?;
    let environment = std::env::vars_os().collect();
    Ok(Config::load(&Inputs {
        flags,
        environment,
        directory,
        file: global.config.clone(),
    })?)
}

/// What a command does where there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// It makes one: the first administrator comes before the first start.
    New,
    /// It says so. Looking must not make anything.
    Existing,
}

/// Runs a command on the database, beside a server or without: one thread, one hash at a time, no
/// loops in the background.
fn with_cx(
    global: &Global,
    place: Where,
    work: impl AsyncFnOnce(&Cx) -> Result<(), Failure>,
) -> Result<(), Failure> {
    with_cx_on(global, place, 1, work)
}

/// As [`with_cx`], with as many hashes at a time as there are `threads`.
fn with_cx_on(
    global: &Global,
    place: Where,
    threads: usize,
    work: impl AsyncFnOnce(&Cx) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let config = configuration(global, Vec::new())?;
    if place == Where::Existing {
        must_exist(&config)?;
    }
    block_on(async {
        let cx = open(&config, threads).await?;
        let done = work(&cx).await;
        cx.db.close().await;
        done
    })
}

/// Refuses where there is no database yet.
fn must_exist(config: &Config) -> Result<(), Failure> {
    let Some(file) = boot::missing_database(config) else {
        return Ok(());
    };
    let text = format!(
        "there is no database at {} yet: `countersign user add` and `countersign serve` make it, \
         and --data names another directory",
        file.display()
    );
    Err(Failure::refused("no_database", text))
}

/// The context of one command.
async fn open(config: &Config, threads: usize) -> Result<Cx, Failure> {
    let parts = boot::open(config, threads).await?.parts;
    let db = parts.db.clone();
    match start::command(parts).await {
        Ok(cx) => Ok(cx),
        Err(error) => {
            db.close().await;
            Err(BootError::from(error).into())
        }
    }
}

/// Runs what a command does on one thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::refused("internal", format!("starting: {error}")))?
        .block_on(work)
}
