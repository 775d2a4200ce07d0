//! The examples of the standards. Their tokens have no `kid`, so [`jws::verify`] refuses them;
//! their signatures are held against the keys directly.

use countersign_token::crypto::{b64, unb64};
use countersign_token::jws::{self, Rejection};
use countersign_token::{Algorithm, JwkError, Jwks, KeySet, SigningKey, VerifyingKey};
use serde_json::{Value, json};

/// RFC 7515 appendix A.1.1, the payload of A.1 to A.3.
const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 8037 appendix A.1 and A.2.
const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn public(mut jwk: Value, alg: &str) -> VerifyingKey {
    jwk["kid"] = json!("example");
    jwk["alg"] = json!(alg);
    let set = Jwks::parse(json!({ "keys": [jwk] }).to_string().as_bytes())
        .unwrap()
        .key_set()
        .unwrap();
    set.get("example").unwrap().clone()
}

fn holds(key: VerifyingKey, token: &str) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = unb64(signature).unwrap();
    assert!(key.verifies(signed.as_bytes(), &signature), "{token}");
    assert!(!key.verifies(&signed.as_bytes()[1..], &signature));
    assert!(!key.verifies(signed.as_bytes(), &signature[1..]));
    let keys: KeySet = [key].into_iter().collect();
    assert_eq!(
        jws::verify(&keys, token).err(),
        Some(Rejection::Signature),
        "it has no kid"
    );
}

#[test]
fn rfc_7515_a1_hs256() {
    let k =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = VerifyingKey::from_secret("example".into(), &unb64(k).unwrap()).unwrap();
    holds(
        key,
        &format!(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        ),
    );
}

#[test]
fn rfc_7515_a2_rs256() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let key = public(json!({"kty": "RSA", "n": n, "e": "AQAB"}), "RS256");
    holds(key, &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc_7515_a3_es256() {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = public(
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}),
        "ES256",
    );
    holds(key, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc_8037_ed25519() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X});
    holds(
        public(jwk, "EdDSA"),
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
}

#[test]
fn rfc_8037_the_private_key_has_the_public_key_and_thumbprint_of_the_example() {
    // PKCS#8 of an Ed25519 seed is this prefix and the seed (RFC 8410 section 7).
    let prefix = [
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    let pkcs8 = [&prefix[..], &unb64(ED25519_D).unwrap()].concat();
    let jwk = SigningKey::from_bytes(Algorithm::EdDsa, &pkcs8)
        .unwrap()
        .public_jwk()
        .unwrap();
    assert_eq!(serde_json::to_value(&jwk).unwrap()["x"], ED25519_X);
    assert_eq!(
        b64(&jwk.thumbprint()),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    assert_eq!(jwk.kid(), "90facafe");
}

#[test]
fn rfc_7638_thumbprint() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let key = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let set = Jwks::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    assert_eq!(
        b64(&set.keys[0].thumbprint()),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

/// RFC 7520 signs one text in all its examples; sections 4.1 and 4.4 are of our algorithms.
const JOURNEY: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

#[test]
fn rfc_7520_4_1_rs256() {
    let n = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let signature = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
    let key = json!({"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"});
    let keys = Jwks::parse(json!({ "keys": [key] }).to_string().as_bytes())
        .unwrap()
        .key_set()
        .unwrap();
    let verified = jws::verify(&keys, &format!("{header}.{JOURNEY}.{signature}")).unwrap();
    assert_eq!(
        (b64(&verified.payload).as_str(), verified.typ),
        (JOURNEY, None)
    );
}

#[test]
fn rfc_7520_4_4_hs256() {
    let kid = "018c0ae5-4d9b-471b-bfd6-eef314bc7037";
    let secret = unb64("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg").unwrap();
    let keys: KeySet = [VerifyingKey::from_secret(kid.into(), &secret).unwrap()]
        .into_iter()
        .collect();
    let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
    let token = format!("{header}.{JOURNEY}.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0");
    assert_eq!(jws::verify(&keys, &token).unwrap().key.kid(), kid);
    let symmetric = json!({"keys": [{"kty": "oct", "kid": kid, "use": "sig", "alg": "HS256", "k": b64(&secret)}]});
    assert_eq!(
        Jwks::parse(symmetric.to_string().as_bytes()),
        Err(JwkError::Private)
    );
}
