//! The follower and the check with one rule left out each.

use std::time::Duration;

use super::scenarios::*;
use super::world::{Scenario, State, check, code, follow};
use crate::shared::Shared;
use crate::sync::Ordering;

/// What is left out, and where that lets a token in.
pub(super) fn all() -> Vec<(&'static str, Scenario)> {
    let following = |scenario: Scenario, follow| Scenario { follow, ..scenario };
    let checking = |scenario: Scenario, check| Scenario { check, ..scenario };
    vec![
        (
            "the lease is renewed before the floors are there",
            following(a_logout_while_away(), lease_before_floors),
        ),
        (
            "the lease is renewed before the time is told",
            following(an_hour_away(), lease_before_time),
        ),
        (
            "the lease is renewed without an order that others see",
            following(an_hour_away(), unordered_lease),
        ),
        (
            "the time is told before the floors are there",
            following(an_issuer_whose_clock_is_put_back(), time_before_floors),
        ),
        (
            "tokens may live longer before the floors are there",
            following(a_longer_life(), life_before_floors),
        ),
        (
            "the lease is renewed before the keys are there",
            following(a_key_revoked_while_away(), lease_before_keys),
        ),
        (
            "keys are there before the floors",
            following(a_key_that_is_back_after_a_logout(), keys_before_floors),
        ),
        (
            "every page renews the lease",
            following(a_log_of_two_pages(), lease_for_a_page),
        ),
        (
            "that floors were forgotten is forgotten",
            following(a_floor_forgotten(), prune_and_forget_it),
        ),
        (
            "the memo outlives its key",
            checking(a_key_revoked(), by_memo_alone),
        ),
        (
            "the lease is asked for after the floors",
            checking(a_logout_while_away(), lease_last),
        ),
    ]
}

/// The parts of taking in an answer, in any order.
struct Parts<'a>(&'a Shared, &'a State);

impl Parts<'_> {
    fn floors(&self) {
        self.0.learn(&self.1.answer);
    }

    fn keys(&self) {
        self.0.verifier.set_keys(self.1.keys.clone());
    }

    fn time(&self) {
        self.0.tell_time(&self.1.answer, self.1.clock);
    }

    fn lease(&self) {
        self.0.renew(&self.1.answer, self.1.sent);
    }
}

fn lease_before_floors(shared: &Shared, state: &State) {
    let parts = Parts(shared, state);
    parts.keys();
    parts.time();
    parts.lease();
    parts.floors();
}

fn lease_before_keys(shared: &Shared, state: &State) {
    let parts = Parts(shared, state);
    parts.floors();
    parts.time();
    parts.lease();
    parts.keys();
}

fn lease_before_time(shared: &Shared, state: &State) {
    let parts = Parts(shared, state);
    parts.floors();
    parts.keys();
    parts.lease();
    parts.time();
}

fn unordered_lease(shared: &Shared, state: &State) {
    let parts = Parts(shared, state);
    parts.floors();
    parts.keys();
    parts.time();
    shared.leased_at.store(state.sent, Ordering::Relaxed);
}

fn time_before_floors(shared: &Shared, state: &State) {
    let parts = Parts(shared, state);
    parts.time();
    parts.floors();
    parts.keys();
    parts.lease();
}

fn keys_before_floors(shared: &Shared, state: &State) {
    Parts(shared, state).keys();
    follow(shared, state);
}

fn life_before_floors(shared: &Shared, state: &State) {
    let life = u64::try_from(state.answer.life).unwrap();
    shared.verifier.set_life(Duration::from_secs(life));
    follow(shared, state);
}

fn lease_for_a_page(shared: &Shared, state: &State) {
    follow(shared, state);
    shared.leased_at.store(state.sent, Ordering::Release);
}

fn prune_and_forget_it(shared: &Shared, state: &State) {
    shared.apply(&state.answer, None, state.sent, state.clock);
    if state.prunes {
        shared.verifier.prune_and_forget_it(shared.now());
    }
}

fn by_memo_alone(shared: &Shared, token: &str) -> &'static str {
    let at = shared.current();
    code(at.and_then(|now| Ok(shared.verifier.check_by_memo_alone(token, now)?)))
}

fn lease_last(shared: &Shared, token: &str) -> &'static str {
    let verdict = shared.verifier.check(token, shared.now());
    match shared.current() {
        Ok(_) => code(verdict.map(drop).map_err(Into::into)),
        Err(_) => check(shared, token),
    }
}
