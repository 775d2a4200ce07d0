//! What a value may be: how each type is read from text and shown again.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use countersign_core::Timestamp;
use countersign_core::import::moment;
use secrecy::SecretString;

use super::secret;

/// A value as a source gave it, before its key says what it means.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A string, number or truth value: the types are told apart by the key, not by the notation.
    Text(String),
    /// A TOML array.
    List(Vec<String>),
}

/// A type that a key can have.
pub(super) trait Value: Sized {
    /// Hidden wherever configuration is shown, and taken from the environment only.
    const SECRET: bool = false;

    /// Reads the value; the error says what would be right, and never repeats a secret.
    fn read(text: &str) -> Result<Self, String>;

    /// Reads what a source gave. Only list types take lists.
    fn read_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => Self::read(text),
            Raw::List(_) => Err("takes one value, not a list".into()),
        }
    }

    /// The value as `countersign config` shows it; [`Value::read`] takes it back unless hidden.
    fn show(&self) -> String;
}

/// Quotes a refused value for a message: bounded, and without control characters.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", shown.escape_debug())
}

macro_rules! integers {
    ($($ty:ty),+) => {$(
        impl Value for $ty {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| {
                    format!("{} is not a whole number from 0 to {}", quote(text), Self::MAX)
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
integers!(u32, usize);

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{} is neither `true` nor `false`", quote(text)))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            let text = quote(text);
            format!("{text} is not an IP address and port such as `127.0.0.1:5000` or `[::1]:5000`")
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("takes the path of a file or directory".into());
        }
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// Names that go into tokens: short, since every token carries them, and without blanks.
impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        let fits = (1..=255).contains(&text.len());
        if fits && !text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Ok(text.into());
        }
        Err(format!(
            "{} is not 1 to 255 bytes without blanks",
            quote(text)
        ))
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// A value, or none where the text is empty.
impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(None),
            text => T::read(text).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref()
            .map_or_else(|| "(not set)".into(), Value::show)
    }
}

/// A secret held to the strength rule of [`secret::weakness`].
impl Value for Option<SecretString> {
    const SECRET: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        match secret::weakness(text) {
            None => Ok(Some(text.into())),
            Some(why) => Err(format!("{why}; make a good one: `{}`", secret::MAKE_ONE)),
        }
    }

    fn show(&self) -> String {
        if self.is_some() {
            "(set, hidden)"
        } else {
            "(not set)"
        }
        .into()
    }
}

/// Units of time in milliseconds, in the order in which they are written.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Value for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text = quote(text);
            format!("{text} is not a duration such as `30s`, `15m`, `1h30m` or `30d`")
        };
        let (mut rest, mut units, mut total) = (text, UNITS.as_slice(), 0u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let unit = &tail[..tail
                .find(|c: char| !c.is_ascii_lowercase())
                .unwrap_or(tail.len())];
            let place = units
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(wrong)?;
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let part = number.checked_mul(units[place].1).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            (rest, units) = (&tail[unit.len()..], &units[place + 1..]);
        }
        if text.is_empty() {
            return Err(wrong());
        }
        Ok(Duration::from_millis(total))
    }

    fn show(&self) -> String {
        let mut left = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let mut shown = String::new();
        for (name, size) in UNITS {
            if left >= size {
                shown += &format!("{}{name}", left / size);
                left %= size;
            }
        }
        if shown.is_empty() { "0s".into() } else { shown }
    }
}

/// A date or a moment, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    text: String,
    /// What it means.
    pub at: Timestamp,
}

impl Value for Moment {
    fn read(text: &str) -> Result<Self, String> {
        // A number alone would be seconds, or a year, or a mistake.
        let dated = text.get(4..5) == Some("-");
        match moment(text) {
            Ok(at) if dated => Ok(Self {
                text: text.to_owned(),
                at,
            }),
            _ => Err(format!(
                "{} is neither a date such as `2027-01-31` nor a moment such as \
                 `2027-01-31T18:00:00Z`",
                quote(text)
            )),
        }
    }

    fn show(&self) -> String {
        self.text.clone()
    }
}

/// A number of bytes, written `65536` or `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(
    /// The number of bytes.
    pub usize,
);

