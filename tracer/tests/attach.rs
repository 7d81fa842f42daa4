//! Running processes: attached to, profiled and given back. Numbers like C031 name cases of issue #3.

mod support;

use lineprof_tracer::{Engine, Event, Kind, Pid, Session, stop_pair};
use nix::sys::wait::WaitStatus;
use support::{BOTH, options, program};

const HOT: &str = r#"
static volatile int stop;
static volatile long progress[64];
static void *work(void *n) {
    for (unsigned long i = 0; !stop; i++) { if (!hot_ok(i)) _exit(9); progress[(long)n]++; }
    return 0;
}
int main(int argc, char **argv) {
    int threads = atoi(argv[1]);
    pthread_t all[64];
    for (long i = 0; i < threads; i++) pthread_create(&all[i], 0, work, (void *)i);
    say("ready");
    /* Each byte asks every thread to get on: a thread that is stuck is never answered for. */
    for (char c; read(0, &c, 1) > 0;) {
        for (int i = 0; i < threads; i++) for (long seen = progress[i]; progress[i] == seen;) sched_yield();
        say("going");
    }
    stop = 1;
    for (int i = 0; i < threads; i++) pthread_join(all[i], 0);
    say("done");
    return 3;
}
"#;

#[test]
fn c031_c094_c096_hot_threads_are_attached_to_and_given_back_again_and_again() {
    let hot = program("hot", HOT);
    for engine in BOTH {
        for threads in ["1", "8"] {
            let mut target = hot.start(&[threads]);
            for round in 0..support::rounds() {
                // A session's thread ends with it: the kernel lets go of what still sleeps.
                let (pid, hot) = (target.pid(), &hot);
                let site = std::thread::scope(|scope| {
                    let session = scope.spawn(move || {
                        let (_handle, listener) = stop_pair().expect("a pair");
                        let mut session = Session::attach(pid, options(engine), listener).expect("attached");
                        let site = hot.site(&mut session);
                        let planted = session.plant(std::slice::from_ref(&site)).expect("it lives");
                        assert!(planted[0].is_ok(), "{planted:?}");
                        for _ in 0..50 + round * 7 {
                            let event = session.next_event().expect("no error");
                            assert!(matches!(event, Event::Hit(_)), "{event:?}");
                        }
                        session.detach().expect("given back");
                        site
                    });
                    session.join().expect("no panic")
                });
                assert_eq!(
                    target.bytes(site.address, site.instruction.len()),
                    site.instruction
                );
                assert!(target.is_let_go(), "{:?}", target.tracers());
                target.send(b'?');
                assert_eq!(
                    target.line(),
                    "going",
                    "{engine:?}, {threads} threads, round {round}"
                );
            }
            assert_eq!(target.finish(), ("done".to_owned(), Some(3)));
        }
    }
}

/// Attaches, waits for so many hits and gives back, on a thread of its own as a session needs it.
fn session(target: &support::Target, hot: &support::Program, engine: Engine, hits: u32) {
    let pid = target.pid();
    std::thread::scope(|scope| {
        let session = scope.spawn(move || {
            let (_handle, listener) = stop_pair().expect("a pair");
            let mut session = Session::attach(pid, options(engine), listener).expect("attached");
            let site = hot.site(&mut session);
            let planted = session.plant(&[site]).expect("it lives");
            assert!(planted[0].is_ok(), "{planted:?}");
            let mut seen = 0;
            while seen < hits {
                match session.next_event().expect("no error") {
                    Event::Hit(_) => seen += 1,
                    Event::ThreadEnding(_) => {}
                    event => panic!("{event:?}"),
                }
            }
            session.detach().expect("given back");
        });
        session.join().expect("no panic");
    });
}

const CONTINUED: &str = r#"
static volatile int stop, continued;
static volatile long progress;
static void handler(int s) { continued++; }
static void *work(void *unused) {
    for (unsigned long i = 0; !stop; i++) { if (!hot_ok(i)) _exit(9); progress++; }
    return 0;
}
int main(void) {
    signal(SIGCONT, handler);
    pthread_t one, two;
    pthread_create(&one, 0, work, 0);
    pthread_create(&two, 0, work, 0);
    say("ready");
    wait_for_end_of_input();
    stop = 1;
    pthread_join(one, 0);
    pthread_join(two, 0);
    return continued ? 8 : 3;
}
"#;

