//! `loxictl attach`: packets that arrive on an interface are balanced.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use lb_api::wire::{AttachAs, AttachMode, Datapath as Wanted, InterfaceStatus, Path, XdpMode};

use crate::failure::Result;
use crate::output::Format;
use crate::session::Session;

/// How long the worker is waited for, and how often it is asked after.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// Balance what arrives on an interface
#[derive(Args, Debug)]
#[command(after_help = "\
Attach the interface that clients' packets arrive on, and the one that backends' replies
arrive on, if it is another. Attaching survives restarts of loxid; only `loxictl detach`
ends it. A bond, VLAN or bridge can't be attached: attach the interfaces below it.

Examples:
  loxictl attach eth0
  loxictl attach eth0 --mode native          or fail, rather than be slow
  loxictl attach eth0 --datapath afxdp       in user space, over AF_XDP
  loxictl get interfaces                     what is attached, and how")]
pub struct Attach {
    /// Its name, as `loxictl get interfaces` has it
    #[arg(value_name = "INTERFACE")]
    interface: String,

    /// How the program runs: native (in the driver, or fail), generic (in the stack: slow), or auto
    /// (native, and where the driver can't, generic with a warning)
    #[arg(long, value_enum, default_value = "auto", hide_possible_values = true)]
    mode: Mode,

    /// What forwards: xdp (the program in the kernel, or fail), afxdp (the worker in user space, or
    /// fail), or auto (xdp, and where the kernel refuses that program, afxdp). An attached interface
    /// changes its datapath without losing a connection
    #[arg(long, value_enum, default_value = "auto", hide_possible_values = true)]
    datapath: Datapath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Datapath {
    Auto,
    Xdp,
    Afxdp,
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
        let datapath = match self.datapath {
            Datapath::Auto => Wanted::Auto,
            Datapath::Xdp => Wanted::Xdp,
            Datapath::Afxdp => Wanted::AfXdp,
        };
        let how = AttachAs { datapath, mode };
        let mut interface = session.attach(&self.interface, how).await?;
        // The worker binds its queues; that is a matter of a moment, if there is one.
        let begun = Instant::now();
        while interface.pending && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
            let mut all = session.interfaces().await?.into_iter();
            interface = all
                .find(|one| one.name == interface.name)
                .unwrap_or(interface);
        }
        eprintln!("{} {}", interface.name, said(&interface));
        for step in &interface.why {
            eprintln!("{step}");
        }
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

fn said(interface: &InterfaceStatus) -> String {
    let mode = match interface.mode {
        XdpMode::Native => "native",
        XdpMode::Generic => "generic",
        XdpMode::None => return "is not attached yet".into(),
    };
    match interface.path {
        Path::AfXdp => format!("attached (afxdp, {mode})"),
        Path::Xdp | Path::None => format!("attached ({mode})"),
    }
}
