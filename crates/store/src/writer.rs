//! Group commit for SQLite: one connection writes, and one flush to disk answers many units.
//!
//! A commit that survives a power cut costs a flush, however much is in it. So units that wait are
//! run one after another inside one transaction, each under a savepoint of its own, and all are
//! answered after the commit. Nobody is told "done" before the disk was.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::stats::Counts;
use crate::{BoxFuture, Conn, StoreError, unit};

/// Units that may wait; one more is refused as [`StoreError::Busy`].
const QUEUE: usize = 4096;

/// Units that share one commit.
const GROUP: usize = 256;

/// A unit of work with its type erased: run on a connection, or told why there is none. What it
/// answers with is kept until the commit is known.
type Job =
    Box<dyn for<'a, 'c> FnOnce(Result<&'a mut Conn<'c>, StoreError>) -> BoxFuture<'a, Ran> + Send>;

/// A unit that has run: whether it wants its changes kept, and how to answer it.
struct Ran {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

enum Message {
    Unit(Job),
    Stop(oneshot::Sender<()>),
}

/// The door to the one writing connection.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl Writer {
    /// Gives the connection to a task of its own, which makes another as `connect` says where this
    /// one fails.
    pub(crate) fn start(
        conn: SqliteConnection,
        connect: SqliteConnectOptions,
        counts: Arc<Counts>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run(
            Link {
                connect,
                conn: Some(conn),
                counts,
            },
            waiting,
        ));
        Self { queue }
    }

    /// How many units wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        QUEUE - self.queue.capacity()
    }

    /// Queues a unit and waits for its commit.
    pub(crate) async fn submit<T, E, U>(&self, unit: U) -> Result<T, E>
    where
        U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            Box::pin(async move {
                let result = match conn {
                    Ok(conn) => unit::run(unit, conn).await,
                    Err(error) => Err(error.into()),
                };
                Ran {
                    keep: result.is_ok(),
                    answer: Box::new(move |committed| {
                        let answer = match committed {
                            Ok(()) => result,
                            Err(error) => Err(error.into()),
                        };
                        // Nobody is listening any more where a client has gone; the work stands.
                        let _ = sender.send(answer);
                    }),
                }
            })
        });
        self.queue
            .try_send(Message::Unit(job))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })?;
        receiver.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Finishes the units that wait and closes the connection.
    pub(crate) async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.queue.send(Message::Stop(sender)).await.is_ok() {
            let _ = receiver.await;
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

/// The writing connection, and how to make another.
struct Link {
    connect: SqliteConnectOptions,
    conn: Option<SqliteConnection>,
    counts: Arc<Counts>,
}

impl Link {
    /// The connection inside a new transaction.
    async fn begin(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => SqliteConnection::connect_with(&self.connect).await?,
        };
        let conn = self.conn.insert(conn);
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await?;
        Ok(conn)
    }

    /// Ends the connection, and with it whatever transaction it is in.
    async fn close(&mut self) {
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "closing the database failed");
        }
    }
}

async fn run(mut link: Link, mut waiting: mpsc::Receiver<Message>) {
    let mut messages = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut messages, GROUP).await > 0 {
        let mut group = Vec::with_capacity(messages.len());
        let mut stop = None;
        for message in messages.drain(..) {
            match message {
                Message::Unit(job) if stop.is_none() => group.push(job),
                Message::Unit(_) => {}
                Message::Stop(done) => stop = Some(done),
            }
        }
        if !group.is_empty() {
            commit(&mut link, group).await;
        }
        if let Some(done) = stop {
            waiting.close();
            link.close().await;
            let _ = done.send(());
            return;
        }
    }
}

/// Runs a group inside one transaction and answers each of its units.
async fn commit(link: &mut Link, group: Vec<Job>) {
    let mut ran = Vec::with_capacity(group.len());
    let mut group = group.into_iter();
    let outcome = async {
        let conn = link.begin().await?;
        for job in group.by_ref() {
            sqlx::query("SAVEPOINT unit").execute(&mut *conn).await?;
            let unit = job(Ok(&mut Conn::sqlite(conn))).await;
            let keep = unit.keep;
            ran.push(unit);
            if !keep {
                sqlx::query("ROLLBACK TO unit").execute(&mut *conn).await?;
            }
            sqlx::query("RELEASE unit").execute(&mut *conn).await?;
        }
        sqlx::query("COMMIT").execute(&mut *conn).await
    }
    .await;
    let Err(error) = outcome else {
        link.counts.committed(ran.len());
        return ran.into_iter().for_each(|unit| (unit.answer)(Ok(())));
    };
    let failure = StoreError::from(error).to_string();
    tracing::error!(%failure, units = ran.len() + group.len(), "a group of writes failed");
    // A new connection, because what state this one is in is anybody's guess.
    link.close().await;
    for unit in ran {
        (unit.answer)(Err(StoreError::Unavailable(failure.clone())));
    }
    for job in group {
        let unit = job(Err(StoreError::Unavailable(failure.clone()))).await;
        (unit.answer)(Ok(()));
    }
}
