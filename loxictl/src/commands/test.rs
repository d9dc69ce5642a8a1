//! `loxictl test`

use clap::Args;

use crate::failure::Result;
use crate::session::Session;

/// Make a real connection through a service
#[derive(Args, Debug)]
pub struct Test {}

impl Test {
    pub async fn run(self, _session: &Session) -> Result<()> {
        Ok(())
    }
}
