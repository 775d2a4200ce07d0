//! The rows that a decision can rest on, and how a statement changes them. Values are small
//! numbers: a password is its version, roles are theirs, `seq` counts from one.
//!
//! Fields marked *ghost* exist in no real table; they remember what the properties ask about.

/// `rev` of the session that exists before anything happens, and the log's position then.
pub(crate) const START: u8 = 1;

/// The session that exists before anything happens. Flow `n` makes its new session at `n + 1`.
pub(crate) const FIRST: u8 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct User {
    pub(crate) enabled: bool,
    pub(crate) admin: bool,
    pub(crate) roles: u8,
    /// The highest `revoked` floor this user ever had.
    pub(crate) durable: u8,
}

/// A credential row. Rehashing changes the format and keeps the secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Password {
    pub(crate) secret: u8,
    pub(crate) format: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) user: u8,
    pub(crate) rev: u8,
    pub(crate) revoked: bool,
    /// Ghost: how many commits there had been when its maker read the credential.
    pub(crate) born: u8,
    /// Ghost: the flow that made it.
    pub(crate) by: Option<u8>,
}

/// The single row every revocation advances. The issuer's durable floor stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    pub(crate) seq: u8,
    pub(crate) issuer_durable: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    Session(u8),
    User(u8),
    Client,
    Issuer,
}

impl Scope {
    /// Whether a floor of this scope is over every session of `user`.
    pub(crate) fn covers(self, user: u8) -> bool {
        match self {
            Scope::Session(_) => false,
            Scope::User(id) => id == user,
            Scope::Client | Scope::Issuer => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Floor {
    pub(crate) seq: u8,
    pub(crate) scope: Scope,
    pub(crate) superseded: bool,
    /// The end of its life, counted from the commit; `None` while uncommitted.
    pub(crate) exp: Option<u8>,
}

impl Floor {
    /// Time is counted in token lifetimes. A floor past its `exp` has been pruned everywhere.
    pub(crate) fn is_remembered(&self, now: u8) -> bool {
        self.exp.is_none_or(|exp| exp > now)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    pub(crate) users: [User; 2],
    pub(crate) passwords: [Password; 2],
    pub(crate) sessions: [Option<Session>; 5],
    /// The counter of each session's one grant.
    pub(crate) counters: [u8; 5],
    pub(crate) client_durable: u8,
    pub(crate) clock: Clock,
    log: [Option<Floor>; 5],
}

/// One changed row, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    User(u8, User),
    Password(u8, Password),
    Session(u8, Session),
    Counter(u8, u8),
    Client(u8),
    Clock(Clock),
    /// What a plain sequence would do: no lock, and readers see the highest committed number.
    Sequence(u8),
    Floor(Floor),
}

impl Write {
    /// The row this locks until commit; inserted floors and drawn sequence numbers lock nothing.
    pub(crate) fn row(&self) -> Option<(&'static str, u8)> {
        Some(match *self {
            Write::User(id, _) => ("users", id),
            Write::Password(id, _) => ("credentials", id),
            Write::Session(id, _) => ("sessions", id),
            Write::Counter(id, _) => ("grants", id),
            Write::Client(_) => ("clients", 0),
            Write::Clock(_) => ("log_clock", 0),
            Write::Sequence(_) | Write::Floor(_) => return None,
        })
    }
}

impl Database {
    /// Two administrators; the first has one session, made at the start of the log.
    pub(crate) fn at_start() -> Self {
        let admin = User {
            enabled: true,
            admin: true,
            roles: 0,
            durable: 0,
        };
        let session = Session {
            user: 0,
            rev: START,
            revoked: false,
            born: 0,
            by: None,
        };
        Database {
            users: [admin; 2],
            passwords: [Password::default(); 2],
            sessions: [Some(session), None, None, None, None],
            counters: [0; 5],
            client_durable: 0,
            clock: Clock {
                seq: START,
                issuer_durable: 0,
            },
            log: [None; 5],
        }
    }

    pub(crate) fn apply(&mut self, write: Write) {
        match write {
            Write::User(id, row) => self.users[usize::from(id)] = row,
            Write::Password(id, row) => self.passwords[usize::from(id)] = row,
            Write::Session(id, row) => self.sessions[usize::from(id)] = Some(row),
            Write::Counter(id, counter) => self.counters[usize::from(id)] = counter,
            Write::Client(floor) => self.client_durable = floor,
            Write::Clock(row) => self.clock = row,
            Write::Sequence(seq) => self.clock.seq = self.clock.seq.max(seq),
            Write::Floor(floor) => {
                let free = self.log.iter_mut().find(|slot| slot.is_none());
                assert!(free.is_some(), "the modelled log holds five floors");
                free.map(|slot| slot.replace(floor));
            }
        }
    }

    /// Commits: a floor's life of one token lifetime begins now.
    pub(crate) fn commit(&mut self, now: u8) {
        for floor in self.log.iter_mut().flatten() {
            floor.exp.get_or_insert(now + 1);
        }
        // The log is a set: keeping it sorted lets equal states meet.
        self.log
            .sort_unstable_by_key(|slot| slot.map_or(u8::MAX, |floor| floor.seq));
    }

    pub(crate) fn log(&self, now: u8) -> impl Iterator<Item = &Floor> {
        self.log
            .iter()
            .flatten()
            .filter(move |floor| floor.is_remembered(now))
    }
}
