//! Everything else that a client sends: headers, refresh tokens, session cookies, names, bodies.
//!
//! The first byte says what the rest is. Whatever it is, nothing panics, and what is taken for ours
//! was made here.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use countersign_core::grant::Rotations;
use countersign_core::secrets::{Keyring, SessionCookie};
use countersign_core::{Grant, GrantId, Identifier, LoginName, RefreshToken, Timestamp};
use countersign_server::config::{CookiePrefix, SameSite};
use countersign_server::http::account::{PasswordBody, RegisterBody};
use countersign_server::http::body::parse;
use countersign_server::http::cookies::{Cookie, Cookies, Found};
use countersign_server::http::credential;
use countersign_server::http::login::{LoginBody, LogoutBody, RefreshBody};
use libfuzzer_sys::fuzz_target;

const COOKIES: Cookies = Cookies {
    prefix: CookiePrefix::Host,
    same_site: SameSite::Strict,
};

struct World {
    keyring: Keyring,
    grant: Grant,
    token: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let keyring = Keyring::new(b"a secret for the fuzzer", None);
    let grant = Grant {
        id: GrantId::from_bytes([7; 16]),
        counter: 3,
        rotations: Rotations::default().with(Timestamp::from_secs(10)),
        nonce: [9; 16],
    };
    let token = grant.refresh_token(&keyring).reveal();
    World {
        keyring,
        grant,
        token,
    }
});

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => headers(rest),
        1 => refresh_token(rest),
        2 => session_cookie(rest),
        3 => names(rest),
        _ => body(rest),
    }
});

/// Lines, each for one of two headers.
fn headers(data: &[u8]) {
    let mut map = HeaderMap::new();
    for (index, line) in data.split(|byte| *byte == b'\n').take(8).enumerate() {
        let name = if index % 2 == 0 {
            header::COOKIE
        } else {
            header::AUTHORIZATION
        };
        if let Ok(value) = HeaderValue::from_bytes(line) {
            map.append(name, value);
        }
    }
    let _ = credential::find(&map, COOKIES);
    let _ = credential::all(&map, COOKIES);
    for cookie in Cookie::ALL {
        if let Found::Once(_) = COOKIES.find(&map, cookie) {
            assert!(COOKIES.any(&map), "a cookie that is found is there");
        }
    }
}

/// The token of the grant with some bytes changed, or any text.
fn refresh_token(data: &[u8]) {
    let World {
        keyring,
        grant,
        token,
    } = &*WORLD;
    let mut changed = token.clone().into_bytes();
    for change in data.chunks_exact(2) {
        let index = usize::from(change[0]) % changed.len();
        changed[index] ^= change[1];
    }
    for text in [String::from_utf8(changed), String::from_utf8(data.to_vec())] {
        let Ok(text) = text else { continue };
        let Some(parsed) = RefreshToken::parse(&text) else {
            continue;
        };
        assert_eq!(parsed.reveal(), text, "one token has one spelling");
        assert_eq!(
            parsed.is_genuine(grant, keyring),
            text == *token,
            "only our own is genuine"
        );
        let grace = Duration::from_secs(30);
        let _ = grant.present(parsed.counter(), Timestamp::from_secs(20), grace);
    }
}

fn session_cookie(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(cookie) = SessionCookie::parse(text) {
        assert_eq!(cookie.reveal(), text, "one cookie has one spelling");
    }
}

fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = LoginName::parse(text);
    for read in [Identifier::username, Identifier::email] {
        if let Ok(name) = read(text) {
            let again = read(name.value());
            assert_eq!(
                again.map(|again| again.key().to_owned()).as_deref(),
                Ok(name.key())
            );
        }
    }
}

fn body(data: &[u8]) {
    if let Ok(value) = parse::<serde_json::Value>(data) {
        let written = serde_json::to_vec(&value).unwrap();
        assert!(
            parse::<serde_json::Value>(&written).is_ok(),
            "what was strict stays strict"
        );
    }
    if let Ok(login) = parse::<LoginBody>(data) {
        let _ = login.into_login();
    }
    let _ = parse::<RegisterBody>(data);
    let _ = parse::<PasswordBody>(data);
    let _ = parse::<LogoutBody>(data);
    let _ = parse::<RefreshBody>(data);
}
