//! `/admin/*`: 401 to strangers, 403 to whoever is no administrator now.

mod access;
mod users;

pub use access::*;
pub use users::*;

use serde::Deserialize;
use utoipa::IntoParams;

/// Where a page begins, and how long it is.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<String>,
    /// 1 to 200; 50 if left out.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

impl Page {
    fn limit(&self) -> i64 {
        self.limit.unwrap_or(50).clamp(1, 200)
    }

    /// The cursor, or a refusal of one that was never a `next`.
    fn cursor<T: std::str::FromStr>(&self) -> Result<Option<T>, super::error::ApiError> {
        self.cursor
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| {
                let fields = [("cursor", "is no `next` of an earlier page".to_owned())];
                super::error::ApiError::fields(fields.into_iter().collect())
            })
    }
}
