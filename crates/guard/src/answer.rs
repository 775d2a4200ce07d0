//! Reading what the feed says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_token::feed::{Answer, MAX_FLOORS};
use countersign_token::{Floor, Reason, Scope, Seq, Subject, Timestamp};

/// What an answer of the feed says; none where it is not one.
pub(crate) fn read(body: &[u8]) -> Option<Answer> {
    // As the issuer spells it, which takes a quarter of the time; else as JSON may be spelt.
    as_issued(body).or_else(|| serde_json::from_slice(body).ok())
}

/// Bytes of an object in a floor at the least, to know how many there may be.
const SHORTEST_FLOOR: usize = 80;

/// With the members in their order and no white space.
fn as_issued(body: &[u8]) -> Option<Answer> {
    let mut rest = Rest(body);
    let seq = Seq(rest.after(b"{\"seq\":")?.number()?);
    let now = rest.after(b",\"now\":")?.number()?;
    let life = rest.after(b",\"life\":")?.number()?;
    let keys = rest.after(b",\"keys\":")?.number()?;
    let more = rest
        .after(b",\"more\":")?
        .one_of(&[(b"false", false), (b"true", true)])?;
    rest.after(b",\"floors\":[")?;
    let mut floors = Vec::with_capacity((rest.0.len() / SHORTEST_FLOOR).min(MAX_FLOORS));
    if rest.0.first() != Some(&b']') {
        floors.push(rest.floor()?);
        while rest.after(b",").is_some() {
            floors.push(rest.floor()?);
        }
    }
    rest.after(b"]}")?;
    rest.0.is_empty().then_some(Answer {
        seq,
        now,
        life,
        keys,
        more,
        floors,
    })
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn after(&mut self, text: &[u8]) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(text)?;
        Some(self)
    }

    fn floor(&mut self) -> Option<Floor> {
        const SCOPES: [(&[u8], Scope); 5] = [
            (b"session", Scope::Session),
            (b"token", Scope::Token),
            (b"user", Scope::User),
            (b"client", Scope::Client),
            (b"issuer", Scope::Issuer),
        ];
        const REASONS: [(&[u8], Reason); 2] = [
            (b"revoked", Reason::Revoked),
            (b"superseded", Reason::Superseded),
        ];
        let seq = Seq(self.after(b"{\"seq\":")?.number()?);
        let scope = self.after(b",\"scope\":\"")?.one_of(&SCOPES)?;
        let subject = self.after(b"\",\"subject\":\"")?.subject()?;
        let reason = self.after(b"\",\"reason\":\"")?.one_of(&REASONS)?;
        let expires = self.after(b"\",\"exp\":")?.number()?;
        self.after(b"}")?;
        Some(Floor {
            seq,
            scope,
            subject,
            reason,
            expires: Timestamp::from_secs(expires),
        })
    }

    /// Not negative, and of no more digits than fit whatever they are.
    fn number(&mut self) -> Option<i64> {
        let digits = self
            .0
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !(1..=18).contains(&digits) || digits > 1 && number.starts_with(b"0") {
            return None;
        }
        self.0 = rest;
        Some(
            number
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        )
    }

    fn one_of<T: Copy>(&mut self, words: &[(&[u8], T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| self.0.starts_with(word))?;
        self.after(found.0)?;
        Some(found.1)
    }

    fn subject(&mut self) -> Option<Subject> {
        let (text, rest) = self.0.split_at_checked(22)?;
        let mut subject = [0; 16];
        let read = URL_SAFE_NO_PAD.decode_slice(text, &mut subject).ok()?;
        self.0 = rest;
        (read == subject.len()).then_some(Subject(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(floors: usize) -> Answer {
        let scopes = ["token", "session", "user", "client", "issuer"];
        let floor = |n: usize| Floor {
            seq: Seq(1_795_000_000_000_000 + n as i64),
            scope: scopes[n % 5].parse().unwrap(),
            subject: Subject::of(Scope::User, &n.to_string()),
            reason: [Reason::Revoked, Reason::Superseded][n % 2],
            expires: Timestamp::from_secs(n as i64),
        };
        Answer {
            seq: Seq(7),
            now: 0,
            life: 900,
            keys: 3,
            more: floors % 2 == 1,
            floors: (0..floors).map(floor).collect(),
        }
    }

    #[test]
    fn what_the_issuer_writes_is_read_as_it_was_meant() {
        for floors in [0, 1, 2, 11, 1_000] {
            let answer = answer(floors);
            let body = serde_json::to_vec(&answer).unwrap();
            assert_eq!(as_issued(&body), Some(answer));
        }
    }

    /// Whatever is cut off, doubled or replaced: the quick reader says nothing, or the same.
    #[test]
    fn whoever_reads_quickly_reads_nothing_else() {
        let body = serde_json::to_string(&answer(3)).unwrap();
        let mut differ = 0;
        for at in 0..body.len() {
            for with in [
                "",
                "0",
                "00",
                "1",
                "9999999999",
                "-",
                "\"",
                " ",
                "A",
                "=",
                ",",
                "]",
                "}",
            ] {
                for changed in [
                    format!("{}{with}{}", &body[..at], &body[at + 1..]),
                    format!("{}{with}{}", &body[..at], &body[at..]),
                    format!("{}{with}", &body[..at]),
                ] {
                    let read = as_issued(changed.as_bytes());
                    let meant = serde_json::from_str(&changed).ok();
                    assert!(read.is_none() || read == meant, "{changed}");
                    differ += usize::from(read != meant);
                }
            }
        }
        assert!(differ > 100, "white space at least is left to the other");
        assert_eq!(
            super::read(body.replace(',', " , ").as_bytes()),
            Some(answer(3))
        );
        assert_eq!(super::read(b"{}"), None);
    }
}
