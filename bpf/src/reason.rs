//! Why packets ended as they did, from the comments of `enum lb_reason`.

/// What becomes of a packet with a reason: `rx = tx + pass + drop`, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Tx,
    Pass,
    Drop,
}

impl Class {
    /// `tx`, `pass` or `drop`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tx => "tx",
            Self::Pass => "pass",
            Self::Drop => "drop",
        }
    }
}

/// One item of `enum lb_reason`; `code` indexes `lb_cpu.reason` and [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    pub code: u32,
    pub name: &'static str,
    pub class: Class,
    pub meaning: &'static str,
}

impl Reason {
    /// The reason that the core left in a packet.
    pub fn of(code: u32) -> Option<Self> {
        REASONS.get(usize::try_from(code).ok()?).copied()
    }

    /// The reason of a name, as in metrics (`no_backend`).
    pub fn named(name: &str) -> Option<Self> {
        REASONS.iter().find(|reason| reason.name == name).copied()
    }
}

include!(concat!(env!("OUT_DIR"), "/names.rs"));

mod remedy;

#[cfg(test)]
mod tests;
