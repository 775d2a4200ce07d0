//! Accounts and their sessions.

use axum::extract::State;
use axum::http::StatusCode;
use countersign_core::{RoleSet, UserId};
use countersign_flows::admin::{self, Change};
use countersign_flows::profile::NewNames;
use countersign_flows::register::{NewAccount, add_user};
use countersign_flows::{delete_account, profile, sessions};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Page;
use crate::http::Site;
use crate::http::body::{Field, Fields, Params, PathPart, StrictJson};
use crate::http::credential::Admin;
use crate::http::error::{ApiResult, ErrorBody, Refusals, not_found};
use crate::http::json::Json;
use crate::http::origin::From;
use crate::http::view::{AdminUserView, SessionView};

/// A page of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserPage {
    /// The users, oldest first.
    pub users: Vec<AdminUserView>,
    /// The `cursor` of the next page, if there may be one.
    pub next: Option<String>,
}

/// Which users to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// What the username or e-mail address begins with.
    #[param(value_type = Option<String>)]
    query: Option<String>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<String>,
    /// 1 to 200; 50 if left out.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// List accounts.
#[utoipa::path(
    get, path = "/admin/users", operation_id = "adminListUsers", tag = "admin", params(UserQuery),
    responses(
        (status = 200, description = "A page of accounts", body = UserPage),
        Refusals,
    )
)]
pub async fn admin_list_users(
    State(site): State<Site>,
    _: Admin,
    Params(UserQuery {
        query,
        cursor,
        limit,
    }): Params<UserQuery>,
) -> ApiResult<Json<UserPage>> {
    let page = Page { cursor, limit };
    let (users, next) =
        admin::list(&site.cx, query.as_deref(), page.cursor()?, page.limit()).await?;
    let users = users.iter().map(AdminUserView::from).collect();
    Ok(Json(UserPage {
        users,
        next: next.map(|id| id.to_string()),
    }))
}

/// An account for somebody else.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewUserBody {
    /// 1 to 64 letters, digits and `._-`.
    #[schema(value_type = Option<String>)]
    username: Field<String>,
    /// An e-mail address.
    #[schema(value_type = Option<String>)]
    email: Field<String>,
    /// 8 characters to 1,024 bytes, not a common one.
    #[schema(value_type = String, format = Password)]
    password: Field<SecretString>,
    /// What the user may do.
    #[schema(value_type = Option<Vec<String>>)]
    roles: Field<Vec<String>>,
}

/// Make an account for somebody else.
#[utoipa::path(
    post, path = "/admin/users", operation_id = "adminAddUser", tag = "admin", request_body = NewUserBody,
    responses(
        (status = 201, description = "The account was made", body = AdminUserView),
        Refusals,
    )
)]
pub async fn admin_add_user(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    StrictJson(body): StrictJson<NewUserBody>,
) -> ApiResult<(StatusCode, Json<AdminUserView>)> {
    let mut fields = Fields::default();
    let username = fields.optional("username", body.username);
    let email = fields.optional("email", body.email);
    let password = fields.required("password", body.password);
    let roles = roles(&mut fields, body.roles).unwrap_or_default();
    fields.finish()?;
    let account = NewAccount {
        username,
        email,
        password,
        roles,
    };
    let user = add_user(&site.cx, &origin, account, admin.actor()).await?;
    Ok((StatusCode::CREATED, Json(AdminUserView::from(&user))))
}

fn roles(fields: &mut Fields, field: Field<Vec<String>>) -> Option<RoleSet> {
    let words = fields.optional("roles", field)?;
    RoleSet::parse(&words)
        .map_err(|invalid| fields.refuse("roles", invalid.message))
        .ok()
}

fn user_id(id: &str) -> ApiResult<UserId> {
    id.parse().map_err(|_| not_found("user"))
}

/// Read an account.
#[utoipa::path(
    get, path = "/admin/users/{id}", operation_id = "adminGetUser", tag = "admin",
    params(("id" = String, Path, description = "The user's id", format = "uuid")),
    responses(
        (status = 200, description = "The account", body = AdminUserView),
        Refusals,
    )
)]
pub async fn admin_get_user(
    State(site): State<Site>,
    _: Admin,
    PathPart(id): PathPart,
) -> ApiResult<Json<AdminUserView>> {
    let user = profile::read(&site.cx, user_id(&id)?).await?;
    Ok(Json(AdminUserView::from(&user)))
}