#[test]
fn c001_c068_a_session_stops_nobody_by_a_signal_and_continues_nobody() {
    let program = program("continued", CONTINUED);
    for engine in BOTH {
        let target = program.start(&[]);
        for _ in 0..10 * support::rounds() {
            session(&target, &program, engine, 3);
        }
        // Its parent would hear of a stop by a signal, and of SIGCONT, even of one that is over (waitpid(2)).
        assert_eq!(target.news(), WaitStatus::StillAlive, "{engine:?}");
        assert_eq!(target.finish().1, Some(3), "{engine:?}: SIGCONT came");
    }
}

const STORM: &str = r#"
static volatile int stop;
static volatile long born[4];
static void *work(void *n) { if (!hot_ok((long)n)) _exit(9); return 0; }
static void *create(void *own) {
    while (!stop) {
        pthread_t child;
        if (pthread_create(&child, 0, work, own)) _exit(8);
        pthread_join(child, 0);
        born[(long)own]++;
    }
    return 0;
}
int main(void) {
    pthread_t all[4];
    for (long i = 0; i < 4; i++) pthread_create(&all[i], 0, create, (void *)i);
    say("ready");
    for (char c; read(0, &c, 1) > 0;) {
        for (int i = 0; i < 4; i++) for (long seen = born[i]; born[i] == seen;) sched_yield();
        say("going");
    }
    stop = 1;
    for (int i = 0; i < 4; i++) pthread_join(all[i], 0);
    return 3;
}
"#;

#[test]
fn c003_c004_threads_that_are_born_while_the_process_is_attached_to_are_traced() {
    // The site is in the function that new threads begin with: one that is not traced dies of it.
    let storm = program("storm", STORM);
    for engine in BOTH {
        let mut target = storm.start(&[]);
        for round in 0..2 * support::rounds() {
            session(&target, &storm, engine, 5);
            assert!(target.is_let_go(), "{engine:?}: {:?}", target.tracers());
            target.send(b'?');
            assert_eq!(target.line(), "going", "{engine:?}, round {round}");
        }
        assert_eq!(target.finish().1, Some(3), "{engine:?}");
    }
}

const CROWD: &str = r#"
static volatile int stop;
static volatile long progress[4];
static int asleep;
static void *sleeper(void *unused) { syscall(SYS_futex, &asleep, 0 /* FUTEX_WAIT */, 0, 0, 0, 0); return 0; }
static void *work(void *n) {
    for (unsigned long i = 0; !stop; i++) { if (!hot_ok(i)) _exit(9); progress[(long)n]++; }
    return 0;
}
int main(int argc, char **argv) {
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = atoi(argv[1]); i > 0; i--) if (pthread_create(&thread, &small, sleeper, 0)) _exit(8);
    for (long i = 0; i < 4; i++) pthread_create(&thread, 0, work, (void *)i);
    say("ready");
    for (char c; read(0, &c, 1) > 0;) {
        for (int i = 0; i < 4; i++) for (long seen = progress[i]; progress[i] == seen;) sched_yield();
        say("going");
    }
    _exit(3);
}
"#;

#[test]
fn c018_two_thousand_threads_need_no_descriptor_each() {
    let crowd = program("crowd", CROWD);
    for engine in BOTH {
        let mut target = crowd.start(&["2000"]);
        let pid = target.pid();
        std::thread::scope(|scope| {
            let session = scope.spawn(|| {
                let descriptors = || std::fs::read_dir("/proc/self/fd").expect("there").count();
                let (_handle, listener) = stop_pair().expect("a pair");
                let before = descriptors();
                let mut session = Session::attach(pid, options(engine), listener).expect("attached");
                let site = crowd.site(&mut session);
                session.plant(&[site]).expect("it lives");
                for _ in 0..20 {
                    let event = session.next_event().expect("no error");
                    assert!(matches!(event, Event::Hit(_)), "{event:?}");
                }
                // Other tests of this process have some too.
                assert!(descriptors() < before + 200, "{} descriptors", descriptors());
                session.detach().expect("given back");
            });
            session.join().expect("no panic");
        });
        target.send(b'?');
        assert_eq!(target.line(), "going", "{engine:?}");
        assert!(target.is_let_go(), "{engine:?}: {:?}", target.tracers());
        assert_eq!(target.finish().1, Some(3), "{engine:?}");
    }
}

