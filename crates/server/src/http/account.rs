//! A person's own account: registering, reading, changing and deleting it, and its devices.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_flows::profile::NewNames;
use countersign_flows::register::NewAccount;
use countersign_flows::{delete_account, password, profile, register, sessions};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Site;
use super::body::{Field, Fields, PathPart, StrictJson};
use super::credential::{Account, Caller, LiveCaller};
use super::error::{ApiResult, ErrorBody, Refusals, not_found};
use super::json::Json;
use super::login::{LoginAnswer, hand_over};
use super::origin::From;
use super::view::{SessionView, UserView};

/// A new account: at least one name, and a password.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RegisterBody {
    /// 1 to 64 letters, digits and `._-`.
    #[schema(value_type = Option<String>, example = "ada")]
    username: Field<String>,
    /// An e-mail address.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    email: Field<String>,
    /// 8 characters to 1,024 bytes, not a common one.
    #[schema(value_type = String, format = Password, example = "plum-harbour-41")]
    password: Field<SecretString>,
}

impl RegisterBody {
    pub(super) fn into_account(self) -> ApiResult<NewAccount> {
        let mut fields = Fields::default();
        let username = fields.optional("username", self.username);
        let email = fields.optional("email", self.email);
        let password = fields.required("password", self.password);
        if username.is_none() && email.is_none() {
            fields.refuse("username", "a username or an email is required");
        }
        fields.finish()?;
        Ok(NewAccount {
            username,
            email,
            password,
            roles: Default::default(),
        })
    }
}

/// The account that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered {
    /// For a person.
    message: &'static str,
    /// The account.
    user: UserView,
}

/// Make an account.
#[utoipa::path(
    post, path = "/register", operation_id = "register", tag = "account", request_body = RegisterBody,
    responses(
        (status = 201, description = "The account was made", body = Registered),
        (status = 400, description = "`username_taken`, `email_taken`, or `invalid_request` naming the fields", body = ErrorBody),
        (status = 403, description = "`registration_closed`", body = ErrorBody),
        (status = 429, description = "`too_many_attempts`, with Retry-After", body = ErrorBody),
        Refusals,
    )
)]
pub async fn sign_up(
    State(site): State<Site>,
    From(origin): From,
    StrictJson(body): StrictJson<RegisterBody>,
) -> ApiResult {
    let user = register::register(&site.cx, &origin, body.into_account()?).await?;
    let message = "User registered successfully";
    let answer = Registered {
        message,
        user: UserView::from(&user),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedInAs {
    /// The username, else the e-mail address.
    logged_in_as: String,
}

/// A sample of a protected route: no database is asked about an access token.
#[utoipa::path(
    get, path = "/protected", operation_id = "protected", tag = "account",
    responses(
        (status = 200, description = "Who is signed in", body = LoggedInAs),
        (status = 401, description = "The credential is missing or refused", body = ErrorBody),
        Refusals,
    )
)]
pub async fn protected(Caller(caller): Caller) -> Json<LoggedInAs> {
    Json(LoggedInAs {
        logged_in_as: caller.name,
    })
}

/// Read one's own account.
#[utoipa::path(
    get, path = "/profile", operation_id = "getProfile", tag = "account",
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 401, description = "The credential is missing or refused", body = ErrorBody),
        Refusals,
    )
)]
pub async fn get_profile(Account(user): Account) -> Json<UserView> {
    Json(UserView::from(&user))
}

/// New names, and the password once more.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ProfileBody {
    /// The new username; left out, it stays.
    #[schema(value_type = Option<String>)]
    username: Field<String>,
    /// The new e-mail address; left out, it stays.
    #[schema(value_type = Option<String>)]
    email: Field<String>,
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: Field<SecretString>,
}

/// Change one's own names. Tokens with the old ones answer `token_superseded`: refresh.
#[utoipa::path(
    patch, path = "/profile", operation_id = "updateProfile", tag = "account", request_body = ProfileBody,
    responses(
        (status = 200, description = "The account", body = UserView),
        (status = 400, description = "`username_taken`, `email_taken` or `invalid_request`", body = ErrorBody),
        (status = 401, description = "The credential or the password is refused", body = ErrorBody),
        Refusals,
    )
)]
pub async fn update_profile(
    State(site): State<Site>,
    From(origin): From,
    LiveCaller(live): LiveCaller,
    StrictJson(body): StrictJson<ProfileBody>,
) -> ApiResult<Json<UserView>> {
    let mut fields = Fields::default();
    let names = NewNames {
        username: fields.optional("username", body.username),
        email: fields.optional("email", body.email),
    };
    let current = fields.required("current_password", body.current_password);
    fields.finish()?;
    let user = profile::rename(&site.cx, &origin, &live, &names, &current).await?;
    Ok(Json(UserView::from(&user)))
}

