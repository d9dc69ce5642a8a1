//! What is wrong with a value that could be parsed.

use std::fmt;

/// A value that breaks a rule, and where it is. Displayed as
/// `services[2].backends[0].weight: 1001 is out of range: 0 to 1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field: `services[2].backends[0].weight`; empty for the whole.
    pub field: String,
    /// The value and what is wrong with it: `1001 is out of range`.
    pub message: String,
    /// The rule that it breaks: `0 to 1000`; empty if the message says it.
    pub rule: String,
    /// What to do, if that doesn't follow from the rule.
    pub remedy: Option<String>,
}

impl Problem {
    pub fn new(
        field: impl Into<String>,
        message: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            rule: rule.into(),
            remedy: None,
        }
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.rule.is_empty() {
            write!(f, ": {}", self.rule)?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

/// Every problem found, the first 64 of them, in the order of the document. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", display(.problems))]
pub struct Invalid {
    problems: Vec<Problem>,
}

impl Invalid {
    /// How many problems are reported at once.
    pub const REPORTED_MAX: usize = 64;

    pub fn one(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }

    /// `Err` if there is a problem.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.truncate(Self::REPORTED_MAX);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }

    pub fn first(&self) -> &Problem {
        self.problems
            .first()
            .expect("constructors take at least one problem")
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for Invalid {
    fn from(problem: Problem) -> Self {
        Self::one(problem)
    }
}

fn display(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
