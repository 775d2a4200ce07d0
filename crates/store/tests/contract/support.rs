//! A database to test on, people to put into it, and gates that make an interleaving certain.

use std::sync::Arc;

use countersign_core::{
    Grant, GrantId, Identifier, IdentifierKind, Role, RoleSet, Seq, SessionId, Timestamp, UserId,
};
use countersign_store::sessions::NewSession;
use countersign_store::{Db, Options, StoreError, identifiers, sessions, users};
use countersign_testkit::TestDatabase;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::sync::{Barrier, Semaphore};

/// Makes of each `async fn name(t: Test)` one test on SQLite and one on PostgreSQL.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Test::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(t) = $crate::support::Test::postgres().await {
                    super::$name(t).await;
                }
            })*
        }
    };
}

/// Runs one unit of work: `unit!(t, |conn| users::insert(conn, id, at(0)).await)`.
macro_rules! unit {
    ($t:expr, |$conn:ident| $body:expr) => {
        $t.db
            .write(move |$conn| Box::pin(async move { $body }))
            .await
    };
}

/// Reads on a connection of its own: `read!(t, |conn| users::count(conn))`.
macro_rules! read {
    ($t:expr, |$conn:ident| $body:expr) => {{
        let mut reader = $t.db.read().await.unwrap();
        let $conn = &mut reader.conn();
        $body.await
    }};
}

/// An open, empty database.
pub(crate) struct Test {
    pub(crate) db: Db,
    pub(crate) database: TestDatabase,
}

impl Test {
    pub(crate) async fn sqlite() -> Self {
        Self::on(TestDatabase::sqlite()).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::on(TestDatabase::postgres().await?).await)
    }

    async fn on(database: TestDatabase) -> Self {
        let db = Db::open(&options(&database)).await.unwrap();
        Self { db, database }
    }

    /// Another handle on the same database, as another process has it.
    pub(crate) async fn other(&self) -> Db {
        Db::open(&options(&self.database)).await.unwrap()
    }

    /// Runs SQL behind the store's back.
    pub(crate) async fn raw(&self, sql: &str) -> u64 {
        raw(&self.database, sql).await
    }

    /// Where two units that run at once meet. SQLite runs them one after another: there each passes.
    pub(crate) fn meeting(&self) -> Arc<Barrier> {
        Arc::new(Barrier::new(if self.database.is_postgres() {
            2
        } else {
            1
        }))
    }

    /// An enabled account without a name.
    pub(crate) async fn user(&self, n: u8) -> UserId {
        let id = user(n);
        unit!(self, |conn| users::insert(conn, id, at(0)).await).unwrap();
        id
    }

    /// An account with a username.
    pub(crate) async fn named(&self, n: u8, name: &str) -> UserId {
        let (id, name) = (self.user(n).await, username(name));
        let claimed = unit!(self, |conn| identifiers::claim(conn, &name, id).await);
        assert!(claimed.unwrap());
        id
    }

    /// An account with the role `admin`.
    pub(crate) async fn admin(&self, n: u8) -> UserId {
        let id = self.user(n).await;
        let roles = RoleSet::stored([Role::admin().as_str().to_owned()]);
        unit!(self, |conn| users::set_roles(conn, id, &roles).await).unwrap();
        id
    }

    /// Whether the session was let in.
    pub(crate) async fn insert(&self, new: &NewSession) -> bool {
        let new = new.clone();
        unit!(self, |conn| sessions::insert(conn, &new).await).unwrap()
    }

    /// A session that is alive.
    pub(crate) async fn session(&self, n: u8, user: UserId) -> SessionId {
        assert!(self.insert(&new_session(n, user)).await);
        session(n)
    }
}

pub(crate) fn options(database: &TestDatabase) -> Options {
    Options {
        durable: false,
        ..Options::new(database.url())
    }
}

pub(crate) async fn raw(database: &TestDatabase, sql: &str) -> u64 {
    let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if database.is_postgres() {
        let mut conn = PgConnection::connect(database.url()).await.unwrap();
        query.execute(&mut conn).await.unwrap().rows_affected()
    } else {
        let mut conn = SqliteConnection::connect(database.url()).await.unwrap();
        let changed = query.execute(&mut conn).await.unwrap().rows_affected();
        conn.close().await.unwrap();
        changed
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

pub(crate) fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

pub(crate) fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

pub(crate) fn username(name: &str) -> Identifier {
    Identifier::stored(IdentifierKind::Username, name.to_owned(), name.to_owned())
}

pub(crate) fn email(address: &str) -> Identifier {
    Identifier::stored(
        IdentifierKind::Email,
        address.to_owned(),
        address.to_owned(),
    )
}

/// A session that began at 100 s on position 100 and ends at 1,000 s.
pub(crate) fn new_session(n: u8, user: UserId) -> NewSession {
    NewSession {
        id: session(n),
        user_id: user,
        rev: Seq(100),
        auth_time: at(100),
        amr: "pwd",
        cookie_mac: Some([n; 32]),
        address: "192.0.2.1".to_owned(),
        user_agent: "browser".to_owned(),
        expires: at(1_000),
    }
}

pub(crate) fn grant(n: u8) -> Grant {
    Grant {
        id: GrantId::from_bytes([n; 16]),
        counter: 0,
        rotations: Default::default(),
        nonce: [n; 16],
    }
}

/// What a unit of a test fails with when the database is not to blame.
#[derive(Debug)]
pub(crate) enum Failure {
    Rule,
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A place inside a unit where it stops until the test lets it go on.
#[derive(Clone)]
pub(crate) struct Gate(Arc<[Semaphore; 2]>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new([Semaphore::new(0), Semaphore::new(0)]))
    }

    /// For the unit: says that it is here, and waits.
    pub(crate) async fn pass(&self) {
        self.0[0].add_permits(1);
        self.0[1].acquire().await.unwrap().forget();
    }

    /// For the test: waits until a unit is here.
    pub(crate) async fn reached(&self) {
        self.0[0].acquire().await.unwrap().forget();
    }

    /// For the test: lets one unit go on.
    pub(crate) fn open(&self) {
        self.0[1].add_permits(1);
    }
}
