//! Real programs for the tests of this crate: small C sources, compiled, run and checked.
//!
//! Must not know: what a test proves. A program says what it did on its standard output, in words the test
//! compares; nothing here sleeps.

#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part of this module"
)]

use lineprof_tracer::{
    Children, Engine, Event, Gates, Gauge, Launch, Options, Pid, Pinning, RemoteAddr, Session, SignalMask,
    SiteRequest, StopHandle, Tid, code, stop_pair,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// Programs put `HOT` before functions whose first instruction is a site; `81 c3 imm32` makes a thread that
/// goes on one byte late run `c3`, a return (C022).
const PRELUDE: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
/* rbx is saved, 0x01020304 added by "81 c3 imm32" at the site, and given back in rax. */
__asm__(".text\n.globl hot\n.type hot,@function\nhot:\n push %rbx\n mov %rdi,%rbx\n.globl hot_site\nhot_site:\n"
        " .byte 0x81,0xc3,0x04,0x03,0x02,0x01\n mov %rbx,%rax\n pop %rbx\n ret\n");
extern unsigned long hot(unsigned long);
extern unsigned char hot_site[];
static inline int hot_ok(unsigned long n) { return hot(n) == (uint32_t)(n + 0x01020304); }
static inline void wait_for_end_of_input(void) { char c; while (read(0, &c, 1) > 0) {} }
static inline void say(const char *what) { dprintf(1, "%s\n", what); }
"#;

fn build_dir() -> &'static Path {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    DIR.get_or_init(|| tempfile::tempdir().expect("a directory"))
        .path()
}

/// A compiled program.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    site_offset: u64,
}

/// Compiles `source` behind the prelude.
pub(crate) fn program(name: &str, source: &str) -> Program {
    let path = build_dir().join(format!("{name}-{:?}", std::thread::current().id()).replace(['(', ')'], ""));
    let code = path.with_extension("c");
    std::fs::write(&code, format!("{PRELUDE}{source}")).expect("written");
    let built = Command::new("cc")
        .args(["-g", "-O1", "-Wall", "-Wno-unused", "-pthread", "-pie", "-o"])
        .args([&path, &code])
        .output()
        .expect("cc runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let site_offset = symbol(&path, "hot_site");
    Program { path, site_offset }
}

fn symbol(path: &Path, name: &str) -> u64 {
    let symbols = Command::new("nm").arg(path).output().expect("nm runs");
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    let line = symbols.lines().find(|l| l.ends_with(&format!(" {name}")));
    let offset = line
        .and_then(|l| l.split(' ').next())
        .expect("a symbol of the program");
    u64::from_str_radix(offset, 16).expect("a number")
}

impl Program {
    /// A program that was compiled before.
    pub(crate) fn at(path: PathBuf, site_offset: u64) -> Program {
        Program { path, site_offset }
    }

    pub(crate) fn site_offset(&self) -> u64 {
        self.site_offset
    }

    /// From one symbol to another.
    pub(crate) fn distance(&self, from: &str, to: &str) -> i64 {
        symbol(&self.path, to).cast_signed() - symbol(&self.path, from).cast_signed()
    }

    /// The site in a process.
    pub(crate) fn site(&self, session: &mut Session) -> SiteRequest {
        self.site_at(session, self.site_offset)
    }

    /// A site on the instruction at `symbol`.
    pub(crate) fn site_named(&self, session: &mut Session, symbol_name: &str) -> SiteRequest {
        self.site_at(session, symbol(&self.path, symbol_name))
    }

    fn site_at(&self, session: &mut Session, offset: u64) -> SiteRequest {
        let mappings = session.mappings().expect("the process lives");
        let base = mappings
            .iter()
            .filter(|m| m.path == self.path)
            .map(|m| m.range.start)
            .min();
        let address = base.expect("the program is mapped").plus(offset);
        let mut instruction = vec![0; 15];
        let read = session.read_memory(address, &mut instruction).expect("mapped");
        let length = code::decode(&instruction[..read])[0].length;
        instruction.truncate(usize::from(length));
        SiteRequest { address, instruction }
    }

    pub(crate) fn launch(&self, engine: Engine, arguments: &[&str]) -> (Session, StopHandle) {
        let launch = Launch {
            program: self.path.clone(),
            arguments: [self.path.as_os_str().to_owned()]
                .into_iter()
                .chain(arguments.iter().map(std::ffi::OsString::from))
                .collect(),
            environment: vec!["PATH=/usr/bin:/bin".into()],
            blocked: SignalMask::of_this_thread(),
        };
        let (handle, listener) = stop_pair().expect("a pair");
        let session = Session::launch(&launch, options(engine), listener).expect("it starts");
        (session, handle)
    }

    /// Runs it from start to end with a site on its hot instruction.
    pub(crate) fn profile(&self, engine: Engine, arguments: &[&str]) -> Profile {
        self.profile_at(engine, arguments, &["hot_site"])
    }

    /// Runs it from start to end with a site on the instruction at each of `symbols`.
    pub(crate) fn profile_at(&self, engine: Engine, arguments: &[&str], symbols: &[&str]) -> Profile {
        let (mut session, _handle) = self.launch(engine, arguments);
        let named = |symbol: &&str| self.site_named(&mut session, symbol);
        let sites: Vec<SiteRequest> = symbols.iter().map(named).collect();
        let planted = session.plant(&sites).expect("it lives");
        assert!(planted.iter().all(Result::is_ok), "{planted:?}");
        let profile = run(&mut session);
        // A process that shares the memory may live on.
        session.detach().expect("nothing is left to fail");
        profile
    }

    /// Starts it without a tracer, with pipes; it has said its first line.
    pub(crate) fn start(&self, arguments: &[&str]) -> Target {
        let mut child = Command::new(&self.path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut target = Target {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().expect("piped")),
            child,
        };
        assert_eq!(target.line(), "ready");
        target
    }
}

pub(crate) fn options(engine: Engine) -> Options {
    Options {
        engine,
        gauge: Gauge::Resident,
        gates: Gates::Cheapest,
        keeper: lineprof_tracer::Keeper::Tracer,
        pinning: Pinning::WhileHot,
        children: Children::RunFree,
    }
}

/// What a whole session told.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// Hits by thread, in the order of their first.
    pub(crate) hits: BTreeMap<u32, u64>,
    /// Hits by the number of the site, in the order of planting.
    sites: BTreeMap<usize, u64>,
    pub(crate) endings: u64,
    pub(crate) last: Option<Event>,
}

