//! Tests of what the contract suite cannot see from outside.

mod settings;
mod statements;
mod units;
mod upgrades;
