//! What must hold in every state, and when a refusal is deserved.

use super::database::{Floor, Scope, Session};
use super::flows::{Flow, Kind};
use super::rules::Token;
use super::statements::lives;
use super::world::{End, Model, World};

/// Ghost: a revocation that was acknowledged. It speaks for itself, not through its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Revocation {
    pub(crate) seq: u8,
    pub(crate) scope: Scope,
    /// The version of the roles it set, where it changed roles and nothing else.
    pub(crate) roles: Option<u8>,
    /// The number of its commit.
    pub(crate) at: u8,
    /// The flow that made it.
    pub(crate) by: u8,
}

impl Revocation {
    /// Whether the session has to be dead: logged out, or made by somebody who had read the
    /// credential before this was committed. A password change spares the session it makes.
    fn ends(&self, id: u8, session: &Session) -> bool {
        self.roles.is_none()
            && match self.scope {
                Scope::Session(other) => other == id,
                scope => {
                    scope.covers(session.user)
                        && session.born < self.at
                        && session.by != Some(self.by)
                }
            }
    }

    /// Whether no verifier that knows of this may accept the token.
    fn condemns(&self, token: &Token, session: &Session) -> bool {
        match self.roles {
            Some(roles) => self.scope.covers(token.user) && token.roles < roles,
            None => self.ends(token.session, session),
        }
    }
}

/// What was found broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Property {
    /// After an acknowledged logout, change of password or the like, a token from before is
    /// accepted by a verifier that has applied the log as far as that acknowledgement.
    DeadTokenAccepted,
    /// After an acknowledged change of roles, a token with the old ones is accepted.
    OldRolesAccepted,
    /// After such an acknowledgement a session from before is alive, and can be refreshed.
    DeadSessionAlive,
    /// The old password is the password again.
    OldPasswordBack,
    /// Nothing ended a session, and it is dead.
    LiveSessionDead,
    /// A flow begun after every floor was committed made a token that one of them refuses.
    LiveTokenRefused,
    /// Somebody was refused although nothing they presented had been withdrawn.
    RightPersonRefused,
    /// A follower holds not every floor up to its cursor.
    FloorMissed,
    /// One refresh token has led to more than one successor.
    TwoSuccessors,
    /// There is no administrator left.
    NoAdministrator,
    /// Flows wait for each other.
    Deadlock,
}

/// The first property that this state breaks.
pub(crate) fn broken(model: &Model, world: &World) -> Option<Property> {
    let database = &world.database;
    for token in world
        .tokens
        .iter()
        .filter(|token| !token.is_expired(world.now))
    {
        let Some(session) = &database.sessions[usize::from(token.session)] else {
            continue;
        };
        let mut condemned = false;
        for made in world
            .revocations
            .iter()
            .filter(|made| made.condemns(token, session))
        {
            condemned = true;
            // Its own floor must do it: no later one can be counted on to have arrived.
            let mut floors = database
                .log(world.now)
                .filter(|floor| floor.seq == made.seq);
            if !floors.any(|floor| token.is_refused_by(floor)) {
                return Some(match made.roles {
                    Some(_) => Property::OldRolesAccepted,
                    None => Property::DeadTokenAccepted,
                });
            }
        }
        let old = |seq| {
            world
                .revocations
                .iter()
                .any(|it| it.seq == seq && it.at <= token.began)
        };
        let falsely = |floor: &Floor| old(floor.seq) && token.is_refused_by(floor);
        if !condemned && database.log(world.now).any(falsely) {
            return Some(Property::LiveTokenRefused);
        }
    }
    for (id, session) in (0u8..).zip(&database.sessions) {
        let Some(session) = session else { continue };
        match (
            is_ended(world, id, session),
            lives(model, session, database, world.now),
        ) {
            (true, true) => return Some(Property::DeadSessionAlive),
            (false, false) => return Some(Property::LiveSessionDead),
            _ => {}
        }
    }
    let changes = |flow: u8| model.flows[usize::from(flow)].kind == Kind::ChangePassword;
    if database.passwords[0].secret == 0 && world.revocations.iter().any(|made| changes(made.by)) {
        return Some(Property::OldPasswordBack);
    }
    for process in &world.processes {
        if process.end == Some(End::RefusedUnjustly) {
            return Some(Property::RightPersonRefused);
        }
        let (cursor, held) = (process.memory.cursor, process.memory.held);
        if database
            .log(world.now)
            .any(|floor| floor.seq <= cursor && held & (1 << floor.seq) == 0)
        {
            return Some(Property::FloorMissed);
        }
    }
    // Every refresh presents the first token, so there is one rotation to make.
    if database.counters.iter().any(|counter| *counter > 1) {
        return Some(Property::TwoSuccessors);
    }
    if !database.users.iter().any(|user| user.enabled && user.admin) {
        return Some(Property::NoAdministrator);
    }
    None
}

fn is_ended(world: &World, id: u8, session: &Session) -> bool {
    world
        .revocations
        .iter()
        .any(|revocation| revocation.ends(id, session))
}

/// Whether a flow that was refused had it coming.
pub(crate) fn refusal_is_just(world: &World, flow: &Flow, me: u8) -> bool {
    let database = &world.database;
    let memory = &world.processes[usize::from(me)].memory;
    let user = database.users[usize::from(flow.user)];
    let password = database.passwords[usize::from(flow.user)];
    let ended = database.sessions[usize::from(flow.session)]
        .is_none_or(|session| is_ended(world, flow.session, &session));
    match flow.kind {
        Kind::Mint | Kind::Refresh => ended,
        // It starts again once, so it takes two revocations while it runs.
        Kind::Login | Kind::LoginWithRehash | Kind::LoginWithNewPassword => {
            let began = memory.began.unwrap_or(0);
            let meanwhile = world.revocations.iter().filter(|made| {
                made.at > began && made.roles.is_none() && made.scope.covers(flow.user)
            });
            !user.enabled || password.secret != flow.password || meanwhile.count() > 1
        }
        // A lost race for the hash, a rehash included, is a 401.
        Kind::ChangePassword => ended || !user.enabled || password != memory.verified,
        // The others ask no right of their own here.
        _ => true,
    }
}
