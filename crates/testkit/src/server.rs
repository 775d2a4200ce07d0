use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::process::{Exit, Process, wait_for};
use crate::{Client, Home};

/// How long the program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The real program, serving on a free port of the loopback interface; killed when dropped.
#[derive(Debug)]
pub struct Server {
    home: Home,
    process: Process,
    closed: Receiver<()>,
    address: SocketAddr,
}

impl Server {
    /// Starts `program` in a fresh [`Home`]: `env!("CARGO_BIN_EXE_countersign")`.
    #[must_use]
    pub fn start(program: impl Into<PathBuf>) -> Self {
        Home::new(program).start()
    }

    /// Waits for the start line. On a given port there may be a predecessor that is just ending.
    pub(crate) fn launch(home: &Home, listen: SocketAddr) -> Result<Self, Exit> {
        let (mut process, closed) = Process::spawn(&mut home.serve(listen), "");
        let ready = wait_for(PATIENCE, || {
            let exited = process.exited().is_some();
            announced(&process.stdout.text())
                .map(Some)
                .or(exited.then_some(None))
        });
        match ready {
            Some(Some(address)) => Ok(Self {
                home: home.clone(),
                process,
                closed,
                address,
            }),
            Some(None) => Err(process.finish(PATIENCE, &closed)),
            None => panic!(
                "no `Running on` line within {PATIENCE:?}\nstdout:\n{}\nstderr:\n{}",
                process.stdout.text(),
                process.stderr.text()
            ),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path: `server.url("/login")`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A client of it, without a cookie jar.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Where it lives: to look at its data, or to start a second one there.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it wrote to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.process.stdout.text()
    }

    /// What it wrote to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.process.stderr.text()
    }

    /// Waits until either stream contains `text`, since a line may be written after the answer.
    ///
    /// # Panics
    /// If it does not within 20 s.
    pub fn wait_for_log(&self, text: &str) {
        let seen = || (self.stdout().contains(text) || self.stderr().contains(text)).then_some(());
        let found = wait_for(PATIENCE, seen);
        assert!(
            found.is_some(),
            "never said {text:?}\n{}{}",
            self.stdout(),
            self.stderr()
        );
    }

    /// Runs a command beside it, on the same data.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Exit {
        self.cli_with_input(args, "")
    }

    /// As [`Server::cli`] with this on standard input.
    #[must_use]
    pub fn cli_with_input(&self, args: &[&str], input: &str) -> Exit {
        // The issuer follows from the listening address unless configured, and commands write
        // what concerns the issuer.
        let listen = self.address.to_string();
        self.home
            .clone()
            .env("COUNTERSIGN_SERVER__LISTEN", listen)
            .cli_with_input(args, input)
    }

    /// SIGKILL, and gone when this returns. [`Server::restart`] brings it back.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// If it is still there after 20 s.
    #[must_use]
    pub fn terminate(self) -> Exit {
        self.process.signal("TERM");
        self.process.finish(PATIENCE, &self.closed)
    }

    /// Kills it unless it is dead, and starts it again on the same data and the same port, so that
    /// addresses, issuer and cookies stay.
    pub fn restart(&mut self) {
        self.kill9();
        *self = Self::launch(&self.home, self.address)
            .unwrap_or_else(|exit| panic!("it did not come back: {exit:#?}"));
    }
}

/// The address in the start line `Running on http://127.0.0.1:5000/`, once it is complete.
fn announced(stdout: &str) -> Option<SocketAddr> {
    let (_, rest) = stdout.split_once("Running on ")?;
    let (_, rest) = rest.split_once("://")?;
    rest.split_once('/')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_line_gives_the_address_once_it_is_whole() {
        for early in ["", "Countersign 0.1.0\n", "Running on http://127.0.0.1:50"] {
            assert_eq!(announced(early), None, "{early}");
        }
        let whole =
            "Countersign 0.1.0   data ./data (new)\nRunning on http://127.0.0.1:5000/\nTry:";
        assert_eq!(
            announced(whole),
            Some(SocketAddr::from(([127, 0, 0, 1], 5000)))
        );
    }
}
