//! Programs started by a session: counts, children, signals, exits. Numbers like C081 name cases of issue #3.

mod support;

use lineprof_tracer::{End, Engine, Event, Kind, Launch, Session, SignalMask, stop_pair};
use std::os::unix::fs::PermissionsExt;
use support::{BOTH, options, program};

const THREADS: &str = r#"
static void *work(void *n) {
    for (unsigned long i = 0; i < (unsigned long)n; i++) if (!hot_ok(i)) _exit(9);
    return 0;
}
int main(int argc, char **argv) {
    int threads = atoi(argv[1]);
    unsigned long calls = atol(argv[2]);
    pthread_t all[64];
    for (int i = 1; i < threads; i++) pthread_create(&all[i], 0, work, (void *)calls);
    work((void *)calls);
    for (int i = 1; i < threads; i++) pthread_join(all[i], 0);
    return 7;
}
"#;

#[test]
fn c022_c028_hits_are_exact_with_one_thread_and_with_eight() {
    let threads = program("threads", THREADS);
    for engine in BOTH {
        for number in [1, 8] {
            let profile = threads.profile(engine, &[&number.to_string(), "10000"]);
            assert_eq!(profile.last, Some(Event::Ended(End::Exited(7))), "{engine:?}");
            assert_eq!(profile.hits.len(), number, "{engine:?}");
            assert!(
                profile.hits.values().all(|n| *n == 10_000),
                "{engine:?}: {:?}",
                profile.hits
            );
            assert_eq!(profile.endings, number as u64);
        }
    }
}

const CHILDREN: &str = r#"
#include <sys/prctl.h>
static int work(int n) { int ok = 1; for (int i = 0; i < n; i++) ok &= hot_ok(i); return ok; }
static int shared_work(void *unused) { _exit(work(10) ? 5 : 9); }
static int code(pid_t pid) {
    int status;
    if (waitpid(pid, &status, __WALL) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
int main(int argc, char **argv) {
    if (argc > 2) return 5;
    int rounds = atoi(argv[1]);
    for (int i = 0; i < rounds; i++) {
        work(1);
        pid_t child = fork();
        if (child == 0) _exit(work(10) ? 5 : 9);
        if (code(child) != 5) return 21;
        child = vfork();
        if (child == 0) { work(10); _exit(5); }
        if (code(child) != 5) return 22;
        child = vfork();
        if (child == 0) { work(10); execl(argv[0], argv[0], "0", "x", (char *)0); _exit(9); }
        if (code(child) != 5) return 23;
        char *arguments[] = { argv[0], "0", "x", 0 };
        if (posix_spawn(&child, argv[0], 0, 0, arguments, environ)) return 24;
        if (code(child) != 5) return 24;
        static char stack[65536] __attribute__((aligned(16)));
        child = clone(shared_work, stack + sizeof stack, CLONE_VM | SIGCHLD, 0);
        if (code(child) != 5) return 25;
        child = clone(shared_work, stack + sizeof stack, CLONE_VM, 0);
        if (code(child) != 5) return 26;
    }
    return 3;
}
"#;

#[test]
fn c079_c081_c082_children_of_every_kind_run_the_hot_function_and_survive() {
    let children = program("children", CHILDREN);
    // Not in place: a parent that is asked to stop on its way into vfork(2) stops only when its child has
    // ended, and the child waits for its step.
    {
        let engine = Engine::Auto;
        let profile = children.profile(engine, &["20"]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 20, "{engine:?}: the parent's own");
    }
}

const FORK_LOOP: &str = r#"
static void *fork_loop(void *unused) {
    for (int i = 0; i < 50; i++) {
        hot(1);
        pid_t child = fork();
        if (child == 0) { int ok = 1; for (int k = 0; k < 10; k++) ok &= hot_ok(k); _exit(ok ? 5 : 9); }
        int status;
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 5) _exit(21);
    }
    return 0;
}
int main(void) {
    pthread_t all[4];
    for (int i = 0; i < 4; i++) pthread_create(&all[i], 0, fork_loop, 0);
    for (int i = 0; i < 4; i++) pthread_join(all[i], 0);
    return 3;
}
"#;

#[test]
fn c080_children_forked_while_other_threads_hit_are_clean() {
    let forks = program("fork_loop", FORK_LOOP);
    for engine in BOTH {
        let profile = forks.profile(engine, &[]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        // In place, a thread that wakes up while another steps can pass the lifted site.
        assert!(
            profile.total() == 200 || engine == Engine::InPlace,
            "{engine:?}: {}",
            profile.total()
        );
    }
}

const TRAPS: &str = r#"
static volatile int seen;
static void handler(int s, siginfo_t *i, void *c) { seen++; }
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGTRAP, &action, 0);
    for (int i = 0; i < 20; i++) {
        hot(i);
        raise(SIGTRAP);
        kill(getpid(), SIGTRAP);
        union sigval v = { .sival_int = 7 };
        sigqueue(getpid(), SIGTRAP, v);
        __asm__ volatile("int3");
        __asm__ volatile(".byte 0xcd, 0x03");
    }
    return seen == 100 ? 3 : 9;
}
"#;

