//! New processes: the program to profile, and the doorbell.
//!
//! Must not know: what the program is for. Between fork and exec only async-signal-safe calls are
//! made (fork(2), signal-safety(7)): everything they need is laid out before.

use super::Answer;
use super::procfs::errno_of;
use crate::ids::{Pid, Tid};
use libc::c_void;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// A child that waits to be traced before it becomes the program.
#[derive(Debug)]
pub(crate) struct Held {
    /// The child; also the program's pid.
    pub(crate) pid: Pid,
    go: PipeWriter,
    failure: PipeReader,
}

fn c_string(text: &OsStr) -> Answer<CString> {
    CString::new(text.as_bytes()).or(Err(Errno::EINVAL))
}

/// The strings of an argument or environment block, and pointers to them that end with null.
struct Block {
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Block {
    fn new(texts: &[OsString]) -> Answer<Self> {
        let strings = texts.iter().map(|t| c_string(t)).collect::<Answer<Vec<_>>>()?;
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self {
            _strings: strings,
            pointers,
        })
    }
}

/// Forks a child that will run `program` once [`Held::release`] is called.
pub(crate) fn hold(
    program: &Path,
    arguments: &[OsString],
    environment: &[OsString],
    mask: SignalMask,
) -> Answer<Held> {
    let path = c_string(program.as_os_str())?;
    let arguments = Block::new(arguments)?;
    let environment = Block::new(environment)?;
    // Both pipes are close-on-exec (std): the program sees neither.
    let (go_read, go_write) = pipe().map_err(|e| errno_of(&e))?;
    let (failure_read, failure_write) = pipe().map_err(|e| errno_of(&e))?;
    let fds = ChildFds {
        mask,
        go: go_read.as_raw_fd(),
        go_write: go_write.as_raw_fd(),
        failure: failure_write.as_raw_fd(),
    };
    // SAFETY: the child calls only async-signal-safe functions before it execs or exits (see
    // `become_program`); all memory it reads was laid out above.
    let forked = unsafe { libc::fork() };
    match Errno::result(forked)? {
        0 => become_program(&path, &arguments, &environment, fds),
        pid => Ok(Held {
            pid: Pid(pid),
            go: go_write,
            failure: failure_read,
        }),
    }
}

#[derive(Clone, Copy)]
struct ChildFds {
    mask: SignalMask,
    go: i32,
    go_write: i32,
    failure: i32,
}

/// The child's side: waits for its release, then execs. Never returns.
fn become_program(path: &CString, arguments: &Block, environment: &Block, fds: ChildFds) -> ! {
    // Its own copy of the write end would keep the pipe open for ever if the parent died.
    close(fds.go_write);
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is writable; read is async-signal-safe.
        let got = unsafe { libc::read(fds.go, ptr::from_mut(&mut byte).cast(), 1) };
        match (got, Errno::last_raw()) {
            (1, _) => break,
            (-1, libc::EINTR) => {}
            // End of file: the parent has gone or has given up.
            _ => exit_now(127),
        }
    }
    reset_signals(fds.mask);
    // SAFETY: path and both blocks are null-terminated and outlive the call; on success it does not return.
    unsafe {
        libc::execve(
            path.as_ptr(),
            arguments.pointers.as_ptr(),
            environment.pointers.as_ptr(),
        )
    };
    let errno = Errno::last_raw().to_ne_bytes();
    // SAFETY: `errno` is readable for its length; write is async-signal-safe. A failed write shows as an
    // empty pipe and the exit code.
    unsafe { libc::write(fds.failure, errno.as_ptr().cast(), errno.len()) };
    exit_now(127)
}

/// The signals a thread blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalMask(SigSet);

impl SignalMask {
    /// What the calling thread blocks: what a program it started itself would block too.
    #[must_use]
    pub fn of_this_thread() -> Self {
        // pthread_sigmask(3) fails for a wrong argument only.
        Self(SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()))
    }
}

/// Rust's runtime ignores SIGPIPE in this process, and exec hands that on: the program gets the default back.
fn reset_signals(mask: SignalMask) {
    // SAFETY: the set is initialised; sigprocmask is async-signal-safe, and this process has one thread.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask.0.as_ref(), ptr::null_mut()) };
    // SAFETY: signal is async-signal-safe, and SIG_DFL runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn close(fd: i32) {
    // SAFETY: the caller owns the number; close is async-signal-safe.
    unsafe { libc::close(fd) };
}

fn exit_now(code: i32) -> ! {
    // SAFETY: _exit runs no handlers and does not return.
    unsafe { libc::_exit(code) }
}

impl Held {
    /// Lets the child go on to exec.
    pub(crate) fn release(&mut self) -> Answer<()> {
        self.go.write_all(&[1]).map_err(|e| errno_of(&e))
    }

