//! Handlers and routers behind a guard.

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::http::{Request, Response};
use axum::routing::{any, get};
use tower::ServiceExt;

use super::*;
use crate::web::Authenticated;

#[derive(Clone)]
struct App {
    guard: Guard,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Guard {
        app.guard.clone()
    }
}

pub(super) fn app(guard: &Guard) -> Router {
    let whole = Router::new()
        .route(
            "/layer",
            get(|user: Authenticated| async move { user.sid.clone() }),
        )
        .layer(guard.layer().require_role("cook"));
    let admin = Router::new()
        .route("/admin", get(|| async {}))
        .layer(guard.layer().require_role("admin"));
    let fresh = Router::new()
        .route("/fresh", get(|| async {}))
        .layer(guard.layer().require_fresh());
    let scoped = Router::new()
        .route("/scope", get(|| async {}))
        .layer(guard.layer().require_scope("read"));
    Router::new()
        .route(
            "/user",
            any(|user: Authenticated| async move { user.sub.clone() }),
        )
        .route(
            "/optional",
            get(|user: Option<Authenticated>| async move {
                user.map_or("nobody".to_owned(), |user| user.sub.clone())
            }),
        )
        .route(
            "/role",
            get(|user: Authenticated| async move { user.require_role("admin") }),
        )
        .route(
            "/watch",
            get(|user: Authenticated| async move { user.revoked().await.code() }),
        )
        .merge(whole)
        .merge(admin)
        .merge(fresh)
        .merge(scoped)
        .with_state(App {
            guard: guard.clone(),
        })
}

pub(super) async fn send(
    app: &Router,
    request: &str,
    lines: &[(&str, &str)],
) -> (Response<()>, String) {
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(parts, ()), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_as_the_contract_says_and_logins_reach_their_handlers() {
    let issuer = Issuer::start().await;
    let (guard, hands) = guard(&issuer, Policy::Bounded).await;
    let app = app(&guard);
    let bearer = format!("Bearer {}", issuer.mint("s"));
    let fresh = issuer.mint_with(|claims| {
        claims.fresh = true;
        claims.roles = vec!["admin".to_owned()];
    });
    let [reads, reader] = ["write read", "readers reading"].map(|scope| {
        let token = issuer.mint_with(|claims| claims.scope = Some(scope.to_owned()));
        format!("Bearer {token}")
    });
    let (reads, reader) = (("authorization", &*reads), ("authorization", &*reader));
    let (fresh, cookie) = (format!("Bearer {fresh}"), format!("__Host-token={fresh}"));
    let user = ("authorization", bearer.as_str());
    let admin = ("authorization", fresh.as_str());
    let bad = ("authorization", "Bearer a.b.c");
    let cookie = ("cookie", cookie.as_str());
    let cross = ("sec-fetch-site", "cross-site");
    for (request, lines, status, answer) in [
        ("GET /user", vec![], 401, "token_missing"),
        ("GET /user", vec![bad], 401, "token_malformed"),
        ("GET /layer", vec![], 401, "token_missing"),
        ("GET /layer", vec![bad, cookie], 401, "token_malformed"),
        ("GET /optional", vec![bad], 401, "token_malformed"),
        ("GET /role", vec![user], 403, "forbidden"),
        ("GET /admin", vec![user], 403, "forbidden"),
        ("GET /layer", vec![admin], 403, "forbidden"),
        ("GET /scope", vec![user], 403, "insufficient_scope"),
        ("GET /scope", vec![reader], 403, "insufficient_scope"),
        ("GET /fresh", vec![user], 401, "fresh_login_required"),
        ("POST /user", vec![cookie, cross], 403, "cross_site_request"),
        ("GET /user", vec![user], 200, "1"),
        ("GET /user", vec![cookie], 200, "1"),
        ("POST /user", vec![cookie], 200, "1"),
        ("GET /layer", vec![user], 200, "s"),
        ("GET /optional", vec![], 200, "nobody"),
        ("GET /optional", vec![user], 200, "1"),
        ("GET /role", vec![admin], 200, ""),
        ("GET /admin", vec![cookie], 200, ""),
        ("GET /fresh", vec![admin], 200, ""),
        ("GET /scope", vec![reads], 200, ""),
    ] {
        let (response, body) = send(&app, request, &lines).await;
        assert_eq!(response.status(), status, "{request} {lines:?} {body}");
        let challenged = response.headers().contains_key("www-authenticate");
        let told = status == 401 || answer == "insufficient_scope";
        assert_eq!(challenged, told, "{request}");
        if status == 200 {
            assert_eq!(body, answer, "{request} {lines:?}");
            continue;
        }
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["code"], answer, "{request} {lines:?}");
        assert!(
            body["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }

    issuer.now(|told| told.mode = Mode::Frozen);
    hands.advance(30_000);
    for request in ["GET /user", "GET /layer", "GET /optional"] {
        let (response, body) = send(&app, request, &[user]).await;
        assert_eq!(
            (response.status().as_u16(), body.contains("\"unavailable\"")),
            (503, true)
        );
        assert_eq!(response.headers()["retry-after"], "5");
    }
    assert_eq!(send(&app, "GET /optional", &[]).await.1, "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_believes_no_other_guards_layer() {
    let (one, two) = (Issuer::start().await, Issuer::start().await);
    let ((first, _), (second, _)) = (
        guard(&one, Policy::Bounded).await,
        guard(&two, Policy::Bounded).await,
    );
    let app: Router = Router::new()
        .route(
            "/",
            get(|user: Authenticated| async move { user.sub.clone() }),
        )
        .layer(first.layer())
        .with_state(second);
    let bearer = format!("Bearer {}", one.mint("s"));
    let (response, body) = send(&app, "GET /", &[("authorization", &bearer)]).await;
    assert_eq!(response.status(), 401);
    assert!(body.contains("token_signature_invalid"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_goes_on_can_end_with_its_login() {
    let issuer = Issuer::start().await;
    let (guard, _) = guard(&issuer, Policy::Bounded).await;
    let (app, bearer) = (app(&guard), format!("Bearer {}", issuer.mint("s")));
    let watching = tokio::spawn(async move {
        let lines = [("authorization", bearer.as_str())];
        send(&app, "GET /watch", &lines).await.1
    });
    issuer.floor(Scope::Session, "other", Revoked);
    eventually("another's floor", || guard.status().floors == 1);
    assert!(!watching.is_finished());
    issuer.floor(Scope::Session, "s", Revoked);
    let said = tokio::time::timeout(Duration::from_secs(5), watching).await;
    assert_eq!(said.unwrap().unwrap(), "token_revoked");
}