#[test]
fn c061_traps_of_the_programs_own_reach_its_handler_exactly() {
    let traps = program("traps", TRAPS);
    for engine in BOTH {
        let profile = traps.profile(engine, &[]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 20, "{engine:?}");
    }
}

const QUEUED: &str = r#"
static volatile long count, sum;
static void handler(int s, siginfo_t *i, void *c) { count++; sum += i->si_value.sival_int; }
static volatile int stop;
static void *sender(void *main_thread) {
    for (int i = 1; i <= 5000; i++) {
        union sigval v = { .sival_int = i };
        while (pthread_sigqueue(*(pthread_t *)main_thread, SIGRTMIN, v) == EAGAIN) sched_yield();
    }
    stop = 1;
    return 0;
}
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
    sigaction(SIGRTMIN, &action, 0);
    pthread_t self = pthread_self(), thread;
    pthread_create(&thread, 0, sender, &self);
    unsigned long calls = 0;
    while (!stop || calls < 1000) { if (!hot_ok(calls)) return 9; calls++; }
    pthread_join(thread, 0);
    dprintf(2, "");
    int fd = open(getenv("CALLS") ? getenv("CALLS") : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dprintf(fd, "%lu", calls);
    return count == 5000 && sum == 5000L * 5001 / 2 ? 3 : 8;
}
"#;

#[test]
fn c060_c063_queued_signals_arrive_once_each_and_arrivals_are_counted_once() {
    let queued = program("queued", QUEUED);
    for engine in BOTH {
        let calls = queued.path.with_extension("calls");
        let (handle, listener) = stop_pair().expect("a pair");
        let launch = Launch {
            program: queued.path.clone(),
            arguments: vec![queued.path.clone().into()],
            environment: vec![format!("CALLS={}", calls.display()).into()],
            blocked: SignalMask::of_this_thread(),
        };
        let mut session = Session::launch(&launch, options(engine), listener).expect("it starts");
        let site = queued.site(&mut session);
        session.plant(&[site]).expect("it lives");
        let profile = support::run(&mut session);
        drop(handle);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        let calls: u64 = std::fs::read_to_string(&calls)
            .expect("told")
            .parse()
            .expect("a number");
        assert_eq!(profile.total(), calls, "{engine:?}");
    }
}

const BARRIER: &str = r#"
/* A write barrier as collectors have it: the site's own instruction faults, the handler makes the page writable. */
static char *page;
static volatile int faults;
static void handler(int s, siginfo_t *i, void *c) {
    if (i->si_addr != page) _exit(9);
    faults++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}
__asm__(".globl store\nstore:\n mov %rdi,%rax\n.globl store_site\nstore_site:\n movb $1,(%rdi)\n ret\n");
extern void store(char *);
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, 0);
    page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; i++) {
        mprotect(page, 4096, PROT_READ);
        hot(1);
        store(page);
        store(page);
    }
    return faults == 100 ? 3 : 8;
}
"#;

#[test]
fn c066_a_fault_at_a_site_goes_to_the_handler_and_the_arrival_is_counted_once() {
    let barrier = program("barrier", BARRIER);
    for engine in BOTH {
        let (mut session, _handle) = barrier.launch(engine, &[]);
        let mut site = barrier.site(&mut session);
        let offset = barrier.distance("hot_site", "store_site");
        site.address = site.address.plus(offset.cast_unsigned());
        site.instruction = vec![0xC6, 0x07, 0x01];
        let planted = session.plant(&[site]).expect("it lives");
        assert!(planted[0].is_ok(), "{planted:?}");
        let profile = support::run(&mut session);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 200, "{engine:?}");
    }
}

