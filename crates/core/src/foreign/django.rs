//! What Django's `make_password` writes: the name of the hasher, then its own parts, with `$`
//! between. Salts are their own text, except inside the formats of others.

use countersign_token::crypto::Prf;

use super::kdf::Kdf;
use super::text::{base64, number, power_of_two};
use super::{Before, Foreign, Unusable, bcrypt, phc};

pub(super) fn read(stored: &str) -> Option<Result<Foreign, Unusable>> {
    let (hasher, rest) = stored.split_once('$')?;
    let family = match hasher {
        "pbkdf2_sha256" | "pbkdf2_sha1" => "Django PBKDF2",
        "scrypt" => "Django scrypt",
        "argon2" => "Django Argon2",
        "bcrypt" | "bcrypt_sha256" => "Django bcrypt",
        _ => return None,
    };
    let foreign = match hasher {
        "pbkdf2_sha256" => pbkdf2(Prf::Sha256, rest, family),
        "pbkdf2_sha1" => pbkdf2(Prf::Sha1, rest, family),
        "scrypt" => scrypt(rest, family),
        "argon2" => phc::argon2(rest, family),
        "bcrypt_sha256" => bcrypt::parts(rest, family).map(|foreign| Foreign {
            before: Before::HexSha256,
            ..foreign
        }),
        _ => bcrypt::parts(rest, family),
    };
    Some(foreign.ok_or(Unusable::Malformed(family)))
}

fn pbkdf2(prf: Prf, rest: &str, family: &'static str) -> Option<Foreign> {
    let [iterations, salt, hash] = *rest.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    Some(Foreign {
        family,
        before: Before::Nothing,
        kdf: Kdf::Pbkdf2 {
            prf,
            iterations: number(iterations)?,
        },
        salt: salt.as_bytes().to_vec(),
        expected: base64(hash)?,
    })
}

fn scrypt(rest: &str, family: &'static str) -> Option<Foreign> {
    let [n, salt, r, p, hash] = *rest.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    Some(Foreign {
        family,
        before: Before::Nothing,
        kdf: Kdf::Scrypt {
            log_n: power_of_two(number(n)?)?,
            r: number(r)?,
            p: number(p)?,
        },
        salt: salt.as_bytes().to_vec(),
        expected: base64(hash)?,
    })
}
