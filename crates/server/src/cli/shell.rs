//! `countersign completions` and `countersign man`, made from the same declarations as `--help`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use super::output::Output;
use super::{Cli, Failure, Global};

/// Completions for a shell, on standard output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign completions bash > /etc/bash_completion.d/countersign
  countersign completions zsh > \"${fpath[1]}/_countersign\"
  countersign completions fish > ~/.config/fish/completions/countersign.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, _: &Global) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "countersign", &mut script);
        match io::stdout().lock().write_all(&script) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::refused("output", error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// One manual page for each command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  countersign man /usr/local/share/man/man1
  man countersign-user-add

With --json: `{\"pages\": [FILE]}`.")]
pub(super) struct Man {
    /// The directory, made if it is not there
    directory: PathBuf,
}

#[derive(Debug, Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

impl Man {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let mut pages = Vec::new();
        let mut cli = Cli::command().disable_help_subcommand(true);
        cli.build();
        self.write(&cli, &mut pages).map_err(|error| {
            let text = format!("{}: {error}", self.directory.display());
            Failure::refused("file_unusable", text)
        })?;
        let pages = Pages { pages };
        Output::new(global).done(&pages, || {
            let directory = self.directory.display();
            format!("Wrote {} pages to {directory}", pages.pages.len())
        })
    }

    fn write(&self, command: &clap::Command, pages: &mut Vec<PathBuf>) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = self.directory.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        std::fs::write(&path, page)?;
        pages.push(path);
        for inner in command.get_subcommands() {
            self.write(inner, pages)?;
        }
        Ok(())
    }
}
