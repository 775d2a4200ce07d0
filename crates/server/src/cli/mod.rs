//! The command line.

mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::boot::BootError;
use crate::config::{Config, Inputs, Problems};

/// The login for any application, in one binary.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Global {
    /// The data directory
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file, instead of countersign.toml in the working directory
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    /// Do not color anything
    #[arg(long, global = true)]
    no_color: bool,
    /// Print nothing but what was asked for
    #[arg(long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It was refused.
    #[error("{0}")]
    Refused(String),
    /// The configuration does not work.
    #[error("{0}")]
    Configuration(String),
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems.to_string())
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        use countersign_flows::start::StartError;
        match error {
            BootError::InUse { .. }
            | BootError::Store(_)
            | BootError::Start(StartError::Flow(_)) => Self::Refused(error.to_string()),
            _ => Self::Configuration(error.to_string()),
        }
    }
}

/// Runs the command that the arguments name.
///
/// Exit codes: 0 done, 1 refused, 2 wrong usage, 78 wrong configuration.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Serve(serve) => serve::run(&cli.global, serve),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(match failure {
                Failure::Refused(_) => 1,
                Failure::Configuration(_) => 78,
            })
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command speaks to whoever typed it")]
fn complain(text: &str) {
    eprintln!("countersign: {text}");
}

/// Loads the configuration from where this process finds it.
fn configuration(global: &Global, mut flags: Vec<(String, String)>) -> Result<Config, Failure> {
    if let Some(data) = &global.data {
        flags.push(("server.data".to_owned(), data.display().to_string()));
    }
    let directory = std::env::current_dir()
        .map_err(|error| Failure::Refused(format!("the working directory: {error}")))?;
    let environment = std::env::vars_os().collect();
    Ok(Config::load(&Inputs {
        flags,
        environment,
        directory,
        file: global.config.clone(),
    })?)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("starting threads: {error}")))
}
