//! Rules of the check left out, for the tests that show that they would be missed.

use crate::{Refusal, Timestamp, Verifier};

impl Verifier {
    /// [`Self::prune`] that does not remember that something was forgotten.
    pub fn prune_and_forget_it(&self, now: Timestamp) {
        self.floors_mut().prune_and_forget_it(now);
    }

    /// [`Self::check`] that takes a hit of the memo for more than it says.
    ///
    /// # Errors
    /// As there, if the token is not remembered.
    pub fn check_by_memo_alone(&self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        match self.memo.get(token) {
            Some(known) => self.judge(&known, now),
            None => self.check(token, now).map(drop),
        }
    }
}
