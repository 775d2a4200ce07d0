//! What each step does to the database and to its flow's memory, the same on both engines.

use countersign_core::{DurableFloors, Presented};

use super::database::{Clock, Database, Floor, Password, START, Scope, Session, User, Write};
use super::faults::Fault;
use super::flows::{Flow, Kind, Op};
use super::properties::Revocation;
use super::rules::{Token, admits, alive, durable_floors, presented, seq};
use super::world::{Model, World};

/// What every refresh presents.
pub(crate) const FIRST_TOKEN: u8 = 0;

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
    let enabled = database.users[usize::from(session.user)].enabled;
    alive(session, !enabled, floors)
}

/// What one statement is given to work with.
struct Scene<'a> {
    model: &'a Model,
    flow: &'a Flow,
    me: u8,
    database: &'a Database,
    now: u8,
    commits: u8,
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
        let (now, commits) = (self.now, self.commits);
        let scene = Scene {
            model,
            flow,
            me,
            database,
            now,
            commits,
        };
        let memory = &mut self.processes[usize::from(me)].memory;
        memory.began.get_or_insert(commits);
        let mut writes = Vec::new();
        let mut next = Next::Continue;
        match op {
            Op::ReadRev | Op::ReadRoles | Op::FollowSeq | Op::FollowFloors => {
                scene.read(op, memory)
            }
            Op::VerifyPassword | Op::CheckSession | Op::ReadSuccessor | Op::CheckLastAdmin => {
                if !scene.check(op, memory) {
                    next = Next::Refuse;
                }
            }
            Op::AdvanceClock if model.is(Fault::PlainSequence) => {
                self.sequence += 1;
                (memory.seq, memory.iat) = (self.sequence, now);
                writes.push(Write::Sequence(self.sequence));
            }
            Op::Sign => {
                self.tokens.push(scene.token(memory));
                self.tokens.sort_unstable();
            }
            Op::Acknowledge => {
                let early = model.unless(Fault::AnsweredBeforeCommit, 0, 1);
                self.revocations.push(Revocation {
                    seq: memory.seq,
                    scope: flow.scope(),
                    roles: flow.changes_roles().then_some(memory.roles),
                    at: commits + early,
                    by: me,
                });
                self.revocations.sort_unstable();
            }
            Op::Wait => self.now += 1,
            Op::Begin | Op::Commit => {}
            _ => match scene.change(op, memory) {
                Change::Made(write) => writes.push(write),
                // What a flow can do without.
                Change::NoRow if matches!(op, Op::Rotate | Op::Rehash) => {}
                Change::NoRow if op == Op::InsertSession && scene.may_restart(memory) => {
                    next = Next::Restart;
                }
                Change::NoRow => next = Next::Refuse,
            },
        }
        (next, writes)
    }
}

/// The outcome of a conditional statement.
enum Change {
    Made(Write),
    NoRow,
}

