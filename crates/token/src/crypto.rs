//! The workspace's one door to aws-lc-rs, and its one source of randomness.

use std::num::NonZeroU32;
use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{constant_time, digest, hkdf, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use zeroize::Zeroizing;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A signature of P-256 as DER (RFC 3279 section 2.2.3) rather than the two numbers one after the
/// other (RFC 7518 section 3.4), or `None` where it is not 64 bytes long. The library can read
/// these as well, but comes to DER by a way that is a hundred times as long.
pub(crate) fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let s: &[u8; 32] = s.try_into().ok()?;
    let mut der = Vec::with_capacity(72);
    der.extend([0x30, 0]);
    for number in [r, s] {
        // The fewest bytes that say it, of which the first says that it is not negative.
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros.min(31)..];
        let sign = usize::from(number[0] >> 7);
        der.extend([2, (number.len() + sign) as u8]);
        der.extend(&[0][..sign]);
        der.extend(number);
    }
    der[1] = (der.len() - 2) as u8;
    Some(der)
}

/// HMAC-SHA256 (RFC 2104) over the parts one after the other.
///
/// Nothing stands between the parts: whoever passes more than one of variable length separates
/// them, or else `["ab", "c"]` and `["a", "bc"]` have the same MAC.
pub fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    array(context.sign().as_ref())
}

/// Derives a key for one purpose from a secret: HKDF-SHA256 (RFC 5869) without salt, with the
/// label as `info`. Different labels give independent keys.
#[expect(
    clippy::expect_used,
    reason = "HKDF-SHA256 refuses only outputs above 8,160 bytes"
)]
pub fn derive_key(secret: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .expect("32 bytes are within what HKDF gives");
    key
}

/// The function inside [`pbkdf2()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prf {
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

