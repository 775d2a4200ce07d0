//! Reading the audit log.

use countersign_store::events::{self, Recorded};

use crate::{Cx, FlowError};

/// A page of events, latest first, and where the next page begins.
pub async fn page(
    cx: &Cx,
    before: Option<i64>,
    limit: i64,
) -> Result<(Vec<Recorded>, Option<i64>), FlowError> {
    let mut reader = cx.db.read().await?;
    let found = events::page(&mut reader.conn(), before, limit).await?;
    let full = i64::try_from(found.len()).is_ok_and(|read| read == limit);
    let next = found.last().map(|event| event.seq).filter(|_| full);
    Ok((found, next))
}
