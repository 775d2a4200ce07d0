//! `/sign-in`: the page on which a person signs in, and from which they go on to where they were
//! headed. The same flow as `POST /login`, in session mode.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use countersign_core::User;
use countersign_flows::login::{self, Login};
use countersign_flows::{FlowError, Mode, Origin, SignedIn, authenticate, refresh};
use countersign_token::crypto;
use minijinja::{Environment, context};

use super::cookies::{Cookie, Cookies, Found};
use super::error::{ApiError, ApiResult, invalid_form};
use super::form::{Pairs, StrictForm};
use super::login::{delete_cookies, hand_over_to_page};
use super::origin::From;
use super::return_to::ReturnTo;
use super::{Site, credential, cross_site};
use crate::config::SameSite;

const TEMPLATE: &str = include_str!("sign_in.html");
const STYLE: &str = concat!(include_str!("home.css"), include_str!("sign_in.css"));

/// What the page shows.
#[derive(Debug, Default)]
struct View<'a> {
    to: Option<&'a ReturnTo>,
    name: &'a str,
    wrong: Option<&'a str>,
    signed_in_as: Option<&'a str>,
}

/// The page; whoever is signed in already goes on at once, or may sign out where they came for
/// nothing else. So does whoever needs no more than a fresh token.
pub async fn show(
    State(site): State<Site>,
    From(origin): From,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let to = Pairs::parse(uri.query().unwrap_or_default().as_bytes())
        .and_then(Pairs::each_once)
        .and_then(|mut pairs| pairs.take("return_to"))
        .map(|to| ReturnTo::read(&to, &site.own_origins));
    let visitor = match visitor(&site, &headers).await {
        Ok(visitor) => visitor,
        Err(error) => return failed(error, to.as_ref(), ""),
    };
    if let (Some(_), Some(to)) = (&visitor, &to) {
        return to.redirect();
    }
    let view = View {
        to: to.as_ref(),
        signed_in_as: visitor.as_ref().map(User::name),
        ..View::default()
    };
    let page = page(StatusCode::OK.into_response(), &view);
    if visitor.is_some() {
        return page;
    }
    match refreshed(&site, &origin, &method, &headers).await {
        None => page,
        Some(Ok(signed_in)) => {
            let to = to.unwrap_or_else(|| ReturnTo::sign_in(&site));
            hand_over_to_page(site.cookies, &headers, &signed_in, &to)
        }
        Some(Err(error)) if error.status() == StatusCode::UNAUTHORIZED => {
            delete_cookies(&site, page)
        }
        Some(Err(error)) => failed(error, to.as_ref(), ""),
    }
}

/// Who is signed in, by the rule of `/verify`, or the two would send a browser to and fro; a
/// credential that is refused is none.
async fn visitor(site: &Site, headers: &HeaderMap) -> ApiResult<Option<User>> {
    let asked = async {
        match credential::find(headers, site.cookies)? {
            Some(credential) => {
                let live = authenticate::require_live(&site.cx, &credential).await?;
                Ok(Some(live.user))
            }
            None => Ok::<_, ApiError>(None),
        }
    };
    match asked.await {
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => Ok(None),
        other => other,
    }
}

/// A login in cookies whose access token is over, but whose refresh token is not; `None` where there
/// is nothing to refresh. A proxy that finds the token expired can only send the browser here.
/// `HEAD` moves no counter, and neither does a visit that another site brought about.
async fn refreshed(
    site: &Site,
    origin: &Origin,
    method: &Method,
    headers: &HeaderMap,
) -> Option<ApiResult<SignedIn>> {
    let Found::Once(token) = site.cookies.find(headers, Cookie::Refresh) else {
        return None;
    };
    if method != Method::GET || cross_site::check(site, headers).is_err() {
        return None;
    }
    let refreshed = refresh::refresh(&site.cx, origin, &token, Mode::Cookie).await;
    Some(refreshed.map_err(ApiError::from))
}

/// Signs in, and leads on.
pub async fn submit(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
    form: Result<StrictForm, ApiError>,
) -> Response {
    // Before the form is read: another site learns nothing and changes nothing.
    if let Err(error) = cross_site::check(&site, &headers) {
        return failed(error, None, "");
    }
    let mut form = match form {
        Ok(StrictForm(form)) => form,
        Err(error) => return failed(error, None, ""),
    };
    let to = form.take("return_to").unwrap_or_default();
    let to = ReturnTo::read(&to, &site.own_origins);
    let (Some(name), Some(password)) = (form.take("username"), form.take("password")) else {
        return failed(invalid_form(), Some(&to), "");
    };
    let login = Login {
        name: name.clone(),
        password: password.into(),
        mode: Mode::Session,
    };
    match login::login(&site.cx, &origin, login).await {
        Ok(signed_in) => {
            // A link in a mail is a navigation from another site, and is to find one signed in;
            // changes are held by the cross-site rule.
            let cookies = Cookies {
                same_site: SameSite::Lax,
                ..site.cookies
            };
            hand_over_to_page(cookies, &headers, &signed_in, &to)
        }
        Err(error) => failed(error.into(), Some(&to), &name),
    }
}

/// The page again, with the status and the headers of the refusal, and words for a person.
fn failed(error: ApiError, to: Option<&ReturnTo>, name: &str) -> Response {
    let wrong = match error.status() {
        StatusCode::UNAUTHORIZED => "That name and that password do not belong together.",
        StatusCode::FORBIDDEN => "This came from another site. Please sign in here.",
        StatusCode::TOO_MANY_REQUESTS => {
            "Too many attempts. Please wait a quarter of an hour, and then try again."
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => {
            "This does not work just now. Please try again in a moment."
        }
        _ => "The form was not sent as it should be. Please try again.",
    };
    let view = View {
        to,
        name,
        wrong: Some(wrong),
        ..View::default()
    };
    page(error.into_response(), &view)
}

/// Renders the page into an answer, whose status and headers stay.
fn page(response: Response, view: &View<'_>) -> Response {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    let page = templates.render_str(
        TEMPLATE,
        context! {
            style => STYLE,
            to => view.to.map(ReturnTo::as_str),
            name => view.name,
            wrong => view.wrong,
            signed_in_as => view.signed_in_as,
        },
    );
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            return ApiError::from(FlowError::Internal(error.to_string())).into_response();
        }
    };
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    head.headers.insert(header::CONTENT_TYPE, html);
    if let Ok(policy) = HeaderValue::try_from(policy(view.to)) {
        head.headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    // With `no-referrer`, as elsewhere, the form's `Origin` would be `null`, and a browser that
    // sends no `Sec-Fetch-Site` would be taken for another site.
    let referrer = HeaderValue::from_static("same-origin");
    head.headers.insert(header::REFERRER_POLICY, referrer);
    Response::from_parts(head, Body::from(page))
}

/// Nothing but our own style, by its hash, and our own form. Browsers apply `form-action` to where
/// the form leads on to, too.
fn policy(to: Option<&ReturnTo>) -> String {
    // Plain base64 is what every browser reads here.
    let style = crypto::b64(&crypto::sha256(STYLE.as_bytes()));
    let style = style.replace('-', "+").replace('_', "/");
    let onward = to.and_then(ReturnTo::origin);
    let onward = onward.map_or(String::new(), |origin| format!(" {}", origin.as_str()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}='; base-uri 'none'; \
         form-action 'self'{onward}; frame-ancestors 'none'"
    )
}
