//! The reference page of the command line, made from what clap knows.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::Cli;

const INTRODUCTION: &str = "\
# The command line

<!-- Made from the declarations in crates/server/src/cli; a test there renews this page. -->

Commands that change something work whether or not a server is running, and a running server honours
them within 100 ms. They read the same configuration as the server: run them where it finds its
files, or say `--data` and `--config`.

- Answers go to standard output; advice and errors go to standard error. An error begins with
  `countersign: ` and says what to do next.
- Exit codes: 0 done, 1 refused, 2 wrong usage, 78 wrong configuration.
- With `--json` an answer is one object on one line, of the shape that each command names here, and
  an error is `{\"code\", \"message\"}` on standard error. Codes are stable: those of the HTTP interface,
  and `usage`, `configuration`, `file_unusable`, `secret_missing`, `wrong_secret`, `newer_schema`,
  `rows_refused`, `in_use`, `port_taken`, `not_listening`, `no_database`, `no_terminal`, `no_input`,
  `not_confirmed`, `file_exists`, `file_unfit`, `postgres`, `output`.
- Secrets are never arguments, which every program on the machine can read: passwords are asked for
  without echo, or read from standard input with `--password-stdin`.
- NAME of an account is a username, an e-mail address or an id.
";

/// The page, in Markdown.
fn page() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Global options\n\n");
    options(
        &mut page,
        cli.get_arguments().filter(|arg| arg.is_global_set()),
    );
    for command in cli.get_subcommands_mut() {
        describe(&mut page, command, "");
    }
    page.trim_end().to_owned() + "\n"
}

fn describe(page: &mut String, command: &mut Command, before: &str) {
    let name = format!("{before}{}", command.get_name());
    match name.as_str() {
        "help" => return,
        name if name.ends_with(" help") => return,
        _ => {}
    }
    if command.has_subcommands() {
        for inner in command.get_subcommands_mut() {
            describe(page, inner, &format!("{name} "));
        }
        return;
    }
    let about = command.get_about().map(ToString::to_string);
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = about.unwrap_or_default();
    let _ = write!(page, "## {name}\n\n{about}.\n\n```text\n{usage}\n```\n\n");
    let own = |arg: &&Arg| !arg.is_global_set() && arg.get_id() != "help";
    options(page, command.get_arguments().filter(own));
    let more = command.get_after_help().map(ToString::to_string);
    for block in more.unwrap_or_default().split("\n\n") {
        match block.strip_prefix("Examples:\n") {
            Some(examples) => {
                let lines: Vec<_> = examples.lines().map(str::trim_start).collect();
                let _ = write!(page, "```sh\n{}\n```\n\n", lines.join("\n"));
            }
            None => {
                let _ = write!(page, "{}\n\n", block.replace('\n', " "));
            }
        }
    }
}

fn options<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut rows = String::new();
    for arg in arguments {
        let value = arg.get_value_names().unwrap_or_default().join(" ");
        let name = match arg.get_long() {
            Some(long) if arg.get_action().takes_values() => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None => value,
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = match arg.get_default_values() {
            [value] if arg.get_action().takes_values() => {
                format!(" [default: {}]", value.display())
            }
            _ => String::new(),
        };
        let _ = writeln!(rows, "| `{name}` | {help}{default} |");
    }
    if !rows.is_empty() {
        let _ = write!(page, "| argument | meaning |\n| --- | --- |\n{rows}\n");
    }
}

#[test]
fn the_declarations_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples() {
    fn without<'a>(command: &'a Command, found: &mut Vec<&'a str>) {
        for inner in command.get_subcommands() {
            without(inner, found);
        }
        let help = command.get_after_help().map(ToString::to_string);
        if !command.has_subcommands() && !help.unwrap_or_default().starts_with("Examples:\n  ") {
            found.push(command.get_name());
        }
    }
    let (cli, mut found) = (Cli::command(), Vec::new());
    without(&cli, &mut found);
    assert_eq!(found, [""; 0]);
}

/// The words of each example, as far as a shell would hand them on.
#[test]
fn every_example_is_understood() {
    use clap::Parser;

    let page = page();
    let (mut tried, mut code) = (0, false);
    for line in page.replace("$(date +%F)", "2026-11-21").lines() {
        if line.starts_with("```") {
            code = line == "```sh";
        }
        let Some((_, rest)) = line.split_once("countersign ").filter(|_| code) else {
            continue;
        };
        let ends = [" | ", " > ", " >", ")"]
            .iter()
            .filter_map(|end| rest.find(end));
        let rest = &rest[..ends.min().unwrap_or(rest.len())];
        let words = rest.split(' ').map(|word| word.trim_matches(['\'', '"']));
        let parsed = Cli::try_parse_from(std::iter::once("countersign").chain(words));
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn the_page_made_from_the_command_line_is_up_to_date() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/command-line.md"
    );
    let made = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let stands = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stands == made,
        "docs/reference/command-line.md differs from the command line; renew it: \
         UPDATE=1 cargo test -p countersign-server --lib up_to_date"
    );
}
