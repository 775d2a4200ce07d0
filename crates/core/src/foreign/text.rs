//! Numbers and bytes as hashes write them.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign_token::crypto;
use zeroize::Zeroizing;

use super::Unusable;

/// Some writers pad, some leave bits of the last character set: neither changes what is meant.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, LENIENT);

/// A number in decimal digits and nothing else.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The value of `name=value`.
pub(super) fn parameter<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    number(text.strip_prefix(name)?.strip_prefix('=')?)
}

/// Which power of two `n` is, of those that scrypt takes.
pub(super) fn power_of_two(n: u64) -> Option<u8> {
    (n > 1 && n.is_power_of_two()).then(|| u8::try_from(n.trailing_zeros()).ok())?
}

pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// As passlib writes it: `.` in the place of `+`.
pub(super) fn adapted_base64(text: &str) -> Option<Vec<u8>> {
    base64(&text.replace('.', "+"))
}

/// In the alphabet of bcrypt.
pub(super) fn bcrypt_base64(text: &str) -> Option<Vec<u8>> {
    BCRYPT.decode(text).ok()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Standard base64 of HMAC-SHA256 of a password, keyed with the text of a salt.
pub(super) fn base64_hmac(salt: &str, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    let mut key = [0; 32];
    // HMAC fills a key up with zeros itself (RFC 2104).
    key.get_mut(..salt.len())
        .ok_or(Unusable::Malformed("passlib"))?
        .copy_from_slice(salt.as_bytes());
    let mac = crypto::hmac_sha256(&key, &[password]);
    Ok(Zeroizing::new(STANDARD.encode(mac).into_bytes()))
}
