//! The gate over real processes, each change compared with what the kernel says of their memory.

use super::*;
use crate::ids::Tid;
use crate::support::{Program, Target, program};
use libc::{c_void, iovec};
use std::sync::OnceLock;

const CHANGES: &str = r#"
#include <sys/prctl.h>
static char *fresh(int pages, int flags) {
    return mmap(0, pages * 4096L, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
}
static void touch(char *at, int pages) { for (int i = 0; i < pages; i++) at[i * 4096L] = 1; }
static void *touch_ten(void *at) { touch(at, 10); return 0; }
static void obey(char **argv) {
    static char *ten, *more;
    char command;
    while (read(0, &command, 1) == 1) {
        switch (command) {
        case 't': touch(ten = fresh(10, MAP_PRIVATE), 10); break;
        case 'd': madvise(ten, 10 * 4096, MADV_DONTNEED); break;
        case 'a': touch(ten, 10); break;
        case 'u': munmap(ten, 10 * 4096); break;
        case 'b': touch(sbrk(256 * 4096), 256); break;
        case 'c': sbrk(-256 * 4096); break;
        case 'p': ten = fresh(50, MAP_PRIVATE | MAP_POPULATE); break;
        case 'l': mlock(fresh(10, MAP_PRIVATE), 10 * 4096); break;
        case 's': touch(fresh(10, MAP_SHARED), 10); break;
        case 'r': read(open("/dev/zero", O_RDONLY), fresh(10, MAP_PRIVATE), 10 * 4096); break;
        case 'f': {
            char *file = mmap(0, 4096, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY), 0);
            *(volatile char *)file;
            break;
        }
        case 'h': {
            pthread_t thread;
            pthread_create(&thread, 0, touch_ten, fresh(10, MAP_PRIVATE));
            pthread_join(thread, 0);
            break;
        }
        case 'w': dprintf(1, "%p\n", more = fresh(1, MAP_PRIVATE)); continue;
        case 'e': execv(argv[0], argv);
        }
        say("done");
    }
}
int main(int argc, char **argv) {
    /* A huge page would be 512 pages at once. */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (argc > 1) {
        unshare(CLONE_NEWPID);
        if (fork()) return wait(0) < 0;
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    }
    say("ready");
    obey(argv);
    return 0;
}
"#;

fn changes() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| program("changes", CHANGES))
}

/// A gate; `None` where this process lacks the capabilities, and for no other reason.
pub(crate) fn gate(slots: u32) -> Option<RssGate> {
    match RssGate::open(slots) {
        Ok(gate) => Some(gate),
        Err(refused) => {
            eprintln!("no gate here: {refused}");
            assert!(!has_capabilities(), "{refused:?}");
            assert!(matches!(refused, GateRefused::NotPermitted { .. }), "{refused:?}");
            None
        }
    }
}

/// Whether this process may load programs and mount tracefs: by a capability that counts outside of a user namespace.
fn has_capabilities() -> bool {
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let users = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if users.split_ascii_whitespace().ne(["0", "0", "4294967295"]) {
        return false;
    }
    let own = Tid(std::process::id().cast_signed());
    let set = procfs::status_field(own, "CapEff").expect("own status");
    let set = u64::from_str_radix(&set.expect("it has sets"), 16).expect("a set");
    set & CAP_SYS_ADMIN != 0
}

/// What statm calls resident, in pages.
pub(crate) fn resident(pid: Pid) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it lives");
    let pages = statm.split(' ').nth(1).expect("a second number");
    pages.parse().expect("a number")
}

fn tell(target: &mut Target, command: u8) {
    target.send(command);
    assert_eq!(target.line(), "done", "{}", char::from(command));
}

const IN_USE: u32 = 3;
const SLOTS: u32 = 4;

/// The gate has learned which memory is the target's.
fn learned_by(gate: &RssGate, target: &mut Target, slots: u32) {
    gate.set_slots_in_use(slots);
    gate.learn_from(target.pid()).expect("it lives");
    tell(target, b't');
    assert!(gate.learned().is_some(), "missed: {:?}", gate.missed());
}

