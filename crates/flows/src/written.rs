//! Writing floors: in the order that `revocation.md` gives, and known here before anyone is told.

use std::time::Duration;

use countersign_core::{Floor, Reason, Scope, Subject, Timestamp};
use countersign_store::log::Tick;
use countersign_store::{BoxFuture, Conn, StoreError, log};

use crate::{Cx, FlowError};

/// A floor outlives the last token below it by this much, for whoever reads clocks less well.
const MARGIN: Duration = Duration::from_secs(60);

/// Writes the floor for which `tick` took the place in the log.
pub(crate) async fn floor(
    conn: &mut Conn<'_>,
    now: Timestamp,
    tick: Tick,
    scope: Scope,
    id: &str,
    reason: Reason,
) -> Result<Floor, StoreError> {
    let floor = Floor {
        seq: tick.seq,
        scope,
        subject: Subject::of(scope, id),
        reason,
        expires: now.plus(tick.life).plus(MARGIN),
    };
    log::insert(conn, &floor).await?;
    Ok(floor)
}

/// What a unit that writes floors answers: its outcome, and the floors.
pub(crate) type Written<T> = (T, Vec<Floor>);

impl Cx {
    /// Runs a unit that writes floors, and applies them here before it answers: the very next
    /// request to this server is refused. Other nodes and commands look for themselves.
    pub(crate) async fn write_floors<T, U>(&self, unit: U) -> Result<T, FlowError>
    where
        U: for<'a, 'c> FnOnce(&'a mut Conn<'c>) -> BoxFuture<'a, Result<Written<T>, FlowError>>
            + Clone
            + Send
            + 'static,
        T: Send + 'static,
    {
        let (outcome, floors) = self.db.write(unit).await?;
        for floor in &floors {
            self.verifier.note(floor);
        }
        if !floors.is_empty() {
            self.log.ring();
        }
        Ok(outcome)
    }
}
