//! Running one unit of work so that whatever goes wrong in it stays in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::{BoxFuture, Conn, StoreError};

/// Runs a unit. An error means that its changes must be rolled back, whatever the unit itself
/// answered.
pub(crate) async fn run<T, E, U>(unit: U, conn: &mut Conn<'_>) -> Result<T, E>
where
    U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<T, E>>,
    E: From<StoreError>,
{
    let result = caught(async { unit(&mut *conn).await }).await;
    let failed = |what: &str| Err(StoreError::Failed(what.to_owned()).into());
    match result {
        None => failed("a unit of work panicked"),
        // PostgreSQL has given the transaction up and answers COMMIT with a silent rollback.
        Some(Ok(_)) if conn.failed => failed("a unit of work went on after a statement had failed"),
        Some(result) => result,
    }
}

/// What a future answers, or `None` where it panicked: other units wait behind this one, and a
/// defect in one of them must not end them all.
async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        // Sound to go on after: everything that the unit touched is rolled back.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