/// The gate has learned which memory is `pid`'s, and knows all sizes.
fn learned(gate: &RssGate, target: &mut Target, pid: Pid) {
    gate.set_slots_in_use(IN_USE);
    // From the second time on it touches nothing of its own that is new.
    tell(target, b'-');
    tell(target, b'-');
    gate.learn_from(pid).expect("it lives");
    assert_eq!(gate.learned(), None);
    tell(target, b't');
    assert!(gate.learned().is_some(), "missed: {:?}", gate.missed());
    gate.seed(&procfs::sizes(pid).expect("it lives"));
    assert_agrees(gate, pid, "learned");
}

fn take_marks(gate: &RssGate) -> [bool; SLOTS as usize] {
    [0, 1, 2, 3].map(|slot| gate.take_mark(slot))
}

fn assert_agrees(gate: &RssGate, pid: Pid, after: &str) {
    let told = gate.sizes();
    assert_eq!(
        told.resident(),
        Some(resident(pid) * PAGE as u64),
        "after {after}: {told:?}, missed: {:?}",
        gate.missed()
    );
}

/// What is done, and by how many pages it changes the memory, where that is known.
const EACH: [(u8, &str, Option<i64>); 14] = [
    (b't', "touching ten pages", Some(10)),
    (b'd', "MADV_DONTNEED of them", Some(-10)),
    (b'a', "touching them again", Some(10)),
    (b'u', "unmapping them", Some(-10)),
    (b'b', "a longer heap", Some(256)),
    (b'c', "a shorter heap", Some(-256)),
    (b'p', "MAP_POPULATE of fifty", Some(50)),
    (b'u', "unmapping ten of them", Some(-10)),
    (b'l', "locking ten", Some(10)),
    (b's', "touching ten shared ones", Some(10)),
    (b'r', "a read into ten new ones", Some(10)),
    (b'f', "reading a mapped file", None),
    (b'h', "another thread", None),
    (b't', "touching ten more", Some(10)),
];

#[test]
fn every_change_of_the_memory_is_marked_and_the_sizes_are_those_of_statm() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut target = changes().start(&[]);
    let pid = target.pid();
    learned(&gate, &mut target, pid);
    for (command, what, pages) in EACH {
        let before = resident(pid).cast_signed();
        take_marks(&gate);
        tell(&mut target, command);
        assert_eq!(take_marks(&gate), [true, true, true, false], "{what}");
        assert_agrees(&gate, pid, what);
        let changed = resident(pid).cast_signed() - before;
        assert_eq!(pages.unwrap_or(changed), changed, "{what}");
        assert_ne!(changed, 0, "{what}");
    }
    assert!(gate.missed().is_ok(), "{:?}", gate.missed());
}

#[test]
fn what_does_not_change_the_memory_is_not_marked() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut target = changes().start(&[]);
    let pid = target.pid();
    learned(&gate, &mut target, pid);
    take_marks(&gate);
    let generation = gate.generation();
    tell(&mut target, b'-');
    assert_eq!(take_marks(&gate), [false; 4]);
    assert_eq!(gate.generation(), generation);
}

#[test]
fn a_page_that_another_process_writes_is_marked() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut target = changes().start(&[]);
    let pid = target.pid();
    learned(&gate, &mut target, pid);
    target.send(b'w');
    let at = usize::from_str_radix(target.line().trim_start_matches("0x"), 16).expect("an address");
    tell(&mut target, b'-');
    take_marks(&gate);
    let before = resident(pid);
    let mut byte = 7_u8;
    let local = iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    let remote = iovec {
        iov_base: at as *mut c_void,
        iov_len: 1,
    };
    // SAFETY: `local` is one readable byte; the other address is another process's.
    let written = unsafe { libc::process_vm_writev(pid.0, &raw const local, 1, &raw const remote, 1, 0) };
    assert_eq!(Errno::result(written), Ok(1));
    assert_eq!(take_marks(&gate), [true, true, true, false]);
    assert_eq!(resident(pid), before + 1);
    assert_agrees(&gate, pid, "process_vm_writev");
}

