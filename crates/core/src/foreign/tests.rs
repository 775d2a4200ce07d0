use std::collections::HashSet;

use serde_json::Value;

use super::*;
use crate::phc::Cost;

/// What the frameworks themselves wrote; `script/golden-hashes` makes it.
const VECTORS: &str = include_str!("../../tests/data/foreign-hashes.json");

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn texts<'a>(vector: &'a Value, key: &str) -> Vec<&'a str> {
    let list = vector[key].as_array().unwrap();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn the_right_password_and_no_other_verifies_what_real_frameworks_wrote() {
    let caps = Caps::beside(Cost::default());
    let mut families = HashSet::new();
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap();
        let foreign = Foreign::parse(vector["stored"].as_str().unwrap())
            .unwrap_or_else(|error| panic!("{name} {error}"));
        assert_eq!(foreign.check(caps), Ok(()), "{name}");
        families.insert(foreign.family());
        for right in texts(&vector, "right") {
            assert_eq!(foreign.verify(right.as_bytes()), Ok(true), "{name}");
        }
        for wrong in texts(&vector, "wrong") {
            assert_eq!(foreign.verify(wrong.as_bytes()), Ok(false), "{name}");
        }
    }
    assert_eq!(families.len(), 11, "{families:?}");
}

#[test]
fn a_hash_that_was_tampered_with_is_refused_or_verifies_nothing() {
    let cheap = |stored: &str| {
        let costly = ["32768", "1000000", "m=65536", "m=102400", "16384", "$12$"];
        !costly.iter().any(|cost| stored.contains(cost))
    };
    for vector in vectors() {
        let (name, stored) = (&vector["name"], vector["stored"].as_str().unwrap());
        // Cut anywhere, it is not read, or verifies nothing of what is left.
        for end in (0..stored.len()).filter(|end| stored.is_char_boundary(*end)) {
            if let Ok(foreign) = Foreign::parse(&stored[..end]) {
                assert!(foreign.expected.len() >= MIN_OUTPUT, "{name} cut at {end}");
            }
        }
        for odd in [
            format!("{stored}$"),
            format!(" {stored}"),
            format!("{stored}\0"),
            format!("{stored}é"),
            stored.replace('$', "$$"),
        ] {
            assert!(Foreign::parse(&odd).is_err(), "{name}: {odd}");
        }
        if cheap(stored) {
            let mut foreign = Foreign::parse(stored).unwrap();
            *foreign.expected.last_mut().unwrap() ^= 0x80;
            let right = texts(&vector, "right")[0];
            assert_eq!(foreign.verify(right.as_bytes()), Ok(false), "{name}");
        }
    }
}

