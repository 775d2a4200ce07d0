use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often a waiting test looks again.
const GLANCE: Duration = Duration::from_millis(5);

/// How a process ended, and what it had said by then.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

/// A running process whose output is collected from the first byte on; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

/// What one stream has brought so far.
#[derive(Debug, Clone)]
pub(crate) struct Output(Arc<Mutex<String>>);

impl Output {
    pub(crate) fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads to the end on a thread of its own, or the process would stop at a full pipe. `ended`
    /// is closed by then.
    fn collect(stream: impl Read + Send + 'static, ended: Sender<()>) -> Self {
        let output = Self(Arc::default());
        let lines = output.0.clone();
        thread::spawn(move || {
            let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line);
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
                line.clear();
            }
            drop(ended);
        });
        output
    }
}

/// Calls `look` until it finds something, for about `limit`.
pub(crate) fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..limit.as_millis() / GLANCE.as_millis() {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(GLANCE);
    }
    look()
}

impl Process {
    /// Starts `command` with `input` on its standard input, which then ends.
    pub(crate) fn spawn(command: &mut Command, input: &str) -> (Self, Receiver<()>) {
        let pipes = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = pipes
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        // A process that does not read its input has closed the pipe; that is its business.
        let _ = child
            .stdin
            .take()
            .expect("piped")
            .write_all(input.as_bytes());
        let (ended, closed) = channel();
        let stdout = Output::collect(child.stdout.take().expect("piped"), ended.clone());
        let stderr = Output::collect(child.stderr.take().expect("piped"), ended);
        (
            Self {
                child,
                stdout,
                stderr,
            },
            closed,
        )
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Waits for the end; past `limit` it is killed and the test fails.
    pub(crate) fn finish(mut self, limit: Duration, closed: &Receiver<()>) -> Exit {
        let Some(status) = wait_for(limit, || self.exited()) else {
            let said = (self.stdout.text(), self.stderr.text());
            panic!(
                "still running after {limit:?}\nstdout:\n{}\nstderr:\n{}",
                said.0, said.1
            );
        };
        // Both readers hold a sender until they have seen the end of their stream. A grandchild
        // may keep a stream open, so not for ever.
        let _ = closed.recv_timeout(Duration::from_secs(2));
        Exit {
            code: status.code(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    /// SIGKILL: no handler runs, as after a power cut, except that the system's buffers survive.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // By the shell, whose own command it is: the system call would need unsafe code, and not
        // every machine has a program of that name.
        let kill = format!("kill -s {name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "no signal was sent"
        );
    }
}

/// A command under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    pub(crate) process: Process,
    pub(crate) closed: Receiver<()>,
    pub(crate) patience: Duration,
}

impl Running {
    /// Whether it is still at work.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes longer than a command may.
    #[must_use]
    pub fn finish(self) -> Exit {
        self.process.finish(self.patience, &self.closed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
