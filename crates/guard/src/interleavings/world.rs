//! What a guard is given, and everything that can come of it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_token::feed::Answer;
use countersign_token::{KeySet, Timestamp, Verifier};
use loom::sync::atomic::AtomicUsize;
use loom::thread;

use crate::Policy;
use crate::clock::Clock;
use crate::shared::Shared;
use crate::sync::{AtomicI64, Ordering};

/// Loom's threads have 32 KiB unless told otherwise: too little for a signature and a JSON parser.
/// In words, whatever its documentation says.
const STACK: usize = 64 * 1024;

/// What the follower comes to know at one moment.
#[derive(Clone)]
pub(super) struct State {
    /// The guard's clock when the question was sent, and when its answer is taken in.
    pub(super) sent: i64,
    pub(super) clock: i64,
    pub(super) keys: KeySet,
    pub(super) answer: Answer,
    /// Whether what has expired is forgotten then.
    pub(super) prunes: bool,
}

type Follow = fn(&Shared, &State);
type Check = fn(&Shared, &str) -> &'static str;

/// The follower brings the states after the first while the checks run.
#[derive(Clone)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) token: String,
    /// Whether the token was let in before.
    pub(super) remembered: bool,
    pub(super) states: Vec<State>,
    /// What a guard in each of them says.
    pub(super) said: &'static [&'static str],
    /// For each thread that checks, how many times.
    pub(super) checks: &'static [usize],
    /// At most so many times a thread is interrupted; every order if none.
    pub(super) preemptions: Option<usize>,
    pub(super) follow: Follow,
    pub(super) check: Check,
}

/// As the follower's `turn` and `prune` do it.
pub(super) fn follow(shared: &Shared, state: &State) {
    let keys = Some(state.keys.clone());
    shared.apply(&state.answer, keys, state.sent, state.clock);
    if state.prunes {
        shared.verifier.prune(shared.now());
    }
}

/// The guard's check, as a code; empty if it lets in.
pub(super) fn check(shared: &Shared, token: &str) -> &'static str {
    code(shared.verify(token).map(drop))
}

pub(super) fn code(verdict: Result<(), crate::Refusal>) -> &'static str {
    verdict.err().map_or("", crate::Refusal::code)
}

struct World {
    shared: Shared,
    hands: Arc<AtomicI64>,
    /// The last state that was brought whole.
    brought: AtomicUsize,
}

impl World {
    /// In the first state, with the token remembered if it is to be.
    fn new(scenario: &Scenario) -> Self {
        let verifier = Verifier::new(countersign_token::Policy {
            issuer: super::scenarios::ISSUER.to_owned(),
            audience: "countersign".to_owned(),
            leeway: Duration::ZERO,
            life: Duration::ZERO,
        });
        let hands = Arc::new(AtomicI64::new(0));
        let clock = Clock::Fixed(Arc::clone(&hands));
        let world = Self {
            shared: Shared::new(verifier, clock, Policy::Strict, Duration::ZERO),
            hands,
            brought: AtomicUsize::new(0),
        };
        world.bring(scenario, 0);
        if scenario.remembered {
            let _ = world
                .shared
                .verifier
                .check(&scenario.token, Timestamp::from_secs(0));
        }
        world
    }

    fn bring(&self, scenario: &Scenario, index: usize) {
        let state = &scenario.states[index];
        self.hands.store(state.clock, Ordering::SeqCst);
        match index {
            0 => follow(&self.shared, state),
            _ => (scenario.follow)(&self.shared, state),
        }
        self.brought.store(index, Ordering::Release);
    }
}

/// How many orders were tried, and what the last did if it broke the rules.
pub(super) fn orders_that_break(scenario: &Scenario) -> (usize, Option<String>) {
    the_states_are_those_that_were_meant(scenario);
    let seen = Arc::new(Mutex::new((0, None)));
    let mut model = loom::model::Builder::new();
    model.preemption_bound = scenario.preemptions;
    let every = {
        let (scenario, seen) = (Arc::new(scenario.clone()), Arc::clone(&seen));
        move || {
            let scenario = Arc::clone(&scenario);
            let broken = run(move || one_order(&scenario)).join().unwrap();
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            if broken.is_some() {
                seen.1 = broken;
                drop(seen);
                // One is enough; there is no other way to stop it.
                resume_unwind(Box::new("broken"));
            }
        }
    };
    let whole = catch_unwind(AssertUnwindSafe(|| model.check(every)));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(whole.is_err(), seen.1.is_some(), "{}", scenario.name);
    seen
}

fn one_order(scenario: &Arc<Scenario>) -> Option<String> {
    let world = Arc::new(World::new(scenario));
    let checking: Vec<_> = scenario
        .checks
        .iter()
        .map(|times| {
            let (scenario, world) = (Arc::clone(scenario), Arc::clone(&world));
            run(move || {
                let check = |_| {
                    let began = world.brought.load(Ordering::Acquire);
                    (began, (scenario.check)(&world.shared, &scenario.token))
                };
                (0..*times).map(check).collect::<Vec<_>>()
            })
        })
        .collect();
    let following = run({
        let (scenario, world) = (Arc::clone(scenario), Arc::clone(&world));
        move || (1..scenario.states.len()).for_each(|index| world.bring(&scenario, index))
    });
    following.join().unwrap();
    for (began, answer) in checking
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
    {
        let since = &scenario.said[began..];
        if since
            .iter()
            .all(|whole| whole.is_empty() != answer.is_empty())
        {
            return Some(format!("{answer:?}, where whole states say {since:?}"));
        }
    }
    let (last, whole) = (
        (scenario.check)(&world.shared, &scenario.token),
        scenario.said.last()?,
    );
    (last != *whole).then(|| format!("in the end {last:?} instead of {whole:?}"))
}

/// With nobody beside, a guard says what the scenario promises of each state.
fn the_states_are_those_that_were_meant(scenario: &Scenario) {
    let alone = Scenario {
        follow,
        ..scenario.clone()
    };
    loom::model(move || {
        let alone = alone.clone();
        let said = run(move || {
            let world = World::new(&alone);
            for (index, expected) in alone.said.iter().enumerate() {
                if index > 0 {
                    world.bring(&alone, index);
                }
                let said = check(&world.shared, &alone.token);
                assert_eq!(said, *expected, "{}: state {index}", alone.name);
            }
            assert_eq!(alone.said.len(), alone.states.len(), "{}", alone.name);
        });
        said.join().unwrap();
    });
}

fn run<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(what)
        .unwrap()
}
