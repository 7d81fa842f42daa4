//! Sessions that end in another way than by a detach: nothing of them is left. Numbers name cases of issue #3.

mod support;

use lineprof_tracer::{End, Engine, Event, Identity, Kind, Session, stop_pair};
use nix::sys::ptrace;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{BOTH, Target, options, program};

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
    for (char c; read(0, &c, 1) > 0;) {
        for (int i = 0; i < threads; i++) for (long seen = progress[i]; progress[i] == seen;) sched_yield();
        say("going");
    }
    stop = 1;
    for (int i = 0; i < threads; i++) pthread_join(all[i], 0);
    return 3;
}
"#;

/// Every thread gets on, nobody traces any, and it ends as it should.
fn is_unharmed(mut target: Target) {
    assert!(target.is_let_go(), "{:?}", target.tracers());
    target.send(b'?');
    assert_eq!(target.line(), "going");
    assert_eq!(target.finish().1, Some(3));
}

#[test]
fn c005_c007_an_attach_that_fails_half_way_leaves_no_thread_seized() {
    let hot = program("half_way", HOT);
    let target = hot.start(&["3"]);
    let pid = target.pid();
    // The last of its threads is somebody else's: a thread of this process, as another session is.
    let last = *target.threads().last().expect("threads");
    let (seized, is_seized) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let last = nix::unistd::Pid::from_raw(last.0);
            ptrace::seize(last, ptrace::Options::empty()).expect("seized");
            seized.send(()).expect("heard");
            // Let go of by the end of this thread.
            is_done.recv().expect_err("dropped");
        });
        is_seized.recv().expect("told");
        let target = &target;
        let session = scope.spawn(move || {
            let (_handle, listener) = stop_pair().expect("a pair");
            let error =
                Session::attach(pid, options(Engine::Auto), listener).expect_err("one thread is another's");
            // The thread's process is named: a thread's number says nothing to a user.
            let own_process = std::process::id().cast_signed();
            let traced_by =
                matches!(&error.kind, Kind::AlreadyTraced { by: tracer, .. } if tracer.0 == own_process);
            assert!(traced_by, "{error:?}");
            // The leader sleeps: it is let go by the end of this thread.
            let own = nix::unistd::gettid().to_string();
            let still = target.tracers().iter().filter(|t| **t == own).count();
            assert!(still <= 1, "{:?}", target.tracers());
        });
        session.join().expect("no panic");
        drop(done);
        other.join().expect("no panic");
    });
    is_unharmed(target);
}

#[test]
fn c098_a_client_that_panics_leaves_the_code_and_the_threads_as_they_were() {
    let hot = program("panics", HOT);
    for engine in BOTH {
        for threads in ["1", "8"] {
            let target = hot.start(&[threads]);
            let pid = target.pid();
            let (told, site) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let hot = &hot;
                let session = scope.spawn(move || {
                    let (_handle, listener) = stop_pair().expect("a pair");
                    let mut session = Session::attach(pid, options(engine), listener).expect("attached");
                    let site = hot.site(&mut session);
                    session.plant(std::slice::from_ref(&site)).expect("it lives");
                    told.send(site).expect("heard");
                    for _ in 0..50 {
                        session.next_event().expect("no error");
                    }
                    // As panic!, but without a word on standard error.
                    std::panic::resume_unwind(Box::new("a client's mistake"));
                });
                session.join().expect_err("it panics");
            });
            let site = site.recv().expect("told");
            let bytes = target.bytes(site.address, site.instruction.len());
            assert_eq!(bytes, site.instruction, "{engine:?}, {threads} threads");
            is_unharmed(target);
        }
    }
}

const FOREVER: &str = r#"
static void *work(void *unused) { for (;;) hot(1); }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 3; i++) pthread_create(&thread, 0, work, 0);
    for (;;) pause();
}
"#;

#[test]
fn c090_c098_a_program_that_a_session_started_ends_with_it() {
    let hot = program("ends_with_it", FOREVER);
    for engine in BOTH {
        for hits in [0, 1, 20] {
            let (mut session, _handle) = hot.launch(engine, &[]);
            let site = hot.site(&mut session);
            session.plant(&[site]).expect("it lives");
            for _ in 0..hits {
                session.next_event().expect("no error");
            }
            let directory = format!("/proc/{}", session.pid());
            assert!(Path::new(&directory).exists());
            drop(session);
            assert!(!Path::new(&directory).exists(), "{engine:?} after {hits} hits");
        }
    }
}

