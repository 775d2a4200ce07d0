//! `GET /revocations`: the log, for those who verify tokens elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use countersign_flows::{Cx, FlowError, clients, feed};
use countersign_token::Seq;
use countersign_token::feed::MAX_FLOORS;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::body::{Fields, Params};
use super::error::{ApiError, ApiResult, ErrorBody, invalid_client};
use super::{Site, credential};

/// Questions of strangers that may wait at once.
const STRANGERS: usize = 64;

/// Times a minute that strangers may ask for the whole log.
const BOOTSTRAPS: u32 = 10;

/// What strangers share, so that they never displace a follower with a name.
#[derive(Debug)]
pub struct Strangers {
    admitted: bool,
    polls: Semaphore,
    bootstraps: Mutex<(Duration, u32)>,
}

impl Strangers {
    /// Whether strangers are let in at all is the operator's decision.
    pub fn new(admitted: bool) -> Self {
        Self {
            admitted,
            polls: Semaphore::new(STRANGERS),
            bootstraps: Mutex::default(),
        }
    }

    /// Counts a bootstrap in the present minute.
    fn bootstrap(&self, now: Duration) -> Result<(), FlowError> {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut window = self
            .bootstraps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(window.0) >= MINUTE || window.1 == 0 {
            *window = (now, 0);
        }
        if window.1 >= BOOTSTRAPS {
            let retry_after = MINUTE.saturating_sub(now.saturating_sub(window.0));
            return Err(FlowError::Throttled { retry_after });
        }
        window.1 += 1;
        Ok(())
    }
}

/// Where a follower stands, and how it asks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// The follower's cursor: the `seq` of the last answer, or 0 for the whole log.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<u64>,
    /// How many seconds to wait where there is nothing new: at most 30.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 30)]
    wait: Option<u64>,
    /// The most floors to answer with: at most 10,000.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 10_000)]
    limit: Option<usize>,
    /// Names one of several followers with one credential.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64)]
    follower: Option<String>,
    /// How many seconds the follower goes on without an answer: 1 to 30.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 30)]
    lease: Option<u64>,
}

impl FeedQuery {
    /// What a logout would rely on is refused rather than bent: a lease that is longer than the
    /// one noted here would be trusted after "propagated" no longer counts it.
    fn check(&self) -> ApiResult<()> {
        let mut fields = Fields::default();
        if self.lease.is_some_and(|lease| !(1..=30).contains(&lease)) {
            fields.refuse("lease", "must be 1 to 30");
        }
        if self
            .follower
            .as_ref()
            .is_some_and(|name| !(1..=64).contains(&name.len()))
        {
            fields.refuse("follower", "must have 1 to 64 bytes");
        }
        fields.finish()
    }
}

/// Follow the revocation log: a long poll with a cursor, which is also the acknowledgement.
#[utoipa::path(
    get, path = "/revocations", operation_id = "followRevocations", tag = "discovery", params(FeedQuery),
    security(("service" = []), ()),
    responses(
        (status = 200, description = "Floors above the cursor: `{seq, now, life, keys, more, floors: [{seq, scope, subject, reason, exp}]}`", body = Object),
        (status = 401, description = "`invalid_client`: a service's credentials are wrong or missing", body = ErrorBody),
        (status = 429, description = "`too_many_attempts`: strangers share ten bootstraps a minute", body = ErrorBody),
        (status = 503, description = "`busy` or `unavailable`, with Retry-After", body = ErrorBody),
        (status = "4XX", description = "The request was refused", body = ErrorBody),
    )
)]
pub async fn follow_revocations(
    State(site): State<Site>,
    headers: HeaderMap,
    Params(query): Params<FeedQuery>,
) -> ApiResult<impl IntoResponse> {
    query.check()?;
    let after = Seq(i64::try_from(query.after.unwrap_or(0)).unwrap_or(i64::MAX));
    let service = credential::follower(&site, &headers).await?;
    if service.is_none() && !site.strangers.admitted {
        return Err(invalid_client());
    }
    // They are slices of what the connection read: it need not keep that while the question waits.
    drop(headers);
    let _place = match service {
        Some(_) => None,
        None => {
            let busy = |_| {
                ApiError::from(FlowError::Busy {
                    retry_after: Duration::from_secs(1),
                })
            };
            let place = site.strangers.polls.try_acquire().map_err(busy)?;
            if asks_for_everything(after, &site.cx) {
                site.strangers.bootstrap(site.cx.clock.monotonic())?;
            }
            Some(place)
        }
    };
    // On loopback everybody is at home, and "propagated" counts them; elsewhere, whoever said who
    // they are.
    let name = match (&service, site.on_loopback) {
        (Some(client), _) => Some(client.id().to_owned()),
        (None, true) => Some(String::new()),
        (None, false) => None,
    };
    let follower = match (name, query.follower, query.lease) {
        (Some(name), Some(follower), Some(lease)) => {
            Some((format!("{name}/{follower}"), Duration::from_secs(lease)))
        }
        _ => None,
    };
    let question = feed::Question {
        after,
        wait: Duration::from_secs(query.wait.unwrap_or(0)),
        limit: query.limit.unwrap_or(MAX_FLOORS),
        follower,
    };
    let body = feed::answer(&site.cx, question).await?;
    if let Some(service) = &service
        && !clients::confirm(&site.cx, service).await?
    {
        return Err(invalid_client());
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

/// Whether the answer is the whole log: to whoever has nothing yet, comes from ahead of it, or has
/// been away for longer than it reaches back.
fn asks_for_everything(after: Seq, cx: &Cx) -> bool {
    let seq = cx.verifier.seq();
    let reach = cx.settings.token_lifetime + Duration::from_secs(60);
    let reach = i64::try_from(reach.as_micros()).unwrap_or(i64::MAX);
    after > seq || (after < seq && seq.0.saturating_sub(after.0) > reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_share_ten_bootstraps_a_minute() {
        let strangers = Strangers::new(true);
        let at = Duration::from_secs;
        for _ in 0..10 {
            assert!(strangers.bootstrap(at(100)).is_ok());
        }
        assert!(matches!(
            strangers.bootstrap(at(130)),
            Err(FlowError::Throttled { retry_after }) if retry_after == at(30)
        ));
        assert!(strangers.bootstrap(at(160)).is_ok());
    }
}
