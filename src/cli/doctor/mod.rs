//! `lineprof doctor [PID]`: what this machine and this process allow, each with what to do about it.
//!
//! Must not know: profiles. It changes nothing, and traces nothing but a child of its own.
//!
//! ```text
//! ok    tracing            programs that lineprof starts, and processes of every user
//! fail  debug information  none
//!       fix: build it with -g …
//! ```
//! | file | looks at |
//! |---|---|
//! | `machine` | kernel, permission, resident memory |
//! | `cost` | what a stop costs, by stopping a child many times |
//! | `process` | one process: permission, tracer, filters, namespaces, signals, debug information |

mod cost;
mod machine;
mod process;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use lineprof::report::escape::Escaped;

pub(crate) use cost::run_target;

use super::FAILED;
use super::args::Doctor;

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// It works, with a drawback.
    Fair,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    health: Health,
    subject: &'static str,
    text: String,
    /// What to do about it, in one line.
    fix: Option<String>,
}

impl Finding {
    fn good(subject: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            health: Health::Good,
            subject,
            text: text.into(),
            fix: None,
        }
    }

    fn fair(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            health: Health::Fair,
            fix: Some(fix.into()),
            ..Finding::good(subject, text)
        }
    }

    fn bad(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            health: Health::Bad,
            fix: Some(fix.into()),
            ..Finding::good(subject, text)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let health = match self.health {
            Health::Good => "ok",
            Health::Fair => "note",
            Health::Bad => "fail",
        };
        write!(f, "{health:<5} {:<18} {}", self.subject, Escaped(&self.text))?;
        match &self.fix {
            Some(fix) => write!(f, "\n      fix: {}", Escaped(fix)),
            None => Ok(()),
        }
    }
}

/// Looks, and tells; fails when something does not work.
pub(crate) fn run(args: &Doctor) -> ExitCode {
    let mut findings = machine::look();
    findings.push(cost::look());
    if let Some(pid) = args.pid {
        findings.extend(process::look(pid));
    }
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    // A reader that has gone does not want it.
    let _closed = std::io::stdout().lock().write_all(text.as_bytes());
    if findings.iter().any(|finding| finding.health == Health::Bad) {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_fix_another() {
        let finding = Finding::bad("debug information", "none\u{1b}[2J", "build it with -g");
        assert_eq!(
            finding.to_string(),
            "fail  debug information  none\\x1b[2J\n      fix: build it with -g"
        );
    }
}
