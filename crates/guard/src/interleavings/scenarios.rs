//! What may happen to a token while it is checked.

use countersign_token::feed::Answer;
use countersign_token::{
    Claims, Floor, KeySet, Reason, Scope, Seq, SigningKey, Subject, Timestamp,
};
use countersign_token::{crypto, issue};

use super::world::{Scenario, State, check, follow};

pub(super) const ISSUER: &str = "https://login.example";

/// The issuer's time, in seconds, when the guard's clock shows zero.
const EPOCH: i64 = 1_000_000;
/// What the guard's clock shows at first, in milliseconds.
const START: i64 = 10_000;
const LIFE: i64 = 900;
const REV: i64 = 100;

fn key(secret: u8) -> SigningKey {
    SigningKey::shared_secret(&crypto::sha256(&[secret])).unwrap()
}

fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims {
        iss: ISSUER.to_owned(),
        sub: "1".to_owned(),
        aud: vec!["countersign".to_owned()],
        client_id: "countersign".to_owned(),
        iat: EPOCH,
        nbf: EPOCH,
        exp: EPOCH + LIFE,
        jti: "j".to_owned(),
        sid: "s".to_owned(),
        rev: Seq(REV),
        username: None,
        email: None,
        email_verified: None,
        roles: vec![],
        scope: None,
        token_type: "access".to_owned(),
        fresh: false,
    };
    change(&mut claims);
    issue(&key(1), &claims).unwrap()
}

impl State {
    /// A fresh lease on a log without floors, in which the usual token is good.
    fn good() -> Self {
        Self {
            sent: START,
            clock: START,
            keys: [key(1).verifying_key()].into_iter().collect(),
            answer: Answer {
                seq: Seq(REV),
                now: EPOCH + START / 1_000,
                life: LIFE,
                keys: 1,
                more: false,
                floors: vec![],
            },
            prunes: false,
        }
    }

    /// The same, heard of so long ago that the lease has just lapsed.
    fn lapsed() -> Self {
        let sent = START - 3_000;
        Self {
            sent,
            ..Self::good()
        }
    }

    fn at(mut self, seq: i64) -> Self {
        self.answer.seq = Seq(seq);
        self
    }

    /// With a floor on the token's session, at the next position.
    fn revoked(mut self) -> Self {
        self.answer.seq = Seq(REV + 1);
        self.answer.floors = vec![Floor {
            seq: Seq(REV + 1),
            scope: Scope::Session,
            subject: Subject::of(Scope::Session, "s"),
            reason: Reason::Revoked,
            expires: Timestamp::from_secs(self.answer.now + LIFE + 60),
        }];
        self
    }

    /// Under another key, which the token was not signed with.
    fn rekeyed(self) -> Self {
        let keys: KeySet = [key(2).verifying_key()].into_iter().collect();
        Self { keys, ..self }
    }

    fn life(mut self, seconds: i64) -> Self {
        self.answer.life = seconds;
        self
    }

    /// The issuer's clock is off by so much.
    fn off_by(mut self, seconds: i64) -> Self {
        self.answer.now += seconds;
        self
    }

    /// With more pages to come.
    fn unfinished(mut self) -> Self {
        self.answer.more = true;
        self
    }

    /// So much later, with what has expired forgotten.
    fn later(mut self, seconds: i64) -> Self {
        self.clock += seconds * 1_000;
        self.sent = self.clock;
        self.prunes = true;
        self.off_by(seconds)
    }
}