    /// Why exec failed: called once the child has ended before its exec was seen.
    pub(crate) fn exec_error(mut self) -> Option<Errno> {
        let mut errno = [0; 4];
        self.failure.read_exact(&mut errno).ok()?;
        Some(Errno::from_raw(i32::from_ne_bytes(errno)))
    }
}

/// A child of the tracing thread that ends when the last copy of a pipe's write end is closed.
///
/// wait4(2) can sleep on nothing but children. So what should wake a session (a request to stop, the
/// death of a front end) closes the pipe, the child ends, and the wait returns: no signal handler,
/// no polling, no lost wake-up.
///
/// It is ended and reaped with the session; by a descriptor, since its number may be another's once it was
/// reaped by a wait (pidfd_open(2)).
#[derive(Debug)]
pub(crate) struct Doorbell {
    tid: Tid,
    /// `None` on a kernel before 5.3, where the end of the session's thread ends it.
    process: Option<OwnedFd>,
}

impl Doorbell {
    /// Starts the child, which keeps no descriptor but the pipe's read end.
    pub(crate) fn hang_up() -> Answer<(Self, PipeWriter)> {
        let (read, write) = pipe().map_err(|e| errno_of(&e))?;
        let fd = read.as_raw_fd();
        // SAFETY: the child calls only async-signal-safe functions until it exits.
        let forked = unsafe { libc::fork() };
        match Errno::result(forked)? {
            0 => wait_for_end_of_file(fd),
            pid => {
                let bell = Self {
                    tid: Tid(pid),
                    process: pidfd_open(pid).ok(),
                };
                Ok((bell, write))
            }
        }
    }

    /// A doorbell that is the child of a scene.
    #[cfg(test)]
    pub(crate) fn scripted(tid: Tid) -> Self {
        Self { tid, process: None }
    }

    /// Whether a wait's answer is about the doorbell.
    pub(crate) fn is(&self, tid: Tid) -> bool {
        self.tid == tid
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            end_and_reap(process);
        }
    }
}

/// A descriptor of a child that is not reaped yet.
fn pidfd_open(pid: i32) -> Answer<OwnedFd> {
    // SAFETY: pidfd_open takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(result)?).or(Err(Errno::EBADF))?;
    // SAFETY: the kernel has just opened `fd`, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn end_and_reap(process: &OwnedFd) {
    let fd = process.as_raw_fd();
    // ESRCH from one that was reaped already, and ECHILD below: then there is nothing to do.
    // SAFETY: without a siginfo pidfd_send_signal takes numbers only.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            libc::SIGKILL,
            ptr::null::<c_void>(),
            0,
        )
    };
    let Ok(id) = libc::id_t::try_from(fd) else { return };
    let mut ended = MaybeUninit::<libc::siginfo_t>::uninit();
    loop {
        // SAFETY: `ended` is writable for the call.
        let result = unsafe { libc::waitid(libc::P_PIDFD, id, ended.as_mut_ptr(), libc::WEXITED) };
        if Errno::result(result) != Err(Errno::EINTR) {
            return;
        }
    }
}

fn wait_for_end_of_file(fd: i32) -> ! {
    // SAFETY: prctl with a signal number and setsid take no memory. A terminal's signals are not for the
    // doorbell, and it must not outlive the thread that forked it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: as above.
    unsafe { libc::setsid() };
    // It must not hold the user's pipes open.
    for (first, last) in [(0, fd - 1), (fd + 1, i32::MAX)] {
        if first <= last {
            // SAFETY: closes numbers only; nothing of this process uses them any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is writable; read is async-signal-safe.
        let got = unsafe { libc::read(fd, ptr::from_mut(&mut byte).cast(), 1) };
        if got >= 0 || Errno::last_raw() != libc::EINTR {
            exit_now(0);
        }
    }
}

/// Whether a file can be found at `program`: the file itself, or the first of its name in `search`.
pub(crate) fn find_program(program: &Path, search: Option<&OsStr>) -> Option<std::path::PathBuf> {
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Some(program.to_owned());
    }
    let is_program = |path: &Path| {
        File::open(path).is_ok_and(|f| f.metadata().is_ok_and(|m| m.is_file()))
            && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
    };
    std::env::split_paths(search?)
        .map(|dir| dir.join(program))
        .find(|path| is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::linux::Linux;
    use crate::sys::{Kernel, WaitFor, procfs};

    #[test]
    fn a_doorbell_leaves_no_process_behind_whether_it_was_rung_or_not() {
        for rung in [true, false] {
            let (bell, writer) = Doorbell::hang_up().expect("a child");
            let tid = bell.tid;
            assert_eq!(procfs::process_of(tid), Ok(Pid(tid.0)));
            if rung {
                drop(writer);
                let ended = Linux::default().wait(WaitFor::Only(tid)).expect("a child");
                assert!(bell.is(ended.expect("it ends").0));
            }
            drop(bell);
            assert_eq!(procfs::process_of(tid), Err(Errno::ESRCH), "rung: {rung}");
        }
    }
}
