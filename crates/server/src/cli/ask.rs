//! Asking whoever sits at the terminal: for a password without echo, for a yes.

use std::io::{self, BufRead, Read, Write};

use countersign_core::Invalid;
use countersign_core::password::{ExposeSecret, MAX_PASSWORD_BYTES, Password};
use countersign_flows::FlowError;

use super::Failure;
use super::output::at_a_terminal;

/// Where a password comes from. Decided first: a command that cannot have one touches nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum PasswordFrom {
    /// Standard input, which a program fills.
    Input,
    /// A person.
    Terminal,
}

impl PasswordFrom {
    /// Decides. A person is asked without echo whatever the flag says.
    pub(super) fn choose(stdin: bool) -> Result<Self, Failure> {
        match (at_a_terminal(), stdin) {
            (true, _) => Ok(Self::Terminal),
            (false, true) => Ok(Self::Input),
            (false, false) => Err(Failure::refused(
                "no_terminal",
                "there is no terminal to ask for the password on: add --password-stdin and write \
                 the password to standard input",
            )),
        }
    }

    /// Reads the password, from a person twice.
    pub(super) fn read(self) -> Result<Password, Failure> {
        match self {
            Self::Input => read_line(io::stdin().lock()),
            Self::Terminal => {
                let ask = |prompt| {
                    rpassword::prompt_password(prompt)
                        .map(Password::from)
                        .map_err(|error| {
                            Failure::refused(
                                "no_terminal",
                                format!("asking for the password: {error}"),
                            )
                        })
                };
                let (first, again) = (ask("Password: ")?, ask("Once more: ")?);
                if first.expose_secret() != again.expose_secret() {
                    return Err(invalid("the two are not the same: nothing was changed"));
                }
                Ok(first)
            }
        }
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    FlowError::from(Invalid::new("password", message)).into()
}

/// One line, with or without its end; otherwise taken as it is.
fn read_line(input: impl Read) -> Result<Password, Failure> {
    let mut bytes = Vec::new();
    let most = MAX_PASSWORD_BYTES + 2;
    input
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::refused("no_input", format!("standard input: {error}")))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(invalid("standard input is empty: write the password to it"));
    }
    if line.len() > MAX_PASSWORD_BYTES {
        return Err(invalid(format!(
            "must have at most {MAX_PASSWORD_BYTES} bytes"
        )));
    }
    match std::str::from_utf8(line) {
        Ok(text) if !text.contains('\n') => Ok(Password::from(text)),
        Ok(_) => Err(invalid("standard input has more than one line")),
        Err(_) => Err(invalid("is not UTF-8")),
    }
}

/// Goes on only after `--yes`, or a yes at the terminal.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !at_a_terminal() {
        let message = "there is no terminal to ask on whether you are sure: add --yes";
        return Err(Failure::refused("not_confirmed", message));
    }
    let _ = write!(io::stderr(), "{question} Type yes to go on: ");
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::refused("not_confirmed", "nothing was changed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_not_one_line_of_text_is_refused() {
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        for bad in [
            "",
            "\n",
            "\r\n",
            "one\ntwo",
            "one\n\n",
            &long,
            &long.repeat(9),
        ] {
            assert!(read_line(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(read_line(&b"\xff\xfe345678"[..]).is_err());
    }

    #[test]
    fn a_line_is_taken_as_it_is_but_for_its_end() {
        let longest = "x".repeat(MAX_PASSWORD_BYTES);
        for (input, password) in [
            (" a b \t", " a b \t"),
            ("plum\n", "plum"),
            ("plum\r\n", "plum"),
            (&format!("{longest}\r\n"), &longest),
        ] {
            let read = read_line(input.as_bytes()).unwrap();
            assert_eq!(read.expose_secret(), password);
        }
    }
}
