//! The interfaces that a program runs on.

use lb_api::control::State;
use lb_api::wire::{Path, XdpMode};

use super::page::Page;

pub fn add(page: &mut Page, state: &State) {
    let modes: Vec<_> = state
        .interfaces
        .iter()
        .filter_map(|interface| match interface.mode {
            XdpMode::None => None,
            XdpMode::Native => Some(([interface.name.as_str(), "native"], 1.0)),
            XdpMode::Generic => Some(([interface.name.as_str(), "generic"], 1.0)),
        })
        .collect();
    page.gauges(
        "loxid_interface_xdp_mode",
        "1: the program runs on the interface in this mode.",
        ["interface", "mode"],
        &modes,
    );
    let paths: Vec<_> = state
        .interfaces
        .iter()
        .filter_map(|interface| match interface.path {
            Path::None => None,
            Path::Xdp => Some(([interface.name.as_str(), "xdp"], 1.0)),
            Path::AfXdp => Some(([interface.name.as_str(), "afxdp"], 1.0)),
        })
        .collect();
    page.gauges(
        "loxid_interface_datapath",
        "1: packets of services that arrive on the interface are forwarded by this path.",
        ["interface", "path"],
        &paths,
    );
}