/// The present password and the new one.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct PasswordBody {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: Field<SecretString>,
    /// The new one.
    #[schema(value_type = String, format = Password)]
    new_password: Field<SecretString>,
}

/// Change one's own password. Every session ends; the answer is a new login in the same mode.
#[utoipa::path(
    post, path = "/password", operation_id = "changePassword", tag = "account", request_body = PasswordBody,
    responses(
        (status = 200, description = "Signed in anew, in the same mode", body = LoginAnswer),
        (status = 401, description = "The credential or the present password is refused", body = ErrorBody),
        (status = 429, description = "`too_many_attempts`, with Retry-After", body = ErrorBody),
        Refusals,
    )
)]
pub async fn change_password(
    State(site): State<Site>,
    From(origin): From,
    headers: HeaderMap,
    LiveCaller(live): LiveCaller,
    StrictJson(body): StrictJson<PasswordBody>,
) -> ApiResult {
    let mut fields = Fields::default();
    let current = fields.required("current_password", body.current_password);
    let new = fields.required("new_password", body.new_password);
    fields.finish()?;
    let signed_in = password::change(&site.cx, &origin, &live, &current, &new).await?;
    Ok(hand_over(&site, &headers, signed_in, "Password changed"))
}

/// The password once more.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct DeleteBody {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    password: Field<SecretString>,
}

/// Delete one's own account with its sessions.
#[utoipa::path(
    delete, path = "/profile", operation_id = "deleteProfile", tag = "account", request_body = DeleteBody,
    responses(
        (status = 204, description = "The account is gone"),
        (status = 401, description = "The credential or the password is refused", body = ErrorBody),
        (status = 409, description = "`last_admin`", body = ErrorBody),
        Refusals,
    )
)]
pub async fn delete_profile(
    site: State<Site>,
    origin: From,
    live: LiveCaller,
    body: StrictJson<DeleteBody>,
) -> ApiResult {
    delete(site, origin, live, body).await
}

/// As `DELETE /profile`, for clients whose DELETE carries no body.
#[utoipa::path(
    post, path = "/profile/delete", operation_id = "deleteProfileByPost", tag = "account", request_body = DeleteBody,
    responses(
        (status = 204, description = "The account is gone"),
        (status = 401, description = "The credential or the password is refused", body = ErrorBody),
        (status = 409, description = "`last_admin`", body = ErrorBody),
        Refusals,
    )
)]
pub async fn delete_profile_by_post(
    site: State<Site>,
    origin: From,
    live: LiveCaller,
    body: StrictJson<DeleteBody>,
) -> ApiResult {
    delete(site, origin, live, body).await
}

async fn delete(
    State(site): State<Site>,
    From(origin): From,
    LiveCaller(live): LiveCaller,
    StrictJson(body): StrictJson<DeleteBody>,
) -> ApiResult {
    let mut fields = Fields::default();
    let password = fields.required("password", body.password);
    fields.finish()?;
    delete_account::delete_own(&site.cx, &origin, &live, &password).await?;
    Ok(super::login::delete_cookies(
        &site,
        StatusCode::NO_CONTENT.into_response(),
    ))
}

/// A person's devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    /// Living sessions, last used first.
    sessions: Vec<SessionView>,
}

/// List one's own sessions.
#[utoipa::path(
    get, path = "/sessions", operation_id = "listSessions", tag = "account",
    responses(
        (status = 200, description = "The user's devices", body = Sessions),
        (status = 401, description = "The credential is missing or refused", body = ErrorBody),
        Refusals,
    )
)]
pub async fn list_sessions(
    State(site): State<Site>,
    LiveCaller(live): LiveCaller,
) -> ApiResult<Json<Sessions>> {
    let found = sessions::list(&site.cx, live.user.id).await?;
    let current = Some(live.session.id);
    let sessions = found
        .iter()
        .map(|session| SessionView::new(session, current))
        .collect();
    Ok(Json(Sessions { sessions }))
}

/// End one of one's own sessions.
#[utoipa::path(
    delete, path = "/sessions/{id}", operation_id = "endSession", tag = "account",
    params(("id" = String, Path, description = "The session's id", format = "uuid")),
    responses(
        (status = 204, description = "The session is over"),
        (status = 401, description = "The credential is missing or refused", body = ErrorBody),
        (status = 404, description = "`not_found`: not the user's, or over already", body = ErrorBody),
        Refusals,
    )
)]
pub async fn end_session(
    State(site): State<Site>,
    From(origin): From,
    LiveCaller(live): LiveCaller,
    PathPart(id): PathPart,
) -> ApiResult<Response> {
    let id = id.parse().map_err(|_| not_found("session"))?;
    sessions::end_own(&site.cx, &origin, &live, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
