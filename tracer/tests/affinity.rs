//! Threads that are bound to the tracer's processor while they are hot, and get their own mask back.

mod support;

use lineprof_tracer::{End, Event};
use support::{BOTH, program};

const EXEC: &str = r#"
static int processors(void) {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return CPU_COUNT(&set);
}
static char *path;
static void *exec_when_bound(void *unused) {
    int all = processors();
    char text[12];
    sprintf(text, "%d", all);
    /* On a machine of one processor there is nothing to see. */
    for (unsigned long i = 0; i < 1000000 && all > 1 && processors() == all; i++) if (!hot_ok(i)) _exit(9);
    if (all > 1 && processors() != 1) _exit(8);
    execl(path, path, "x", text, (char *)0);
    _exit(7);
}
int main(int argc, char **argv) {
    path = argv[0];
    if (argc > 2) return processors() == atoi(argv[2]) ? 5 : 6;
    if (argc > 1) exec_when_bound(0);
    pthread_t thread;
    pthread_create(&thread, 0, exec_when_bound, 0);
    for (;;) pause();
}
"#;

#[test]
fn c078_a_program_that_a_bound_thread_execs_runs_wherever_the_thread_could_run() {
    let exec = program("exec_when_bound", EXEC);
    for engine in BOTH {
        for arguments in [&[][..], &["by the leader"]] {
            let (mut session, _handle) = exec.launch(engine, arguments);
            let site = exec.site(&mut session);
            session.plant(&[site]).expect("it lives");
            let last = support::run(&mut session).last;
            assert_eq!(last, Some(Event::Executed), "{engine:?} {arguments:?}");
            let end = support::run(&mut session).last;
            assert_eq!(
                end,
                Some(Event::Ended(End::Exited(5))),
                "{engine:?} {arguments:?}"
            );
        }
    }
}
