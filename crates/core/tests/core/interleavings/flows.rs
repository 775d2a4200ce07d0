//! The flows as lists of statements. What stands between two of them, others may run in.

use super::database::{FIRST, Scope};
use super::faults::{Fault, rearrange};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A token for a session cookie or a page: no counter moves.
    Mint,
    Refresh,
    Login,
    LoginWithRehash,
    /// A login that types the password which others change it to.
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
    /// A follower of the log, twice around.
    Follow,
    /// One token lifetime goes by and the log is pruned.
    TimePasses,
}

/// One statement, or what a flow does between its last one and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    ReadRev,
    VerifyPassword,
    CheckSession,
    ReadSuccessor,
    ReadRoles,
    Sign,
    Begin,
    Commit,
    Acknowledge,
    InsertSession,
    Rehash,
    Rotate,
    RevokeSession,
    LockUser,
    LockClient,
    SetPassword,
    SetRoles,
    Disable,
    Enable,
    AdvanceClock,
    CheckLastAdmin,
    InsertFloor,
    SetDurableFloor,
    ReplaceSession,
    FollowSeq,
    FollowFloors,
    Wait,
}

impl Op {
    /// How a schedule tells it.
    pub(crate) fn tale(self) -> &'static str {
        match self {
            Op::ReadRev => "reads rev",
            Op::VerifyPassword => "reads user and password, verifies",
            Op::CheckSession => "reads the session: alive?",
            Op::ReadSuccessor => "lost the rotation, reads the present successor",
            Op::ReadRoles => "reads roles",
            Op::Sign => "signs and answers",
            Op::Begin => "begins",
            Op::Commit => "commits",
            Op::Acknowledge => "answers",
            Op::InsertSession => "inserts the session unless below a durable floor",
            Op::Rehash => "rehashes the password",
            Op::Rotate => "moves the counter",
            Op::RevokeSession => "revokes the session row",
            Op::LockUser => "locks the user row",
            Op::LockClient => "disables the client row",
            Op::SetPassword => "sets the password if it is the verified one",
            Op::SetRoles => "sets the roles",
            Op::Disable => "disables the user",
            Op::Enable => "enables the user",
            Op::AdvanceClock => "advances the clock",
            Op::CheckLastAdmin => "looks for another administrator",
            Op::InsertFloor => "inserts the floor",
            Op::SetDurableFloor => "sets the durable floor",
            Op::ReplaceSession => "inserts the replacement session",
            Op::FollowSeq => "reads seq",
            Op::FollowFloors => "reads the floors after its cursor",
            Op::Wait => "one token lifetime passes",
        }
    }
}

/// One request under way: its kind, its steps, and where it stands among the others.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) kind: Kind,
    pub(crate) ops: Vec<Op>,
    pub(crate) user: u8,
    /// The session it acts with, or on.
    pub(crate) session: u8,
    /// Where a session it makes is kept.
    pub(crate) new_session: u8,
    /// The password it types.
    pub(crate) password: u8,
}

impl Flow {
    pub(crate) fn new(kind: Kind, index: usize, fault: Option<Fault>) -> Self {
        let mut ops = ops(kind);
        rearrange(&mut ops, kind, fault);
        Flow {
            kind,
            ops,
            user: u8::from(kind == Kind::DemoteOther),
            session: FIRST,
            new_session: u8::try_from(index).map_or(u8::MAX, |index| index + 1),
            password: u8::from(kind == Kind::LoginWithNewPassword),
        }
    }

    /// Whose tokens its floor is for.
    pub(crate) fn scope(&self) -> Scope {
        match self.kind {
            Kind::RemoveClient => Scope::Client,
            Kind::RevokeEverything => Scope::Issuer,
            Kind::Logout => Scope::Session(self.session),
            _ => Scope::User(self.user),
        }
    }

    pub(crate) fn changes_roles(&self) -> bool {
        matches!(
            self.kind,
            Kind::ChangeRoles | Kind::Demote | Kind::DemoteOther
        )
    }
}

/// The orders of the design. A flow alone here is as it should be; `Fault` has the wrong ones.
fn ops(kind: Kind) -> Vec<Op> {
    use Op::*;
    match kind {
        Kind::Mint => vec![ReadRev, CheckSession, ReadRoles, Sign],
        Kind::Refresh => {
            vec![
                ReadRev,
                CheckSession,
                Begin,
                Rotate,
                Commit,
                ReadSuccessor,
                ReadRoles,
                Sign,
            ]
        }
        Kind::Login | Kind::LoginWithNewPassword => {
            vec![
                ReadRev,
                VerifyPassword,
                Begin,
                InsertSession,
                Commit,
                ReadRoles,
                Sign,
            ]
        }
        Kind::LoginWithRehash => {
            let mut ops = vec![ReadRev, VerifyPassword, Begin, InsertSession, Commit];
            ops.extend([Begin, Rehash, Commit, ReadRoles, Sign]);
            ops
        }
        Kind::Logout => revocation(&[RevokeSession], &[], &[InsertFloor]),
        Kind::LogoutEverywhere => {
            let mut ops = vec![CheckSession];
            ops.extend(revocation(
                &[LockUser],
                &[],
                &[InsertFloor, SetDurableFloor],
            ));
            ops
        }
        Kind::ChangePassword => {
            let mut ops = vec![VerifyPassword];
            let writes = [InsertFloor, SetDurableFloor, ReplaceSession];
            ops.extend(revocation(
                &[LockUser, SetPassword],
                &[CheckSession],
                &writes,
            ));
            ops.extend([ReadRoles, Sign]);
            ops
        }
        Kind::ChangeRoles | Kind::Demote | Kind::DemoteOther => {
            revocation(&[SetRoles], &[CheckLastAdmin], &[InsertFloor])
        }
        Kind::Disable => revocation(
            &[Op::Disable],
            &[CheckLastAdmin],
            &[InsertFloor, SetDurableFloor],
        ),
        Kind::DisableAndEnable => {
            let mut ops = revocation(
                &[Op::Disable],
                &[CheckLastAdmin],
                &[InsertFloor, SetDurableFloor],
            );
            ops.extend([Begin, Enable, Commit]);
            ops
        }
        Kind::RemoveClient => revocation(&[LockClient], &[], &[InsertFloor, SetDurableFloor]),
        Kind::RevokeEverything => revocation(&[], &[], &[InsertFloor, SetDurableFloor]),
        Kind::Follow => vec![FollowSeq, FollowFloors, FollowSeq, FollowFloors],
        Kind::TimePasses => vec![Wait],
    }
}

/// The shape of every revocation: rows, clock, what spans rows, floors; one transaction.
fn revocation(rows: &[Op], checks: &[Op], floors: &[Op]) -> Vec<Op> {
    let end = [Op::Commit, Op::Acknowledge];
    [
        &[Op::Begin],
        rows,
        &[Op::AdvanceClock],
        checks,
        floors,
        &end,
    ]
    .concat()
}
