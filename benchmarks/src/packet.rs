//! Nanoseconds a packet.
use crate::plan::Plan;
pub fn run(_plan: &Plan) -> anyhow::Result<()> {
    Ok(())
}
