//! What each step does to the database and to its flow's memory, the same on both engines.

use countersign_core::{DurableFloors, Presented};

use super::database::{Clock, Database, Floor, Password, START, Scope, Session, User, Write};
use super::faults::Fault;
use super::flows::{Flow, Op};
use super::properties::Revocation;
use super::rules::{Token, admits, alive, durable_floors, presented, seq};
use super::world::{Model, World};

/// What a flow has read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    pub(crate) rev: u8,
    pub(crate) iat: u8,
    /// The credential as it was verified.
    pub(crate) verified: Password,
    pub(crate) roles: u8,
    /// The log position drawn by this flow's own revocation.
    pub(crate) seq: u8,
    pub(crate) successor: Option<u8>,
    /// It has inserted a session of its own.
    pub(crate) made: bool,
    pub(crate) restarted: bool,
    /// A follower's cursor, the `seq` of the answer under way, and the floors it holds, as bits.
    pub(crate) cursor: u8,
    pub(crate) told: u8,
    pub(crate) held: u16,
    /// Ghost: commits before its first step, once that is taken.
    pub(crate) began: Option<u8>,
    /// Ghost: commits before it read the credential.
    pub(crate) read: u8,
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// Roll back and begin the flow again.
    Restart,
    /// Roll back and refuse.
    Refuse,
}

/// Whether the flows of this model take the session for alive.
pub(crate) fn lives(model: &Model, session: &Session, database: &Database, now: u8) -> bool {
    let floors = match model.fault {
        Some(Fault::AliveIgnoresDurableFloors) => DurableFloors::default(),
        Some(Fault::AliveAsksTheLog) => {
            let over = |floor: &&Floor| !floor.superseded && floor.scope.covers(session.user);
            let highest = database.log(now).filter(over).map(|floor| floor.seq).max();
            DurableFloors {
                user: seq(highest.unwrap_or(0)),
                ..DurableFloors::default()
            }
        }
        _ => durable_floors(database, session.user),
    };
    alive(
        session,
        !database.users[usize::from(session.user)].enabled,
        floors,
    )
}