const STOPPED: &str = r#"
int main(void) {
    say("ready");
    raise(SIGSTOP);
    wait_for_end_of_input();
    return 3;
}
"#;

#[test]
fn c019_a_stopped_process_stays_stopped() {
    let target = program("stopped", STOPPED).start(&[]);
    while target.states() != ["T"] {
        std::thread::yield_now();
    }
    let pid = target.pid();
    std::thread::spawn(move || {
        let (_handle, listener) = stop_pair().expect("a pair");
        let session = Session::attach(pid, options(Engine::Auto), listener).expect("attached");
        session.detach().expect("given back");
    })
    .join()
    .expect("no panic");
    // On its way from the tracer's stop back to its own it is shown as running for a moment.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while target.states() != ["T"] && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    assert_eq!(target.states(), ["T"]);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.0), nix::sys::signal::SIGCONT).expect("sent");
    assert_eq!(target.finish().1, Some(3));
}

const SHARER: &str = r#"
#include <sys/prctl.h>
static volatile int stop;
static volatile long progress[2];
static void work(int n) {
    for (unsigned long i = 0; !stop; i++) { if (!hot_ok(i)) _exit(9); progress[n]++; }
}
static void *thread(void *unused) { work(0); return 0; }
static char stack[2][65536] __attribute__((aligned(16)));
static int process(void *second) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (second) {
        clone(process, stack[1] + sizeof stack[1], CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0);
        syscall(SYS_exit, 0);
    }
    work(1);
    _exit(0);
}
int main(int argc, char **argv) {
    pthread_t own;
    int status;
    int child = clone(process, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, argc > 1 ? stack : 0);
    if (child < 0 || pthread_create(&own, 0, thread, 0)) return 8;
    say("ready");
    dprintf(1, "%d\n", child);
    /* Each byte asks both to get on. */
    for (char c; read(0, &c, 1) > 0;) {
        for (int i = 0; i < 2; i++)
            for (long seen = progress[i]; progress[i] == seen;) {
                if (waitpid(child, &status, WNOHANG)) { dprintf(1, "signal %d\n", WTERMSIG(status)); _exit(7); }
                sched_yield();
            }
        say("going");
    }
    stop = 1;
    pthread_join(own, 0);
    if (waitpid(child, &status, 0) != child) return 6;
    return status ? 5 : 3;
}
"#;

#[test]
fn c083_a_process_that_shares_the_memory_since_before_the_attach_goes_on() {
    let sharer = program("sharer", SHARER);
    for engine in BOTH {
        for arguments in [&[][..], &["its first thread ends"]] {
            let mut target = sharer.start(arguments);
            target.line();
            for round in 0..support::rounds() {
                session(&target, &sharer, engine, 50 + round * 7);
                target.send(b'?');
                assert_eq!(target.line(), "going", "{engine:?}, {arguments:?}, round {round}");
            }
            assert_eq!(target.finish().1, Some(3), "{engine:?}, {arguments:?}");
        }
    }
}

#[test]
fn c083_a_process_whose_memory_another_tracer_has_too_is_not_attached_to() {
    use nix::sys::ptrace;
    let sharer = program("sharer_traced", SHARER);
    let mut target = sharer.start(&[]);
    let child: i32 = target.line().parse().expect("its number");
    let traced = nix::unistd::Pid::from_raw(child);
    ptrace::seize(traced, ptrace::Options::empty()).expect("nobody else has it");

    let pid = target.pid();
    let attached = std::thread::spawn(move || {
        let (_handle, listener) = stop_pair().expect("a pair");
        Session::attach(pid, options(Engine::Auto), listener)
            .map(drop)
            .map_err(|error| error.kind)
    });
    let refused = Kind::SharerNotTraced { process: Pid(child) };
    assert_eq!(attached.join().expect("no panic"), Err(refused));
    assert!(target.is_let_go(), "{:?}", target.tracers());

    ptrace::interrupt(traced).expect("it is ours");
    assert!(matches!(
        nix::sys::wait::waitpid(traced, None),
        Ok(WaitStatus::PtraceEvent(..))
    ));
    ptrace::detach(traced, None).expect("it is stopped");
    session(&target, &sharer, Engine::Auto, 10);
    target.send(b'?');
    assert_eq!(target.line(), "going");
    assert_eq!(target.finish().1, Some(3));
}