#[test]
fn other_processes_mark_nothing() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut watched = changes().start(&[]);
    let mut other = changes().start(&[]);
    let pid = watched.pid();
    gate.set_slots_in_use(IN_USE);
    tell(&mut watched, b'-');
    gate.learn_from(pid).expect("it lives");
    tell(&mut other, b't');
    assert_eq!(gate.learned(), None);
    learned(&gate, &mut watched, pid);
    take_marks(&gate);
    let (known, generation) = (gate.learned(), gate.generation());
    for (command, _, _) in EACH {
        tell(&mut other, command);
    }
    // A process that has the memory no more either: the child of a fork has a copy.
    drop(changes().start(&["apart"]));
    assert_eq!(take_marks(&gate), [false; 4]);
    assert_eq!((gate.learned(), gate.generation()), (known, generation));
    assert_agrees(&gate, pid, "changes of another");
}

#[test]
fn after_an_exec_the_new_memory_is_learned() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut target = changes().start(&[]);
    let pid = target.pid();
    learned(&gate, &mut target, pid);
    target.send(b'e');
    assert_eq!(target.line(), "ready");
    gate.forget();
    assert_eq!((gate.learned(), gate.sizes()), (None, Sizes::default()));
    take_marks(&gate);
    tell(&mut target, b't');
    assert_eq!((gate.learned(), take_marks(&gate)), (None, [false; 4]));
    learned(&gate, &mut target, pid);
    take_marks(&gate);
    tell(&mut target, b'u');
    assert_eq!(take_marks(&gate), [true, true, true, false]);
    assert_agrees(&gate, pid, "exec");
}

#[test]
fn a_process_in_a_pid_namespace_of_its_own_is_learned_by_its_number_there() {
    let Some(gate) = gate(SLOTS) else { return };
    let mut target = changes().start(&["apart"]);
    let outer = target.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
    let inner = Pid(children.expect("it lives").trim().parse().expect("one child"));
    assert_eq!(
        procfs::pid_namespace(inner).map(|namespace| namespace.pid_in_it),
        Ok(Pid(1))
    );
    learned(&gate, &mut target, inner);
    take_marks(&gate);
    tell(&mut target, b'b');
    assert_eq!(take_marks(&gate), [true, true, true, false]);
    assert_agrees(&gate, inner, "a change in a namespace");
}

#[test]
fn a_size_that_was_reported_is_not_seeded() {
    let Some(gate) = gate(1) else { return };
    assert_eq!(gate.sizes(), Sizes::default());
    let first = Sizes {
        file: Some(1),
        shared: Some(0),
        ..Sizes::default()
    };
    gate.seed(&first);
    assert_eq!((gate.sizes(), gate.sizes().resident()), (first, None));
    gate.seed(&Sizes {
        file: Some(7),
        anonymous: Some(2),
        swapped: Some(3),
        shared: None,
    });
    let both = Sizes {
        anonymous: Some(2),
        swapped: Some(3),
        ..first
    };
    assert_eq!((gate.sizes(), gate.sizes().resident()), (both, Some(3)));
}

#[test]
fn the_most_slots_are_all_marked() {
    let Some(gate) = gate(MOST_SLOTS) else { return };
    let mut target = changes().start(&[]);
    learned_by(&gate, &mut target, MOST_SLOTS);
    assert!((0..MOST_SLOTS).all(|slot| gate.take_mark(slot)));
}

