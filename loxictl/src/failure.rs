//! Why a command did not do what was asked: one message, one remedy, one exit code.

use std::fmt;
use std::process::ExitCode;

/// What kind of failure it is. The number is the exit code, and part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything that has no code of its own.
    Runtime = 1,
    /// The command line, a file or a document is wrong; nothing was changed.
    Usage = 2,
    NotFound = 3,
    /// It exists already, or somebody else was faster.
    Conflict = 4,
    /// loxid did not answer.
    Unreachable = 6,
    /// `diff` found differences; it is not an error and prints no message.
    Different = 8,
    /// Whoever read our output has read enough (`loxictl get ct | head`).
    OutputClosed = 0,
}

/// A failed command. `message` says what, where and which rule; `remedy` what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    message: String,
    remedy: Option<String>,
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedy: None,
        }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub fn runtime(message: impl Into<String>) -> Self {
        Self::new(Kind::Runtime, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn different() -> Self {
        Self::new(Kind::Different, "")
    }

    /// What the person can do about it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    /// False where the exit code alone is the answer.
    pub fn has_message(&self) -> bool {
        !self.message.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\nhint: {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Writing to stdout failed.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(Kind::OutputClosed, ""),
            _ => Self::runtime(format!("writing the output: {error}")),
        }
    }
}