fn scenario(name: &'static str, said: &'static [&'static str], states: Vec<State>) -> Scenario {
    Scenario {
        name,
        token: token(|_| {}),
        remembered: true,
        states,
        said,
        checks: &[1],
        preemptions: None,
        follow,
        check,
    }
}

const STALE: &str = "unavailable";
const REVOKED: &str = "token_revoked";
const EXPIRED: &str = "token_expired";
const UNSIGNED: &str = "token_signature_invalid";

pub(super) fn a_logout() -> Scenario {
    let states = vec![State::good(), State::good().revoked()];
    scenario("a logout", &["", REVOKED], states)
}

pub(super) fn a_logout_while_away() -> Scenario {
    let states = vec![State::lapsed(), State::good().revoked()];
    scenario("a logout while away", &[STALE, REVOKED], states)
}

pub(super) fn a_key_revoked() -> Scenario {
    let states = vec![State::good(), State::good().rekeyed().at(REV + 1)];
    scenario("a key revoked", &["", UNSIGNED], states)
}

pub(super) fn a_key_revoked_while_away() -> Scenario {
    let states = vec![State::lapsed(), State::good().rekeyed()];
    scenario("a key revoked while away", &[STALE, UNSIGNED], states)
}

pub(super) fn a_key_that_is_back_after_a_logout() -> Scenario {
    let states = vec![State::good().rekeyed(), State::good().revoked()];
    let name = "a key that is back after a logout";
    scenario(name, &[UNSIGNED, REVOKED], states)
}

pub(super) fn an_hour_away() -> Scenario {
    let states = vec![State::lapsed(), State::good().off_by(3_600)];
    scenario("an hour away", &[STALE, EXPIRED], states)
}

pub(super) fn an_issuer_whose_clock_is_put_back() -> Scenario {
    let states = vec![State::good().off_by(3_600), State::good().revoked()];
    let name = "an issuer whose clock is put back";
    scenario(name, &[EXPIRED, REVOKED], states)
}

pub(super) fn a_longer_life() -> Scenario {
    let states = vec![State::good().life(60), State::good().revoked()];
    scenario("a longer life", &[EXPIRED, REVOKED], states)
}

fn a_shorter_life() -> Scenario {
    let states = vec![State::good(), State::good().life(60)];
    scenario("a shorter life", &["", EXPIRED], states)
}

pub(super) fn a_log_of_two_pages() -> Scenario {
    let page = State::good().at(REV).unfinished();
    let states = vec![State::lapsed(), page, State::good().revoked()];
    scenario("a log of two pages", &[STALE, STALE, REVOKED], states)
}

pub(super) fn a_floor_forgotten() -> Scenario {
    let later = State::good().at(REV + 1).later(LIFE + 60);
    let states = vec![State::good().revoked(), later];
    scenario("a floor forgotten", &[REVOKED, EXPIRED], states)
}

fn a_log_that_went_back() -> Scenario {
    let states = vec![State::good(), State::good().at(REV - 50)];
    scenario("a log that went back", &["", REVOKED], states)
}

/// Two answers in a row, as a second follower of the same log would bring them.
fn a_logout_then_another_key() -> Scenario {
    let states = vec![
        State::lapsed(),
        State::good().revoked(),
        State::good().rekeyed().at(REV + 2),
    ];
    let name = "a logout, then another key";
    scenario(name, &[STALE, REVOKED, UNSIGNED], states)
}

fn a_login_that_is_news() -> Scenario {
    let states = vec![State::good(), State::good().at(REV + 1)];
    Scenario {
        token: token(|claims| claims.rev = Seq(REV + 1)),
        ..scenario("a login that is news", &[REVOKED, ""], states)
    }
}

/// Every scenario, with the token remembered and with a token that is new; and some that are too long
/// for every order, with two interruptions.
pub(super) fn all() -> Vec<Scenario> {
    let remembered = [
        a_logout(),
        a_logout_while_away(),
        a_key_revoked(),
        a_key_revoked_while_away(),
        a_key_that_is_back_after_a_logout(),
        an_hour_away(),
        an_issuer_whose_clock_is_put_back(),
        a_longer_life(),
        a_shorter_life(),
        a_log_of_two_pages(),
        a_floor_forgotten(),
        a_log_that_went_back(),
        a_login_that_is_news(),
    ];
    let new = remembered.clone().map(|scenario| Scenario {
        remembered: false,
        ..scenario
    });
    let longer = [
        a_logout_then_another_key(),
        Scenario {
            checks: &[2],
            ..a_logout()
        },
        Scenario {
            checks: &[1, 1],
            remembered: false,
            ..a_key_revoked()
        },
    ];
    let longer = longer.map(|scenario| Scenario {
        preemptions: Some(2),
        ..scenario
    });
    remembered.into_iter().chain(new).chain(longer).collect()
}
