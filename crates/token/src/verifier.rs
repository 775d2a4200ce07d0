//! The one check of an access token.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::jws::{Parts, Rejection};
use crate::keys::KeyIdentity;
use crate::memo::{Memo, Remembered};
use crate::sync::{AtomicU64, Ordering, RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::{ACCESS, Claims, Floor, Floors, KeySet, Reason, Scope, Seq, Subject, TYP, Timestamp};

/// What a verifier asks of every token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The `iss` it must have.
    pub issuer: String,
    /// What its `aud` must contain.
    pub audience: String,
    /// How far clocks may differ: zero at the issuer itself.
    pub leeway: Duration,
    /// The longest life an access token may have. Floors are forgotten after it, so a token that
    /// claims to live longer could outlive its own revocation.
    pub life: Duration,
}

/// Why a token is refused. In the order of the variants the first that applies is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not three parts of base64url and JSON, or a claim is missing or absurd.
    Malformed,
    /// The signature is wrong, `alg` is not the key's, or the header has no `kid` or a forbidden
    /// member.
    SignatureInvalid,
    /// No key of that name. To the client the same as [`Self::SignatureInvalid`]; the caller may
    /// look once whether there are newer keys.
    UnknownKey,
    /// Not an access token.
    WrongType,
    /// Not from our issuer.
    WrongIssuer,
    /// Not for us.
    WrongAudience,
    /// Its `nbf` is still to come.
    NotYetValid,
    /// Its time is over, or it claims more time than a token may have.
    Expired,
    /// A floor says that its login is over.
    Revoked,
    /// Its `rev` is ahead of the log we know. To the client the same as [`Self::Revoked`]; the
    /// caller may look again whether the log has moved on.
    Ahead,
    /// A floor says that its rights have changed; the login lives.
    Superseded,
}

impl Refusal {
    /// The stable code of the HTTP contract.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::SignatureInvalid | Self::UnknownKey => "token_signature_invalid",
            Self::WrongType => "token_wrong_type",
            Self::WrongIssuer => "token_wrong_issuer",
            Self::WrongAudience => "token_wrong_audience",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Expired => "token_expired",
            Self::Revoked | Self::Ahead => "token_revoked",
            Self::Superseded => "token_superseded",
        }
    }

    /// A sentence for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "Token is malformed",
            Self::SignatureInvalid | Self::UnknownKey => "Signature verification failed",
            Self::WrongType => "Only access tokens are allowed",
            Self::WrongIssuer => "Token is from another issuer",
            Self::WrongAudience => "Token is for another audience",
            Self::NotYetValid => "Token is not yet valid",
            Self::Expired => "Token has expired",
            Self::Revoked | Self::Ahead => "Token has been revoked",
            Self::Superseded => "Token has been superseded, refresh it",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Refusal {}

/// Checks access tokens against the keys and floors it was given. Shared between threads; keys
/// and floors are replaced while it is in use.
///
/// A new one holds no keys and no floors, and refuses everything.
#[derive(Debug)]
pub struct Verifier {
    issuer: String,
    issuer_subject: Subject,
    audience: String,
    leeway: Duration,
    life_millis: AtomicU64,
    keys: RwLock<Arc<KeySet>>,
    floors: RwLock<Floors>,
    pub(crate) memo: Memo<Arc<Examined>>,
}

/// How much memory remembered tokens take at most, unless told otherwise.
pub const MEMO_BYTES: usize = 16 << 20;

/// What holds of a token's bytes under one key set for ever, whatever the time and the floors:
/// the part of a check that may be remembered.
#[derive(Debug)]
pub(crate) struct Examined {
    claims: Arc<Claims>,
    subjects: [Subject; 5],
    /// Which key verified it.
    key: KeyIdentity,
    /// How long the payload is, by which the size of its claims is estimated.
    payload_bytes: usize,
}

/// A token that was let in, with what it takes to judge its login again without its bytes: for
/// answers that go on for longer than a moment.
#[derive(Clone, Debug)]
pub struct Accepted(Arc<Examined>);

impl Accepted {
    /// What the token says.
    pub fn claims(&self) -> &Arc<Claims> {
        &self.0.claims
    }
}

impl Remembered for Arc<Examined> {
    fn bytes(&self) -> usize {
        size_of::<Examined>() + size_of::<Claims>() + self.payload_bytes
    }

    fn expires(&self) -> Timestamp {
        Timestamp::from_secs(self.claims.exp)
    }
}

impl Verifier {
    /// A verifier of that policy, without keys and floors.
    pub fn new(policy: Policy) -> Self {
        Self {
            issuer_subject: Subject::of(Scope::Issuer, &policy.issuer),
            issuer: policy.issuer,
            audience: policy.audience,
            leeway: policy.leeway,
            life_millis: AtomicU64::new(millis(policy.life)),
            keys: RwLock::default(),
            floors: RwLock::default(),
            memo: Memo::new(MEMO_BYTES),
        }
    }

    /// The same, remembering at most about so many bytes of verified tokens; 0 remembers none.
    #[must_use]
    pub fn with_memo(self, bytes: usize) -> Self {
        Self {
            memo: Memo::new(bytes),
            ..self
        }
    }

