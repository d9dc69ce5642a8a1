//! `loxictl attach`: packets that arrive on an interface are balanced.

use clap::{Args, ValueEnum};
use lb_api::wire::{AttachMode, XdpMode};

use crate::failure::Result;
use crate::output::Format;
use crate::session::Session;

/// Balance what arrives on an interface
#[derive(Args, Debug)]
#[command(after_help = "\
Attach the interface that clients' packets arrive on, and the one that backends' replies
arrive on, if it is another. Attaching survives restarts of loxid; only `loxictl detach`
ends it. A bond, VLAN or bridge can't be attached: attach the interfaces below it.

Examples:
  loxictl attach eth0
  loxictl attach eth0 --mode native          or fail, rather than be slow
  loxictl get interfaces                     what is attached, and how")]
pub struct Attach {
    /// Its name, as `loxictl get interfaces` has it
    #[arg(value_name = "INTERFACE")]
    interface: String,

    /// How the program runs: native (in the driver, or fail), generic (in the stack: slow), or auto
    /// (native, and where the driver can't, generic with a warning)
    #[arg(long, value_enum, default_value = "auto", hide_possible_values = true)]
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Auto,
    Native,
    Generic,
}

impl Attach {
    pub async fn run(self, session: &Session) -> Result<()> {
        let mode = match self.mode {
            Mode::Auto => AttachMode::Auto,
            Mode::Native => AttachMode::Native,
            Mode::Generic => AttachMode::Generic,
        };
        let interface = session.attach(&self.interface, mode).await?;
        let how = match interface.mode {
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
            XdpMode::None => "not running",
        };
        eprintln!("{} attached ({how})", interface.name);
        if interface.mode == XdpMode::Generic && self.mode == Mode::Auto {
            eprintln!(
                "warning: the driver has no native mode; packets take the slow way through the stack"
            );
        }
        if !interface.message.is_empty() {
            eprintln!("warning: {}", interface.message);
        }
        match session.output.format {
            Format::Table | Format::Wide => Ok(()),
            Format::Name => session.output.text(&format!("{}\n", interface.name)),
            Format::Json | Format::Yaml => session.output.value(&interface),
        }
    }
}
