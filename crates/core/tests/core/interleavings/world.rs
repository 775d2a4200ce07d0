//! A state of everything, and the steps that lead out of it under either engine.

use super::database::{Database, START, Write};
use super::faults::Fault;
use super::flows::{Flow, Kind, Op};
use super::properties::{Revocation, refusal_is_just};
use super::rules::Token;
use super::statements::{Memory, Next};

/// How writes become visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Engine {
    /// PostgreSQL's default. Each statement sees what is committed when it runs, and its own
    /// transaction. A row that is changed stays locked until commit; who waits for it looks at
    /// its condition again. PostgreSQL looks again at the locked row alone, so a condition that
    /// spans rows is always a statement of its own here, and has to be one in the store.
    ReadCommitted,
    /// SQLite behind one writer. Units run whole, one after another, each on its own savepoint;
    /// any number of them are committed together, then answered. Other reads see commits only.
    GroupCommit,
}

pub(crate) const ENGINES: [Engine; 2] = [Engine::ReadCommitted, Engine::GroupCommit];

/// What is explored: some flows at once, on one engine, with at most one rule broken.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) engine: Engine,
    pub(crate) flows: Vec<Flow>,
    pub(crate) fault: Option<Fault>,
}

impl Model {
    pub(crate) fn new(engine: Engine, kinds: &[Kind], fault: Option<Fault>) -> Self {
        let flows = kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| Flow::new(*kind, index, fault));
        Model {
            engine,
            flows: flows.collect(),
            fault,
        }
    }

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// What is right, unless this is the rule left out.
    pub(crate) fn unless<T>(&self, fault: Fault, right: T, wrong: T) -> T {
        if self.is(fault) { wrong } else { right }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Done,
    Refused,
    /// Refused although nothing that happened to it says so.
    RefusedUnjustly,
}

/// A flow under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) at: usize,
    pub(crate) end: Option<End>,
    pub(crate) memory: Memory,
    /// What its open transaction has changed, which locks those rows.
    pub(crate) writes: Vec<Write>,
    /// Its unit has run, the batch is not committed.
    pub(crate) waiting: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) database: Database,
    /// The writer's batch: the database as it will be, and whose units made it so.
    batch: Option<(Database, Vec<u8>)>,
    pub(crate) processes: Vec<Process>,
    /// In token lifetimes.
    pub(crate) now: u8,
    /// A plain sequence, where a fault uses one.
    pub(crate) sequence: u8,
    /// Ghost: the number of commits.
    pub(crate) commits: u8,
    /// Ghost: every token that was handed out, and every revocation that was acknowledged.
    pub(crate) tokens: Vec<Token>,
    pub(crate) revocations: Vec<Revocation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Step(u8),
    CommitBatch,
}

impl World {
    pub(crate) fn at_start(model: &Model) -> Self {
        let memory = Memory {
            cursor: START,
            ..Memory::default()
        };
        let process = Process {
            memory,
            ..Process::default()
        };
        World {
            database: Database::at_start(),
            batch: None,
            processes: vec![process; model.flows.len()],
            now: 0,
            sequence: START,
            commits: 0,
            tokens: Vec::new(),
            revocations: Vec::new(),
        }
    }

    /// Every state that one step leads to.
    pub(crate) fn successors(&self, model: &Model) -> Vec<(Move, World)> {
        let mut successors = Vec::with_capacity(model.flows.len() + 1);
        for (me, process) in (0u8..).zip(&self.processes) {
            if process.end.is_some() || process.waiting {
                continue;
            }
            let op = model.flows[usize::from(me)].ops[process.at];
            let world = match (model.engine, op) {
                (Engine::GroupCommit, Op::Begin) => Some(self.run_unit(model, me)),
                _ => self.step(model, me),
            };
            successors.extend(world.map(|world| (Move::Step(me), world)));
        }
        if self.batch.is_some() {
            successors.push((Move::CommitBatch, self.commit_batch(model)));
        }
        successors
    }

    pub(crate) fn is_over(&self) -> bool {
        self.processes
            .iter()
            .all(|process| process.end.is_some() && !process.waiting)
    }

