//! The program of a command line: the file that it means, and the code that it ends with.
//!
//! Must not know: how it is run.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use lineprof_tracer::{End, Launch, SignalMask};

use super::hint::Failure;
use super::{FAILED, NOT_FOUND};

/// What a shell would run for `words`.
pub(crate) fn find(words: &[OsString], blocked: SignalMask) -> Result<Launch, Failure> {
    let name = words.first().cloned().unwrap_or_default();
    let path = std::env::var_os("PATH");
    let Some(program) = lineprof_tracer::find_program(Path::new(&name), path.as_deref()) else {
        let failure =
            Failure::new(format!("cannot find `{}`: no such file in PATH", name.display())).code(NOT_FOUND);
        return Err(if Path::new(&name).exists() {
            failure.hint(format!("to run the file of this folder: `./{}`", name.display()))
        } else {
            failure.hint("check the name; a program outside of PATH needs its path, as in `./program`")
        });
    };
    let variable = |(name, value): (OsString, OsString)| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend(value.into_vec());
        OsString::from_vec(text)
    };
    Ok(Launch {
        program,
        arguments: words.to_vec(),
        environment: std::env::vars_os().map(variable).collect(),
        blocked,
    })
}

/// The exit code of a program, as a shell has it: 128 + n for a signal n.
pub(crate) fn passed_on(end: End) -> ExitCode {
    ExitCode::from(code_of(end))
}

/// The same as a number.
pub(crate) fn code_of(end: End) -> u8 {
    let code = match end {
        End::Exited(code) => code & 0xFF,
        End::Killed(signal) => 128 + signal.0,
    };
    u8::try_from(code).unwrap_or(FAILED)
}
