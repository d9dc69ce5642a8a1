//! Health of backends: what is asked of them, what follows from their answers, and what
//! operators say of them.
//!
//! ```text
//!   Check  ---- the daemon asks, with a clock and sockets ---->  Probe (time, result, text)
//!                                                                   |
//!   OperatorStates ----.                                         Machine: rise, fall, damping
//!                       \                                           |
//!                        `------------->  Standings  <--------------'
//!                                            |
//!                                         compile: who stands aside has no slot
//! ```
//! Nothing here reads a clock: times are durations since a moment that the caller chose.

mod check;
mod demand;
mod error;
mod machine;
mod operator;
mod standing;
mod text;
mod values;

pub use check::{
    Ask, Check, Checks, Exchange, HttpRequest, Probe, Target, Tls, Trust, probe_targets,
};
pub use demand::{Demand, PROBES_PER_SECOND_MAX};
pub use error::CheckError;
pub use machine::{
    Change, FLAPPING_ABOVE, FLAPPING_WINDOW, Machine, Outcome, PROBES_KEPT, Phase, ProbeRecord,
    Verdict,
};
pub use operator::{OperatorState, OperatorStates};
pub use standing::{Standing, Standings};
pub use values::{
    CaFile, HostHeader, HttpPath, Payload, ServerName, StatusRange, Statuses, Substring, Timing,
    port,
};

#[cfg(test)]
mod tests;
