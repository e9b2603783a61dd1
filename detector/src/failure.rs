//! Why did a command not do what it was told?

use std::fmt;
use std::process::ExitCode;

/// The message names the culprit and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Impossible,
}

impl Failure {
    /// It could have worked: a file is missing, a peer does not answer. Exit status 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into() }
    }

    /// It can never work: arguments or configuration ask for what does not exist. Exit status 2.
    pub fn impossible(message: impl Into<String>) -> Self {
        Self { kind: Kind::Impossible, message: message.into() }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Failed => 1,
            Kind::Impossible => 2,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
