//! Every interleaving, shortest first, and the shortest one that breaks a property as a story.

use super::flows::Op;
use super::properties::{Property, broken};
use super::world::{End, Model, Move, World};
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

pub(crate) struct Exploration {
    /// The ways in which the flows ended, each by flow.
    pub(crate) ends: BTreeSet<Vec<Option<End>>>,
    /// What broke first, and the shortest schedule that leads there.
    pub(crate) counterexample: Option<(Property, String)>,
}

impl Exploration {
    pub(crate) fn story(&self) -> String {
        self.counterexample
            .as_ref()
            .map_or("nothing breaks".into(), |(_, story)| story.clone())
    }
}

/// Visits every reachable state in order of the number of steps, until one breaks a property.
pub(crate) fn explore(model: &Model) -> Exploration {
    let start = Rc::new(World::at_start(model));
    let mut seen = HashSet::<_, BuildHasherDefault<Fold>>::default();
    seen.insert(Rc::clone(&start));
    // Each state with the one it was first reached from.
    let mut reached: Vec<(Rc<World>, usize, Option<Move>)> = vec![(start, 0, None)];
    let mut ends = BTreeSet::new();
    let mut next = 0;
    while next < reached.len() {
        let world = Rc::clone(&reached[next].0);
        let successors = world.successors(model);
        let stuck = successors.is_empty() && !world.is_over();
        let property = broken(model, &world).or(stuck.then_some(Property::Deadlock));
        if let Some(property) = property {
            let story = tell(model, &reached, next, property);
            return Exploration {
                ends,
                counterexample: Some((property, story)),
            };
        }
        if world.is_over() {
            ends.insert(world.processes.iter().map(|process| process.end).collect());
        }
        for (step, successor) in successors {
            let successor = Rc::new(successor);
            if seen.insert(Rc::clone(&successor)) {
                reached.push((successor, next, Some(step)));
            }
        }
        next += 1;
    }
    Exploration {
        ends,
        counterexample: None,
    }
}

fn tell(
    model: &Model,
    reached: &[(Rc<World>, usize, Option<Move>)],
    last: usize,
    property: Property,
) -> String {
    let mut path = Vec::new();
    let mut at = last;
    while let (_, parent, Some(step)) = &reached[at] {
        path.push((*parent, *step, at));
        at = *parent;
    }
    let mut story = format!("{property:?} on {:?}", model.engine);
    if let Some(fault) = model.fault {
        let _ = write!(story, " with {fault:?}");
    }
    for (number, (before, step, after)) in path.iter().rev().enumerate() {
        let line = line(model, &reached[*before].0, *step, &reached[*after].0);
        let _ = write!(story, "\n{:4}  {line}", number + 1);
    }
    let world = &reached[last].0;
    for token in &world.tokens {
        let _ = write!(story, "\n      {token:?}");
    }
    for revocation in &world.revocations {
        let _ = write!(story, "\n      {revocation:?}");
    }
    for (id, session) in world.database.sessions.iter().enumerate() {
        if let Some(session) = session {
            let _ = write!(story, "\n      session {id}: {session:?}");
        }
    }
    story
}

fn line(model: &Model, before: &World, step: Move, after: &World) -> String {
    let Move::Step(me) = step else {
        return "the writer commits its batch and answers".into();
    };
    let (was, is) = (
        &before.processes[usize::from(me)],
        &after.processes[usize::from(me)],
    );
    let flow = &model.flows[usize::from(me)];
    let name = format!("{me} {:?}", flow.kind);
    let again = is.memory.restarted && !was.memory.restarted;
    let ops = &flow.ops[was.at..if again { was.at + 2 } else { is.at }];
    // What a flow skips because it needs it no more is passed over here too.
    let skipped = |at: usize, op: Op| op == Op::ReadSuccessor && at > 0;
    let told = ops
        .iter()
        .enumerate()
        .filter(|(at, op)| !skipped(*at, **op));
    let tales: Vec<_> = told.map(|(_, op)| op.tale()).collect();
    let mut line = format!("{name:<22} {}", tales.join(", "));
    if is.memory.rev != was.memory.rev && is.memory.rev > 0 {
        let _ = write!(line, " (rev {})", is.memory.rev);
    }
    if is.memory.seq != was.memory.seq && is.memory.seq > 0 {
        let _ = write!(line, " (seq {})", is.memory.seq);
    }
    if again {
        line.push_str("; refused, it starts again");
    }
    if is.end.is_some_and(|end| end != End::Done) {
        line.push_str("; refused");
    }
    line
}

/// States are compared in full; this only spreads them. In an unoptimised build, where this runs,
/// the standard hasher would take most of the time.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}
