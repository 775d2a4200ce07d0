//! How many wrong guesses are too many, and for whom.
//!
//! A guess is counted before it is hashed, so that guesses waiting for a hashing thread count too,
//! and given back when it was right.

use std::net::IpAddr;
use std::time::Duration;

/// Failures are forgotten this long after the first of them.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Failures against one name from all addresses after which each address has one try left.
///
/// It cannot go to none: whoever knows a name could then shut its owner out.
const PER_NAME: i64 = 100;

/// Wrong passwords on a change to an account, within one session.
pub const PER_SESSION: i64 = 5;

/// The numbers that an operator can set.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Failures per name and address.
    pub failures: i64,
    /// Failures per address, and registrations.
    pub per_address: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failures: 10,
            per_address: 100,
        }
    }
}

/// How many attempts stand in each window once this one is counted.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    /// From this address against this name.
    pub pair: i64,
    /// From this address; `None` where addresses tell nobody apart.
    pub address: Option<i64>,
    /// Against this name.
    pub name: i64,
}

impl Limits {
    /// Whether this attempt may be made.
    pub fn allow(self, attempts: Attempts) -> bool {
        let pair = if attempts.name > PER_NAME {
            self.failures.min(1)
        } else {
            self.failures
        };
        attempts.pair <= pair && attempts.address.is_none_or(|n| n <= self.per_address)
    }
}

/// The address under which attempts are counted: IPv6 by its /64, since that much is one person's
/// to change at will. `None` for loopback: everybody on this machine looks alike.
pub fn address_key(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(v4) => Some(v4.to_string()),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(pair: i64, address: Option<i64>, name: i64) -> Attempts {
        Attempts {
            pair,
            address,
            name,
        }
    }

    #[test]
    fn the_attempt_past_a_limit_is_refused() {
        let limits = Limits::default();
        assert!(!limits.allow(attempts(11, Some(11), 11)));
        assert!(!limits.allow(attempts(1, Some(101), 1)));
        assert!(limits.allow(attempts(10, Some(100), 100)));
        assert!(limits.allow(attempts(10, None, 100)));
    }

    #[test]
    fn under_attack_from_everywhere_each_address_keeps_one_try() {
        let limits = Limits::default();
        assert!(limits.allow(attempts(1, Some(1), 1_000_000)));
        assert!(!limits.allow(attempts(2, Some(2), 101)));
    }

    #[test]
    fn one_persons_ipv6_addresses_count_as_one() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!((key("127.0.0.1"), key("::1")), (None, None));
    }
}
