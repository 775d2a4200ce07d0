//! HTTP: the routes, and what stands around them.
//!
//! A handler does three things: parse, call one flow, render.

pub mod account;
pub mod admin;
pub mod body;
pub mod codes;
pub mod cookies;
pub mod credential;
pub mod cross_site;
pub mod dialect;
pub mod error;
pub mod form;
pub mod front;
pub mod home;
pub mod json;
pub mod login;
pub mod metadata;
pub mod metrics;
pub mod oauth2;
pub mod origin;
pub mod return_to;
pub mod revocations;
pub mod sign_in;
pub mod verify;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use countersign_flows::Cx;
use utoipa::OpenApi;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::cookies::Cookies;
use self::error::{ApiError, not_found};
use self::front::{Front, Names, RequestIds};
use self::metrics::Metrics;
use self::revocations::Strangers;
use crate::config::{Config, CookiePrefix, Origin, RequireAuth, TrustedProxies};
use crate::otlp::Tracer;

/// What every handler shares.
pub type Site = Arc<SiteState>;

/// The context of the flows, and what the operator decided about the web around them.
#[derive(Debug)]
pub struct SiteState {
    cx: Arc<Cx>,
    cookies: Cookies,
    cors_origins: Vec<String>,
    /// Of the public URL, and of the hosts that forward-auth protects.
    own_origins: Vec<Origin>,
    /// The path below which every route stands: empty, or as in `/auth`.
    path: String,
    public_url: String,
    trusted_proxies: TrustedProxies,
    request_timeout: Duration,
    strangers: Strangers,
    on_loopback: bool,
    sts: bool,
    header_bytes: usize,
    body_bytes: usize,
    openapi: String,
    metrics: Metrics,
    request_ids: RequestIds,
    tracer: Tracer,
}

/// What listens.
#[derive(Debug)]
pub struct Routers {
    /// Everything that clients ask for.
    pub main: Front,
    /// `GET /metrics` alone, for a listener of its own.
    pub metrics: Router,
}

/// Builds the routers for a configuration.
pub fn routers(config: &Config, cx: Arc<Cx>, tracer: Tracer) -> Routers {
    let (routes, mut document) = routes().split_for_parts();
    describe(&mut document, config);
    let cors_origins: Vec<String> = config
        .cors
        .origins
        .iter()
        .map(|origin| origin.as_str().to_owned())
        .collect();
    let public_url = &config.server.public_url;
    let on_loopback = config.server.listen.ip().is_loopback();
    let strangers = Strangers::new(match config.revocation.require_auth {
        RequireAuth::Auto => on_loopback,
        RequireAuth::Always => false,
        RequireAuth::Never => true,
    });
    let site = Arc::new(SiteState {
        cx,
        cookies: Cookies {
            prefix: config.cookie.prefix,
            same_site: config.cookie.same_site,
        },
        own_origins: [public_url.origin()]
            .into_iter()
            .chain(&config.forward_auth.hosts)
            .cloned()
            .collect(),
        path: public_url.path().to_owned(),
        public_url: public_url.to_string().trim_end_matches('/').to_owned(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        request_timeout: config.server.request_timeout,
        strangers,
        on_loopback,
        // Not on this machine: a browser would ask every other program here by TLS, too.
        sts: config.tls.cert.is_some() && !public_url.origin().is_loopback(),
        header_bytes: config.limits.header_bytes.0,
        body_bytes: config.limits.body_bytes.0,
        openapi: document.to_json().unwrap_or_default(),
        cors_origins,
        metrics: Metrics::default(),
        request_ids: RequestIds::default(),
        tracer,
    });
    let metrics = metrics::router(Arc::clone(&site));
    let mut pages = vec![
        ("/", get(home::home)),
        ("/home.css", get(home::style)),
        ("/sign-in", get(sign_in::show).post(sign_in::submit)),
    ];
    if on_loopback && config.metrics.listen.is_none() {
        pages.push(("/metrics", get(metrics::metrics)));
    }
    let below = site.path.as_str();
    let declared = document.paths.paths.keys().map(String::as_str);
    let names = Names::new(below, declared.chain(pages.iter().map(|page| page.0)));
    let routes = pages
        .into_iter()
        .fold(routes, |routes, (path, page)| routes.route(path, page));
    let routes = refusing(routes).with_state(Arc::clone(&site));
    let routes = if below.is_empty() {
        routes
    } else {
        // The home page is at the path itself, too, with and without the slash.
        let home = get(home::home).with_state(Arc::clone(&site));
        let routes = Router::new().nest(below, routes);
        refusing(routes.route(&format!("{below}/"), home))
    };
    let main = Front::new(site, routes, names);
    Routers { main, metrics }
}

/// Says in our own words what axum would say in its.
fn refusing<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(|| async { not_found("route") })
        .method_not_allowed_fallback(|| async {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            ApiError::new(
                status,
                "method_not_allowed",
                "The route does not take this method",
            )
        })
}

