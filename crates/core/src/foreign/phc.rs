//! The PHC string format, `$id$v=version$name=value,…$salt$hash`, and what passlib makes of it.

use std::num::NonZeroU32;

use argon2::{Algorithm, Version};
use countersign_token::crypto::Prf;

use super::kdf::Kdf;
use super::text::{adapted_base64, base64, number, parameter};
use super::{Before, Foreign, Unusable, bcrypt};
use crate::phc::Cost;

pub(super) fn read(stored: &str) -> Option<Result<Foreign, Unusable>> {
    let (id, rest) = stored.strip_prefix('$')?.split_once('$')?;
    let (family, foreign) = match id {
        "argon2id" | "argon2i" | "argon2d" => ("Argon2", argon2(stored.get(1..)?, "Argon2")),
        "scrypt" => ("scrypt", scrypt(rest)),
        "pbkdf2" | "pbkdf2-sha1" => ("PBKDF2", pbkdf2(Prf::Sha1, rest)),
        "pbkdf2-sha256" => ("PBKDF2", pbkdf2(Prf::Sha256, rest)),
        "pbkdf2-sha512" => ("PBKDF2", pbkdf2(Prf::Sha512, rest)),
        "bcrypt-sha256" => ("passlib bcrypt", bcrypt_sha256(rest)),
        _ => return None,
    };
    Some(foreign.ok_or(Unusable::Malformed(family)))
}

/// From the name of the algorithm on, without the `$` before it.
pub(super) fn argon2(text: &str, family: &'static str) -> Option<Foreign> {
    let parts: Vec<&str> = text.split('$').collect();
    let (id, version, params, salt, hash) = match *parts.as_slice() {
        [id, version, params, salt, hash] => (id, version, params, salt, hash),
        // Before there were versions.
        [id, params, salt, hash] => (id, "v=16", params, salt, hash),
        _ => return None,
    };
    let algorithm = match id {
        "argon2id" => Algorithm::Argon2id,
        "argon2i" => Algorithm::Argon2i,
        "argon2d" => Algorithm::Argon2d,
        _ => return None,
    };
    let version = match version {
        "v=16" => Version::V0x10,
        "v=19" => Version::V0x13,
        _ => return None,
    };
    let [m, t, p] = *params.split(',').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let cost = Cost {
        memory_kib: parameter(m, "m")?,
        iterations: parameter(t, "t")?,
        lanes: parameter(p, "p")?,
    };
    cost.check().ok()?;
    let (salt, expected) = (base64(salt)?, base64(hash)?);
    (salt.len() >= argon2::MIN_SALT_LEN).then_some(Foreign {
        family,
        before: Before::Nothing,
        kdf: Kdf::Argon2 {
            algorithm,
            version,
            cost,
        },
        salt,
        expected,
    })
}

fn scrypt(rest: &str) -> Option<Foreign> {
    let [params, salt, hash] = *rest.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let [ln, r, p] = *params.split(',').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let log_n = parameter(ln, "ln").filter(|log_n| (1..=63).contains(log_n))?;
    Some(Foreign {
        family: "scrypt",
        before: Before::Nothing,
        kdf: Kdf::Scrypt {
            log_n,
            r: parameter(r, "r")?,
            p: parameter(p, "p")?,
        },
        salt: base64(salt)?,
        expected: base64(hash)?,
    })
}

/// `i=iterations,l=length$salt$hash`, or passlib's `iterations$salt$hash`.
fn pbkdf2(prf: Prf, rest: &str) -> Option<Foreign> {
    let [params, salt, hash] = *rest.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let (salt, expected) = (adapted_base64(salt)?, adapted_base64(hash)?);
    let iterations: NonZeroU32 = match params.split_once(',') {
        Some((i, l)) => {
            parameter::<usize>(l, "l").filter(|length| *length == expected.len())?;
            parameter(i, "i")?
        }
        None => parameter(params, "i").or_else(|| number(params))?,
    };
    Some(Foreign {
        family: "PBKDF2",
        before: Before::Nothing,
        kdf: Kdf::Pbkdf2 { prf, iterations },
        salt,
        expected,
    })
}

/// passlib's `v=2,t=2b,r=cost$salt$hash`.
fn bcrypt_sha256(rest: &str) -> Option<Foreign> {
    let [params, salt, hash] = *rest.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let ["v=2", "t=2b", r] = *params.split(',').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let foreign = bcrypt::new(parameter(r, "r")?, salt, hash, "passlib bcrypt")?;
    Some(Foreign {
        before: Before::Base64Hmac(salt.to_owned()),
        ..foreign
    })
}
