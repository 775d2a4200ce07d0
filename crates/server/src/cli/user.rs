//! `countersign user`.

use clap::{Args, Subcommand};
use countersign_core::password::Password;
use countersign_core::{Actor, RoleSet, User as Account};
use countersign_flows::admin::{self, Change};
use countersign_flows::register::{NewAccount, add_user};
use countersign_flows::{Cx, FlowError, Origin, delete_account, password};

use super::ask::{PasswordFrom, confirm};
use super::output::{Output, table, when};
use super::{Failure, Global, Where, with_cx};
use crate::http::admin::UserPage;
use crate::http::view::AdminUserView;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add an account
    #[command(after_help = "\
Examples:
  countersign user add --username ada --role admin
  printf %s \"$PASSWORD\" | countersign user add --username ada --password-stdin

The password is asked for twice, without echo. This works before the first start, too, and then \
makes the data directory. With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Add(Add),
    /// List accounts, oldest first
    #[command(after_help = "\
Examples:
  countersign user list
  countersign user list --query ada

With --json: `{\"users\", \"next\"}`, as `GET /admin/users` answers; `next` is for --cursor.")]
    List(List),
    /// Show an account
    #[command(after_help = "\
Examples:
  countersign user show ada
  countersign user show ada@example.com --json

With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Show(Name),
    /// Show or change what an account may do; it counts from its next request on
    #[command(after_help = "\
Examples:
  countersign user roles ada
  countersign user roles ada --add admin --remove guest
  countersign user roles ada --set editor,shop:write
  countersign user roles ada --set ''

The last administrator stays one. With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Roles(Roles),
    /// Set a new password; every session of the account ends
    #[command(after_help = "\
Examples:
  countersign user password ada
  printf %s \"$PASSWORD\" | countersign user password ada --password-stdin

With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Password(SetPassword),
    /// Refuse sign-in to an account; every session of it ends
    #[command(after_help = "\
Examples:
  countersign user disable ada

With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Disable(Name),
    /// Let an account sign in again
    #[command(after_help = "\
Examples:
  countersign user enable ada

With --json: the account, as `GET /admin/users/{id}` answers it.")]
    Enable(Name),
    /// Delete an account with all that belongs to it; every session of it ends
    #[command(after_help = "\
Examples:
  countersign user delete ada
  countersign user delete ada --yes

Without a terminal to ask on, --yes is needed. With --json: the account as it was.")]
    Delete(Delete),
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// A username, an e-mail address or an id
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// 1 to 64 letters, digits and . _ -
    #[arg(long, value_name = "U", required_unless_present = "email")]
    username: Option<String>,
    /// An e-mail address
    #[arg(long, value_name = "E")]
    email: Option<String>,
    /// What the account may do, such as admin; may be repeated
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// What the username or e-mail address begins with
    #[arg(long, value_name = "Q")]
    query: Option<String>,
    /// How many to list
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// The `next` of the list before
    #[arg(long, value_name = "ID")]
    cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Roles {
    #[command(flatten)]
    user: Name,
    /// A role to give; may be repeated
    #[arg(long, value_name = "R")]
    add: Vec<String>,
    /// A role to take away; may be repeated
    #[arg(long, value_name = "R")]
    remove: Vec<String>,
    /// All the roles, with commas between
    #[arg(long, value_name = "R,…", value_delimiter = ',', conflicts_with_all = ["add", "remove"])]
    set: Option<Vec<String>>,
}

