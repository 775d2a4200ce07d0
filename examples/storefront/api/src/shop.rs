//! The shop's own routes. Everybody may look; a wish needs a login, stock needs a role.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRef, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, put};
use axum::{Json, Router};
use countersign_guard::web::Authenticated;
use countersign_guard::{Guard, Refusal};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Change, Product};

/// Bytes of words to look for.
const MOST_WORDS: usize = 200;
/// Characters of a product's name.
const MOST_NAME: usize = 80;
/// Pieces of one product.
const MOST_STOCK: i64 = 9_999;

#[derive(Clone)]
struct Shop {
    guard: Guard,
    catalogue: Catalogue,
}

/// With this, [`Authenticated`] can be an argument of any handler here.
impl FromRef<Shop> for Guard {
    fn from_ref(shop: &Shop) -> Self {
        shop.guard.clone()
    }
}

/// Why a request gets no for an answer, in the form in which Countersign itself says so.
pub(crate) fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}

enum No {
    Login(Refusal),
    Product,
    Invalid(&'static str),
    Database,
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Login(refusal) => refusal.into_response(),
            Self::Product => refused(
                StatusCode::NOT_FOUND,
                "no_product",
                "There is no such product",
            ),
            Self::Invalid(why) => refused(StatusCode::BAD_REQUEST, "invalid", why),
            Self::Database => {
                let why = "The shop cannot look that up just now";
                let answer = refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
                ([("retry-after", "1")], answer).into_response()
            }
        }
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self::Login(refusal)
    }
}

impl From<sqlx::Error> for No {
    fn from(_: sqlx::Error) -> Self {
        Self::Database
    }
}

impl From<JsonRejection> for No {
    fn from(_: JsonRejection) -> Self {
        Self::Invalid("This takes a JSON object: a name, a stock, or both")
    }
}

type Answer<T> = Result<T, No>;

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

async fn products(
    State(shop): State<Shop>,
    Query(Search { q }): Query<Search>,
) -> Answer<Json<Vec<Product>>> {
    if q.len() > MOST_WORDS {
        return Err(No::Invalid("Fewer words, please"));
    }
    Ok(Json(shop.catalogue.search(&q).await?))
}

async fn product(State(shop): State<Shop>, Path(slug): Path<String>) -> Answer<Json<Product>> {
    let found = shop.catalogue.product(&slug).await?;
    found.map(Json).ok_or(No::Product)
}

/// By `sub`, and by nothing else: names can change hands.
async fn wishes(State(shop): State<Shop>, user: Authenticated) -> Answer<Json<Vec<String>>> {
    Ok(Json(shop.catalogue.wishes(&user.sub).await?))
}

async fn wish(
    State(shop): State<Shop>,
    user: Authenticated,
    Path(slug): Path<String>,
) -> Answer<StatusCode> {
    match shop.catalogue.wish(&user.sub, &slug).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(No::Product),
    }
}

async fn forget(
    State(shop): State<Shop>,
    user: Authenticated,
    Path(slug): Path<String>,
) -> Answer<StatusCode> {
    shop.catalogue.forget(&user.sub, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stock(State(shop): State<Shop>, user: Authenticated) -> Answer<Json<Vec<Product>>> {
    user.require_role("admin")?;
    Ok(Json(shop.catalogue.search("").await?))
}

async fn restock(
    State(shop): State<Shop>,
    user: Authenticated,
    Path(slug): Path<String>,
    change: Result<Json<Change>, JsonRejection>,
) -> Answer<Json<Product>> {
    user.require_role("admin")?;
    let Json(mut change) = change?;
    if change
        .stock
        .is_some_and(|stock| !(0..=MOST_STOCK).contains(&stock))
    {
        return Err(No::Invalid("A stock is a number from 0 to 9999"));
    }
    if let Some(name) = &mut change.name {
        *name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MOST_NAME {
            return Err(No::Invalid("A name has 1 to 80 characters"));
        }
    }
    let changed = shop.catalogue.change(&slug, change).await?;
    changed.map(Json).ok_or(No::Product)
}

/// Everything below `/api`.
pub(crate) fn routes(guard: Guard, catalogue: Catalogue, issuer: &str) -> Router {
    // Where pages find Countersign in token mode; in cookie mode they ask `/auth` of this origin.
    let about: Value = json!({ "issuer": issuer });
    let api = Router::new()
        .route("/about", get(async move || Json(about)))
        .route("/products", get(products))
        .route("/products/{slug}", get(product))
        .route("/wishes", get(wishes))
        .route("/wishes/{slug}", put(wish).delete(forget))
        .route("/stock", get(stock))
        .route("/stock/{slug}", patch(restock))
        .with_state(Shop { guard, catalogue });
    Router::new().nest("/api", api)
}