/// Every route with a documented contract; the OpenAPI document is made from these declarations.
fn routes() -> OpenApiRouter<Site> {
    let login = OpenApiRouter::new()
        .routes(routes!(account::protected))
        .routes(routes!(
            account::get_profile,
            account::update_profile,
            account::delete_profile
        ))
        .routes(routes!(account::delete_profile_by_post))
        .routes(routes!(account::change_password))
        .routes(routes!(account::list_sessions))
        .routes(routes!(account::end_session))
        .routes(routes!(dialect::users_profile))
        .routes(routes!(dialect::users_logout))
        .routes(routes!(admin::admin_list_users, admin::admin_add_user))
        .routes(routes!(
            admin::admin_get_user,
            admin::admin_change_user,
            admin::admin_delete_user
        ))
        .routes(routes!(admin::admin_end_user_sessions))
        .routes(routes!(
            admin::admin_list_sessions,
            admin::admin_end_everything
        ))
        .routes(routes!(admin::admin_end_session))
        .routes(routes!(admin::admin_list_keys))
        .routes(routes!(admin::admin_rotate_keys))
        .routes(routes!(admin::admin_revoke_key))
        .routes(routes!(admin::admin_list_clients, admin::admin_add_client))
        .routes(routes!(admin::admin_remove_client))
        .routes(routes!(admin::admin_revoke_token))
        .routes(routes!(admin::admin_read_audit))
        .routes(routes!(verify::verify));
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(with_a_login(login))
        .routes(routes!(account::sign_up))
        .routes(routes!(login::log_in))
        .routes(routes!(login::renew))
        .routes(routes!(login::log_out))
        .routes(routes!(dialect::users_login))
        .routes(routes!(revocations::follow_revocations))
        .routes(routes!(oauth2::introspect))
        .routes(routes!(oauth2::revoke))
        .routes(routes!(metadata::jwks))
        .routes(routes!(metadata::metadata))
        .routes(routes!(metadata::openapi))
        .routes(routes!(metadata::healthz))
        .routes(routes!(metadata::readyz))
}

/// Says of each of these that it takes a login, in one of three ways. What a route really asks for is
/// up to its handler; `security(…)` there is for what else may be asked, or for nothing.
fn with_a_login(mut routes: OpenApiRouter<Site>) -> OpenApiRouter<Site> {
    let ways = ["bearer", "access_cookie", "session_cookie"]
        .map(|scheme| SecurityRequirement::new(scheme, [""; 0]));
    for path in routes.get_openapi_mut().paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.post,
            &mut path.put,
            &mut path.patch,
            &mut path.delete,
        ];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(ways.to_vec());
        }
    }
    routes
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "The login for any application: accounts, sessions and tokens.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    tags(
        (name = "login", description = "Signing in and out"),
        (name = "account", description = "One's own account"),
        (name = "dialect", description = "The dialect of flask-jwt-extended programs"),
        (name = "admin", description = "For administrators"),
        (name = "discovery", description = "For programs that verify tokens"),
        (name = "operations", description = "For whoever runs it"),
    )
)]
struct Document;

/// Adds what depends on the configuration: the address, and the names of the cookies.
fn describe(document: &mut utoipa::openapi::OpenApi, config: &Config) {
    let url = config.server.public_url.to_string();
    document.servers = Some(vec![utoipa::openapi::Server::new(url)]);
    let prefix: CookiePrefix = config.cookie.prefix;
    let cookie = |name: &str| {
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(format!(
            "{}{name}",
            prefix.as_str()
        ))))
    };
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
    components.add_security_scheme("service", SecurityScheme::Http(basic));
    components.add_security_scheme("access_cookie", cookie("token"));
    components.add_security_scheme("session_cookie", cookie("sessionId"));
}
