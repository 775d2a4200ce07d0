//! The tests of the token crate that go through its public face.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod cross;
#[cfg(test)]
mod issuing;
#[cfg(test)]
mod jwks;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod memo;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rfc;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod times_and_floors;
#[cfg(test)]
mod vectors;

#[cfg(test)]
mod support {
    use std::time::Duration;

    use countersign_token::crypto::{b64, hmac_sha256};
    use countersign_token::{
        Algorithm, Claims, KeySet, Policy, Seq, SigningKey, Timestamp, Verifier, VerifyingKey,
    };

    pub(crate) const NOW: i64 = 1_795_220_000;
    pub(crate) const REV: Seq = Seq(1_000);
    pub(crate) const SECRET: [u8; 32] = [7; 32];
    pub(crate) const HEADER: &str = r#"{"alg":"HS256","kid":"k","typ":"at+jwt"}"#;

    pub(crate) fn now() -> Timestamp {
        Timestamp::from_secs(NOW)
    }

    pub(crate) fn claims() -> Claims {
        Claims {
            iss: "http://127.0.0.1:5000".into(),
            sub: "user-1".into(),
            aud: vec!["countersign".into()],
            client_id: "countersign".into(),
            iat: NOW,
            nbf: NOW,
            exp: NOW + 900,
            jti: "token-1".into(),
            sid: "session-1".into(),
            rev: REV,
            username: Some("ada".into()),
            email: None,
            email_verified: None,
            roles: vec!["admin".into()],
            token_type: "access".into(),
            scope: None,
            fresh: true,
        }
    }

    pub(crate) fn policy(leeway: u64) -> Policy {
        Policy {
            issuer: claims().iss,
            audience: "countersign".into(),
            leeway: Duration::from_secs(leeway),
            life: Duration::from_secs(900),
        }
    }

    /// A verifier whose log has reached `REV`.
    pub(crate) fn verifier(keys: impl IntoIterator<Item = VerifyingKey>) -> Verifier {
        let verifier = Verifier::new(policy(0));
        verifier.set_keys(keys.into_iter().collect::<KeySet>());
        verifier.apply(&[], REV);
        verifier
    }

    /// The key of everything that [`forge`] signs.
    pub(crate) fn secret_key() -> VerifyingKey {
        VerifyingKey::from_secret("k".into(), &SECRET).unwrap()
    }

    /// Any header and payload whatever, rightly signed.
    pub(crate) fn forge(header: &str, payload: &str) -> String {
        let input = format!("{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()));
        let mac = hmac_sha256(&SECRET, &[input.as_bytes()]);
        format!("{input}.{}", b64(&mac))
    }

    /// The claims as JSON, one of them replaced, or taken out with `None`.
    pub(crate) fn with(name: &str, value: Option<serde_json::Value>) -> String {
        let mut json = serde_json::to_value(claims()).unwrap();
        let members = json.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(name.into(), value),
            None => members.remove(name),
        };
        json.to_string()
    }

    pub(crate) fn all_keys() -> [SigningKey; 4] {
        Algorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap())
    }
}
