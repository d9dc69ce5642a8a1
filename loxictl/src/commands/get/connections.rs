//! `loxictl get ct`: the table of connections, page by page.

use clap::Args;
use lb_api::client::ConnectionsRequest;
use lb_api::control::PAGE_MAX;
use lb_api::wire::{Connection, ConnectionState};

use crate::failure::Result;
use crate::output::Format;
use crate::session::Session;
use crate::watch::Watch;

/// Connections that are remembered
#[derive(Args, Debug)]
#[command(visible_aliases = ["conntrack", "connections"])]
#[command(after_help = "\
Prints as pages arrive; while traffic runs the list is no snapshot. All filters given must hold.
With direct return (modes dsr, ipip, gue) replies don't pass this box: state, packets and
bytes are then what the client's side shows, and STATE says (one-sided).

Examples:
  loxictl get ct --limit 20
  loxictl get ct --service 20.20.20.1:2020/tcp --state established
  loxictl get ct --client 10.0.0.7           all connections of a client
  loxictl get ct --backend '[2001:db8:1::1]:8080'   of an IPv6 backend, in brackets with a port
  loxictl get ct --backend 31.31.31.1:8080 -o name | wc -l")]
pub struct GetConnections {
    /// Only of this service: VIP:PORTS/PROTOCOL, or its name
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    /// Only from this client
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    client: Option<String>,

    /// Only to this backend
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    backend: Option<String>,

    /// Only tcp, or only udp
    #[arg(long, value_parser = ["tcp", "udp"])]
    protocol: Option<String>,

    /// Only in this state
    #[arg(long, value_parser = ConnectionState::ALL.map(ConnectionState::as_str))]
    state: Option<String>,

    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    pub watch: Watch,
}

impl GetConnections {
    pub async fn show(&self, session: &Session) -> Result<()> {
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut listing = session.output.listing::<Connection>();
        let mut cursor = None;
        let mut shown = 0;
        while left > 0 {
            let page = session.connections(&self.request(left, cursor)).await?;
            let items = &page.items[..page.items.len().min(left)];
            session.output.text(&listing.block(items)?)?;
            left -= items.len();
            shown += items.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if shown == 0 && matches!(session.output.format, Format::Table | Format::Wide) {
            eprintln!("no connections");
        }
        session.output.text(listing.end())
    }

    fn request(&self, left: usize, cursor: Option<String>) -> ConnectionsRequest {
        ConnectionsRequest {
            service: self.service.clone(),
            client: self.client.clone(),
            backend: self.backend.clone(),
            protocol: self.protocol.clone(),
            state: self.state.clone(),
            limit: u16::try_from(left.min(PAGE_MAX.into())).ok(),
            cursor,
        }
    }
}
