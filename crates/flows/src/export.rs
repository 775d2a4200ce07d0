//! Everybody's account with its password hash, for another installation or another system.

use countersign_core::{User, UserId};
use countersign_store::{credentials, users};

use crate::{Cx, FlowError};

/// An account as it leaves. It does not print: a hash can be guessed from.
#[derive(Clone)]
pub struct Exported {
    /// The account.
    pub user: User,
    /// The password hash as it is stored: ours, or still that of the system it came from.
    pub hash: Option<String>,
}

/// Up to `limit` accounts after `after`, in the order of their ids. Whoever is added meanwhile may be
/// left out, as in any list that is read in pages.
pub async fn page(cx: &Cx, after: Option<UserId>, limit: i64) -> Result<Vec<Exported>, FlowError> {
    let mut reader = cx.db.read().await?;
    let mut conn = reader.conn();
    let found = users::page(&mut conn, after, None, limit).await?;
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        return Ok(Vec::new());
    };
    let hashes = credentials::passwords_between(&mut conn, first.id, last.id).await?;
    let mut hashes = hashes.into_iter().peekable();
    let exported = found.into_iter().map(|user| {
        while hashes.next_if(|(id, _)| *id < user.id).is_some() {}
        let hash = hashes.next_if(|(id, _)| *id == user.id);
        Exported {
            hash: hash.map(|(_, hash)| hash),
            user,
        }
    });
    Ok(exported.collect())
}
