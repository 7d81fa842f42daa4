//! What is said when something fails: a message, the next thing to do, an exit code.
//!
//! Must not know: how the error came about. It may look at the file or process that an error names, to tell apart
//! what the error does not.
//!
//! ```text
//! lineprof: cannot attach to process 4711: it belongs to user 0 and lineprof runs as user 1000
//! hint: run lineprof as root: `sudo lineprof --pid 4711`
//! ```
//! Read on in `permission.rs`.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lineprof::profiler::{self, NoMatch};
use lineprof::report::escape::Escaped;
use lineprof::select::By;
use lineprof_dwarf::ErrorKind;
use lineprof_tracer::{Kind, Operation, Pid, Subject};

use super::permission::{self, field};
use super::{CANNOT_RUN, FAILED, NOT_FOUND};

/// What was being done when it failed: a file that cannot be started has its own exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Launch,
    Attach,
    List,
}

/// A failure, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    /// What failed, and why.
    pub(crate) message: String,
    /// What to do next, a line each.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// A failure of lineprof itself.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure {
            code: FAILED,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// With another exit code.
    pub(crate) fn code(mut self, code: u8) -> Failure {
        self.code = code;
        self
    }

    /// With one more thing to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Tells the user; the code to exit with.
    pub(crate) fn say(&self) -> ExitCode {
        eprintln!("lineprof: {}", Escaped(&self.message));
        for hint in &self.hints {
            eprintln!("hint: {}", Escaped(hint));
        }
        ExitCode::from(self.code)
    }
}

impl From<Failure> for lineprof::own::Failure {
    fn from(Failure { code, message, hints }: Failure) -> lineprof::own::Failure {
        lineprof::own::Failure { code, message, hints }
    }
}

impl From<lineprof::own::Failure> for Failure {
    fn from(lineprof::own::Failure { code, message, hints }: lineprof::own::Failure) -> Failure {
        Failure { code, message, hints }
    }
}

/// The error in words.
pub(crate) fn explain(error: &profiler::Error, doing: Doing) -> Failure {
    match error {
        profiler::Error::File(error) => file(error, doing),
        profiler::Error::Trace(error) => trace(error),
        profiler::Error::NoMatch(vain) => no_match(vain, error.to_string()),
        profiler::Error::NothingInline(_) => Failure::new(error.to_string())
            .hint("leave out --inline-only: such lines have breakpoints then, and live on as long as `lineprof engine` does"),
        profiler::Error::NotMapped { .. } => Failure::new(error.to_string())
            .hint("the program may have been replaced on disk, or run by another program (qemu, ld.so): start it anew"),
        profiler::Error::Gate { .. } => Failure::new(error.to_string())
            .hint("--gate statm looks at each event; and please report this kernel"),
        profiler::Error::Memory { source, .. } => memory(error.to_string(), source),
        profiler::Error::Thread(source) => Failure::new(format!("{error}: {}", reason(source)))
            .hint("the limit of processes may be reached: see `ulimit -u`"),
        _ => Failure::new(with_causes(error)),
    }
}

/// The system's words without the number: "No such file or directory (os error 2)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The message and all its causes, each said once.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