#[derive(Debug, Args)]
pub(super) struct SetPassword {
    #[command(flatten)]
    user: Name,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    user: Name,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl User {
    pub(super) fn run(self, global: &Global) -> Result<(), Failure> {
        let out = Output::new(global);
        match self {
            Self::Add(add) => {
                let roles = parse_roles(&add.roles)?;
                let password = PasswordFrom::choose(add.password_stdin)?.read()?;
                with_cx(global, Where::New, async |cx| {
                    add.run(cx, out, roles, password).await
                })
            }
            Self::Password(set) => {
                let from = PasswordFrom::choose(set.password_stdin)?;
                with_cx(global, Where::Existing, async |cx| {
                    set.run(cx, out, from).await
                })
            }
            Self::List(list) => {
                with_cx(global, Where::Existing, async |cx| list.run(cx, out).await)
            }
            Self::Show(user) => with_cx(global, Where::Existing, async |cx| {
                let user = admin::find(cx, &user.name).await?;
                out.answer(&AdminUserView::from(&user), || card(&user))
            }),
            Self::Roles(roles) => {
                with_cx(global, Where::Existing, async |cx| roles.run(cx, out).await)
            }
            Self::Disable(user) => user.enable(global, out, false),
            Self::Enable(user) => user.enable(global, out, true),
            Self::Delete(delete) => with_cx(global, Where::Existing, async |cx| {
                delete.run(cx, out).await
            }),
        }
    }
}

fn parse_roles(words: &[String]) -> Result<RoleSet, Failure> {
    Ok(RoleSet::parse(words).map_err(FlowError::from)?)
}

impl Add {
    async fn run(
        self,
        cx: &Cx,
        out: Output,
        roles: RoleSet,
        password: Password,
    ) -> Result<(), Failure> {
        let account = NewAccount {
            username: self.username,
            email: self.email,
            password,
            roles,
        };
        let user = add_user(cx, &Origin::operator(), account, Actor::Operator).await?;
        out.done(&AdminUserView::from(&user), || {
            format!("Added {}{}", user.name(), with_roles(&user))
        })
    }
}

impl List {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let after = self.cursor.map(|cursor| cursor.parse()).transpose();
        let after =
            after.map_err(|_| Failure::usage("--cursor is no `next` of an earlier list"))?;
        let (users, next) = admin::list(cx, self.query.as_deref(), after, self.limit).await?;
        let page = UserPage {
            users: users.iter().map(AdminUserView::from).collect(),
            next: next.map(|id| id.to_string()),
        };
        let row = |AdminUserView { user, disabled }: &AdminUserView| {
            [
                user.username.clone().unwrap_or_default(),
                user.email.clone().unwrap_or_default(),
                user.roles.join(","),
                if *disabled { "disabled" } else { "enabled" }.to_owned(),
                when(user.created_at),
                user.id.clone(),
            ]
        };
        let head = ["USERNAME", "EMAIL", "ROLES", "STATE", "CREATED (UTC)", "ID"];
        out.answer(&page, || {
            table(head, &page.users.iter().map(row).collect::<Vec<_>>())
        })?;
        match &page.next {
            Some(next) => out.hint(&format!(
                "There may be more: add --cursor {next}, or narrow the list with --query"
            )),
            None if page.users.is_empty() => out.hint("No such account"),
            None => {}
        }
        Ok(())
    }
}

impl Roles {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let user = admin::find(cx, &self.user.name).await?;
        let show = |user: &Account| format!("{}{}", user.name(), with_roles(user));
        let mut words = user.roles.to_words();
        match self.set {
            None if self.add.is_empty() && self.remove.is_empty() => {
                return out.answer(&AdminUserView::from(&user), || show(&user));
            }
            // `--set ''` takes all away.
            Some(set) => words = set.into_iter().filter(|word| !word.is_empty()).collect(),
            None => {
                // What is no role cannot be taken away: a slip must not look like success.
                parse_roles(&self.remove)?;
                words.extend(self.add);
                words.retain(|word| !self.remove.contains(word));
            }
        }
        let change = Change {
            roles: Some(parse_roles(&words)?),
            ..Change::default()
        };
        let user = admin::change(cx, &Origin::operator(), user.id, change, Actor::Operator).await?;
        out.done(&AdminUserView::from(&user), || show(&user))
    }
}

impl SetPassword {
    async fn run(self, cx: &Cx, out: Output, from: PasswordFrom) -> Result<(), Failure> {
        // A person is not asked for the password of an account that does not exist.
        let user = admin::find(cx, &self.user.name).await?;
        let new = from.read()?;
        password::set(cx, &Origin::operator(), user.id, &new, Actor::Operator).await?;
        out.done(&AdminUserView::from(&user), || {
            format!(
                "{} has a new password, and no session any more",
                user.name()
            )
        })
    }
}

impl Name {
    fn enable(self, global: &Global, out: Output, enabled: bool) -> Result<(), Failure> {
        with_cx(global, Where::Existing, async |cx| {
            let user = admin::find(cx, &self.name).await?;
            let change = Change {
                disabled: Some(!enabled),
                ..Change::default()
            };
            let user =
                admin::change(cx, &Origin::operator(), user.id, change, Actor::Operator).await?;
            out.done(&AdminUserView::from(&user), || match enabled {
                true => format!("{} may sign in again", user.name()),
                false => format!("{} is signed out, and cannot sign in", user.name()),
            })
        })
    }
}

impl Delete {
    async fn run(self, cx: &Cx, out: Output) -> Result<(), Failure> {
        let user = admin::find(cx, &self.user.name).await?;
        let question = format!("Delete {} ({}) for good?", user.name(), user.id);
        confirm(&question, self.yes)?;
        delete_account::delete(cx, &Origin::operator(), user.id, Actor::Operator).await?;
        out.done(&AdminUserView::from(&user), || {
            format!("Deleted {}", user.name())
        })
    }
}

fn with_roles(user: &Account) -> String {
    match user.roles.to_words().as_slice() {
        [] => ": no roles".to_owned(),
        roles => format!(": {}", roles.join(", ")),
    }
}

fn card(user: &Account) -> String {
    let state = match user.disabled_at {
        None => "enabled".to_owned(),
        Some(at) => format!("disabled since {} UTC", when(at.as_secs())),
    };
    let rows = [
        ("username", user.username.clone().unwrap_or_default()),
        ("email", user.email.clone().unwrap_or_default()),
        ("roles", user.roles.to_words().join(", ")),
        ("state", state),
        ("created", when(user.created_at.as_secs()) + " UTC"),
    ];
    let rows = rows.map(|(name, value)| [name.to_owned(), value]);
    table(["id", &user.id.to_string()], &rows)
}
