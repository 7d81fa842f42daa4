//! Sessions that end in another way than by a detach: nothing of them is left. Numbers name cases of issue #3.

mod support;

use lineprof_tracer::{Engine, Kind, Session, stop_pair};
use nix::sys::ptrace;
use support::{Target, options, program};

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
            seized.send(nix::unistd::gettid()).expect("heard");
            // Let go of by the end of this thread.
            is_done.recv().expect_err("dropped");
        });
        let by = is_seized.recv().expect("told");
        let target = &target;
        let session = scope.spawn(move || {
            let (_handle, listener) = stop_pair().expect("a pair");
            let error =
                Session::attach(pid, options(Engine::Auto), listener).expect_err("one thread is another's");
            let traced_by =
                matches!(&error.kind, Kind::AlreadyTraced { by: tracer, .. } if tracer.0 == by.as_raw());
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