impl Value for ByteSize {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is not a size such as `65536`, `64KiB` or `1MiB`",
                quote(text)
            )
        };
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let shift = match text[digits..].trim_start() {
            "" if digits == text.len() => 0,
            "KiB" => 10,
            "MiB" => 20,
            _ => return Err(wrong()),
        };
        let number: usize = text[..digits].parse().map_err(|_| wrong())?;
        number
            .checked_mul(1 << shift)
            .map(ByteSize)
            .ok_or_else(wrong)
    }

    fn show(&self) -> String {
        match self.0 {
            n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{}MiB", n >> 20),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{}KiB", n >> 10),
            n => n.to_string(),
        }
    }
}

/// Reads a list: a TOML array, or one text with commas, which is all that an environment can hold.
pub(super) fn read_list<T: Value>(raw: &Raw) -> Result<Vec<T>, String> {
    match raw {
        Raw::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Raw::Text(text) => text.split(',').map(|item| T::read(item.trim())).collect(),
        Raw::List(items) => items.iter().map(|item| T::read(item)).collect(),
    }
}

/// Shows a list as [`read_list`] reads it.
pub(super) fn show_list<T: Value>(items: &[T]) -> String {
    items.iter().map(Value::show).collect::<Vec<_>>().join(", ")
}

impl<T: Value> Value for Vec<T> {
    fn read(text: &str) -> Result<Self, String> {
        Self::read_raw(&Raw::Text(text.into()))
    }

    fn read_raw(raw: &Raw) -> Result<Self, String> {
        read_list(raw)
    }

    fn show(&self) -> String {
        show_list(self)
    }
}

/// Declares an enum whose variants are written as fixed words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word for it in configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Value for $name {
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => {
                        let words = [$(concat!("`", $word, "`")),+].join(", ");
                        Err(format!("{} is none of: {words}", quote(text)))
                    }
                }
            }

            fn show(&self) -> String {
                self.as_str().into()
            }
        }
    };
}

words! {
    /// How access tokens are signed (RFC 7518, RFC 8037).
    Algorithm {
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// RSA PKCS #1 v1.5 with SHA-256.
        Rs256 = "RS256",
        /// HMAC with SHA-256: whoever can verify can also sign.
        Hs256 = "HS256",
    }
}

words! {
    /// The `SameSite` attribute of the cookies that API logins set.
    SameSite {
        /// Never sent by requests that start on another site.
        Strict = "strict",
        /// Sent by links from other sites.
        Lax = "lax",
        /// Sent from everywhere.
        None = "none",
    }
}

words! {
    /// Whether following the revocation log takes a service's credentials.
    RequireAuth {
        /// Where the server listens on more than loopback.
        Auto = "auto",
        /// Everywhere.
        Always = "always",
        /// Nowhere: strangers share a few places.
        Never = "never",
    }
}

words! {
    /// What names an account in a token of a former program.
    Subject {
        /// The id that it was imported with.
        Id = "id",
        /// The username or e-mail address that it was imported with.
        Name = "name",
    }
}

words! {
    /// What cookie names begin with.
    CookiePrefix {
        /// Browsers take such a cookie only with `Secure`, `Path=/` and no `Domain`
        /// (RFC 6265bis, 4.1.3.2).
        Host = "__Host-",
        /// Plain names.
        Plain = "",
    }
}

words! {
    /// How log lines are written.
    LogFormat {
        /// `pretty` on a terminal, else `json`.
        Auto = "auto",
        /// Lines for people.
        Pretty = "pretty",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// The least important lines that are logged.
    LogLevel {
        /// What somebody must look at.
        Error = "error",
        /// What may become an error.
        Warn = "warn",
        /// What happened.
        Info = "info",
        /// How it happened.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// Which passwords are refused because everybody knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocklist {
    /// The list that comes with Countersign.
    BuiltIn,
    /// No list.
    None,
    /// A file with one password a line.
    File(PathBuf),
}

impl Value for Blocklist {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "built-in" => Ok(Self::BuiltIn),
            "none" => Ok(Self::None),
            _ => PathBuf::read(text).map(Self::File),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::BuiltIn => "built-in".into(),
            Self::None => "none".into(),
            Self::File(path) => path.show(),
        }
    }
}