#[test]
fn who_has_a_copy_of_the_map_and_of_the_event_sees_changes_without_the_gate() {
    let Some(gate) = gate(1) else { return };
    let mut target = changes().start(&[]);
    learned_by(&gate, &mut target, 1);
    let event = gate.event().try_clone_to_owned().expect("a copy");
    let map = gate.map().try_clone_to_owned().expect("a copy");
    let seen = SharedMemory::of(map, gate.length()).expect("mapped");
    assert_eq!(seen.length(), 2 * PAGE);
    drop(gate);
    let at_first = seen.u64_at(layout::GENERATION).load(Ordering::Relaxed);
    seen.u64_at(dirty_word(0)).store(0, Ordering::Relaxed);
    tell(&mut target, b't');
    assert_eq!(seen.u64_at(dirty_word(0)).load(Ordering::Relaxed), 1);
    let changes = seen.u64_at(layout::GENERATION).load(Ordering::Relaxed) - at_first;
    assert_eq!(changes, 10);
    drop(event);
}

/// Takes all capabilities from this thread, and from no other.
fn drop_capabilities() {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: the header and the two times three words of version 3 are readable (capset(2)).
    let dropped = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(Errno::result(dropped), Ok(0));
}

#[test]
fn without_the_capabilities_a_gate_is_refused_for_that_reason() {
    let refused = std::thread::spawn(|| {
        drop_capabilities();
        RssGate::open(1).err()
    });
    let refused = refused.join().expect("no panic").expect("no gate");
    let said = refused.to_string();
    assert!(matches!(refused, GateRefused::NotPermitted { .. }), "{refused:?}");
    // Where everybody may make maps, it is the tracepoint or the program that is refused.
    let everybody = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    if everybody.is_ok_and(|disabled| disabled.trim() != "0") {
        let expected =
            "cannot make a map that processes can share without the capabilities CAP_BPF and CAP_PERFMON";
        assert_eq!(said, expected);
    }
}

/// Nanoseconds that this thread takes to touch a new page, of `PAGES`.
fn touch_ns() -> f64 {
    const PAGES: usize = 4096;
    let length = PAGES * PAGE;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, where nothing is.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
    assert_ne!(at, libc::MAP_FAILED);
    // SAFETY: advice about the mapping that was just made.
    unsafe { libc::madvise(at, length, libc::MADV_NOHUGEPAGE) };
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    let begin = nix::time::clock_gettime(clock).expect("a clock");
    for page in 0..PAGES {
        let at = at.cast::<u8>().wrapping_add(page * PAGE);
        // SAFETY: inside of the mapping, which nobody else knows.
        unsafe { at.write_volatile(1) };
    }
    let end = nix::time::clock_gettime(clock).expect("a clock");
    // SAFETY: the mapping is this function's own.
    unsafe { libc::munmap(at, length) };
    let took = std::time::Duration::from(end) - std::time::Duration::from(begin);
    took.as_nanos() as f64 / PAGES as f64
}

#[test]
#[ignore = "a measurement: cargo test --release -p lineprof-tracer --lib what_a_fault_costs -- --ignored --nocapture"]
fn what_a_fault_costs() {
    const ROUNDS: usize = 61;
    let own = Pid(std::process::id().cast_signed());
    let mut other = changes().start(&[]);
    let kinds = [
        ("no gate", None, 0),
        ("watched, 1 slot", Some(own), 1),
        ("watched, 64 slots", Some(own), 64),
        ("another is watched", Some(other.pid()), 1),
    ];
    let mut all = kinds.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, watched, in_use), times) in kinds.iter().zip(&mut all) {
            let gate = watched.map(|pid| {
                let gate = RssGate::open(64).expect("a gate");
                gate.set_slots_in_use(*in_use);
                gate.learn_from(pid).expect("it lives");
                tell(&mut other, b't');
                gate
            });
            touch_ns();
            times.push(touch_ns());
            assert!(gate.is_none_or(|gate| gate.learned().is_some()));
        }
    }
    for ((name, ..), mut times) in kinds.into_iter().zip(all) {
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[ROUNDS / 2], times[0]);
        println!("{name:20} median {median:7.1} ns/fault, least {least:7.1}");
    }
}
