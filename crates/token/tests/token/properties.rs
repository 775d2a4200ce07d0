//! What holds for every input.

use countersign_token::crypto::b64;
use countersign_token::{Claims, Jwks, Seq, SigningKey, Verifier, issue};
use proptest::prelude::*;
use std::sync::OnceLock;

use crate::support::*;

/// One key of each algorithm, a verifier that knows them all, and a token of each.
fn world() -> &'static (Verifier, [String; 4], [SigningKey; 4]) {
    static WORLD: OnceLock<(Verifier, [String; 4], [SigningKey; 4])> = OnceLock::new();
    WORLD.get_or_init(|| {
        let keys = all_keys();
        let tokens = [0, 1, 2, 3].map(|i| issue(&keys[i], &claims()).unwrap());
        let all = keys
            .iter()
            .map(SigningKey::verifying_key)
            .chain([secret_key()]);
        (verifier(all), tokens, keys)
    })
}

#[test]
fn every_other_character_at_every_place_of_a_token_is_refused() {
    let (verifier, tokens, _) = world();
    let key = &tokens[3];
    assert!(verifier.check(key, now()).is_ok());
    for place in 0..key.len() {
        for byte in 0..128_u8 {
            let mut bytes = key.clone().into_bytes();
            if std::mem::replace(&mut bytes[place], byte) != byte {
                let other = String::from_utf8(bytes).unwrap();
                assert!(verifier.check(&other, now()).is_err(), "{other}");
            }
        }
    }
}

#[test]
fn a_token_cut_anywhere_is_refused() {
    let (verifier, tokens, _) = world();
    for token in tokens {
        for place in 0..token.len() {
            assert!(verifier.recognise(&token[..place]).is_err());
            assert!(verifier.recognise(&token[place + 1..]).is_err());
        }
    }
}

prop_compose! {
    fn any_claims()(
        ids in prop::array::uniform5("\\PC{1,12}"),
        aud in prop::collection::vec("\\PC{0,12}", 0..3),
        times in prop::array::uniform3(0..=253_402_300_799_i64),
        rev in 0..=i64::MAX,
        username in prop::option::of("\\PC{0,16}"),
        email in prop::option::of("\\PC{0,16}"),
        email_verified in any::<Option<bool>>(),
        roles in prop::collection::vec("\\PC{0,8}", 0..4),
        scope in prop::option::of("\\PC{0,16}"),
        fresh in any::<bool>(),
    ) -> Claims {
        let [iss, sub, client_id, jti, sid] = ids;
        let [iat, nbf, exp] = times;
        Claims {
            iss, sub, aud, client_id, iat, nbf, exp, jti, sid, rev: Seq(rev),
            username, email, email_verified, roles, scope, token_type: "access".into(), fresh,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_string_is_refused_without_a_panic(token in "\\PC*") {
        prop_assert!(world().0.check(&token, now()).is_err());
        prop_assert!(world().0.recognise(&token).is_err());
        prop_assert!(Jwks::parse(token.as_bytes()).is_err());
    }

    #[test]
    fn any_three_parts_are_refused_without_a_panic(parts in prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..80))) {
        let token = parts.map(|part| b64(&part)).join(".");
        prop_assert!(world().0.check(&token, now()).is_err());
    }

    #[test]
    fn any_bytes_we_signed_are_judged_without_a_panic(header in "\\PC{0,60}", payload in "\\PC{0,200}") {
        prop_assert!(world().0.check(&forge(&header, &payload), now()).is_err());
        prop_assert!(world().0.check(&forge(HEADER, &payload), now()).is_err());
        prop_assert!(world().0.check(&forge(&header, &with("fresh", None)), now()).is_err());
    }

    #[test]
    fn a_changed_character_is_refused_in_every_algorithm(which in 0..4_usize, place in any::<prop::sample::Index>(), other in any::<char>()) {
        let token = &world().1[which];
        let mut changed: Vec<char> = token.chars().collect();
        let place = place.index(changed.len());
        prop_assume!(std::mem::replace(&mut changed[place], other) != other);
        let changed: String = changed.into_iter().collect();
        prop_assert!(world().0.check(&changed, now()).is_err());
    }

    #[test]
    fn claims_come_back_as_they_were(claims in any_claims()) {
        let json = serde_json::to_string(&claims).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Claims>(&json).unwrap(), &claims);
        if let [aud] = &claims.aud[..] {
            let single = format!("\"aud\":{}", serde_json::to_string(aud).unwrap());
            prop_assert!(json.contains(&single), "{}", json);
        }
    }

    #[test]
    fn what_is_issued_is_accepted_in_every_algorithm(which in 0..4_usize, claims in any_claims()) {
        let claims = Claims {
            iss: crate::support::claims().iss, aud: vec!["countersign".into()],
            iat: NOW, nbf: NOW, exp: NOW + 1, rev: Seq(claims.rev.0 % 1001), ..claims
        };
        let token = issue(&world().2[which], &claims).unwrap();
        prop_assert_eq!(&*world().0.check(&token, now()).unwrap(), &claims);
    }
}