impl Profile {
    pub(crate) fn total(&self) -> u64 {
        self.hits.values().sum()
    }

    pub(crate) fn at_site(&self, number: usize) -> u64 {
        self.sites.get(&number).copied().unwrap_or_default()
    }
}

pub(crate) fn run(session: &mut Session) -> Profile {
    let mut profile = Profile::default();
    loop {
        match session.next_event().expect("no error") {
            Event::Hit(hit) => {
                *profile.hits.entry(hit.thread.serial).or_default() += 1;
                *profile.sites.entry(hit.site.index()).or_default() += 1;
            }
            Event::ThreadEnding(_) => profile.endings += 1,
            Event::Passed | Event::Stopped(_) | Event::Began(_) | Event::Woken => {}
            last @ (Event::Ended(_) | Event::Executed | Event::Over | Event::StopRequested) => {
                profile.last = Some(last);
                return profile;
            }
        }
    }
}

/// A process of its own, that is killed when the test is done with it.
pub(crate) struct Target {
    child: Child,
    pub(crate) input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Target {
    pub(crate) fn pid(&self) -> Pid {
        Pid(self.child.id().cast_signed())
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    pub(crate) fn send(&mut self, byte: u8) {
        self.input
            .as_mut()
            .expect("open")
            .write_all(&[byte])
            .expect("written");
    }

    /// Closes its input, which ends it; what it says then, and its exit code.
    pub(crate) fn finish(mut self) -> (String, Option<i32>) {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("text");
        let status = self.child.wait().expect("it ends");
        (rest.trim_end().to_owned(), status.code())
    }

    /// What its parent would hear of it: that it was stopped or continued, or its end.
    pub(crate) fn news(&self) -> WaitStatus {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
        let pid = nix::unistd::Pid::from_raw(self.pid().0);
        nix::sys::wait::waitpid(pid, Some(flags)).expect("an own child")
    }

    /// Its threads, in the order of their birth.
    pub(crate) fn threads(&self) -> Vec<Tid> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it lives");
        let number = |task: std::io::Result<std::fs::DirEntry>| task.ok()?.file_name().to_str()?.parse().ok();
        let mut threads: Vec<Tid> = tasks.filter_map(number).map(Tid).collect();
        threads.sort_unstable();
        threads
    }

    /// The tracer of each thread; all 0 for a process that nobody traces.
    pub(crate) fn tracers(&self) -> Vec<String> {
        self.status_of_threads("TracerPid")
    }

    /// Waits until nobody traces it: a thread that is joined may not have let go of its tracees yet (do_exit in
    /// kernel/exit.c wakes the joining thread first).
    pub(crate) fn is_let_go(&self) -> bool {
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while self.tracers().iter().any(|t| t != "0") {
            if std::time::Instant::now() > patience {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    pub(crate) fn states(&self) -> Vec<String> {
        self.status_of_threads("State")
    }

    fn status_of_threads(&self, field: &str) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it lives");
        let status = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let line = text.lines().find(|l| l.starts_with(field))?;
            Some(line.split_whitespace().nth(1)?.to_owned())
        };
        tasks.filter_map(status).collect()
    }

    /// Bytes of its memory, read by nobody's help.
    pub(crate) fn bytes(&self, at: RemoteAddr, length: usize) -> Vec<u8> {
        use std::os::unix::fs::FileExt;
        let memory = std::fs::File::open(format!("/proc/{}/mem", self.child.id())).expect("it lives");
        let mut bytes = vec![0; length];
        memory.read_exact_at(&mut bytes, at.0).expect("mapped");
        bytes
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// How often a race is repeated.
pub(crate) fn rounds() -> u32 {
    if std::env::var_os("LINEPROF_STRESS").is_some() {
        100
    } else {
        10
    }
}

pub(crate) const BOTH: [Engine; 2] = [Engine::Auto, Engine::InPlace];
