//! bcrypt: `$2b$cost$` and 53 characters in its own base64, 22 of salt and 31 of hash.
//!
//! Only the first 72 bytes of a password count. That is a weakness of the hashes as they are, and
//! it must be kept while they are: their owners may have been using the rest at will.

use super::kdf::Kdf;
use super::text::{bcrypt_base64, number};
use super::{Before, Foreign, Unusable};

/// `2x` is what a faulty implementation wrote, whose fault would have to be repeated.
const VERSIONS: [&str; 3] = ["2a", "2b", "2y"];

pub(super) fn read(stored: &str) -> Option<Result<Foreign, Unusable>> {
    if !stored.starts_with("$2") {
        return None;
    }
    if stored.starts_with("$2x$") || stored.starts_with("$2$") {
        return Some(Err(Unusable::Unsupported("bcrypt of a faulty version")));
    }
    Some(parts(stored, "bcrypt").ok_or(Unusable::Malformed("bcrypt")))
}

/// The text from its first `$` on.
pub(super) fn parts(text: &str, family: &'static str) -> Option<Foreign> {
    let ["", version, cost, rest] = *text.split('$').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    if !VERSIONS.contains(&version) || cost.len() != 2 || rest.len() != 53 {
        return None;
    }
    new(number(cost)?, rest.get(..22)?, rest.get(22..)?, family)
}

pub(super) fn new(cost: u32, salt: &str, hash: &str, family: &'static str) -> Option<Foreign> {
    if !(4..=31).contains(&cost) || salt.len() != 22 || hash.len() != 31 {
        return None;
    }
    Some(Foreign {
        family,
        before: Before::Nothing,
        kdf: Kdf::Bcrypt { cost },
        salt: bcrypt_base64(salt)?,
        expected: bcrypt_base64(hash)?,
    })
}
