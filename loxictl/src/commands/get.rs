//! `loxictl get`: what there is.

use clap::{Args, Subcommand};

use crate::failure::{Failure, Result};
use crate::output::{Format, Listed};
use crate::session::Session;
use crate::watch::Watch;

mod connections;

use connections::GetConnections;

/// List services, backends, connections, interfaces or documents
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  loxictl get lb                             services of all documents
  loxictl get lb -o wide                     with counters and timeouts
  loxictl get ep --watch                     backends, again every second
  loxictl get ct --service 20.20.20.1:2020/tcp --state established
  loxictl get interfaces                     what could be attached, and what is
  loxictl get lb -o name | wc -l")]
pub struct Get {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Lb(GetServices),
    Ep(GetBackends),
    Ct(GetConnections),
    Interfaces(GetInterfaces),
    Documents(GetDocuments),
}

/// Services of all documents, and whether they are forwarded
#[derive(Args, Debug)]
#[command(visible_aliases = ["service", "services", "loadbalancer"], aliases = ["lbs", "svc"])]
#[command(after_help = "\
BACKENDS counts those that take connections, of all. ACTIVE connections live; CONNECTIONS
counts all that were begun. PROGRAMMED is True, or has the reason why the service isn't
forwarded; -o wide has a message, too. IN is from clients, OUT is to clients (which backends
with direct return, modes dsr, ipip and gue, answer without this box). DRAINING counts
backends of weight 0, and the connections that they still have.

Examples:
  loxictl get lb
  loxictl get lb 20.20.20.1                  all services of a VIP
  loxictl get lb 20.20.20.1:2020/tcp -o yaml   one service: what it says and how it is
  loxictl get lb '[2001:db8::80]:5000-5999/udp'
  loxictl get lb web                         the service of that name")]
struct GetServices {
    /// A key (20.20.20.1:2020/tcp), a VIP or a name; all services if not said
    #[arg(value_name = "SERVICE", conflicts_with = "name")]
    service: Option<String>,

    /// The service of this name
    #[arg(long, alias = "servName")]
    name: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

/// Backends, how they are, and what they got
#[derive(Args, Debug)]
#[command(visible_aliases = ["endpoint", "endpoints", "backend", "backends"])]
#[command(after_help = "\
Counters are of all services that lead to the backend. ACTIVE are connections that live: a
backend that drains (weight 0) can be stopped when it has none left. With -o wide: LOAD is
what --select=lc goes by, and what may not exceed MAX: connections, those that rest for a
while after their end included. A backend is full while it has as many as it may.

Examples:
  loxictl get ep
  loxictl get ep --service 20.20.20.1:2020/tcp
  loxictl get ep --watch -o wide")]
struct GetBackends {
    /// Only those of a service: a key, a VIP or a name
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

/// Interfaces of the box, and what is attached to them
#[derive(Args, Debug)]
#[command(visible_aliases = ["interface", "port", "ports"])]
#[command(after_help = "\
Only packets that arrive on an attached interface are balanced. MODE native runs in the
driver; generic is slow. MESSAGE says why an interface isn't attached, or can't be.

Examples:
  loxictl get interfaces
  loxictl get interfaces eth0 -o yaml")]
struct GetInterfaces {
    /// Only this one
    #[arg(value_name = "INTERFACE")]
    name: Option<String>,

    #[command(flatten)]
    watch: Watch,
}

/// Documents: who wants how many services
#[derive(Args, Debug)]
#[command(visible_aliases = ["document"], aliases = ["docs"])]
#[command(after_help = "\
In the order of precedence: where two documents claim one address and port, the first wins.

Examples:
  loxictl get documents
  loxictl export --source api                what one of them says")]
struct GetDocuments {
    #[command(flatten)]
    watch: Watch,
}

impl Get {
    pub async fn run(self, session: &Session) -> Result<()> {
        match self.what {
            What::Lb(get) => {
                get.watch
                    .run(session, async || get.show(session).await)
                    .await
            }
            What::Ep(get) => {
                get.watch
                    .run(session, async || get.show(session).await)
                    .await
            }
            What::Ct(get) => {
                get.watch
                    .run(session, async || get.show(session).await)
                    .await
            }
            What::Interfaces(get) => {
                get.watch
                    .run(session, async || get.show(session).await)
                    .await
            }
            What::Documents(get) => {
                get.watch
                    .run(session, async || get.show(session).await)
                    .await
            }
        }
    }
}

impl GetServices {
    async fn show(&self, session: &Session) -> Result<()> {
        let mut services = session.services().await?;
        if let Some(name) = &self.name {
            services.retain(|service| service.name.as_ref() == Some(name));
            found(
                &services,
                "service named",
                name,
                "`loxictl get lb` lists all",
            )?;
        }
        if let Some(wanted) = &self.service {
            services.retain(|service| {
                is(
                    wanted,
                    &service.key,
                    &service.spec.vip,
                    service.name.as_deref(),
                )
            });
            found(
                &services,
                "service",
                wanted,
                "`loxictl get lb` lists all; a key is VIP:PORTS/PROTOCOL",
            )?;
        }
        show(
            session,
            &services,
            "no services; `loxictl create lb --help` shows how to make one",
        )
    }
}

impl GetBackends {
    async fn show(&self, session: &Session) -> Result<()> {
        let mut backends = session.backends().await?;
        if let Some(wanted) = &self.service {
            let mut services = session.services().await?;
            services.retain(|service| {
                is(
                    wanted,
                    &service.key,
                    &service.spec.vip,
                    service.name.as_deref(),
                )
            });
            found(
                &services,
                "service",
                wanted,
                "`loxictl get lb` lists all; a key is VIP:PORTS/PROTOCOL",
            )?;
            backends.retain(|backend| {
                services.iter().any(|service| {
                    service.key == backend.service && service.source == backend.source
                })
            });
        }
        show(session, &backends, "no backends")
    }
}

impl GetInterfaces {
    async fn show(&self, session: &Session) -> Result<()> {
        let mut interfaces = session.interfaces().await?;
        if let Some(name) = &self.name {
            interfaces.retain(|interface| interface.name == *name);
            found(
                &interfaces,
                "interface",
                name,
                "`loxictl get interfaces` lists all",
            )?;
        }
        show(session, &interfaces, "no interfaces")
    }
}

impl GetDocuments {
    async fn show(&self, session: &Session) -> Result<()> {
        show(
            session,
            &session.documents().await?,
            "no documents; `loxictl apply` or `loxictl create` makes one",
        )
    }
}

/// Whether a person means this service.
fn is(wanted: &str, key: &str, vip: &str, name: Option<&str>) -> bool {
    wanted == key || wanted == vip || Some(wanted) == name
}

fn found<T>(items: &[T], what: &str, wanted: &str, remedy: &str) -> Result<()> {
    match items.is_empty() {
        true => Err(Failure::not_found(format!("there is no {what} `{wanted}`")).remedy(remedy)),
        false => Ok(()),
    }
}

/// A list, or on stderr that there is nothing in it.
fn show<T: Listed>(session: &Session, items: &[T], nothing: &str) -> Result<()> {
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        eprintln!("{nothing}");
    }
    session.output.list(items)
}
