//! What `werkzeug.security.generate_password_hash` writes, for Flask programs:
//! `scrypt:N:r:p$salt$hex` and `pbkdf2:sha256:iterations$salt$hex`. The salt is its own text.

use countersign_token::crypto::Prf;

use super::kdf::Kdf;
use super::text::{number, power_of_two, unhex};
use super::{Before, Foreign, Unusable};

pub(super) fn read(stored: &str) -> Option<Result<Foreign, Unusable>> {
    let family = match stored.split_once(':')?.0 {
        "scrypt" => "Werkzeug scrypt",
        "pbkdf2" => "Werkzeug PBKDF2",
        _ => return None,
    };
    Some(parts(stored, family).ok_or(Unusable::Malformed(family)))
}

fn parts(stored: &str, family: &'static str) -> Option<Foreign> {
    let (method, rest) = stored.split_once('$')?;
    let (salt, hash) = rest.split_once('$')?;
    let method: Vec<&str> = method.split(':').collect();
    let kdf = match *method.as_slice() {
        ["scrypt", n, r, p] => Kdf::Scrypt {
            log_n: power_of_two(number(n)?)?,
            r: number(r)?,
            p: number(p)?,
        },
        ["pbkdf2", prf, iterations] => Kdf::Pbkdf2 {
            prf: match prf {
                "sha1" => Prf::Sha1,
                "sha256" => Prf::Sha256,
                "sha512" => Prf::Sha512,
                _ => return None,
            },
            iterations: number(iterations)?,
        },
        _ => return None,
    };
    Some(Foreign {
        family,
        before: Before::Nothing,
        kdf,
        salt: salt.as_bytes().to_vec(),
        expected: unhex(hash)?,
    })
}
