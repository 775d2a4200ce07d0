//! The schema, as a list of migrations that only ever grows.
//!
//! One text serves both engines; two words stand for what they spell differently: `BYTES` (BLOB or
//! BYTEA) and `KEYTEXT` (text compared byte by byte, which PostgreSQL does only when told).

/// One step of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) statements: &'static [&'static str],
}

pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "foundation",
        statements: FOUNDATION,
    },
    Migration {
        version: 2,
        name: "imported hashes",
        statements: IMPORTED_HASHES,
    },
];

/// Asked at every failed sign-in; empty once everybody has signed in.
const IMPORTED_HASHES: &[&str] =
    &["CREATE INDEX credentials_imported ON credentials (id) WHERE kind = 'imported'"];

const FOUNDATION: &[&str] = &[
    "CREATE TABLE users (
        id BYTES NOT NULL PRIMARY KEY,
        display_name TEXT,
        disabled_at BIGINT,
        revoked_floor BIGINT NOT NULL DEFAULT 0,
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE identifiers (
        kind KEYTEXT NOT NULL,
        value_key KEYTEXT NOT NULL,
        value TEXT NOT NULL,
        user_id BYTES NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        verified_at BIGINT,
        PRIMARY KEY (kind, value_key)
    )",
    "CREATE UNIQUE INDEX identifiers_of_user ON identifiers (user_id, kind)",
    "CREATE TABLE credentials (
        id BYTES NOT NULL PRIMARY KEY,
        user_id BYTES NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        kind KEYTEXT NOT NULL,
        data TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        last_used_at BIGINT
    )",
    "CREATE INDEX credentials_of_user ON credentials (user_id, kind)",
    "CREATE TABLE roles (
        user_id BYTES NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        role KEYTEXT NOT NULL,
        PRIMARY KEY (user_id, role)
    )",
    "CREATE INDEX roles_by_role ON roles (role)",
    "CREATE TABLE clients (
        id KEYTEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        kind KEYTEXT NOT NULL,
        secret_hash BYTES,
        audiences TEXT NOT NULL DEFAULT '',
        revoked_floor BIGINT NOT NULL DEFAULT 0,
        created_at BIGINT NOT NULL,
        disabled_at BIGINT
    )",
    "CREATE TABLE sessions (
        id BYTES NOT NULL PRIMARY KEY,
        user_id BYTES NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        rev BIGINT NOT NULL,
        auth_time BIGINT NOT NULL,
        amr TEXT NOT NULL,
        cookie_mac BYTES UNIQUE,
        address TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        last_used BIGINT NOT NULL,
        expires BIGINT NOT NULL,
        revoked_at BIGINT,
        revoked_by TEXT
    )",
    "CREATE INDEX sessions_of_user ON sessions (user_id)",
    "CREATE INDEX sessions_by_end ON sessions (expires)",
    "CREATE TABLE grants (
        id BYTES NOT NULL PRIMARY KEY,
        session_id BYTES NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        client_id KEYTEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
        audience TEXT NOT NULL,
        scope TEXT NOT NULL,
        counter BIGINT NOT NULL,
        rotations BYTES NOT NULL,
        nonce BYTES NOT NULL
    )",
    "CREATE INDEX grants_of_session ON grants (session_id)",
    "CREATE INDEX grants_of_client ON grants (client_id)",
    "CREATE TABLE floors (
        seq BIGINT NOT NULL PRIMARY KEY,
        scope KEYTEXT NOT NULL,
        subject BYTES NOT NULL,
        reason KEYTEXT NOT NULL,
        expires BIGINT NOT NULL
    )",
    "CREATE INDEX floors_by_end ON floors (expires)",
    "CREATE TABLE log_clock (
        id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        seq BIGINT NOT NULL,
        issuer_floor BIGINT NOT NULL,
        life BIGINT NOT NULL,
        next_life BIGINT NOT NULL,
        next_life_at BIGINT NOT NULL,
        keys_version BIGINT NOT NULL,
        issuer TEXT,
        secret_check BYTES
    )",
    "INSERT INTO log_clock (id, seq, issuer_floor, life, next_life, next_life_at, keys_version)
     VALUES (1, 0, 0, 0, 0, 0, 0)",
    "CREATE TABLE keys (
        kid KEYTEXT NOT NULL PRIMARY KEY,
        algorithm KEYTEXT NOT NULL,
        sealed BYTES NOT NULL,
        created_at BIGINT NOT NULL,
        signs_from BIGINT NOT NULL,
        revoked_at BIGINT
    )",
    "CREATE TABLE throttle (
        counted BYTES NOT NULL PRIMARY KEY,
        failures BIGINT NOT NULL,
        resets_at BIGINT NOT NULL
    )",
    "CREATE INDEX throttle_by_end ON throttle (resets_at)",
    "CREATE TABLE events (
        seq BIGINT NOT NULL PRIMARY KEY,
        at BIGINT NOT NULL,
        kind KEYTEXT NOT NULL,
        actor TEXT NOT NULL,
        subject BYTES,
        session BYTES,
        client TEXT,
        address TEXT,
        data TEXT
    )",
    "CREATE INDEX events_by_time ON events (at)",
    "CREATE TABLE event_clock (
        id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        seq BIGINT NOT NULL
    )",
    "INSERT INTO event_clock (id, seq) VALUES (1, 0)",
    "INSERT INTO clients (id, name, kind, created_at) VALUES ('countersign', 'countersign', 'first_party', 0)",
];
