//! Metrics in the text format of Prometheus. Names are API; every reason is there with 0.
//!
//! Counters of packets and connections are the data plane's and survive restarts; the daemon's
//! own begin at 0 with it.

mod announce;
mod backends;
mod connections;
mod health;
mod interfaces;
mod own;
mod packets;
mod page;
mod process;
mod services;
mod sockets;
mod tables;
mod traffic;

use lb_api::control::State;
use lb_api::server::{RequestCount, Requests};

pub use self::own::Own;
use self::page::Page;
use crate::announce::Announcing;
use crate::reconcile::{Counters, Outcome};
use crate::state::Figures;

/// Everything that is shown.
pub struct Sources<'a> {
    pub own: &'a Own,
    pub kernel: &'a str,
    pub state: &'a State,
    pub figures: &'a Figures,
    pub health: &'a crate::health::Figures,
    pub requests: &'a [RequestCount],
    pub api: &'a Requests,
    /// None: there is no plane.
    pub plane: Option<(&'a Outcome, &'a Counters)>,
    pub announcing: Option<&'a Announcing>,
}

pub fn text(sources: &Sources) -> String {
    let mut page = Page::default();
    own::add(&mut page, sources);
    interfaces::add(&mut page, sources.state);
    sockets::add(&mut page, sources.state);
    services::add(&mut page, sources);
    backends::add(&mut page, sources);
    health::add(&mut page, sources.health);
    announce::add(&mut page, sources);
    if let Some((outcome, _)) = sources.plane {
        packets::add(&mut page, &sources.figures.totals);
        connections::add(&mut page, sources.figures);
        tables::add(&mut page, outcome);
    }
    process::add(&mut page);
    page.text()
}
