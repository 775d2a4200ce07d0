//! The state that checks and the follower share, under every order of their steps that the memory
//! model allows (loom). Run by `script/test-interleavings`.
//!
//! A scenario is a list of whole states, of which the follower brings one after the other while
//! others check. What each state says of the token is found out first, with nobody beside. Then, in
//! every order:
//!
//! - a token is let in only if a whole state would let it in, and none from before the check began;
//! - it is refused only if such a state would refuse it;
//! - in the end the answer is that of the last state.
//!
//! Each rule of the follower and of the check is left out once, to see that this is noticed.

mod faults;
mod scenarios;
mod world;

use world::orders_that_break;

#[test]
fn a_check_beside_the_follower_never_believes_half_an_answer() {
    for scenario in scenarios::all() {
        let (orders, broken) = orders_that_break(&scenario);
        println!("{}: {orders} orders", scenario.name);
        assert_eq!(broken, None, "{}", scenario.name);
        assert!(orders > 20, "{}: only {orders} orders", scenario.name);
    }
}

#[test]
fn no_rule_of_the_shared_state_can_be_left_out() {
    for (fault, scenario) in faults::all() {
        let (orders, broken) = orders_that_break(&scenario);
        println!("{fault}: {broken:?}, in the {orders}th order");
        assert!(
            broken.is_some(),
            "{fault} is not missed in {}",
            scenario.name
        );
    }
}