impl Scene<'_> {
    fn read(&self, op: Op, memory: &mut Memory) {
        let seq = self.database.clock.seq;
        let seq_last = self.model.is(Fault::FloorsReadBeforeSeq);
        match op {
            Op::ReadRev => {
                memory.rev = self.model.unless(Fault::RevFromMemory, seq, START);
                memory.iat = self.now;
            }
            Op::ReadRoles => memory.roles = self.user().roles,
            Op::FollowSeq if seq_last => memory.cursor = seq,
            Op::FollowSeq => memory.told = seq,
            _ => {
                let after = memory.cursor;
                for floor in self
                    .database
                    .log(self.now)
                    .filter(|floor| floor.seq > after)
                {
                    memory.held |= 1 << floor.seq;
                }
                memory.cursor = if seq_last { after } else { memory.told };
            }
        }
    }

    fn check(&self, op: Op, memory: &mut Memory) -> bool {
        match op {
            Op::VerifyPassword => {
                memory.verified = self.password();
                memory.read = self.commits;
                self.user().enabled && self.password().secret == self.flow.password
            }
            Op::ReadSuccessor => {
                let counter = self.counter();
                memory.successor = Some(counter);
                presented(FIRST_TOKEN, counter) == Presented::Replaced
            }
            Op::CheckLastAdmin => self
                .database
                .users
                .iter()
                .any(|user| user.enabled && user.admin),
            _ => {
                let replica = Database::at_start();
                let seen = self
                    .model
                    .unless(Fault::SessionFromReplica, self.database, &replica);
                let row_only = self.model.is(Fault::PasswordAsksRowOnly)
                    && self.flow.kind == Kind::ChangePassword;
                seen.sessions[usize::from(self.flow.session)].is_some_and(|session| {
                    lives(self.model, &session, seen, self.now) || row_only && !session.revoked
                })
            }
        }
    }

    fn change(&self, op: Op, memory: &mut Memory) -> Change {
        let (flow, model, database) = (self.flow, self.model, self.database);
        let (user, password, counter) = (self.user(), self.password(), self.counter());
        let session = database.sessions[usize::from(flow.session)];
        let verified = password == memory.verified;
        Change::Made(match op {
            Op::Rotate if counter == FIRST_TOKEN || model.is(Fault::RotationUnconditional) => {
                memory.successor = Some(counter + 1);
                Write::Counter(flow.session, counter + 1)
            }
            Op::InsertSession => {
                let rev = memory.rev;
                let rev = model.unless(Fault::SessionKeepsRevOfInsert, rev, database.clock.seq);
                if !admits(database, flow.user, rev) && !model.is(Fault::InsertUnconditional) {
                    return Change::NoRow;
                }
                self.new_session(memory, rev)
            }
            Op::ReplaceSession => {
                let old = session.map_or(START, |row| row.rev);
                let rev = model.unless(Fault::ReplacementKeepsRevOfRequest, memory.seq, old);
                memory.rev = rev;
                match session {
                    Some(row) if model.is(Fault::PasswordKeepsSession) => {
                        Write::Session(flow.session, Session { rev, ..row })
                    }
                    _ => self.new_session(memory, rev),
                }
            }
            Op::RevokeSession => match session {
                Some(row) if !row.revoked => Write::Session(
                    flow.session,
                    Session {
                        revoked: true,
                        ..row
                    },
                ),
                _ => return Change::NoRow,
            },
            Op::Rehash if verified || model.is(Fault::RehashUnconditional) => {
                let Password { secret, format } = memory.verified;
                Write::Password(
                    flow.user,
                    Password {
                        secret,
                        format: format + 1,
                    },
                )
            }
            Op::SetPassword if verified => {
                let secret = password.secret + 1;
                Write::Password(flow.user, Password { secret, ..password })
            }
            Op::LockUser if user.enabled => Write::User(flow.user, user),
            Op::LockClient => Write::Client(database.client_durable),
            Op::SetRoles => {
                memory.roles = user.roles + 1;
                let admin = user.admin && !matches!(flow.kind, Kind::Demote | Kind::DemoteOther);
                Write::User(
                    flow.user,
                    User {
                        roles: memory.roles,
                        admin,
                        ..user
                    },
                )
            }
            Op::Disable => Write::User(
                flow.user,
                User {
                    enabled: false,
                    ..user
                },
            ),
            Op::Enable => Write::User(
                flow.user,
                User {
                    enabled: true,
                    ..user
                },
            ),
            Op::AdvanceClock => {
                (memory.seq, memory.iat) = (database.clock.seq + 1, self.now);
                Write::Clock(Clock {
                    seq: memory.seq,
                    ..database.clock
                })
            }
            Op::InsertFloor => {
                let (scope, superseded) = (flow.scope(), flow.changes_roles());
                Write::Floor(Floor {
                    seq: memory.seq,
                    scope,
                    superseded,
                    exp: None,
                })
            }
            Op::SetDurableFloor => match flow.scope() {
                Scope::Client => Write::Client(memory.seq),
                Scope::Issuer => Write::Clock(Clock {
                    issuer_durable: memory.seq,
                    ..database.clock
                }),
                _ => Write::User(
                    flow.user,
                    User {
                        durable: memory.seq,
                        ..user
                    },
                ),
            },
            _ => return Change::NoRow,
        })
    }

    fn new_session(&self, memory: &mut Memory, rev: u8) -> Write {
        memory.made = true;
        let (user, born, by) = (self.flow.user, memory.read, Some(self.me));
        let row = Session {
            user,
            rev,
            revoked: false,
            born,
            by,
        };
        Write::Session(self.flow.new_session, row)
    }

    fn token(&self, memory: &Memory) -> Token {
        let flow = self.flow;
        Token {
            session: if memory.made {
                flow.new_session
            } else {
                flow.session
            },
            user: flow.user,
            rev: memory.rev,
            iat: self.model.unless(Fault::IatAtSigning, memory.iat, self.now),
            roles: memory.roles,
            began: memory.began.unwrap_or(0),
        }
    }

    /// A login whose session is refused at the insert starts again, once.
    fn may_restart(&self, memory: &Memory) -> bool {
        !memory.restarted && !self.model.is(Fault::NoSecondTry)
    }

    fn user(&self) -> User {
        self.database.users[usize::from(self.flow.user)]
    }

    fn password(&self) -> Password {
        self.database.passwords[usize::from(self.flow.user)]
    }

    fn counter(&self) -> u8 {
        self.database.counters[usize::from(self.flow.session)]
    }
}
