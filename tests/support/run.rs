//! Running programs so that a test leaves no process behind.
//!
//! Must not know: test programs' contents.
//!
//! Every process that a test starts leads a process group of its own. A [`Running`] that is dropped kills the group;
//! one that does not end within the watchdog's time is killed and fails its test with what it had written. The
//! watchdog is no timing of a test: it only turns a hang into a message.

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const WATCHDOG: Duration = Duration::from_secs(240);

/// How a process ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Finished {
    /// The exit code, 128 + n for a signal, as a shell has it.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A process that a test has started, with its pipes.
#[derive(Debug)]
pub(crate) struct Running {
    child: Option<Child>,
    group: Pid,
    stdin: Option<ChildStdin>,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    stderr_lines: mpsc::Receiver<String>,
    shown: String,
}

impl Running {
    /// Starts `command` as the leader of its own process group.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Running {
        let shown = format!("{command:?}");
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {shown}: {error}"));
        let group = Pid::from_raw(i32::try_from(child.id()).expect("a pid is positive"));
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut errors = child.stderr.take().expect("the pipe was asked for");
        let (lines, stderr_lines) = mpsc::channel();
        let stderr = std::thread::spawn(move || {
            let (mut all, mut line_start) = (Vec::new(), 0);
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = errors.read(&mut piece) {
                all.extend_from_slice(&piece[..length]);
                while let Some(end) = all[line_start..].iter().position(|byte| *byte == b'\n') {
                    let line = String::from_utf8_lossy(&all[line_start..line_start + end]).into_owned();
                    line_start += end + 1;
                    // The receiver may be gone; the whole text is kept anyway.
                    let _ = lines.send(line);
                }
            }
            all
        });
        Running {
            child: Some(child),
            group,
            stdin,
            stdout,
            stderr: Some(stderr),
            stderr_lines,
            shown,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.group
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        if let Err(error) = writeln!(stdin, "{line}") {
            panic!("{} reads no more ({error}): {}", self.shown, self.how_it_ended());
        }
    }

    /// Waits for the next line of its standard output.
    ///
    /// # Panics
    /// When none comes any more.
    pub(crate) fn hear(&mut self) -> String {
        let stdout = self.stdout.as_mut().expect("the output is open");
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).expect("a pipe is readable") == 1 {
            if byte[0] == b'\n' {
                return String::from_utf8_lossy(&line).into_owned();
            }
            line.push(byte[0]);
        }
        let rest = String::from_utf8_lossy(&line).into_owned();
        panic!(
            "{} answers `{rest}` and no more: {}",
            self.shown,
            self.how_it_ended()
        );
    }

    /// The end of a process that should have gone on, and what it has said of it, for a message.
    fn how_it_ended(&self) -> String {
        let mut said = Vec::new();
        while let Ok(line) = self.stderr_lines.recv_timeout(WATCHDOG) {
            said.push(line);
        }
        format!("{:?}, and it wrote:\n{}", self.ended(), said.join("\n"))
    }

    /// What a test that fails was about to kill: another process may be why this one has not done what it should.
    fn how_it_is(&self) -> String {
        let now = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let state = waitid(Id::Pid(self.group), now);
        let said: Vec<String> = self.stderr_lines.try_iter().collect();
        format!("{} is {state:?}, and wrote:\n{}", self.shown, said.join("\n"))
    }

    /// Waits for a line of its standard error in which `what` stands.
    ///
    /// # Panics
    /// When none comes before it closes its standard error.
    pub(crate) fn hear_error(&mut self, what: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.stderr_lines.recv_timeout(WATCHDOG) {
                Ok(line) if line.contains(what) => return line,
                Ok(line) => before.push(line),
                Err(error) => {
                    panic!(
                        "{} has not said `{what}` ({error}), but:\n{}",
                        self.shown,
                        before.join("\n")
                    )
                }
            }
        }
    }

    /// Sends a signal to the process alone.
    pub(crate) fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(self.group, signal).expect("an own process that was not waited for exists");
    }

    /// Sends a signal to its whole process group, as a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        killpg(self.group, signal).expect("an own process that was not waited for exists");
    }

    /// Waits for its end, with its input open still; [`Running::finish`] tells of it again.
    pub(crate) fn ended(&self) -> WaitStatus {
        waitid(Id::Pid(self.group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).expect("an own child")
    }

    /// Closes its input, waits for its end, and gives back all that it wrote and was not heard yet.
    ///
    /// # Panics
    /// When it does not end within the watchdog's time.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.stdin.take());
        let mut child = self.child.take().expect("it is finished once");
        let mut pipe = self.stdout.take().expect("it is finished once");
        let errors = self.stderr.take().expect("it is finished once");
        let (done, ended) = mpsc::channel();
        let waiter = std::thread::spawn(move || {
            let mut stdout = Vec::new();
            pipe.read_to_end(&mut stdout).expect("a pipe is readable");
            let stderr = errors.join().expect("the reader does not panic");
            let status = child.wait().expect("an own child can be waited for");
            // The receiver is gone when the watchdog has bitten.
            let _ = done.send(());
            Finished {
                status,
                stdout,
                stderr,
            }
        });
        let in_time = ended.recv_timeout(WATCHDOG).is_ok();
        if !in_time {
            // The group exists: its leader has not been waited for.
            let _ = killpg(self.group, Signal::SIGKILL);
        }
        let finished = waiter.join().expect("the waiter does not panic");
        assert!(
            in_time,
            "{} has not ended in {WATCHDOG:?}; it wrote:\n{}{}",
            self.shown,
            finished.stdout_text(),
            finished.stderr_text()
        );
        finished
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.is_some() && std::thread::panicking() {
            eprintln!("{}", self.how_it_is());
        }
        if let Some(mut child) = self.child.take() {
            // Both fail only when the process is gone, which is what they are for.
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

/// Runs `program` to its end with nothing on its standard input.
pub(crate) fn run<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Finished {
    Running::start(Command::new(program).args(args)).finish()
}
