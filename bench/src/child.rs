//! This program again, in a process of its own. The two talk in lines of JSON.

use std::env;
use std::io::stdin;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

/// The other process; killed when dropped.
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Child {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_by(&[], args)
    }

    /// By way of another command, such as `taskset`.
    pub(crate) fn start_by(by: &[&str], args: &[&str]) -> Self {
        let own = env::current_exe().expect("the path of this program");
        let mut command = match by {
            [] => Command::new(own),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(own);
                command
            }
        };
        let mut process = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{args:?}: {error}"));
        Self {
            input: process.stdin.take().expect("piped"),
            output: BufReader::new(process.stdout.take().expect("piped")).lines(),
            process,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    pub(crate) async fn say(&mut self, value: &Value) {
        self.input
            .write_all(format!("{value}\n").as_bytes())
            .await
            .expect("it listens");
    }

    /// What it says next.
    pub(crate) async fn hear(&mut self) -> Value {
        let line = self.output.next_line().await.expect("readable");
        let line = line.expect("the other process ended early");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

/// The other end, in the other process: what the first says, until it ends.
pub(crate) struct Parent;

impl Parent {
    pub(crate) async fn hear(&self) -> Option<Value> {
        let read = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            stdin().read_line(&mut line).map(|_| line)
        });
        let line = read.await.expect("it reads").ok()?;
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    pub(crate) fn say(&self, value: &Value) {
        println!("{value}");
    }
}