impl World {
    /// One step of flow `me`, which sees `database`. Returns the rows it wants to change; the
    /// engine decides whether it may, or has to wait for a lock and be asked again.
    pub(crate) fn perform(
        &mut self,
        model: &Model,
        me: u8,
        op: Op,
        database: &Database,
    ) -> (Next, Vec<Write>) {
        let flow = &model.flows[usize::from(me)];
        let is = |fault| model.fault == Some(fault);
        let user = database.users[usize::from(flow.user)];
        let password = database.passwords[usize::from(flow.user)];
        let session = database.sessions[usize::from(flow.session)];
        let counter = database.counters[usize::from(flow.session)];
        let (now, commits) = (self.now, self.commits);
        let mut memory = self.processes[usize::from(me)].memory;
        memory.began.get_or_insert(commits);
        let mut writes = Vec::new();
        let mut next = Next::Continue;
        let refuse_unless = |holds: bool| if holds { Next::Continue } else { Next::Refuse };
        match op {
            Op::ReadRev => {
                memory.rev = if is(Fault::RevFromMemory) {
                    START
                } else {
                    database.clock.seq
                };
                memory.iat = now;
            }
            Op::VerifyPassword => {
                next = refuse_unless(user.enabled && password.secret == flow.password);
                memory.verified = password;
                memory.read = commits;
            }
            Op::CheckSession => {
                let replica = Database::at_start();
                let seen = if is(Fault::SessionFromReplica) {
                    &replica
                } else {
                    database
                };
                let session = seen.sessions[usize::from(flow.session)];
                next = refuse_unless(session.is_some_and(|row| lives(model, &row, seen, now)));
            }
            // Every refresh of the model presents the first token.
            Op::Rotate => {
                if counter == 0 || is(Fault::RotationUnconditional) {
                    memory.successor = Some(counter + 1);
                    writes.push(Write::Counter(flow.session, counter + 1));
                }
            }
            Op::ReadSuccessor => {
                next = refuse_unless(presented(0, counter) == Presented::Replaced);
                memory.successor = Some(counter);
            }
            Op::ReadRoles => memory.roles = user.roles,
            Op::Sign => {
                let session = if memory.made {
                    flow.new_session
                } else {
                    flow.session
                };
                let iat = if is(Fault::IatAtSigning) {
                    now
                } else {
                    memory.iat
                };
                let (rev, roles, began) = (memory.rev, memory.roles, memory.began.unwrap_or(0));
                let user = flow.user;
                self.tokens.push(Token {
                    session,
                    user,
                    rev,
                    iat,
                    roles,
                    began,
                });
                self.tokens.sort_unstable();
            }
            Op::InsertSession => {
                let rev = if is(Fault::SessionKeepsRevOfInsert) {
                    database.clock.seq
                } else {
                    memory.rev
                };
                if admits(database, flow.user, rev) || is(Fault::InsertUnconditional) {
                    let (user, born) = (flow.user, memory.read);
                    let row = Session {
                        user,
                        rev,
                        revoked: false,
                        born,
                        by: Some(me),
                    };
                    writes.push(Write::Session(flow.new_session, row));
                    memory.made = true;
                } else if memory.restarted || is(Fault::NoSecondTry) {
                    next = Next::Refuse;
                } else {
                    next = Next::Restart;
                }
            }
            Op::Rehash => {
                if password == memory.verified || is(Fault::RehashUnconditional) {
                    let mut rehashed = memory.verified;
                    rehashed.format += 1;
                    writes.push(Write::Password(flow.user, rehashed));
                }
            }
            Op::RevokeSession => match session {
                Some(row) if !row.revoked => {
                    writes.push(Write::Session(
                        flow.session,
                        Session {
                            revoked: true,
                            ..row
                        },
                    ));
                }
                _ => next = Next::Refuse,
            },
            Op::LockUser => {
                next = refuse_unless(user.enabled);
                writes.push(Write::User(flow.user, user));
            }
            Op::LockClient => writes.push(Write::Client(database.client_durable)),
            Op::SetPassword => {
                next = refuse_unless(password == memory.verified);
                let mut changed = password;
                changed.secret += 1;
                writes.push(Write::Password(flow.user, changed));
            }
            Op::SetRoles => {
                let mut changed = user;
                changed.roles += 1;
                memory.roles = changed.roles;
                changed.admin &= flow.keeps_admin();
                writes.push(Write::User(flow.user, changed));
            }
            Op::Disable | Op::Enable => {
                let mut changed = user;
                changed.enabled = op == Op::Enable;
                writes.push(Write::User(flow.user, changed));
            }
            Op::AdvanceClock => {
                memory.iat = now;
                if is(Fault::PlainSequence) {
                    self.sequence += 1;
                    memory.seq = self.sequence;
                    writes.push(Write::Sequence(memory.seq));
                } else {
                    let mut clock = database.clock;
                    clock.seq += 1;
                    memory.seq = clock.seq;
                    writes.push(Write::Clock(clock));
                }
            }
            Op::CheckLastAdmin => {
                next = refuse_unless(database.users.iter().any(|user| user.enabled && user.admin));
            }
            Op::InsertFloor => {
                let floor = Floor {
                    seq: memory.seq,
                    scope: flow.scope(),
                    superseded: flow.changes_roles(),
                    exp: None,
                };
                writes.push(Write::Floor(floor));
            }
            Op::SetDurableFloor => writes.push(flow.durable_floor(database, memory.seq)),
            Op::ReplaceSession => {
                let old_rev = session.map_or(START, |row| row.rev);
                let rev = if is(Fault::ReplacementKeepsRevOfRequest) {
                    old_rev
                } else {
                    memory.seq
                };
                let (user, born) = (flow.user, memory.read);
                let row = Session {
                    user,
                    rev,
                    revoked: false,
                    born,
                    by: Some(me),
                };
                if is(Fault::PasswordKeepsSession) {
                    let raised = session.map(|row| Session { rev, ..row });
                    writes.extend(raised.map(|row| Write::Session(flow.session, row)));
                } else {
                    writes.push(Write::Session(flow.new_session, row));
                    memory.made = true;
                }
                memory.rev = rev;
            }
            Op::Acknowledge => {
                let early = u8::from(is(Fault::AnsweredBeforeCommit));
                let roles = flow.changes_roles().then_some(memory.roles);
                self.revocations.push(Revocation {
                    seq: memory.seq,
                    scope: flow.scope(),
                    roles,
                    at: commits + early,
                    by: me,
                });
                self.revocations.sort_unstable();
            }
            Op::FollowSeq => {
                memory.told = database.clock.seq;
                if is(Fault::FloorsReadBeforeSeq) {
                    memory.cursor = memory.told;
                }
            }
            Op::FollowFloors => {
                for floor in database.log(now).filter(|floor| floor.seq > memory.cursor) {
                    memory.held |= 1 << floor.seq;
                }
                if !is(Fault::FloorsReadBeforeSeq) {
                    memory.cursor = memory.told;
                }
            }
            Op::Wait => self.now += 1,
            Op::Begin | Op::Commit => {}
        }
        self.processes[usize::from(me)].memory = memory;
        (next, writes)
    }
}

impl Flow {
    fn keeps_admin(&self) -> bool {
        !matches!(
            self.kind,
            super::flows::Kind::Demote | super::flows::Kind::DemoteOther
        )
    }

    fn durable_floor(&self, database: &Database, seq: u8) -> Write {
        match self.scope() {
            Scope::Client => Write::Client(seq),
            Scope::Issuer => Write::Clock(Clock {
                issuer_durable: seq,
                ..database.clock
            }),
            Scope::User(id) => {
                let user = database.users[usize::from(id)];
                Write::User(
                    id,
                    User {
                        durable: seq,
                        ..user
                    },
                )
            }
            Scope::Session(_) => unreachable!("a session is revoked in its row"),
        }
    }
}
