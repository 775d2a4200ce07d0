//! What a command says when it does not do what was asked, and the exit code it ends with.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use countersign_flows::FlowError;
use countersign_flows::start::StartError;
use countersign_store::StoreError;

use crate::boot::BootError;
use crate::config::Problems;
use crate::http::error::{ApiError, ErrorBody};

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
/// `EX_CONFIG` of sysexits.h: service managers know it, and do not start again.
const CONFIGURATION: u8 = 78;

/// Why a command did not do what was asked. The codes are those of HTTP where there is one.
#[derive(Debug)]
pub(super) struct Failure {
    exit: u8,
    body: ErrorBody,
}

impl Failure {
    fn new(exit: u8, code: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            code,
            message: message.into(),
            fields: BTreeMap::new(),
        };
        Self { exit, body }
    }

    /// It was refused.
    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(REFUSED, code, message)
    }

    /// The configuration is wrong, or names what is.
    pub(super) fn configuration(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(CONFIGURATION, code, message)
    }

    /// It was not understood.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, "usage", message)
    }

    /// Says so on standard error, and gives the exit code.
    pub(super) fn report(self, json: bool) -> ExitCode {
        let text = match serde_json::to_string(&self.body) {
            Ok(text) if json => text,
            _ => format!("countersign: {}", self.body.message),
        };
        // Nobody is left to tell where even standard error is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(self.exit)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(CONFIGURATION, "configuration", problems.to_string())
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        let text = error.to_string();
        let (exit, code) = match error {
            BootError::Start(StartError::Flow(error)) => return error.into(),
            BootError::Store(error) => return error.into(),
            BootError::InUse { .. } => (REFUSED, "in_use"),
            BootError::File { .. } => (CONFIGURATION, "file_unusable"),
            BootError::SecretMissing(_) => (CONFIGURATION, "secret_missing"),
            BootError::Start(StartError::WrongSecret) => (CONFIGURATION, "wrong_secret"),
            BootError::Setting(_) => (CONFIGURATION, "configuration"),
        };
        Self::new(exit, code, text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let code = match error {
            StoreError::NewerSchema { .. } => "newer_schema",
            error => ApiError::from(FlowError::from(error)).into_body().code,
        };
        Self::refused(code, text)
    }
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Self {
        let message = explain(&error);
        let body = ApiError::from(error).into_body();
        let body = ErrorBody { message, ..body };
        Self {
            exit: REFUSED,
            body,
        }
    }
}

/// What is wrong, and what to do next. More than a client over HTTP is told: whoever types commands
/// here owns the database.
fn explain(error: &FlowError) -> String {
    let next = match error {
        FlowError::Invalid(rules) => {
            let rules = rules
                .iter()
                .map(|rule| format!("{}: {}", rule.field, rule.message));
            return rules.collect::<Vec<_>>().join("; ");
        }
        FlowError::NotFound(what) => {
            format!(": `countersign {what} list` shows those there are")
        }
        FlowError::NameTaken(_) => {
            ": choose another; `countersign user show NAME` shows whose it is".to_owned()
        }
        FlowError::Exists("client") => {
            ": `countersign client rotate NAME` makes a new secret for it".to_owned()
        }
        FlowError::LastAdmin => {
            ": make somebody else one first, with `countersign user roles NAME --add admin`"
                .to_owned()
        }
        FlowError::SharedSecret => {
            ": to end them all, change JWT_SECRET_KEY and start the server again".to_owned()
        }
        FlowError::Unavailable => {
            ": the database cannot be reached or is busy; try again in a moment".to_owned()
        }
        FlowError::Busy { .. } | FlowError::Conflict => ": try again in a moment".to_owned(),
        _ => String::new(),
    };
    format!("{error}{next}")
}
