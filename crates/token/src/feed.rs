//! What the revocation feed says: the shape that issuer and followers share.

use serde::{Deserialize, Serialize};

use crate::{Floor, Seq};

/// The most floors in one answer.
pub const MAX_FLOORS: usize = 10_000;

/// One answer of `GET /revocations`.
///
/// A follower adds the floors to what it holds and takes `seq` as its cursor, even where that is
/// lower than the one it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The log's position up to which all floors are known once these are applied.
    pub seq: Seq,
    /// The issuer's time, in seconds since the Unix epoch: what the follower lives by.
    pub now: i64,
    /// The longest that an access token lives, in seconds.
    pub life: i64,
    /// Changes with the JWKS: an answer with another number is applied after that JWKS is loaded.
    pub keys: i64,
    /// Whether there are more floors, to be asked for at once.
    pub more: bool,
    /// Floors in the order of their `seq`.
    pub floors: Vec<Floor>,
}

/// An [`Answer`] but for its `now`, serialised once for everybody who is told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    head: String,
    tail: String,
}

/// What follows `seq` and `now` in an [`Answer`].
#[derive(Serialize)]
struct Rest<'a> {
    life: i64,
    keys: i64,
    more: bool,
    floors: &'a [Floor],
}

impl Page {
    /// Serialises what an [`Answer`] with these members says, whenever it is given.
    pub fn new(seq: Seq, life: i64, keys: i64, more: bool, floors: &[Floor]) -> Self {
        let rest = Rest {
            life,
            keys,
            more,
            floors,
        };
        // Numbers and short strings always serialise.
        let mut tail = serde_json::to_string(&rest).unwrap_or_default();
        tail.replace_range(..tail.len().min(1), ",");
        Self {
            head: format!("{{\"seq\":{seq},\"now\":"),
            tail,
        }
    }

    /// The answer in JSON, given at this time in seconds since the Unix epoch.
    pub fn at(&self, now: i64) -> String {
        let Self { head, tail } = self;
        format!("{head}{now}{tail}")
    }

    /// How many bytes it takes, about.
    pub fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reason, Scope, Subject, Timestamp};

    #[test]
    fn a_page_reads_as_the_answer_of_its_time() {
        let floor = Floor {
            seq: Seq(4),
            scope: Scope::User,
            subject: Subject::of(Scope::User, "42"),
            reason: Reason::Superseded,
            expires: Timestamp::from_secs(960),
        };
        for floors in [vec![], vec![floor], vec![floor; 3]] {
            let page = Page::new(Seq(7), 900, 3, true, &floors);
            for now in [0, 1_795_220_000] {
                let answer = Answer {
                    seq: Seq(7),
                    now,
                    life: 900,
                    keys: 3,
                    more: true,
                    floors: floors.clone(),
                };
                assert_eq!(page.at(now), serde_json::to_string(&answer).unwrap());
            }
        }
    }
}
