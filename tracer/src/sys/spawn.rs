//! A new process: the program to profile.
//!
//! Must not know: what the program is for. Between fork and exec only async-signal-safe calls are
//! made (fork(2), signal-safety(7)): everything they need is laid out before.

use super::Answer;
use super::procfs::errno_of;
use crate::ids::Pid;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
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

/// Leaves a forked child with this descriptor alone: it must hold neither the user's pipes open nor a terminal.
///
/// *State*: nothing of this process uses the other descriptors any more.
pub(super) fn keep_only(descriptor: i32) {
    // SAFETY: takes no arguments. A terminal's signals are not for this process.
    unsafe { libc::setsid() };
    for (first, last) in [(0, descriptor - 1), (descriptor + 1, i32::MAX)] {
        if first <= last {
            // SAFETY: closes numbers only, which nobody uses.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

pub(super) fn exit_now(code: i32) -> ! {
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