/// What to change about an account; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ChangeUserBody {
    /// The roles, all of them.
    #[schema(value_type = Option<Vec<String>>)]
    roles: Field<Vec<String>>,
    /// Whether sign-in is refused. Disabling ends every session at once.
    #[schema(value_type = Option<bool>)]
    disabled: Field<bool>,
    /// A new username.
    #[schema(value_type = Option<String>)]
    username: Field<String>,
    /// A new e-mail address.
    #[schema(value_type = Option<String>)]
    email: Field<String>,
}

/// Change an account. New roles count from the next request on.
#[utoipa::path(
    patch, path = "/admin/users/{id}", operation_id = "adminChangeUser", tag = "admin",
    params(("id" = String, Path, description = "The user's id", format = "uuid")),
    request_body = ChangeUserBody,
    responses(
        (status = 200, description = "The account", body = AdminUserView),
        (status = 409, description = "`last_admin`", body = ErrorBody),
        Refusals,
    )
)]
pub async fn admin_change_user(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(id): PathPart,
    StrictJson(body): StrictJson<ChangeUserBody>,
) -> ApiResult<Json<AdminUserView>> {
    let mut fields = Fields::default();
    let change = Change {
        roles: roles(&mut fields, body.roles),
        disabled: fields.optional("disabled", body.disabled),
        names: NewNames {
            username: fields.optional("username", body.username),
            email: fields.optional("email", body.email),
        },
    };
    fields.finish()?;
    let user = admin::change(&site.cx, &origin, user_id(&id)?, change, admin.actor()).await?;
    Ok(Json(AdminUserView::from(&user)))
}

/// Delete an account with its sessions.
#[utoipa::path(
    delete, path = "/admin/users/{id}", operation_id = "adminDeleteUser", tag = "admin",
    params(("id" = String, Path, description = "The user's id", format = "uuid")),
    responses(
        (status = 204, description = "The account is gone"),
        (status = 409, description = "`last_admin`", body = ErrorBody),
        Refusals,
    )
)]
pub async fn admin_delete_user(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(id): PathPart,
) -> ApiResult<StatusCode> {
    delete_account::delete(&site.cx, &origin, user_id(&id)?, admin.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign a user out everywhere.
#[utoipa::path(
    delete, path = "/admin/users/{id}/sessions", operation_id = "adminEndUserSessions", tag = "admin",
    params(("id" = String, Path, description = "The user's id", format = "uuid")),
    responses(
        (status = 204, description = "Every session of the user is over"),
        Refusals,
    )
)]
pub async fn admin_end_user_sessions(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(id): PathPart,
) -> ApiResult<StatusCode> {
    sessions::end_all_of_user(&site.cx, &origin, user_id(&id)?, admin.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPage {
    /// Living sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// The `cursor` of the next page, if there may be one.
    pub next: Option<String>,
}

/// List everybody's sessions.
#[utoipa::path(
    get, path = "/admin/sessions", operation_id = "adminListSessions", tag = "admin", params(Page),
    responses(
        (status = 200, description = "A page of living sessions", body = SessionPage),
        Refusals,
    )
)]
pub async fn admin_list_sessions(
    State(site): State<Site>,
    Admin(live): Admin,
    Params(page): Params<Page>,
) -> ApiResult<Json<SessionPage>> {
    let (found, next) = sessions::page(&site.cx, page.cursor()?, page.limit()).await?;
    let current = Some(live.session.id);
    let sessions = found
        .iter()
        .map(|session| SessionView::new(session, current))
        .collect();
    Ok(Json(SessionPage {
        sessions,
        next: next.map(|id| id.to_string()),
    }))
}

/// End everything that was ever issued here, this login included.
#[utoipa::path(
    delete, path = "/admin/sessions", operation_id = "adminEndEverything", tag = "admin",
    responses(
        (status = 204, description = "Every session is over"),
        Refusals,
    )
)]
pub async fn admin_end_everything(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
) -> ApiResult<StatusCode> {
    sessions::end_everything(&site.cx, &origin, admin.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End somebody's session.
#[utoipa::path(
    delete, path = "/admin/sessions/{id}", operation_id = "adminEndSession", tag = "admin",
    params(("id" = String, Path, description = "The session's id", format = "uuid")),
    responses(
        (status = 204, description = "The session is over"),
        Refusals,
    )
)]
pub async fn admin_end_session(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(id): PathPart,
) -> ApiResult<StatusCode> {
    let id = id.parse().map_err(|_| not_found("session"))?;
    if sessions::end_session(&site.cx, &origin, id, admin.actor()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_found("session"))
    }
}
