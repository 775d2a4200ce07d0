//! `countersign key`.

use clap::{Args, Subcommand};
use countersign_core::Actor;
use countersign_flows::{Cx, FlowError, Origin, keys};

use super::output::{Output, table, when};
use super::{Failure, Global, Where, with_cx};
use crate::http::admin::KeyList;
use crate::http::view::KeyInfo;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the signing keys and where each stands
    #[command(after_help = "\
Examples:
  countersign key list

With --json: `{\"keys\"}`, as `GET /admin/keys` answers.")]
    List,
    /// Make a new key: published now, it signs after token.publish_ahead
    #[command(after_help = "\
Examples:
  countersign key rotate

Nobody is signed out. With --json: the key, as `POST /admin/keys/rotate` answers.")]
    Rotate,
    /// End a key now: every token that it signed is refused, and another signs at once
    #[command(after_help = "\
Examples:
  countersign key revoke k3f2a

This is for a key that was stolen; clients refresh and go on. With --json: the key.")]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key's id, the kid of tokens
    kid: String,
}

impl Key {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        with_cx(global, Where::Existing, async |cx| match self {
            Self::List => list(cx, out).await,
            Self::Rotate => {
                let key = keys::rotate(cx, Actor::Operator, &Origin::operator()).await?;
                let key = KeyInfo::from(&key);
                out.done(&key, || {
                    let signs = when(key.signs_from);
                    format!("{} key {} signs from {signs} UTC on", key.alg, key.kid)
                })
            }
            Self::Revoke(Revoke { kid }) => {
                keys::revoke(cx, &kid, Actor::Operator, &Origin::operator()).await?;
                let mut all = keys::list(cx).await?.into_iter();
                let key = all.find(|key| key.record.kid == kid);
                let key = KeyInfo::from(&key.ok_or(FlowError::NotFound("key"))?);
                out.done(&key, || {
                    format!("{kid} is revoked: what it signed is refused")
                })
            }
        })
    }
}

async fn list(cx: &Cx, out: Output) -> Result<(), Failure> {
    let keys = keys::list(cx).await?;
    let list = KeyList {
        keys: keys.iter().map(KeyInfo::from).collect(),
    };
    let row = |key: &KeyInfo| {
        [
            key.kid.clone(),
            key.alg.to_owned(),
            key.phase.to_owned(),
            when(key.created_at),
            when(key.signs_from),
        ]
    };
    out.answer(&list, || {
        let rows: Vec<_> = list.keys.iter().map(row).collect();
        table(
            ["KID", "ALG", "PHASE", "CREATED (UTC)", "SIGNS FROM"],
            &rows,
        )
    })?;
    if cx.keys.is_shared() {
        out.hint("JWT_SECRET_KEY is set: it signs and verifies, and these do not");
    }
    Ok(())
}
