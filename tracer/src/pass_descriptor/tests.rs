//! Descriptors and memory given to a real process; the message by itself.

use super::*;
use crate::decode::{Stop, decode};
use crate::ids::Pid;
use crate::support::{Target, program};
use crate::sys::linux::Linux;
use crate::sys::pin;
use crate::sys::rss_gate::RssGate;
use crate::sys::rss_gate::layout::dirty_word;
use crate::sys::rss_gate::tests::{gate, resident};
use crate::sys::shared_memory::SharedMemory;
use crate::sys::{Seize, Signal, WaitFor};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const AT: RemoteAddr = RemoteAddr(0x1000_0000_0000);

const WATCHER: &str = r#"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
/* A user without rights: what it is given is all it has. */
int main(int argc, char **argv) {
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (getuid() == 0) setresuid(65534, 65534, 65534);
    if (argc > 1) {
        struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog filter = { 1, &allow };
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) return 9;
    }
    say("ready");
    char c;
    read(0, &c, 1);
    __asm__ volatile("int3");
    volatile unsigned long *word = (void *)(0x100000000000 + 4096);
    while (read(0, &c, 1) == 1) {
        char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        *word = 0;
        unsigned long before = *word;
        if (c == 't') *page = 1;
        dprintf(1, "%lu %lu\n", before, *word);
    }
    return 0;
}
"#;

/// A process that stands at a breakpoint of its own, and its tracer.
struct Stopped {
    target: Target,
    kernel: Linux,
    caller: RemoteCaller,
    parked: Parked,
}

impl Stopped {
    fn new(name: &str) -> Self {
        Self::with_arguments(name, &[])
    }

    fn with_arguments(name: &str, arguments: &[&str]) -> Self {
        let mut target = program(name, WATCHER).start(arguments);
        let mut kernel = Linux::default();
        let tid = target.pid().leader();
        kernel.seize(tid, Seize::DiesWithTracer).expect("seized");
        target.send(b'!');
        let stop = kernel.wait(WaitFor::Only(tid)).expect("a tracee");
        let (_, status) = stop.expect("it stops");
        assert_eq!(decode(status), Stop::Signal(Signal::TRAP));
        Self {
            target,
            kernel,
            caller: RemoteCaller::default(),
            parked: Parked::default(),
        }
    }

    fn pid(&self) -> Pid {
        self.target.pid()
    }

    fn recipient(&mut self) -> Recipient<'_, Linux> {
        Recipient {
            tid: self.target.pid().leader(),
            kernel: &mut self.kernel,
            caller: &mut self.caller,
            parked: &mut self.parked,
        }
    }

    /// Lets it go on without us.
    fn let_go(mut self) -> Target {
        let tid = self.pid().leader();
        self.kernel.detach(tid, Signal::NONE).expect("given back");
        self.target
    }

    fn descriptors(&self) -> Vec<String> {
        let listed = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it lives");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut names: Vec<String> = listed.filter_map(name).collect();
        names.sort_unstable();
        names
    }

    fn mappings(&mut self) -> usize {
        let tid = self.pid().leader();
        self.kernel.mappings(tid).expect("it lives").len()
    }
}

fn range(length: usize) -> RemoteRange {
    RemoteRange {
        start: AT,
        end: AT.plus(length as u64),
    }
}

fn ask(target: &mut Target, command: u8) -> String {
    target.send(command);
    target.line()
}

#[test]
fn a_process_without_rights_sees_its_own_changes_in_the_map_it_was_given() {
    let Some(gate) = gate(1) else { return };
    gate.set_slots_in_use(1);
    let mut stopped = Stopped::new("sees");
    let before = stopped.descriptors();
    // The first call of all brings in a page: the code of the vdso that it is run from.
    stopped.recipient().call(libc::SYS_getpid, [0; 6]).expect("run");
    let pages = resident(stopped.pid());
    gate.learn_from(stopped.pid()).expect("it lives");
    let given = stopped.recipient().give(gate.map()).expect("given");
    assert_eq!(stopped.descriptors().len(), before.len() + 1);
    stopped
        .recipient()
        .map(given, range(gate.length()), 0)
        .expect("mapped");
    // The mapping itself was a change, and all its pages are there: so nobody has to provoke one.
    assert!(gate.learned().is_some());
    assert_eq!(resident(stopped.pid()) - pages, gate.length() as u64 / 4096);
    assert_eq!(stopped.descriptors(), before);
    let mut target = stopped.let_go();
    assert_eq!(ask(&mut target, b'-'), "0 0");
    assert_eq!(ask(&mut target, b't'), "0 1");
    assert_eq!(ask(&mut target, b'-'), "0 0");
    assert_eq!(ask(&mut target, b't'), "0 1");
    assert_eq!(target.finish(), (String::new(), Some(0)));
}

/// A process that was given a gate by a thread that has ended, with its event or without.
fn left_alone(gate: RssGate, has_event: bool) -> Target {
    gate.set_slots_in_use(1);
    let mut stopped = Stopped::new("left_alone");
    gate.learn_from(stopped.pid()).expect("it lives");
    let map = stopped.recipient().give(gate.map()).expect("given");
    let mapped = stopped.recipient().map(map, range(gate.length()), 0);
    assert_eq!(mapped, Ok(()));
    if has_event {
        stopped.recipient().give(gate.event()).expect("given");
    }
    stopped.let_go()
}