/// PBKDF2 (RFC 8018, section 5.2): fills `output`, which must not be empty, from a password. For
/// hashes that another system made; our own are Argon2id.
pub fn pbkdf2(prf: Prf, iterations: NonZeroU32, salt: &[u8], password: &[u8], output: &mut [u8]) {
    let algorithm = match prf {
        Prf::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Prf::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Prf::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    pbkdf2::derive(algorithm, iterations, salt, password, output);
}

/// Whether the two are the same, in a time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Encrypts and authenticates with AES-256-GCM; the result is nonce, ciphertext and tag.
///
/// The `context` is authenticated and not stored: [`open`] must be given the same, so that what
/// was sealed for one place cannot be moved to another. A nonce must never serve twice under one
/// key; draw it from [`fill_random`].
#[expect(
    clippy::expect_used,
    reason = "AES-GCM refuses only plaintexts above 64 GiB"
)]
pub fn seal(key: &[u8; 32], nonce: [u8; NONCE_LEN], context: &[u8], plain: &[u8]) -> Vec<u8> {
    // Room for all three from the start: growing would leave plaintext behind in freed memory.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let tag = cipher(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut sealed[NONCE_LEN..],
        )
        .expect("the plaintext is not 64 GiB long");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal`] made, or `None` if key, context or a single bit of it is another.
pub fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut plain = Zeroizing::new(rest.to_vec());
    let length = cipher(key)
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(context),
            plain.as_mut_slice(),
        )
        .ok()?
        .len();
    plain.truncate(length);
    Some(plain)
}

#[expect(
    clippy::expect_used,
    reason = "the length of the key is fixed by its type"
)]
fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes"))
}

/// Fills the bytes from the operating system's generator. Everything random in Countersign comes
/// from here, by way of what `Cx` carries.
///
/// # Panics
/// If the system has no randomness to give: a predictable secret is worse than no server.
#[expect(
    clippy::expect_used,
    reason = "there is no safe way to go on without randomness"
)]
pub fn fill_random(bytes: &mut [u8]) {
    system_random()
        .fill(bytes)
        .expect("the system's random generator works");
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one source of randomness"
)]
pub(crate) fn system_random() -> SystemRandom {
    SystemRandom::new()
}

/// What the processor has for it: decoding a payload byte by byte takes three times as long.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD));

/// Base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
pub fn b64(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// The user name and password in the value of HTTP Basic (RFC 7617 section 2): standard base64 of
/// UTF-8 text with a colon.
pub fn basic_credentials(encoded: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Reads base64url strictly: no padding, no other characters, unused bits zero, so that every
/// byte string has exactly one spelling.
pub fn unb64(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// As [`unb64`], for what has exactly `N` bytes.
pub(crate) fn unb64_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = BASE64URL.decode_slice(text, &mut bytes).ok()?;
    (decoded == N).then_some(bytes)
}

/// The first bytes of `bytes` as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(hex_digit)
        .collect()
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(nibble & 15)])
}

fn array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_spelling_only() {
        for bad in [
            "Zg==", "Zh", "Zm9=", "Zm+v", "Zm/v", "Zm 9v", " Zm9v", "Zm9v\n", "Z", "Zm9vé",
        ] {
            assert_eq!(unb64(bad), None, "{bad}");
            assert_eq!(unb64_array::<1>(bad), None, "{bad}");
            assert_eq!(unb64_array::<2>(bad), None, "{bad}");
        }
        // At every place of a text so long that it is read in large pieces.
        let long = b64(&[0x5a; 100]);
        for (at, bad) in (0..long.len()).zip(b"=+/ .\n\0\x7f".iter().cycle()) {
            let mut other = long.clone();
            other.replace_range(at..=at, &char::from(*bad).to_string());
            assert_eq!(unb64(&other), None, "{at} {bad}");
        }
        assert_eq!(unb64(&long), Some(vec![0x5a; 100]));
        assert_eq!(unb64(""), Some(vec![]));
        assert_eq!(unb64("Zg").as_deref(), Some(&b"f"[..]));
        assert_eq!(unb64_array("Zg"), Some(*b"f"));
        assert_eq!(unb64_array::<2>("Zg"), None);
        assert_eq!(unb64_array::<1>("Zm8"), None);
        assert_eq!(
            unb64(&b64(&[0xfb, 0xff])).as_deref(),
            Some(&[0xfb, 0xff][..])
        );
    }

    #[test]
    fn what_is_sealed_opens_only_with_the_same_key_context_and_bytes() {
        let (key, nonce) = ([7; 32], [9; 12]);
        let sealed = seal(&key, nonce, b"keys/1", b"secret");
        assert_eq!(open(&[8; 32], b"keys/1", &sealed), None);
        assert_eq!(open(&key, b"keys/2", &sealed), None);
        for i in 0..sealed.len() {
            let mut other = sealed.clone();
            other[i] ^= 1;
            assert_eq!(open(&key, b"keys/1", &other), None, "byte {i}");
            assert_eq!(open(&key, b"keys/1", &sealed[..i]), None, "cut at {i}");
        }
        assert_eq!(sealed[..12], nonce);
        assert_eq!(
            open(&key, b"keys/1", &sealed).as_deref().map(Vec::as_slice),
            Some(&b"secret"[..])
        );
    }

    #[test]
    fn digests_and_macs_are_those_of_the_standards() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(b"abc")), abc);
        // RFC 4231, test case 2; its key is padded with zeros, as HMAC itself does.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            hex(&hmac_sha256(&key, &[b"what do ya want ", b"for nothing?"])),
            mac
        );
        // RFC 5869, test case 3 (no salt), has an empty label.
        let okm = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
        assert_eq!(hex(derive_key(&[0x0b; 22], "").as_slice()), okm);
        assert_ne!(derive_key(b"secret", "a"), derive_key(b"secret", "b"));
    }

    #[test]
    fn numbers_are_written_to_der_in_the_fewest_bytes() {
        let der = |r: &str, s: &str| {
            let number = |text: &str| {
                let text = format!("{text:0>64}");
                let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
                (0..64).step_by(2).map(byte).collect::<Vec<_>>()
            };
            hex(&ecdsa_der(&[number(r), number(s)].concat()).unwrap())
        };
        assert_eq!(der("0", "1"), "3006020100020101");
        assert_eq!(der("7f", "80"), "300702017f02020080");
        assert_eq!(der("7fff", "80ff"), "300902027fff02030080ff");
        let (low, high) = (format!("7f{:062}", 0), format!("ff{:062}", 0));
        assert_eq!(der(&low, &high), format!("30450220{low}022100{high}"));
        assert_eq!(der(&high, &high), format!("3046022100{high}022100{high}"));
        for length in [0, 1, 31, 32, 33, 63, 65, 72, 96, 128] {
            assert_eq!(ecdsa_der(&vec![1; length]), None, "{length}");
        }
    }

    #[test]
    fn comparison_knows_length_and_content() {
        assert!(!constant_time_eq(b"a", b"ab"));
        assert!(!constant_time_eq(b"ab", b"ac"));
        assert!(constant_time_eq(b"ab", b"ab"));
    }

    #[test]
    fn randomness_differs_from_call_to_call() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        fill_random(&mut a);
        fill_random(&mut b);
        assert_ne!(a, b);
    }
}
