//! `countersign client`.

use clap::{Args, Subcommand};
use countersign_core::secrets::ClientSecret;
use countersign_core::{Actor, Client as Record};
use countersign_flows::{Cx, FlowError, Origin, clients};

use super::output::{Output, table, when};
use super::{Failure, Global, Where, with_cx};
use crate::http::admin::{ClientList, NewClient};
use crate::http::view::ClientView;

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Add a service; its secret is printed this once
    #[command(after_help = "\
Examples:
  countersign client add shop-api --kind service
  SECRET=$(countersign client add shop-api --kind service --quiet)

The secret stands alone on standard output; the name and the secret are user name and password of \
HTTP Basic. With --json: the client and its `secret`, as `POST /admin/clients` answers.")]
    Add(Add),
    /// List the clients
    #[command(after_help = "\
Examples:
  countersign client list

With --json: `{\"clients\"}`, as `GET /admin/clients` answers.")]
    List,
    /// Replace the secret of a service; the old one is refused from now on
    #[command(after_help = "\
Examples:
  countersign client rotate shop-api

With --json: the client and its `secret`, as `POST /admin/clients` answers.")]
    Rotate(Name),
    /// Remove a service
    #[command(after_help = "\
Examples:
  countersign client remove shop-api

With --json: the client as it was.")]
    Remove(Name),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    client: Name,
    /// What it is: service
    #[arg(long, value_name = "KIND", default_value = "service")]
    kind: String,
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// 1 to 64 lower-case letters, digits and . _ -
    name: String,
}

impl Client {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        with_cx(global, Where::Existing, async |cx| match self {
            Self::Add(add) => add.run(cx, out).await,
            Self::List => list(cx, out).await,
            Self::Rotate(Name { name }) => {
                let origin = Origin::operator();
                let secret = clients::rotate(cx, &origin, &name, Actor::Operator).await?;
                let client = find(cx, &name).await?;
                reveal(
                    out,
                    &client,
                    &secret,
                    "The old secret is refused from now on.",
                )
            }
            Self::Remove(Name { name }) => {
                let client = find(cx, &name).await?;
                clients::remove(cx, &Origin::operator(), &name, Actor::Operator).await?;
                out.done(&ClientView::from(&client), || format!("Removed {name}"))
            }
        })
    }
}

impl Add {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let kind = self.kind.parse().map_err(FlowError::from)?;
        let name = &self.client.name;
        let origin = Origin::operator();
        let (client, secret) = clients::add(cx, &origin, name, kind, Actor::Operator).await?;
        reveal(out, &client, &secret, "Keep it: it is not shown again.")
    }
}

/// The secret alone on standard output, so that a script can take it.
fn reveal(out: Output, client: &Record, secret: &ClientSecret, said: &str) -> Result<(), Failure> {
    let answer = NewClient {
        client: ClientView::from(client),
        secret: secret.reveal().to_owned(),
    };
    out.hint(&format!("The secret of {}. {said}", client.id));
    out.answer(&answer, || answer.secret.clone())
}

async fn find(cx: &Cx, name: &str) -> Result<Record, Failure> {
    let mut all = clients::list(cx).await?.into_iter();
    let found = all.find(|client| client.id == name);
    Ok(found.ok_or(FlowError::NotFound("client"))?)
}

async fn list(cx: &Cx, out: Output) -> Result<(), Failure> {
    let clients = clients::list(cx).await?;
    let list = ClientList {
        clients: clients.iter().map(ClientView::from).collect(),
    };
    let row = |client: &ClientView| {
        let kind = client.kind.to_owned();
        // The built-in one was there before anything.
        let created = Some(client.created_at).filter(|at| *at != 0);
        [
            client.id.clone(),
            kind,
            created.map(when).unwrap_or_default(),
        ]
    };
    out.answer(&list, || {
        let rows: Vec<_> = list.clients.iter().map(row).collect();
        table(["NAME", "KIND", "CREATED (UTC)"], &rows)
    })
}