/// The process that outlives the profiled one gets on until it is told to end, and tells what it saw.
const OUTLIVES: &str = r#"
#include <poll.h>
static char *go, *done;
static int nap_ms;
static int lives_on(void *unused) {
    unsigned long i = 0;
    int ok = 1;
    while (access(go, F_OK)) ok &= hot_ok(i++), poll(0, 0, nap_ms);
    for (int more = 0; more < 1000; more++) ok &= hot_ok(i++);
    int fd = open(done, O_WRONLY | O_CREAT, 0600);
    if (write(fd, ok ? "ok" : "no", 2) != 2) _exit(1);
    _exit(0);
}
static char stack[65536] __attribute__((aligned(16)));
int main(int argc, char **argv) {
    go = argv[1];
    done = argv[2];
    nap_ms = atoi(argv[3]);
    hot(1);
    if (clone(lives_on, stack + sizeof stack, CLONE_VM | SIGCHLD, 0) < 0) return 8;
    hot(2);
    _exit(3);
}
"#;

#[test]
fn c082_c094_a_process_that_shares_the_memory_is_let_go_after_the_end_of_the_profiled_one() {
    let outlives = program("outlives", OUTLIVES);
    for engine in BOTH {
        for (detached, nap_ms) in [(true, "0"), (false, "0"), (true, "20"), (false, "20")] {
            let directory = tempfile::tempdir().expect("a directory");
            let [go, done] = ["go", "done"].map(|name| directory.path().join(name));
            let [go_text, done_text] = [&go, &done].map(|path| path.to_str().expect("text"));
            let arguments = [go_text, done_text, nap_ms];
            // A session's thread ends with it: what still sleeps is let go then.
            std::thread::scope(|scope| {
                let session = scope.spawn(|| {
                    let (mut session, _handle) = outlives.launch(engine, &arguments);
                    let site = outlives.site(&mut session);
                    session.plant(&[site]).expect("it lives");
                    let profile = support::run(&mut session);
                    assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
                    if detached {
                        session.detach().expect("given back");
                    }
                });
                session.join().expect("no panic");
            });
            std::fs::write(&go, "").expect("written");
            let patience = Instant::now() + Duration::from_secs(30);
            let said = || std::fs::read_to_string(&done).unwrap_or_default();
            while said().len() < 2 && Instant::now() < patience {
                std::thread::yield_now();
            }
            assert_eq!(
                said(),
                "ok",
                "{engine:?}, detached: {detached}, naps of {nap_ms} ms"
            );
        }
    }
}

const SUCCESSOR: &str = r#"
#include <linux/sched.h>
/* Becomes the parent of a process with the number of its argument, which waits for the end of its input. */
int main(int argc, char **argv) {
    if (argc == 1) {
        say("ready");
        wait_for_end_of_input();
        return 3;
    }
    pid_t wanted = atoi(argv[1]);
    struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1 };
    pid_t child = syscall(SYS_clone3, &args, sizeof args);
    if (child < 0) { perror("clone3"); return 9; }
    if (child == 0) {
        say("ready");
        wait_for_end_of_input();
        _exit(4);
    }
    int status;
    waitpid(child, &status, 0);
    return child == wanted ? WEXITSTATUS(status) : 8;
}
"#;

#[test]
fn c008_another_process_with_the_number_of_one_that_was_looked_at_is_refused() {
    // Needs root, to choose a number (clone3(2), set_tid).
    let program = program("successor", SUCCESSOR);
    let first = program.start(&[]);
    let pid = first.pid();
    let process = Identity::of(pid).expect("it lives");
    assert_eq!(first.finish().1, Some(3));
    let second = program.start(&[&pid.to_string()]);

    let attached = std::thread::spawn(move || {
        let (_handle, listener) = stop_pair().expect("a pair");
        Session::attach_to(&process, options(Engine::Auto), listener)
            .map(drop)
            .map_err(|error| error.kind)
    });
    assert_eq!(attached.join().expect("no panic"), Err(Kind::NoSuchProcess));
    let by_number = std::thread::spawn(move || {
        let (_handle, listener) = stop_pair().expect("a pair");
        let session = Session::attach(pid, options(Engine::Auto), listener).expect("it lives");
        session.detach().expect("given back");
    });
    by_number.join().expect("it is there, by its number");
    assert_eq!(second.finish().1, Some(4));
}
