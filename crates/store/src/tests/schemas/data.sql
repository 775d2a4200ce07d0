-- A row of each kind, as version 1 wrote it: columns are named, so that it fits later versions too.
INSERT INTO users (id, revoked_floor, created_at) VALUES (x'01000000000000000000000000000001', 7, 1795000000000);
INSERT INTO identifiers (kind, value_key, value, user_id) VALUES ('username', 'ada', 'Ada', x'01000000000000000000000000000001');
INSERT INTO credentials (id, user_id, kind, data, created_at) VALUES (x'02000000000000000000000000000001', x'01000000000000000000000000000001', 'password', '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA', 1795000000000);
INSERT INTO roles (user_id, role) VALUES (x'01000000000000000000000000000001', 'admin');
INSERT INTO clients (id, name, kind, created_at) VALUES ('shop', 'shop', 'service', 1795000000000);
INSERT INTO sessions (id, user_id, rev, auth_time, amr, address, user_agent, last_used, expires) VALUES (x'03000000000000000000000000000001', x'01000000000000000000000000000001', 9, 1795000000000, 'pwd', '127.0.0.1', 'curl', 1795000000000, 1895000000000);
INSERT INTO grants (id, session_id, client_id, audience, scope, counter, rotations, nonce) VALUES (x'04000000000000000000000000000001', x'03000000000000000000000000000001', 'shop', 'countersign', '', 3, x'', x'05000000000000000000000000000001');
INSERT INTO floors (seq, scope, subject, reason, expires) VALUES (8, 'user', x'06000000000000000000000000000001', 'revoked', 1895000000000);
UPDATE log_clock SET seq = 9, life = 900000, next_life = 900000, issuer = 'http://127.0.0.1:5000';
INSERT INTO keys (kid, algorithm, sealed, created_at, signs_from) VALUES ('k1', 'ES256', x'07', 1795000000000, 1795000000000);
INSERT INTO throttle (counted, failures, resets_at) VALUES (x'08', 1, 1895000000000);
INSERT INTO events (seq, at, kind, actor) VALUES (1, 1795000000000, 'user.created', 'cli');
