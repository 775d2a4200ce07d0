//! Which secrets are refused: whoever guesses one can sign in as anybody.

/// The command that makes a good secret.
pub const MAKE_ONE: &str = "openssl rand -base64 48";

/// The least number of bytes: an HS256 key is as long as its hash (RFC 7518, 3.2).
const LEAST: usize = 32;

/// More is a mistake, such as a file of keys.
const MOST: usize = 4096;

/// Values that are published in specifications, manuals and tutorials, lower-case, letters and
/// digits only.
const PUBLISHED: [&str; 4] = [
    // RFC 7515, A.1
    "aym1sysppbydfgzld3umj1qzkobwvmkoqqestjqlrt1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z9caow",
    // The manuals of FastAPI and Flask
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    // Spring Security tutorials
    "9a4f2c8d3b7a1e6f45c8a0b3f267d8b1d4e6f3c8a9d2b5f8e3a9c8b5f6v8a3d9",
];

/// Fragments of one well-known generator's output, which always walks the same sequence; many
/// Java tutorials use some window of it.
const FRAGMENTS: [&str; 4] = [
    "28472b4b6250",
    "28482b4d6251",
    "404e63526655",
    "2a472d4b6150",
];

/// The words of which example values are made. A secret that holds nothing else is an example.
const WORDS: &str = "
    a access admin an and any api app application at auth be bit bits byte bytes change
    changed changeit changeme changethis character characters chars choose code cookie
    countersign default demo dev development do dont enough enter env example express
    extremely fake fallback fastapi flask for generate generated goes good hard hello here
    hmac hs hs256 in insecure insert is it json jsonwebtoken jwt jwts keep key keys least
    local long longer me min minimum more must my need needs never node not of only or pass
    passphrase password phrase placeholder please prod production put random randomly real
    really refresh replace safe sample secret secrets secure security server session sha256
    should sign signature signing some something spring string strong sufficient
    sufficiently super supersecret supersecure test testing than that the this to todo token
    tokens top unsafe use used user value very web with world you your yours 32 64 128 256
    384 512 1 2 12 123 1234 12345 123456 1234567 12345678 123456789 1234567890 0123456789
    0123456789abcdef abc abcd abcdef abcdefghijklmnop abcdefghijklmnopqrstuvwxyz asdf
    asdfghjkl qwerty qwertyuiop zxcvbnm
";

/// Says what is wrong with a secret, or nothing.
///
/// Refused are the well-known, in any case and with any padding, and everything that holds fewer
/// than 32 bytes, repetitions counted once.
pub fn weakness(secret: &str) -> Option<String> {
    if secret.is_empty() {
        return Some("is empty: leave it out, or give it a value".into());
    }
    if secret.len() > MOST {
        return Some(format!(
            "has {} bytes where at most {MOST} are taken",
            secret.len()
        ));
    }
    if is_well_known(secret) {
        return Some("is a well-known example value, which everybody can look up".into());
    }
    let (length, period) = (secret.len(), period(secret.as_bytes()));
    if length < LEAST {
        return Some(format!(
            "has {length} bytes where at least {LEAST} are needed"
        ));
    }
    (period < LEAST && period <= length / 2).then(|| {
        format!("repeats the same {period} bytes where at least {LEAST} different ones are needed")
    })
}

/// The length of the shortest prefix whose repetition makes the whole.
fn period(bytes: &[u8]) -> usize {
    (1..bytes.len())
        .find(|&p| bytes[p..] == bytes[..bytes.len() - p])
        .unwrap_or(bytes.len())
}

fn is_well_known(secret: &str) -> bool {
    let plain: String = secret
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    // Django marks the keys that it writes into new projects, and they are committed with them.
    plain.starts_with("djangoinsecure")
        || PUBLISHED.contains(&plain.as_str())
        || FRAGMENTS.iter().any(|fragment| plain.contains(fragment))
        || is_made_of_words(plain.as_bytes())
}

/// Whether the text can be cut into example words and runs of one character (`xxxx`, `0000`).
fn is_made_of_words(text: &[u8]) -> bool {
    // reachable[i]: the first i bytes can be cut so.
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for start in 0..text.len() {
        if !reachable[start] {
            continue;
        }
        let rest = &text[start..];
        for word in WORDS
            .split_whitespace()
            .filter(|word| rest.starts_with(word.as_bytes()))
        {
            reachable[start + word.len()] = true;
        }
        let run = rest.iter().take_while(|byte| **byte == rest[0]).count();
        if run >= 3 {
            reachable[start + 3..=start + run].fill(true);
        }
    }
    reachable[text.len()]
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn well_known_secrets_are_refused_in_any_case_and_with_any_padding() {
        for secret in [
            "super-secret-key",
            "SUPER_SECRET_KEY",
            "super-secret-key-super-secret-key",
            "super-secret-key0000000000000000000000",
            "your-256-bit-secret",
            "a-string-secret-at-least-256-bits-long",
            "changeme",
            "ChangeMe!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
            "please-change-this-secret-key-in-production",
            "your_jwt_secret_key_change_this_in_production",
            "<insert your very long random string here>",
            "qwertyuiopasdfghjklzxcvbnm123456",
            "12345678901234567890123456789012",
            "0123456789abcdef0123456789abcdef",
            "----------------------------------------",
            "django-insecure-9k#2v!q0z8x7c6v5b4n3m2a1s0d9f8g7h6j5k4l3",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        ] {
            let why = weakness(secret).unwrap_or_default();
            assert!(why.contains("well-known"), "{secret}: {why}");
        }
    }

    #[test]
    fn short_and_repetitive_secrets_are_refused_with_their_size() {
        for (secret, why) in [
            (String::new(), "is empty"),
            ("x7".repeat(2049), "at most 4096"),
            ("k7#Vq9!zLm2@Xw4$Rb8^Tn6&Yc1*Pd".into(), "has 30 bytes"),
            ("Zq7".repeat(20), "repeats the same 3 bytes"),
            ("k7VqzLm2XwRb8Tn6".repeat(2), "repeats the same 16 bytes"),
            (
                "k7VqzLm2XwRb8Tn6YcPd5Gh3JfSa9Ue".repeat(2),
                "repeats the same 31 bytes",
            ),
        ] {
            let found = weakness(&secret).unwrap_or_default();
            assert!(found.contains(why), "{secret}: {found}");
        }
    }

    #[test]
    fn random_secrets_are_taken() {
        for secret in [
            "vV3lTn0sY1p2c8k9Qe5uJr7wXz4bMh6a",
            "W8sJ0qk3v1m9b2x7c4z5n6l0p8o9i7u6y5t4r3e2w1q0a9s8d7f6g5h4j3k2l1z0",
            "83920174659283746501928374650192",
            "grüner Zaun, der nach Süden läuft 71",
            "secret-5f0e8c1d7b3a92649d0e8f7c1b2a3d4e",
        ] {
            assert_eq!(weakness(secret), None, "{secret}");
        }
    }
}