#[test]
fn what_is_not_taken_is_said_without_repeating_it() {
    let hex = "5f4dcc3b5aa765d61d8327deb882cf99";
    for (stored, refusal) in [
        ("", Unusable::Unknown),
        ("plum-harbour-41", Unusable::Unknown),
        (&"x".repeat(1025), Unusable::Unknown),
        (hex, Unusable::Unsupported("one without salt")),
        ("md5$salt$5f4dcc3b", Unusable::Unsupported("MD5")),
        (
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            Unusable::Unsupported("crypt with MD5"),
        ),
        ("$9$what$ever", Unusable::Unsupported("an unknown one")),
        (
            "$2x$04$Kf9sLq2XzR7bTn4WabcdeOgbH8ohOwzZq3s3Wft8dxepdszL0X32y",
            Unusable::Unsupported("bcrypt of a faulty version"),
        ),
        (
            "pbkdf2:sha256$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "pbkdf2:sha256:0$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "pbkdf2:md5:1000$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "pbkdf2:sha256:+100$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "pbkdf2:sha256:99999999999$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        // An output that is empty or short would be matched by any password, or by many.
        (
            "pbkdf2:sha256:1000$salt$",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "pbkdf2:sha256:1000$salt$00",
            Unusable::Malformed("Werkzeug PBKDF2"),
        ),
        (
            "scrypt:1000:8:1$salt$00",
            Unusable::Malformed("Werkzeug scrypt"),
        ),
        (
            "scrypt:1:8:1$salt$00",
            Unusable::Malformed("Werkzeug scrypt"),
        ),
        (
            "pbkdf2_sha256$1000$salt$",
            Unusable::Malformed("Django PBKDF2"),
        ),
        (
            "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
            Unusable::Malformed("Django Argon2"),
        ),
        (
            "bcrypt$$2b$03$Kf9sLq2XzR7bTn4WabcdeOgbH8ohOwzZq3s3Wft8dxepdszL0X32y",
            Unusable::Malformed("Django bcrypt"),
        ),
        (
            "$argon2id$v=19$m=8,t=1,p=1,data=AAAA$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
            Unusable::Malformed("Argon2"),
        ),
        (
            "$argon2id$v=18$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
            Unusable::Malformed("Argon2"),
        ),
        (
            "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
            Unusable::Malformed("Argon2"),
        ),
        (
            "$scrypt$ln=64,r=8,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
            Unusable::Malformed("scrypt"),
        ),
        (
            "$pbkdf2-sha256$i=100,l=32$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
            Unusable::Malformed("PBKDF2"),
        ),
    ] {
        let refused = Foreign::parse(stored).unwrap_err();
        assert_eq!(refused, refusal, "{stored}");
        assert!(stored.is_empty() || !refused.to_string().contains(stored));
    }
    let read = Foreign::parse("$pbkdf2-sha256$i=100,l=16$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA");
    assert_eq!(
        format!("{:?}", read.unwrap()),
        "Foreign(PBKDF2: PBKDF2 with 100 iterations)"
    );
}

#[test]
fn what_costs_more_than_a_sign_in_may_is_refused() {
    let caps = Caps::beside(Cost::default());
    let salt = "c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA";
    let hex = "00".repeat(32);
    let bcrypt = "Kf9sLq2XzR7bTn4WabcdeOgbH8ohOwzZq3s3Wft8dxepdszL0X32y";
    let check = |stored: &str| Foreign::parse(stored).unwrap().check(caps);
    for stored in [
        // Memory: 256 MiB, 1 TiB, 4 EiB, and by way of p alone.
        format!("$argon2id$v=19$m=262144,t=1,p=1${salt}"),
        format!("scrypt:1073741824:8:1$salt${hex}"),
        format!("$scrypt$ln=63,r=4294967295,p=4294967295${salt}"),
        format!("scrypt:2:4096:4294967295$salt${hex}"),
        // Work.
        format!("$2b$14${bcrypt}"),
        format!("$argon2id$v=19$m=65536,t=4294967295,p=1${salt}"),
        format!("$argon2i$v=19$m=19456,t=70,p=1${salt}"),
        format!("scrypt:131072:8:16$salt${hex}"),
        format!("pbkdf2:sha256:4294967295$salt${hex}"),
        "pbkdf2_sha256$10000000$salt$c2FsdHNhbHRzYWx0c2FsdA==".to_owned(),
        format!("pbkdf2:sha256:1200000$salt${}", hex.repeat(3)),
        format!("$2b$15${bcrypt}"),
        format!("$2b$31${bcrypt}"),
    ] {
        let refused = check(&stored);
        assert!(
            matches!(refused, Err(Unusable::TooCostly { .. })),
            "{stored}: {refused:?}"
        );
    }
    for stored in [
        format!("$argon2id$v=19$m=102400,t=2,p=8${salt}"),
        format!("scrypt:131072:8:1$salt${hex}"),
        format!("scrypt:32768:8:1$salt${hex}"),
        format!("pbkdf2:sha256:1000000$salt${hex}"),
        "pbkdf2_sha256$1500000$salt$c2FsdHNhbHRzYWx0c2FsdA==".to_owned(),
        format!("$2b$13${bcrypt}"),
    ] {
        assert_eq!(check(&stored), Ok(()), "{stored}");
    }
    // Whoever lets their own hashes cost more lets those of others.
    let dear = Cost {
        iterations: 20,
        ..Cost::default()
    };
    let stored = format!("$2b$15${bcrypt}");
    assert_eq!(
        Foreign::parse(&stored).unwrap().check(Caps::beside(dear)),
        Ok(())
    );
}
