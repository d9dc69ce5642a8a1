use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

use super::filter;

#[test]
fn the_netlink_library_warns_only_where_its_name_asks_for_it() {
    for (level, warns) in [
        ("error", false),
        ("info", false),
        ("trace", false),
        ("info,loxid::reconcile=debug", false),
        ("no,such=level", false),
        ("info,netlink_packet_route=warn", true),
        ("netlink_packet_route::link=trace,error", true),
    ] {
        let (filter, _handle) = reload::Layer::new(filter(level));
        let seen = tracing::subscriber::with_default(
            Registry::default().with(filter),
            || tracing::enabled!(target: "netlink_packet_route::link::buffer_tool", Level::WARN),
        );
        assert_eq!(seen, warns, "{level}");
    }
}
