//! Running processes: attached to, profiled and given back. Numbers like C031 name cases of issue #3.

mod support;

use lineprof_tracer::{Engine, Event, Session, stop_pair};
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
                assert!(
                    target.tracers().iter().all(|t| t == "0"),
                    "{:?}",
                    target.tracers()
                );
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