/// What is wrong with the executable or its debug information.
pub(crate) fn file(error: &lineprof_dwarf::Error, doing: Doing) -> Failure {
    let on_disk = on_disk(&error.path);
    let path = on_disk.display();
    let failure = Failure::new(
        error
            .to_string()
            .replace(&error.path.display().to_string(), &path.to_string()),
    );
    let unusable = |message: String| Failure::new(message).code(cannot_run(doing, CANNOT_RUN));
    match &error.kind {
        ErrorKind::NotFound => failure
            .code(cannot_run(doing, NOT_FOUND))
            .hint("check the path; a program in PATH is found by its name alone"),
        ErrorKind::PermissionDenied => failure.code(cannot_run(doing, CANNOT_RUN)).hint(format!(
            "lineprof has to read the file: `chmod +r {path}`, or run lineprof as its owner"
        )),
        ErrorKind::NotRegularFile if error.path.is_dir() => {
            unusable(format!("cannot open {path}: it is a directory")).hint("name a program in it")
        }
        ErrorKind::NotElf if fs::metadata(&error.path).is_ok_and(|facts| facts.len() == 0) => {
            unusable(format!("cannot open {path}: the file is empty")).hint("build the program again")
        }
        ErrorKind::NotRegularFile | ErrorKind::NotElf | ErrorKind::NotLoadable => failure
            .code(cannot_run(doing, CANNOT_RUN))
            .hint("lineprof profiles native programs: ELF files, as compilers of C, C++ and Rust write them"),
        ErrorKind::Script(first_line) => {
            let interpreter = interpreter(first_line);
            failure.code(cannot_run(doing, CANNOT_RUN)).hint(format!(
                "a script has no machine code; to profile its interpreter: `lineprof -- {interpreter} {path}`"
            ))
        }
        ErrorKind::WrongArchitecture { .. } => failure
            .code(cannot_run(doing, CANNOT_RUN))
            .hint("build it for x86-64: lineprof does not run on other processors yet"),
        ErrorKind::WrongClass => failure
            .code(cannot_run(doing, CANNOT_RUN))
            .hint("build it for 64 bits: without -m32, or for the target x86_64-unknown-linux-gnu"),
        ErrorKind::NoDebugInfo { debug_link, .. } => no_debug_info(failure, &on_disk, debug_link.as_deref()),
        ErrorKind::NoSupplementaryFile { name } => failure.hint(format!(
            "install the debug package again: it brings `{name}`, or build without dwz"
        )),
        ErrorKind::SplitDebugInfo { .. } => failure
            .hint(format!(
                "bring the .dwo files back, or put them beside {path}, or `dwp -e {path}` into {path}.dwp"
            ))
            .hint(
                "or build without them: -gno-split-dwarf (C, C++), `split-debuginfo = \"off\"` in Cargo.toml",
            ),
        ErrorKind::Compression { .. } => {
            failure.hint("decompress it: `objcopy --decompress-debug-sections PROGRAM`")
        }
        ErrorKind::Malformed { section, .. } if section == "ELF header" => Failure::new(with_causes(error))
            .code(cannot_run(doing, CANNOT_RUN))
            .hint("the file is damaged or cut off: build the program again"),
        ErrorKind::Malformed { .. } | ErrorKind::TooMany { .. } => {
            Failure::new(with_causes(error)).hint("the debug information is damaged: build the program again")
        }
        // Input and output, and kinds that are newer than this text.
        _ => Failure::new(with_causes(error)).code(cannot_run(doing, CANNOT_RUN)),
    }
}

/// The file that `/proc/PID/exe` leads to; other paths as they are.
fn on_disk(path: &Path) -> PathBuf {
    let target = path.starts_with("/proc").then(|| fs::read_link(path));
    match target {
        Some(Ok(target)) => target,
        _ => path.to_owned(),
    }
}

fn cannot_run(doing: Doing, code: u8) -> u8 {
    match doing {
        Doing::Launch => code,
        Doing::Attach | Doing::List => FAILED,
    }
}

/// The words that start a script by hand: `#!/usr/bin/env -S python3 -u` is `python3 -u`.
fn interpreter(first_line: &str) -> String {
    let words: Vec<&str> = first_line.trim_start_matches("#!").split_whitespace().collect();
    match words.as_slice() {
        [env, "-S", rest @ ..] | [env, rest @ ..] if env.ends_with("/env") && !rest.is_empty() => {
            rest.join(" ")
        }
        _ => words.join(" "),
    }
}