    /// Replaces the keys; tokens of keys that are not among them are refused from now on.
    pub fn set_keys(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The keys in use.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces [`Policy::life`]. After [`Self::apply`] where one answer brings both: whoever lets
    /// a token live longer knows what was revoked of it.
    pub fn set_life(&self, life: Duration) {
        self.life_millis.store(millis(life), Ordering::Release);
    }

    /// See [`Floors::apply`].
    pub fn apply(&self, floors: &[Floor], seq: Seq) {
        self.floors_mut().apply(floors, seq);
    }

    /// See [`Floors::note`].
    pub fn note(&self, floor: &Floor) {
        self.floors_mut().note(floor);
    }

    /// See [`Floors::seq`].
    pub fn seq(&self) -> Seq {
        self.floors().seq()
    }

    /// How many subjects have a floor, for metrics.
    pub fn floors_held(&self) -> usize {
        self.floors().len()
    }

    /// See [`Floors::prune`].
    pub fn prune(&self, now: Timestamp) {
        self.floors_mut().prune(now);
        self.memo.prune(now.minus(self.leeway));
    }

    /// The check: everything the contract asks of an access token, in its order.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, Refusal> {
        self.accept(token, now)
            .map(|accepted| Arc::clone(accepted.claims()))
    }

    /// [`Self::check`], for whoever will ask again with [`Self::still_accepts`].
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn accept(&self, token: &str, now: Timestamp) -> Result<Accepted, Refusal> {
        let known = self.memo.get(token);
        let examined = match known.filter(|known| self.has_key(&known.key)) {
            Some(known) => known,
            None => {
                let parts = Parts::of(token).ok_or(Refusal::Malformed)?;
                let examined = Arc::new(self.examine(&parts)?);
                self.memo.put(token, Arc::clone(&examined));
                examined
            }
        };
        self.judge(&examined, now)?;
        Ok(Accepted(examined))
    }

    /// Whether a token that was let in would be let in now: its key, its times, its floors.
    ///
    /// # Errors
    /// What [`Self::check`] would answer.
    pub fn still_accepts(&self, accepted: &Accepted, now: Timestamp) -> Result<(), Refusal> {
        if !self.has_key(&accepted.0.key) {
            return Err(Refusal::UnknownKey);
        }
        self.judge(&accepted.0, now)
    }

    /// Whether this is an access token that was made here for this audience, *whatever has become
    /// of it*: neither times nor floors are looked at. For logging out with an expired token and
    /// for introspection, never for letting somebody in.
    ///
    /// # Errors
    /// Any [`Refusal`] up to [`Refusal::WrongAudience`].
    pub fn recognise(&self, token: &str) -> Result<Claims, Refusal> {
        let parts = Parts::of(token).ok_or(Refusal::Malformed)?;
        let examined = self.examine(&parts)?;
        Ok(Arc::unwrap_or_clone(examined.claims))
    }

    /// Signature, type, issuer, audience.
    fn examine(&self, token: &Parts<'_>) -> Result<Examined, Refusal> {
        let keys = self.keys();
        let verified = token.verify(&keys).map_err(|why| refuse(why, token))?;
        let claims = Claims::read(&verified.payload).ok_or(Refusal::Malformed)?;
        let typ = verified.typ.as_deref();
        let typed = typ.is_some_and(|typ| typ.strip_prefix("application/").unwrap_or(typ) == TYP);
        if !typed || claims.token_type != ACCESS {
            return Err(Refusal::WrongType);
        }
        if claims.iss != self.issuer {
            return Err(Refusal::WrongIssuer);
        }
        if !claims.aud.contains(&self.audience) {
            return Err(Refusal::WrongAudience);
        }
        let subjects = [
            Subject::of(Scope::Token, &claims.jti),
            Subject::of(Scope::Session, &claims.sid),
            Subject::of(Scope::User, &claims.sub),
            Subject::of(Scope::Client, &claims.client_id),
            self.issuer_subject,
        ];
        Ok(Examined {
            claims: Arc::new(claims),
            subjects,
            key: verified.key.identity(),
            payload_bytes: verified.payload.len(),
        })
    }

    /// Whether a key that verified something is still among the keys.
    fn has_key(&self, key: &KeyIdentity) -> bool {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .holds(key)
    }

    /// Times and floors, on every use.
    pub(crate) fn judge(
        &self,
        Examined {
            claims, subjects, ..
        }: &Examined,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let (iat, nbf, exp) = (
            Timestamp::from_secs(claims.iat),
            Timestamp::from_secs(claims.nbf),
            Timestamp::from_secs(claims.exp),
        );
        // Before the floors, as they are written before it.
        let life = Duration::from_millis(self.life_millis.load(Ordering::Acquire));
        let floors = self.floors();
        let ended = floors.time_for(claims.rev, now).minus(self.leeway);
        if nbf > now.plus(self.leeway) {
            return Err(Refusal::NotYetValid);
        }
        if exp <= ended || exp.since(iat) > life || iat > now.plus(self.leeway) {
            return Err(Refusal::Expired);
        }
        match floors.judge(subjects, claims.rev) {
            Some(Reason::Revoked) => Err(Refusal::Revoked),
            _ if claims.rev > floors.seq() => Err(Refusal::Ahead),
            Some(Reason::Superseded) => Err(Refusal::Superseded),
            None => Ok(()),
        }
    }

    // A panic while the lock was held leaves every single floor whole, so poison is no reason to
    // stop refusing by them.
    fn floors(&self) -> RwLockReadGuard<'_, Floors> {
        self.floors.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn floors_mut(&self) -> RwLockWriteGuard<'_, Floors> {
        self.floors.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that does not verify is malformed rather than badly signed if its payload is no claims
/// either: the contract puts the form first. Only the refusal is chosen by unverified bytes.
fn refuse(why: Rejection, token: &Parts<'_>) -> Refusal {
    let readable = || Claims::read(&token.unverified_payload()?);
    match why {
        Rejection::Malformed => Refusal::Malformed,
        _ if readable().is_none() => Refusal::Malformed,
        Rejection::UnknownKey => Refusal::UnknownKey,
        Rejection::Signature => Refusal::SignatureInvalid,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
