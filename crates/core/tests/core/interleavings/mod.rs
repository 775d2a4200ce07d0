//! A model check of the revocation rules: every interleaving of the flows, statement by
//! statement, on both ways of committing. With the rules as they are nothing breaks; with any one
//! of them left out, the named property does.

mod database;
mod explorer;
mod faults;
mod flows;
mod properties;
mod rules;
mod statements;
mod world;

use explorer::explore;
use flows::Kind::{self, *};
use world::{ENGINES, Model};

const CATALOGUE: [Kind; 17] = [
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

#[test]
fn pairs() {
    let mut states = 0;
    let mut bad = 0;
    for engine in ENGINES {
        for (at, one) in CATALOGUE.iter().enumerate() {
            for other in &CATALOGUE[at..] {
                let e = explore(&Model::new(engine, &[*one, *other], None));
                states += e.states;
                if let Some((_, story)) = e.counterexample {
                    bad += 1;
                    println!("{story}\n");
                }
            }
        }
    }
    println!("{states}");
    assert_eq!(bad, 0);
}