const EXEC_FROM_THREAD: &str = r#"
static void *exec_now(void *path) {
    hot(1);
    execl(path, path, "x", (char *)0);
    _exit(9);
}
static void *spin(void *unused) { for (;;) hot(2); }
int main(int argc, char **argv) {
    if (argc > 1) { for (int i = 0; i < 10; i++) if (!hot_ok(i)) return 9; return 5; }
    pthread_t thread;
    for (int i = 0; i < 3; i++) pthread_create(&thread, 0, spin, 0);
    pthread_create(&thread, 0, exec_now, argv[0]);
    for (;;) hot(3);
}
"#;

#[test]
fn c078_exec_from_a_thread_while_all_others_are_hot() {
    let exec = program("exec_from_thread", EXEC_FROM_THREAD);
    for engine in BOTH {
        for _ in 0..support::rounds() {
            let (mut session, _handle) = exec.launch(engine, &[]);
            let site = exec.site(&mut session);
            session.plant(&[site]).expect("it lives");
            assert_eq!(
                support::run(&mut session).last,
                Some(Event::Executed),
                "{engine:?}"
            );
            let end = support::run(&mut session).last;
            assert_eq!(end, Some(Event::Ended(End::Exited(5))), "{engine:?}");
        }
    }
}

#[test]
fn c069_killed_at_any_moment_the_end_is_told() {
    let threads = program("killed", THREADS);
    for engine in BOTH {
        for round in 0..support::rounds() {
            let (mut session, _handle) = threads.launch(engine, &["4", "1000000"]);
            let site = threads.site(&mut session);
            session.plant(&[site]).expect("it lives");
            for _ in 0..round * 7 {
                session.next_event().expect("no error");
            }
            let pid = nix::unistd::Pid::from_raw(session.pid().0);
            // From another thread, so that it comes at any moment of the hits that follow.
            let killer = std::thread::spawn(move || nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL));
            let profile = support::run(&mut session);
            killer.join().expect("no panic").expect("it lived");
            let killed = matches!(profile.last, Some(Event::Ended(End::Killed(_))));
            assert!(killed, "{engine:?}: {:?}", profile.last);
        }
    }
}

const ENDS: &str = r#"
static void *leave(void *unused) { hot(1); exit(4); }
static void *later(void *main_thread) { pthread_join(*(pthread_t *)main_thread, 0); hot(2); _exit(6); }
int main(int argc, char **argv) {
    pthread_t thread, self = pthread_self();
    switch (argv[1][0]) {
    case 'c': hot(1); return atoi(argv[2]);
    case 's': hot(1); *(volatile char *)0 = 1; break;
    case 'a': hot(1); abort();
    case 't': pthread_create(&thread, 0, leave, 0); for (;;) pause();
    case 'l': pthread_create(&thread, 0, later, &self); pthread_exit(0);
    }
}
"#;

#[test]
fn c065_c076_c086_c088_every_end_is_told_as_it_was() {
    let ends = program("ends", ENDS);
    let killed = |profile: &support::Profile| match &profile.last {
        Some(Event::Ended(End::Killed(signal))) => Some(signal.name()),
        _ => None,
    };
    for engine in BOTH {
        for code in [0, 1, 255] {
            let profile = ends.profile(engine, &["c", &code.to_string()]);
            assert_eq!(profile.last, Some(Event::Ended(End::Exited(code))));
        }
        assert_eq!(killed(&ends.profile(engine, &["s"])).as_deref(), Some("SIGSEGV"));
        assert_eq!(killed(&ends.profile(engine, &["a"])).as_deref(), Some("SIGABRT"));
        let thread = ends.profile(engine, &["t"]);
        assert_eq!(
            (thread.last, thread.endings),
            (Some(Event::Ended(End::Exited(4))), 2)
        );
        let leader = ends.profile(engine, &["l"]);
        assert_eq!(leader.last, Some(Event::Ended(End::Exited(6))), "{engine:?}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_an_error_that_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, "no program\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        path
    };
    let cases = [
        (directory.path().join("nowhere"), Kind::NotFound),
        (file("text", 0o700), Kind::NotExecutable),
        (file("locked", 0o600), Kind::NotExecutable),
    ];
    for (path, kind) in cases {
        let launch = Launch {
            program: path.clone(),
            arguments: vec![path.clone().into()],
            environment: Vec::new(),
            blocked: SignalMask::of_this_thread(),
        };
        let (_handle, listener) = stop_pair().expect("a pair");
        let error = Session::launch(&launch, options(BOTH[0]), listener).expect_err("it cannot run");
        assert_eq!(error.kind, kind, "{}", path.display());
    }
}
