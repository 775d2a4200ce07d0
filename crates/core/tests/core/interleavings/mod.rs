//! A model check of the revocation rules: every interleaving of the flows, statement by
//! statement, on both ways of committing. With the rules as they are nothing breaks; with any one
//! of them left out something does, and the test knows what.
//!
//! `flows` has the orders, `faults` the ways to break them, `properties` what must hold. The
//! decisions themselves (`rules`) are the functions that the product uses.

mod database;
mod explorer;
mod faults;
mod flows;
mod properties;
mod rules;
mod statements;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use explorer::explore;
use faults::Fault::{self, *};
use flows::Kind::{self, *};
use properties::Property::{self, *};
use world::Engine::{self, GroupCommit, ReadCommitted};
use world::{ENGINES, End, Model};

const ALL: [Kind; 17] = [
    Mint,
    Refresh,
    Login,
    LoginWithRehash,
    LoginWithNewPassword,
    Logout,
    LogoutEverywhere,
    ChangePassword,
    ChangeRoles,
    Demote,
    DemoteOther,
    Disable,
    DisableAndEnable,
    RemoveClient,
    RevokeEverything,
    Follow,
    TimePasses,
];

/// A rule left out, flows that get hurt, and what breaks on READ COMMITTED and on group commit.
/// One writer is an order in itself: there, some rules have nothing left to do.
type Conviction = (Fault, &'static [Kind], Option<Property>, Option<Property>);

const CONVICTIONS: [Conviction; 29] = [
    both(
        LoginReadsRevAfterPassword,
        &[Login, ChangePassword],
        DeadSessionAlive,
    ),
    both(
        RefreshReadsRevAfterSession,
        &[Refresh, Logout],
        DeadTokenAccepted,
    ),
    both(RolesReadBeforeRev, &[Mint, ChangeRoles], OldRolesAccepted),
    both(RevReadAfterWrite, &[Refresh, Logout], DeadTokenAccepted),
    both(
        RevFromMemory,
        &[Login, LogoutEverywhere],
        RightPersonRefused,
    ),
    both(SessionFromReplica, &[Mint, Logout], DeadTokenAccepted),
    both(
        SessionKeepsRevOfInsert,
        &[Login, ChangePassword],
        DeadSessionAlive,
    ),
    both(ClockCommittedFirst, &[Mint, Logout], DeadTokenAccepted),
    one(PlainSequence, &[Follow, Logout, ChangeRoles], FloorMissed),
    one(RowAfterClock, &[LogoutEverywhere, Disable], Deadlock),
    both(
        NoDurableFloor,
        &[Refresh, LogoutEverywhere],
        DeadSessionAlive,
    ),
    both(
        SupersededIsDurable,
        &[Refresh, ChangeRoles],
        LiveSessionDead,
    ),
    both(
        InsertUnconditional,
        &[Login, LogoutEverywhere],
        LiveSessionDead,
    ),
    both(NoSecondTry, &[Login, LogoutEverywhere], RightPersonRefused),
    both(
        RehashUnconditional,
        &[LoginWithRehash, ChangePassword],
        OldPasswordBack,
    ),
    both(
        PasswordAsksRowOnly,
        &[ChangePassword, LogoutEverywhere],
        DeadSessionAlive,
    ),
    one(
        PasswordChecksSessionBeforeClock,
        &[ChangePassword, RevokeEverything],
        DeadSessionAlive,
    ),
    both(PasswordKeepsSession, &[ChangePassword], DeadSessionAlive),
    both(
        ReplacementKeepsRevOfRequest,
        &[ChangePassword],
        LiveSessionDead,
    ),
    one(
        LastAdminBeforeClock,
        &[Demote, DemoteOther],
        NoAdministrator,
    ),
    both(LogoutLeavesRow, &[Refresh, Logout], DeadSessionAlive),
    both(LogoutWithoutFloor, &[Refresh, Logout], DeadTokenAccepted),
    both(RolesWithoutFloor, &[Mint, ChangeRoles], OldRolesAccepted),
    both(
        AliveIgnoresDurableFloors,
        &[Refresh, LogoutEverywhere],
        DeadSessionAlive,
    ),
    both(
        AliveAsksTheLog,
        &[LogoutEverywhere, TimePasses],
        DeadSessionAlive,
    ),
    both(IatAtSigning, &[Mint, Logout, TimePasses], DeadTokenAccepted),
    both(RotationUnconditional, &[Refresh, Refresh], TwoSuccessors),
    both(FloorsReadBeforeSeq, &[Follow, Logout], FloorMissed),
    both(AnsweredBeforeCommit, &[Mint, Logout], DeadSessionAlive),
];

const fn both(fault: Fault, flows: &'static [Kind], breaks: Property) -> Conviction {
    (fault, flows, Some(breaks), Some(breaks))
}

/// Breaks on READ COMMITTED, and is harmless under group commit.
const fn one(fault: Fault, flows: &'static [Kind], breaks: Property) -> Conviction {
    (fault, flows, Some(breaks), None)
}

/// Explores one set of flows in which nothing may break.
fn hold(engine: Engine, flows: &[Kind], fault: Option<Fault>) -> BTreeSet<Vec<Option<End>>> {
    let exploration = explore(&Model::new(engine, flows, fault));
    assert!(
        exploration.counterexample.is_none(),
        "{flows:?}: {}",
        exploration.story()
    );
    exploration.ends
}

fn every_pair_holds(engine: Engine, fault: Option<Fault>) {
    for (at, one) in ALL.iter().enumerate() {
        ALL[at..]
            .iter()
            .for_each(|other| drop(hold(engine, &[*one, *other], fault)));
    }
}

fn every_triple_holds(engine: Engine) {
    for (at, one) in ALL.iter().enumerate() {
        for (next, two) in ALL.iter().enumerate().skip(at) {
            for three in &ALL[next..] {
                hold(engine, &[*one, *two, *three], None);
            }
        }
    }
}

#[test]
fn no_rule_can_be_left_out() {
    for (fault, flows, read_committed, group_commit) in CONVICTIONS {
        for (engine, expected) in [(ReadCommitted, read_committed), (GroupCommit, group_commit)] {
            let exploration = explore(&Model::new(engine, flows, Some(fault)));
            let story = exploration.story();
            let found = exploration.counterexample.map(|(property, _)| property);
            assert_eq!(
                found, expected,
                "{fault:?} on {engine:?} among {flows:?}: {story}"
            );
            if expected.is_none() {
                every_pair_holds(engine, Some(fault));
            }
        }
    }
}

#[test]
fn two_at_once_break_nothing() {
    ENGINES
        .into_iter()
        .for_each(|engine| every_pair_holds(engine, None));
}

#[test]
fn three_at_once_break_nothing_on_read_committed() {
    every_triple_holds(ReadCommitted);
}

#[test]
fn three_at_once_break_nothing_on_group_commit() {
    every_triple_holds(GroupCommit);
}

/// A model that refuses everybody breaks nothing either: each flow must be able to succeed, and
/// those that can lose must be able to.
#[test]
fn flows_succeed_and_are_refused() {
    for engine in ENGINES {
        let mut seen: BTreeMap<Kind, BTreeSet<Option<End>>> = BTreeMap::new();
        for one in ALL {
            for other in ALL {
                let ends = hold(engine, &[one, other], None);
                seen.entry(one)
                    .or_default()
                    .extend(ends.iter().map(|ends| ends[0]));
            }
        }
        for (kind, ends) in seen {
            assert!(
                ends.contains(&Some(End::Done)),
                "{kind:?} never succeeds on {engine:?}"
            );
            let loses = !matches!(
                kind,
                ChangeRoles | RemoveClient | RevokeEverything | Follow | TimePasses
            );
            assert_eq!(
                ends.contains(&Some(End::Refused)),
                loses,
                "{kind:?} on {engine:?}"
            );
        }
    }
}

#[test]
fn a_counterexample_is_the_shortest_schedule_told_in_words() {
    let model = Model::new(GroupCommit, &[Mint, Logout], Some(RolesReadBeforeRev));
    assert!(
        explore(&model).counterexample.is_none(),
        "a logout changes no roles"
    );
    let model = Model::new(
        ReadCommitted,
        &[Mint, ChangeRoles],
        Some(RolesReadBeforeRev),
    );
    let story = explore(&model).story();
    let schedule = [
        "OldRolesAccepted on ReadCommitted with RolesReadBeforeRev",
        "   1  0 Mint                 reads roles",
        "   2  1 ChangeRoles          begins, sets the roles",
        "   3  1 ChangeRoles          advances the clock (seq 2)",
        "   4  1 ChangeRoles          looks for another administrator",
        "   5  1 ChangeRoles          inserts the floor",
        "   6  1 ChangeRoles          commits, answers",
        "   7  0 Mint                 reads rev (rev 2)",
        "   8  0 Mint                 reads the session: alive?",
        "   9  0 Mint                 signs and answers",
    ];
    assert!(story.starts_with(&schedule.join("\n")), "{story}");
}