fn no_debug_info(failure: Failure, path: &Path, debug_link: Option<&str>) -> Failure {
    let failure = failure
        .hint("build it with -g (cc, c++), or with `debug = 1` in its profile of Cargo.toml (cargo)")
        .hint("a packaged program has it in a package of its own: NAME-dbgsym or NAME-dbg");
    let Some(name) = debug_link else {
        return failure;
    };
    let beside = path.parent().unwrap_or(Path::new("")).join(name);
    if beside.exists() {
        failure.hint(format!(
            "`{name}` beside it is of another build: its checksum or build-id differs"
        ))
    } else {
        failure.hint(format!(
            "it names the debug file `{name}`, which is neither beside it nor below /usr/lib/debug"
        ))
    }
}

fn no_match(vain: &NoMatch, message: String) -> Failure {
    if vain.wanted.is_empty() {
        return Failure::new("the program has no functions of its own")
            .hint("name others with --function; `lineprof functions BINARY '*'` lists them");
    }
    if vain.all_excluded {
        return Failure::new("every function that matches is left out by --exclude").hint("exclude fewer");
    }
    let mut failure = Failure::new(message);
    for (name, copies) in vain.inlined.iter().take(3) {
        let times = if *copies == 1 { "time" } else { "times" };
        failure = failure.hint(format!(
            "`{name}` has no code of its own: it was inlined {copies} {times}"
        ));
    }
    if !vain.inlined.is_empty() {
        return failure.hint(
            "build with -O0 or -Og, or keep it out of line: `__attribute__((noinline))`, `#[inline(never)]`",
        );
    }
    let failure = if vain.nearest.is_empty() {
        failure.hint("`lineprof functions BINARY '*'` lists what can be profiled")
    } else {
        failure.hint(format!("did you mean {}?", quoted(&vain.nearest)))
    };
    if vain.by == By::Mark {
        failure.hint("the source marks them: correct the name there, or name others with --function")
    } else if vain.loads_libraries {
        failure.hint("if a library has it that is loaded while the program runs: `--pending`")
    } else {
        failure
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn memory(message: String, source: &io::Error) -> Failure {
    let failure = Failure::new(format!("{message}: {}", reason(source)));
    match source.kind() {
        io::ErrorKind::NotFound => {
            failure.hint("this kernel has no smaps_rollup (before 4.14): use --metric rss without --exact")
        }
        _ => failure.hint("/proc has to be mounted, and to show the process: see `hidepid` in proc(5)"),
    }
}

/// What is wrong with the process, or with starting it.
pub(crate) fn trace(error: &lineprof_tracer::Error) -> Failure {
    let failure = Failure::new(error.to_string());
    let pid = match &error.subject {
        Subject::Process(Pid(pid)) => Some(*pid),
        _ => None,
    };
    match (&error.kind, error.operation) {
        (Kind::NoSuchProcess, Operation::Attach | Operation::Watch) => {
            no_such_process(failure, pid.unwrap_or_default())
        }
        (Kind::Zombie, _) => zombie(failure, pid.unwrap_or_default()),
        (Kind::KernelThread, _) => {
            failure.hint("only programs can be profiled; `ps` shows threads of the kernel in brackets")
        }
        (Kind::Own, _) => failure.hint("give the pid of another process"),
        (Kind::AlreadyTraced { by, name }, _) => {
            let tracer = process_of(by.0);
            Failure::new(format!(
                "cannot {} {}: it is traced already, by process {tracer} ({name})",
                error.operation, error.subject
            ))
            .hint(format!(
                "a process has one tracer at a time: detach or end process {tracer} first"
            ))
        }
        (Kind::SharerNotTraced { process }, _) => failure.hint(format!(
            "end process {process}, or what traces it (TracerPid in /proc/{process}/status), first"
        )),
        (Kind::NotPermitted, Operation::Attach) => {
            let cause = permission::decide(&permission::read(pid));
            Failure::new(format!("cannot {} {}: {cause}", error.operation, error.subject)).hint(cause.fix())
        }
        (Kind::OtherProcessor, _) => {
            failure.hint("lineprof profiles 64-bit programs for x86-64: build it without -m32")
        }
        (Kind::NotFound | Kind::NotExecutable | Kind::NotPermitted, Operation::Run) => not_run(error),
        _ => Failure::new(with_causes(error)),
    }
}

fn not_run(error: &lineprof_tracer::Error) -> Failure {
    let program = match &error.subject {
        Subject::Program(path) => path.clone(),
        _ => Default::default(),
    };
    let said = |errno: nix::errno::Errno| errno.desc().to_lowercase();
    let reason = error.source.map_or_else(|| error.kind.to_string(), said);
    let failure = Failure::new(format!("cannot run {}: {reason}", program.display())).code(CANNOT_RUN);
    if error.kind == Kind::NotFound && !program.exists() {
        return failure.code(NOT_FOUND).hint("check the path");
    }
    if program.is_dir() {
        return failure.hint("it is a directory: name a program in it");
    }
    if error.source == Some(nix::errno::Errno::ENOEXEC) {
        return failure.hint("a script begins with `#!` and its interpreter, as in `#!/bin/sh`");
    }
    if error.kind == Kind::NotFound {
        return failure.hint(
            "the file is there, so its loader is not (`file PROGRAM` names it): install that C library, or link \
             statically",
        );
    }
    if error.source == Some(nix::errno::Errno::EACCES) {
        return failure.hint(format!(
            "make it executable, `chmod +x {}`, and see that its file system is not mounted noexec",
            program.display()
        ));
    }
    failure
}

fn no_such_process(failure: Failure, pid: i32) -> Failure {
    let process = process_of(pid);
    if process == pid {
        failure.hint("`ps -e` lists the processes; in a container only its own can be seen")
    } else {
        failure.hint(format!(
            "{pid} is a thread of process {process}: `--pid {process}`"
        ))
    }
}

fn zombie(failure: Failure, pid: i32) -> Failure {
    let parent = status_of(pid).and_then(|status| field(&status, "PPid")?.parse().ok());
    match parent {
        Some(parent @ 1..) => failure.hint(format!(
            "there is nothing left to profile; its parent is process {parent}"
        )),
        Some(_) | None => failure.hint("there is nothing left to profile"),
    }
}

/// The process that a thread belongs to; the kernel names tracers by their thread.
fn process_of(tid: i32) -> i32 {
    let process = status_of(tid).and_then(|status| field(&status, "Tgid")?.parse().ok());
    process.unwrap_or(tid)
}

fn status_of(pid: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripts_interpreter_is_the_command_to_profile() {
        assert_eq!(interpreter("#!/bin/sh"), "/bin/sh");
        assert_eq!(interpreter("#! /usr/bin/env python3"), "python3");
        assert_eq!(interpreter("#!/usr/bin/env -S awk -f"), "awk -f");
        assert_eq!(interpreter("/usr/bin/perl -w"), "/usr/bin/perl -w");
    }

    #[test]
    fn what_was_inlined_everywhere_says_so_and_how_to_keep_it() {
        let vain = NoMatch {
            by: By::Name,
            wanted: vec!["small".into()],
            nearest: vec!["smaller".into()],
            inlined: vec![("small".into(), 3)],
            all_excluded: false,
            loads_libraries: false,
        };
        let failure = no_match(&vain, "no function matches `small`".into());
        assert!(failure.hints[0].contains("inlined 3 times"), "{failure:?}");
        assert!(failure.hints[1].contains("noinline"), "{failure:?}");
    }

    #[test]
    fn near_names_are_offered() {
        let vain = NoMatch {
            by: By::Name,
            wanted: vec!["wrok".into()],
            nearest: vec!["work".into(), "worker".into()],
            inlined: Vec::new(),
            all_excluded: false,
            loads_libraries: false,
        };
        let failure = no_match(&vain, String::new());
        assert_eq!(failure.hints, ["did you mean `work` or `worker`?"]);
    }

    #[test]
    fn a_file_that_cannot_be_started_has_the_codes_of_a_shell() {
        for (doing, code) in [
            (Doing::Launch, CANNOT_RUN),
            (Doing::Attach, FAILED),
            (Doing::List, FAILED),
        ] {
            assert_eq!(cannot_run(doing, CANNOT_RUN), code);
        }
    }
}
