//! The rules of the design, each as the fault of leaving it out.

use super::flows::{Kind, Op};

/// One rule broken on purpose. Each variant says what its rule is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A login that reads `rev` after the password survives the change of that password.
    LoginReadsRevAfterPassword,
    /// A refresh that reads `rev` after the session row mints above the floor of a logout.
    RefreshReadsRevAfterSession,
    /// A mint that reads roles before `rev` carries the old ones above the floor of the change.
    RolesReadBeforeRev,
    /// `rev` read once the write is through (after the batch) passes the logout in between.
    RevReadAfterWrite,
    /// A remembered `rev` is safe, but refuses everybody after the next floor.
    RevFromMemory,
    /// A lagging copy of the session row does not know of the logout that `rev` includes.
    SessionFromReplica,
    /// A session that keeps the `rev` of its INSERT survives what happened since the password
    /// was read.
    SessionKeepsRevOfInsert,
    /// A clock that shows before the row does gives a mint the new `rev` and the old session.
    ClockCommittedFirst,
    /// A plain sequence lets the greater number commit first: followers and mints pass the lesser.
    PlainSequence,
    /// A row first touched after the clock: each waits for what the other holds.
    RowAfterClock,
    /// A floor in the log ends tokens only; the session refreshes its way above it.
    NoDurableFloor,
    /// A change of roles that counts as revocation ends the logins it should refresh.
    SupersededIsDurable,
    /// Without its condition the INSERT answers a login with a session that is dead already.
    InsertUnconditional,
    /// A login refused by that condition must start again, or a right password is refused.
    NoSecondTry,
    /// A late rehash brings the old password back.
    RehashUnconditional,
    /// A log out everywhere leaves `revoked_at` as it is: whoever asks only for that lets a dead
    /// session change the password, and live on in the replacement.
    PasswordAsksRowOnly,
    /// The replacement's `rev` is the change's own number, so whatever ended the session before
    /// it, under whichever row's lock, must be looked for after the number is drawn.
    PasswordChecksSessionBeforeClock,
    /// A session raised above the floor instead of replaced: so are the copies of its tokens.
    PasswordKeepsSession,
    /// A replacement with the `rev` of the request is below the floor of its own change.
    ReplacementKeepsRevOfRequest,
    /// Before the clock's lock, two administrators each see the other one still there.
    LastAdminBeforeClock,
    /// A logout that only writes a floor leaves a session that refreshes.
    LogoutLeavesRow,
    /// A logout that only ends the row leaves the tokens.
    LogoutWithoutFloor,
    /// A change of roles without a floor leaves the tokens that carry the old ones.
    RolesWithoutFloor,
    /// *Alive* without the durable floors: see `NoDurableFloor`.
    AliveIgnoresDurableFloors,
    /// *Alive* by the log: sessions rise from the dead when the log is pruned.
    AliveAsksTheLog,
    /// `exp` counted from the signature outlives a floor committed before it.
    IatAtSigning,
    /// Two refreshes of one token each get a successor of their own; one is called a thief.
    RotationUnconditional,
    /// A floor committed between the two reads is below the cursor and never asked for.
    FloorsReadBeforeSeq,
    /// A logout acknowledged before its commit is not in force yet.
    AnsweredBeforeCommit,
}

/// Rearranges a flow's steps where the fault is one of order. The others are in the steps.
pub(crate) fn rearrange(ops: &mut Vec<Op>, kind: Kind, fault: Option<Fault>) {
    let Some(fault) = fault else { return };
    let mints = matches!(
        kind,
        Kind::Mint | Kind::Refresh | Kind::Login | Kind::LoginWithRehash
    );
    match fault {
        Fault::LoginReadsRevAfterPassword => swap(ops, Op::ReadRev, Op::VerifyPassword),
        Fault::RefreshReadsRevAfterSession if mints => swap(ops, Op::ReadRev, Op::CheckSession),
        Fault::RolesReadBeforeRev if mints => {
            ops.retain(|op| *op != Op::ReadRoles);
            ops.insert(0, Op::ReadRoles);
        }
        Fault::RevReadAfterWrite if mints => insert_before(ops, Op::ReadRoles, &[Op::ReadRev]),
        Fault::ClockCommittedFirst if ops.contains(&Op::AdvanceClock) => {
            ops.retain(|op| *op != Op::AdvanceClock);
            insert_before(ops, Op::Begin, &[Op::Begin, Op::AdvanceClock, Op::Commit]);
        }
        Fault::RowAfterClock if kind == Kind::LogoutEverywhere => {
            ops.retain(|op| *op != Op::LockUser);
        }
        Fault::NoDurableFloor => ops.retain(|op| *op != Op::SetDurableFloor),
        Fault::SupersededIsDurable if kind == Kind::ChangeRoles => {
            insert_before(ops, Op::Commit, &[Op::SetDurableFloor]);
        }
        Fault::PasswordChecksSessionBeforeClock if kind == Kind::ChangePassword => {
            swap(ops, Op::AdvanceClock, Op::CheckSession);
        }
        Fault::LastAdminBeforeClock => swap(ops, Op::AdvanceClock, Op::CheckLastAdmin),
        Fault::LogoutLeavesRow => ops.retain(|op| *op != Op::RevokeSession),
        Fault::LogoutWithoutFloor if kind == Kind::Logout => {
            ops.retain(|op| *op != Op::InsertFloor);
        }
        Fault::RolesWithoutFloor if kind == Kind::ChangeRoles => {
            ops.retain(|op| *op != Op::InsertFloor);
        }
        Fault::FloorsReadBeforeSeq => {
            for pair in ops.chunks_mut(2).filter(|pair| pair[0] == Op::FollowSeq) {
                pair.swap(0, 1);
            }
        }
        Fault::AnsweredBeforeCommit => swap(ops, Op::Commit, Op::Acknowledge),
        _ => {}
    }
}

fn position(ops: &[Op], op: Op) -> Option<usize> {
    ops.iter().position(|&other| other == op)
}

fn swap(ops: &mut [Op], first: Op, second: Op) {
    if let (Some(first), Some(second)) = (position(ops, first), position(ops, second)) {
        ops.swap(first, second);
    }
}

fn insert_before(ops: &mut Vec<Op>, op: Op, inserted: &[Op]) {
    if let Some(at) = position(ops, op) {
        ops.splice(at..at, inserted.iter().copied());
    }
}
