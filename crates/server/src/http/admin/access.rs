//! Keys, clients, single tokens and the audit log.

use axum::extract::State;
use axum::http::StatusCode;
use countersign_core::ClientKind;
use countersign_flows::tokens::{self, Which};
use countersign_flows::{audit, clients, keys};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Page;
use crate::http::Site;
use crate::http::body::{Field, Fields, Params, PathPart, StrictJson};
use crate::http::credential::Admin;
use crate::http::error::{ApiResult, ErrorBody, Refusals};
use crate::http::json::Json;
use crate::http::origin::From;
use crate::http::view::{ClientView, EventView, KeyInfo};

/// The signing keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyList {
    /// Oldest first.
    pub keys: Vec<KeyInfo>,
}

/// List the signing keys.
#[utoipa::path(
    get, path = "/admin/keys", operation_id = "adminListKeys", tag = "admin",
    responses(
        (status = 200, description = "The keys and where each stands", body = KeyList),
        Refusals,
    )
)]
pub async fn admin_list_keys(State(site): State<Site>, _: Admin) -> ApiResult<Json<KeyList>> {
    let keys = keys::list(&site.cx).await?;
    Ok(Json(KeyList {
        keys: keys.iter().map(KeyInfo::from).collect(),
    }))
}

/// Make a new signing key: published now, signing after `token.publish_ahead`.
#[utoipa::path(
    post, path = "/admin/keys/rotate", operation_id = "adminRotateKeys", tag = "admin",
    responses(
        (status = 201, description = "The new key", body = KeyInfo),
        (status = 409, description = "`shared_secret`: tokens are signed with JWT_SECRET_KEY", body = ErrorBody),
        Refusals,
    )
)]
pub async fn admin_rotate_keys(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
) -> ApiResult<(StatusCode, Json<KeyInfo>)> {
    let key = keys::rotate(&site.cx, admin.actor(), &origin).await?;
    Ok((StatusCode::CREATED, Json(KeyInfo::from(&key))))
}

/// Revoke a signing key: everything that it signed is refused at once.
#[utoipa::path(
    delete, path = "/admin/keys/{kid}", operation_id = "adminRevokeKey", tag = "admin",
    params(("kid" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "The key is revoked; another signs"),
        Refusals,
    )
)]
pub async fn admin_revoke_key(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(kid): PathPart,
) -> ApiResult<StatusCode> {
    keys::revoke(&site.cx, &kid, admin.actor(), &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The clients.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientList {
    /// By id.
    pub clients: Vec<ClientView>,
}

/// List the clients.
#[utoipa::path(
    get, path = "/admin/clients", operation_id = "adminListClients", tag = "admin",
    responses(
        (status = 200, description = "The clients", body = ClientList),
        Refusals,
    )
)]
pub async fn admin_list_clients(State(site): State<Site>, _: Admin) -> ApiResult<Json<ClientList>> {
    let clients = clients::list(&site.cx).await?;
    Ok(Json(ClientList {
        clients: clients.iter().map(ClientView::from).collect(),
    }))
}

/// A new client.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct NewClientBody {
    /// 1 to 64 lower-case letters, digits and `._-`.
    #[schema(value_type = String, example = "shop-api")]
    name: Field<String>,
    /// `service`.
    #[schema(value_type = Option<String>, example = "service")]
    kind: Field<String>,
}

/// A client and its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewClient {
    /// The client.
    #[serde(flatten)]
    pub client: ClientView,
    /// Its password in HTTP Basic.
    pub secret: String,
}

/// Add a service.
#[utoipa::path(
    post, path = "/admin/clients", operation_id = "adminAddClient", tag = "admin", request_body = NewClientBody,
    responses(
        (status = 201, description = "The service with its secret, shown this once", body = NewClient),
        (status = 409, description = "`exists`", body = ErrorBody),
        Refusals,
    )
)]
pub async fn admin_add_client(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    StrictJson(body): StrictJson<NewClientBody>,
) -> ApiResult<(StatusCode, Json<NewClient>)> {
    let mut fields = Fields::default();
    let name = fields.required("name", body.name);
    let kind = match fields
        .optional("kind", body.kind)
        .as_deref()
        .map(str::parse::<ClientKind>)
    {
        None => ClientKind::Service,
        Some(Ok(kind)) => kind,
        Some(Err(invalid)) => {
            fields.refuse("kind", invalid.message);
            ClientKind::Service
        }
    };
    fields.finish()?;
    let (client, secret) = clients::add(&site.cx, &origin, &name, kind, admin.actor()).await?;
    let answer = NewClient {
        client: ClientView::from(&client),
        secret: secret.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Remove a client, with a floor on whatever was issued to it.
#[utoipa::path(
    delete, path = "/admin/clients/{id}", operation_id = "adminRemoveClient", tag = "admin",
    params(("id" = String, Path, description = "The client's id")),
    responses(
        (status = 204, description = "The client is gone"),
        Refusals,
    )
)]
pub async fn admin_remove_client(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    PathPart(id): PathPart,
) -> ApiResult<StatusCode> {
    clients::remove(&site.cx, &origin, &id, admin.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which access token to withdraw: one of the two.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct RevokeTokenBody {
    /// The token.
    #[schema(value_type = Option<String>)]
    token: Field<String>,
    /// Its `jti`, where nobody has the token itself.
    #[schema(value_type = Option<String>)]
    jti: Field<String>,
}

/// Withdraw one access token; its session goes on, and a refresh brings another.
#[utoipa::path(
    post, path = "/admin/tokens/revoke", operation_id = "adminRevokeToken", tag = "admin", request_body = RevokeTokenBody,
    responses(
        (status = 204, description = "The token is refused from now on"),
        Refusals,
    )
)]
pub async fn admin_revoke_token(
    State(site): State<Site>,
    From(origin): From,
    admin: Admin,
    StrictJson(body): StrictJson<RevokeTokenBody>,
) -> ApiResult<StatusCode> {
    let mut fields = Fields::default();
    let token = fields.optional("token", body.token).map(Which::Token);
    let jti = fields.optional("jti", body.jti).map(Which::Jti);
    let which = match (token, jti) {
        (Some(which), None) | (None, Some(which)) => Some(which),
        _ => {
            fields.refuse("token", "send either token or jti");
            None
        }
    };
    fields.finish()?;
    if let Some(which) = which {
        tokens::revoke_by_admin(&site.cx, &origin, which, admin.actor()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    /// Latest first.
    events: Vec<EventView>,
    /// The `cursor` of the next page, if there may be one.
    next: Option<String>,
}

/// Read the audit log.
#[utoipa::path(
    get, path = "/admin/audit", operation_id = "adminReadAudit", tag = "admin", params(Page),
    responses(
        (status = 200, description = "A page of events, latest first", body = AuditPage),
        Refusals,
    )
)]
pub async fn admin_read_audit(
    State(site): State<Site>,
    _: Admin,
    Params(page): Params<Page>,
) -> ApiResult<Json<AuditPage>> {
    let (events, next) = audit::page(&site.cx, page.cursor()?, page.limit()).await?;
    let events = events.iter().map(EventView::from).collect();
    Ok(Json(AuditPage {
        events,
        next: next.map(|seq| seq.to_string()),
    }))
}