    /// One statement; `None` while a row it would change is locked by somebody else.
    fn step(&self, model: &Model, me: u8) -> Option<World> {
        let mut world = self.clone();
        let ops = &model.flows[usize::from(me)].ops;
        let process = &mut world.processes[usize::from(me)];
        // BEGIN by itself shows nothing to anybody.
        process.at += usize::from(ops[process.at] == Op::Begin);
        let op = ops[process.at];
        process.at += 1;
        if op == Op::Commit {
            let writes = std::mem::take(&mut process.writes);
            if !writes.is_empty() {
                writes.iter().for_each(|write| world.database.apply(*write));
                world.database.commit(world.now);
                world.commits += 1;
            }
            world.settle(model, me);
            return Some(world);
        }
        let mut view = self.database;
        process.writes.iter().for_each(|write| view.apply(*write));
        let (next, writes) = world.perform(model, me, op, &view);
        if writes.iter().any(|write| self.is_locked(write, me)) {
            return None;
        }
        let process = &mut world.processes[usize::from(me)];
        match next {
            Next::Continue => {
                for write in writes {
                    // One entry a row, so that equal states meet.
                    process
                        .writes
                        .retain(|old| old.row().is_none() || old.row() != write.row());
                    process.writes.push(write);
                }
            }
            Next::Restart => process.restart(),
            Next::Refuse => process.refuse(),
        }
        world.settle(model, me);
        Some(world)
    }

    fn is_locked(&self, write: &Write, me: u8) -> bool {
        let mut others = (0u8..).zip(&self.processes).filter(|other| other.0 != me);
        write.row().is_some_and(|row| {
            others.any(|(_, other)| other.writes.iter().any(|held| held.row() == Some(row)))
        })
    }

    /// The writer takes a waiting unit and runs all of it. That units are taken in any order
    /// stands for the queue.
    fn run_unit(&self, model: &Model, me: u8) -> World {
        let mut world = self.clone();
        let (mut database, mut members) = world.batch.take().unwrap_or((self.database, Vec::new()));
        let savepoint = database;
        let ops = &model.flows[usize::from(me)].ops;
        world.processes[usize::from(me)].waiting = true;
        let begin = self.processes[usize::from(me)].at;
        for (at, &op) in ops.iter().enumerate().skip(begin + 1) {
            world.processes[usize::from(me)].at = at + 1;
            if op == Op::Commit {
                break;
            }
            let (next, writes) = world.perform(model, me, op, &database);
            let process = &mut world.processes[usize::from(me)];
            match next {
                Next::Continue => writes.iter().for_each(|write| database.apply(*write)),
                Next::Restart => process.restart(),
                Next::Refuse => process.refuse(),
            }
            if next != Next::Continue {
                database = savepoint;
                break;
            }
        }
        members.push(me);
        world.batch = Some((database, members));
        world
    }

    fn commit_batch(&self, model: &Model) -> World {
        let mut world = self.clone();
        let Some((database, members)) = world.batch.take() else {
            return world;
        };
        if database != world.database {
            world.database = database;
            world.database.commit(world.now);
            world.commits += 1;
        }
        // First everything the commit put in force, then the answers that rest on it.
        for &me in &members {
            world.acknowledge(model, me);
        }
        for me in members {
            world.processes[usize::from(me)].waiting = false;
            world.settle(model, me);
        }
        world
    }

    /// The acknowledgement leaves with the commit: the properties hold from then on.
    fn acknowledge(&mut self, model: &Model, me: u8) {
        let Process { at, end, .. } = self.processes[usize::from(me)];
        let ops = &model.flows[usize::from(me)].ops;
        if end.is_none() && ops.get(at) == Some(&Op::Acknowledge) {
            let database = self.database;
            self.perform(model, me, Op::Acknowledge, &database);
            self.processes[usize::from(me)].at += 1;
        }
    }

    /// What follows a step without touching the database.
    fn settle(&mut self, model: &Model, me: u8) {
        self.acknowledge(model, me);
        let flow = &model.flows[usize::from(me)];
        let process = &mut self.processes[usize::from(me)];
        if process.end.is_none() {
            let won = process.memory.successor.is_some();
            if won && flow.ops.get(process.at) == Some(&Op::ReadSuccessor) {
                process.at += 1;
            }
            if process.at < flow.ops.len() {
                return;
            }
            process.end = Some(End::Done);
        }
        let refused = self.processes[usize::from(me)].end == Some(End::Refused);
        let unjust = refused && !refusal_is_just(self, flow, me);
        let process = &mut self.processes[usize::from(me)];
        if unjust {
            process.end = Some(End::RefusedUnjustly);
        }
        // What a finished flow had read tells states apart that are the same from here on.
        let Memory { cursor, held, .. } = process.memory;
        process.memory = Memory {
            cursor,
            held,
            ..Memory::default()
        };
    }
}

impl Process {
    fn restart(&mut self) {
        let Memory { began, cursor, .. } = self.memory;
        self.memory = Memory {
            began,
            cursor,
            restarted: true,
            ..Memory::default()
        };
        self.at = 0;
        self.writes.clear();
    }

    fn refuse(&mut self) {
        self.end = Some(End::Refused);
        self.writes.clear();
    }
}