/// The same process, once the thread that gave it the gate has ended for the kernel, too.
fn orphan(has_event: bool) -> Option<Target> {
    let tracer = std::thread::spawn(move || {
        let left = gate(1).map(|gate| left_alone(gate, has_event));
        (left, pin::own_tid())
    });
    let (left, tracer) = tracer.join().expect("no panic");
    // The joining thread is woken before the kernel takes the thread's events away (do_exit, kernel/exit.c).
    while std::fs::exists(format!("/proc/self/task/{tracer}")).expect("/proc is there") {
        std::thread::yield_now();
    }
    left
}

#[test]
fn a_gate_goes_on_without_us_where_the_process_has_its_event() {
    let Some(mut target) = orphan(true) else { return };
    assert_eq!(ask(&mut target, b'-'), "0 0");
    assert_eq!(ask(&mut target, b't'), "0 1");
}

#[test]
fn a_gate_ends_with_us_where_the_process_has_the_map_alone() {
    let Some(mut target) = orphan(false) else { return };
    assert_eq!(ask(&mut target, b'-'), "0 0");
    // A child that another test has forked has a copy of the event until its exec.
    let patience = Instant::now() + Duration::from_secs(30);
    while ask(&mut target, b't') != "0 0" {
        assert!(Instant::now() < patience, "it is marked still");
    }
}

#[test]
fn memory_of_ours_is_shared_with_a_process_from_the_page_that_was_asked_for() {
    let memory = SharedMemory::new(3 * 4096).expect("memory");
    memory.u64_at(4096).store(11, Ordering::Relaxed);
    let mut stopped = Stopped::new("shares");
    let given = stopped.recipient().give(memory.descriptor()).expect("given");
    let mapped = stopped.recipient().map(given, range(2 * 4096), 4096);
    assert_eq!(mapped, Ok(()));
    assert_eq!(stopped.target.bytes(AT, 8), 11_u64.to_ne_bytes());
    memory.u64_at(dirty_word(1)).store(22, Ordering::Relaxed);
    let mut target = stopped.let_go();
    assert_eq!(ask(&mut target, b'-'), "0 0");
    assert_eq!(memory.bytes(2 * 4096..2 * 4096 + 8), [0; 8]);
    assert_eq!(memory.u64_at(4096).load(Ordering::Relaxed), 11);
}

#[test]
fn what_cannot_be_mapped_or_given_leaves_nothing_behind() {
    let memory = SharedMemory::new(4096).expect("memory");
    let mut stopped = Stopped::new("leaves_nothing");
    let tid = stopped.pid().leader();
    let before = (stopped.descriptors(), stopped.mappings());
    let registers = stopped.kernel.registers(tid).expect("stopped");
    let code = stopped.kernel.mappings(tid).expect("it lives")[0].range.start;
    let occupied = RemoteRange {
        start: code,
        end: code.plus(4096),
    };
    let given = stopped.recipient().give(memory.descriptor()).expect("given");
    let refused = stopped.recipient().map(given, occupied, 0);
    assert_eq!(refused, Err(Errno::EEXIST));
    assert_eq!((stopped.descriptors(), stopped.mappings()), before);

    // Room for the two ends and nothing more.
    let free = |number: &u64| !before.0.contains(&number.to_string());
    let limit = (0..).filter(free).nth(1).expect("numbers go on") + 1;
    let arguments = |at: u64| [0, libc::RLIMIT_NOFILE.into(), at, 0, 0, 0];
    let limited = stopped
        .caller
        .with_page(&mut stopped.kernel, tid, &mut stopped.parked, |page| {
            page.write(&[limit, limit])?;
            page.call(libc::SYS_prlimit64, arguments(page.address.0))
        });
    assert_eq!(limited, Ok(0));
    let refused = stopped.recipient().give(memory.descriptor());
    assert_eq!(refused, Err(Errno::EMFILE));
    assert_eq!((stopped.descriptors(), stopped.mappings()), before);
    assert_eq!(stopped.kernel.registers(tid), Ok(registers));
}

#[test]
fn a_program_with_a_seccomp_filter_of_its_own_is_given_nothing() {
    let memory = SharedMemory::new(4096).expect("memory");
    let mut stopped = Stopped::with_arguments("filters", &["filter"]);
    let before = (stopped.descriptors(), stopped.mappings());
    let refused = stopped.recipient().give(memory.descriptor());
    assert_eq!(refused, Err(Errno::EPERM));
    assert_eq!((stopped.descriptors(), stopped.mappings()), before);
}

#[test]
fn a_message_without_its_descriptor_is_known() {
    let mut words = room_for_message(RemoteAddr(0x1000));
    assert_eq!(words[2..7], [0x1038, 1, 0x1050, 24, 0]);
    assert_eq!(words[7..9], [0x1048, 1]);
    assert_eq!(descriptor_in(&words), Err(Errno::EMFILE));
    words[CONTROL_LENGTH] = 20;
    words[CONTROL_KIND] = 1 << 32 | 1;
    words[CONTROL] = 5;
    assert_eq!(descriptor_in(&words), Ok(RemoteDescriptor(5)));
    words[FLAGS] = 8;
    assert_eq!(descriptor_in(&words), Err(Errno::EMFILE));
    words[FLAGS] = 0;
    words[CONTROL_KIND] = 2 << 32 | 1;
    assert_eq!(descriptor_in(&words), Err(Errno::EBADMSG));
}
