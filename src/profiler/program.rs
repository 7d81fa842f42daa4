//! A program to start, as `std::process::Command` has it.
//!
//! Must not know: what is profiled in it.
//!
//! The environment is this process's with the command's changes, as `Command` itself hands it on; nothing in it
//! changes what lineprof does.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Error, SignalMask, Target};

/// A program and its arguments.
///
/// Of a [`Command`] the program, its arguments and the changes of its environment count. Its standard streams are this
/// process's, whatever was said: a `Command` does not tell. One with another working directory is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    name: OsString,
    pub(super) arguments: Vec<OsString>,
    /// `None` is taken out.
    changes: BTreeMap<OsString, Option<OsString>>,
    directory: Option<PathBuf>,
}

impl From<&OsStr> for Program {
    fn from(name: &OsStr) -> Program {
        Program {
            name: name.to_owned(),
            arguments: Vec::new(),
            changes: BTreeMap::new(),
            directory: None,
        }
    }
}

impl From<&str> for Program {
    fn from(name: &str) -> Program {
        OsStr::new(name).into()
    }
}

impl From<&Path> for Program {
    fn from(path: &Path) -> Program {
        path.as_os_str().into()
    }
}

impl From<PathBuf> for Program {
    fn from(path: PathBuf) -> Program {
        path.as_os_str().into()
    }
}

impl From<&PathBuf> for Program {
    fn from(path: &PathBuf) -> Program {
        path.as_os_str().into()
    }
}

impl From<Command> for Program {
    fn from(command: Command) -> Program {
        let owned = |(name, value): (&OsStr, Option<&OsStr>)| (name.to_owned(), value.map(OsStr::to_owned));
        Program {
            name: command.get_program().to_owned(),
            arguments: command.get_args().map(OsStr::to_owned).collect(),
            changes: command.get_envs().map(owned).collect(),
            directory: command.get_current_dir().map(Path::to_owned),
        }
    }
}

impl Program {
    pub(super) fn target(self) -> Result<Target, Error> {
        if let Some(directory) = self.directory {
            return Err(Error::Directory { directory });
        }
        let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        for (name, value) in self.changes {
            match value {
                Some(value) => environment.insert(name, value),
                None => environment.remove(&name),
            };
        }
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let Some(program) = lineprof_tracer::find_program(Path::new(&self.name), path) else {
            return Err(Error::NotFound {
                program: self.name.into(),
            });
        };
        let variable = |(mut text, value): (OsString, OsString)| {
            text.push("=");
            text.push(value);
            text
        };
        Ok(Target::Launch {
            program,
            arguments: [self.name].into_iter().chain(self.arguments).collect(),
            environment: environment.into_iter().map(variable).collect(),
            blocked: SignalMask::of_this_thread(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(command: Command) -> (Vec<OsString>, Vec<OsString>) {
        match Program::from(command).target() {
            Ok(Target::Launch {
                arguments,
                environment,
                ..
            }) => (arguments, environment),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_and_changes_of_the_environment_are_the_commands() {
        let mut command = Command::new("true");
        command
            .args(["one", "two"])
            .env("LINEPROF_TEST", "x=y")
            .env_remove("PWD");
        let (arguments, environment) = launched(command);
        assert_eq!(arguments, ["true", "one", "two"]);
        assert!(environment.contains(&"LINEPROF_TEST=x=y".into()));
        assert!(
            !environment
                .iter()
                .any(|variable| variable.as_encoded_bytes().starts_with(b"PWD="))
        );
    }

    #[test]
    fn another_working_directory_is_refused_and_not_forgotten() {
        let mut command = Command::new("true");
        command.current_dir("/tmp");
        let error = Program::from(command).target().expect_err("refused");
        assert_eq!(
            error.to_string(),
            "cannot start a program in another folder (/tmp)"
        );
    }
}
