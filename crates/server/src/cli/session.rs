//! `countersign session`.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use countersign_core::{Actor, SessionId, UserId};
use countersign_flows::{Cx, FlowError, Origin, admin, profile, sessions};
use serde::Serialize;

use super::output::{Output, table, when};
use super::{Failure, Global, Where, with_cx};
use crate::http::admin::SessionPage;
use crate::http::view::SessionView;

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// List living sessions
    #[command(after_help = "\
Examples:
  countersign session list
  countersign session list --user ada

With --json: `{\"sessions\", \"next\"}`, as `GET /admin/sessions` answers; `next` is for --cursor.")]
    List(List),
    /// End a session, all of a user's, or everything that was ever issued
    #[command(after_help = "\
Examples:
  countersign session revoke 01980d6e-7c55-7a30-9d42-6f1f5a3b9c10
  countersign session revoke --user ada
  countersign session revoke --all

A running server refuses the tokens within 100 ms. With --json: `{\"scope\", \"id\"}`, where `scope` is \
`session`, `user` or `issuer`.")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those of this account, last used first: a username, an e-mail address or an id
    #[arg(long, value_name = "U", conflicts_with_all = ["limit", "cursor"])]
    user: Option<String>,
    /// How many to list
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// The `next` of the list before
    #[arg(long, value_name = "ID")]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Revoke {
    /// A session's id
    id: Option<String>,
    /// Every session of this account: a username, an e-mail address or an id
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Every session of everybody
    #[arg(long)]
    all: bool,
}

/// What was ended, in the words of the revocation log.
#[derive(Debug, Serialize)]
struct Revoked {
    scope: &'static str,
    id: String,
}

impl Session {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        with_cx(global, Where::Existing, async |cx| match self {
            Self::List(list) => list.run(cx, out).await,
            Self::Revoke(revoke) => revoke.run(cx, out).await,
        })
    }
}

impl List {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let (found, next) = match &self.user {
            Some(name) => {
                let user = admin::find(cx, name).await?;
                (sessions::list(cx, user.id).await?, None)
            }
            None => {
                let after = self.cursor.map(|cursor| cursor.parse()).transpose();
                let after = after
                    .map_err(|_| Failure::usage("--cursor is no `next` of an earlier list"))?;
                sessions::page(cx, after, self.limit).await?
            }
        };
        let names = names(cx, found.iter().map(|session| session.user_id)).await?;
        let page = SessionPage {
            sessions: found.iter().map(|s| SessionView::new(s, None)).collect(),
            next: next.map(|id| id.to_string()),
        };
        let row = |(view, user): (&SessionView, UserId)| {
            [
                view.id.clone(),
                names.get(&user).cloned().unwrap_or_default(),
                when(view.created_at),
                when(view.last_used_at),
                when(view.expires_at),
                view.address.clone(),
                view.user_agent.chars().take(48).collect(),
            ]
        };
        out.answer(&page, || {
            let users = found.iter().map(|session| session.user_id);
            let rows: Vec<_> = page.sessions.iter().zip(users).map(row).collect();
            let head = [
                "ID",
                "USER",
                "SIGNED IN (UTC)",
                "LAST USED",
                "ENDS",
                "ADDRESS",
                "PROGRAM",
            ];
            table(head, &rows)
        })?;
        match &page.next {
            Some(next) => out.hint(&format!("There may be more: add --cursor {next}")),
            None if page.sessions.is_empty() => out.hint("Nobody is signed in"),
            None => {}
        }
        Ok(())
    }
}

/// What the users are called; one who was deleted meanwhile has no name any more.
async fn names(
    cx: &Cx,
    users: impl Iterator<Item = UserId>,
) -> Result<HashMap<UserId, String>, Failure> {
    let mut names = HashMap::new();
    for id in users {
        if names.contains_key(&id) {
            continue;
        }
        match profile::read(cx, id).await {
            Ok(user) => drop(names.insert(id, user.name().to_owned())),
            Err(FlowError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(names)
}

impl Revoke {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let origin = Origin::operator();
        let (scope, id, said) = match (self.id, self.user) {
            (Some(id), _) => {
                let missing = FlowError::NotFound("session");
                let Ok(session) = id.parse::<SessionId>() else {
                    return Err(missing.into());
                };
                if !sessions::end_session(cx, &origin, session, Actor::Operator).await? {
                    return Err(missing.into());
                }
                ("session", id, "The session is over".to_owned())
            }
            (None, Some(name)) => {
                let user = admin::find(cx, &name).await?;
                sessions::end_all_of_user(cx, &origin, user.id, Actor::Operator).await?;
                let said = format!("Every session of {} is over", user.name());
                ("user", user.id.to_string(), said)
            }
            (None, None) => {
                sessions::end_everything(cx, &origin, Actor::Operator).await?;
                let said = "Every session of everybody is over".to_owned();
                ("issuer", cx.settings.issuer.clone(), said)
            }
        };
        out.done(&Revoked { scope, id }, || said)
    }
}
