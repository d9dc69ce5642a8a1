//! `--watch`: the same answer again every second.

use std::time::Duration;

use clap::Args;

use crate::failure::{Kind, Result};
use crate::session::Session;

const INTERVAL: Duration = Duration::from_secs(1);

/// Home, and clear from there on.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Ask again every second, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,

    /// With --watch: stop after N answers
    #[arg(long, value_name = "N", requires = "watch")]
    pub watch_count: Option<u32>,
}

impl Watch {
    /// Runs `show` once, or again and again. On a terminal each answer replaces the one before, in
    /// one piece; elsewhere they follow each other. A loxid that restarts meanwhile is waited for.
    pub async fn run(
        self,
        session: &Session,
        mut show: impl AsyncFnMut() -> Result<()>,
    ) -> Result<()> {
        if !self.watch {
            return show().await;
        }
        let mut answered = false;
        let mut left = self.watch_count;
        let mut ticks = tokio::time::interval(INTERVAL);
        while left != Some(0) {
            ticks.tick().await;
            session.output.hold();
            if session.output.terminal {
                session.output.text(CLEAR_SCREEN)?;
            }
            let result = show().await;
            session.output.release()?;
            match result {
                Err(failure) if failure.kind == Kind::Unreachable && answered => {
                    eprintln!("{failure}");
                }
                result => result?,
            }
            answered = true;
            left = left.map(|left| left - 1);
        }
        Ok(())
    }
}
