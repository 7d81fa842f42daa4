//! The program's own setting for SIGTRAP, and its own traps, while breakpoints are hit: C062 and C027 of issue #3.
//!
//! The kernel forces the signal of an `int3`: on a thread that blocks it, or where it is ignored, it sets the
//! action to the default and unblocks it (`force_sig_info_to_task`, kernel/signal.c). Each program looks at
//! its action, all four words of it, and at its mask, before and after its hits.

mod support;

use lineprof_tracer::{End, Engine, Event, Session, SiteRequest, stop_pair};
use support::{BOTH, options, program};

const SETTING: &str = r#"
struct setting { unsigned long action[4], blocked; };
static struct setting now(void) {
    struct setting s;
    memset(&s, 0, sizeof s);
    syscall(SYS_rt_sigaction, SIGTRAP, 0, s.action, 8);
    syscall(SYS_rt_sigprocmask, 0, 0, &s.blocked, 8);
    return s;
}
static volatile int wrong, seen;
static void hits(int n) {
    struct setting before = now();
    for (int i = 0; i < n; i++) {
        wrong += !hot_ok(i);
        struct setting after = now();
        wrong += memcmp(&before, &after, sizeof before) != 0;
    }
}
static void take(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(number, &action, 0);
}
static void count(int s, siginfo_t *i, void *c) { seen++; }
static void mask(int how, int signal) {
    sigset_t set;
    if (signal) sigemptyset(&set), sigaddset(&set, signal); else sigfillset(&set);
    sigprocmask(how, &set, 0);
}
"#;

fn setting(name: &str, source: &str) -> support::Program {
    program(name, &format!("{SETTING}{source}"))
}

const IN_HANDLER: &str = r#"
static void handler(int s, siginfo_t *i, void *c) { hits(3); seen++; }
int main(void) {
    take(SIGTRAP, handler, 0);
    for (int i = 0; i < 100; i++) {
        raise(SIGTRAP);
        hits(1);
        __asm__ volatile("int3");
    }
    return seen == 200 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c062_a_handler_of_sigtrap_is_hit_with_sigtrap_blocked_and_stays_the_handler() {
    let in_handler = setting("in_handler", IN_HANDLER);
    for engine in BOTH {
        let profile = in_handler.profile(engine, &[]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 700, "{engine:?}");
    }
}

const CALL_IN_HANDLER: &str = r#"
__asm__(".text\n.globl own_getpid\nown_getpid:\n mov $39,%eax\n.globl call_site\ncall_site:\n syscall\n ret\n");
extern long own_getpid(void);
static void handler(int s, siginfo_t *i, void *c) {
    struct setting before = now();
    for (int k = 0; k < 3; k++) wrong += own_getpid() != getpid();
    struct setting after = now();
    wrong += memcmp(&before, &after, sizeof before) != 0;
    seen++;
}
int main(void) {
    take(SIGTRAP, handler, 0);
    for (int i = 0; i < 20; i++) raise(SIGTRAP), hits(1);
    return seen == 20 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c062_a_system_call_under_a_site_is_made_also_where_sigtrap_is_blocked() {
    let in_handler = setting("call_in_handler", CALL_IN_HANDLER);
    for engine in BOTH {
        let (mut session, _handle) = in_handler.launch(engine, &[]);
        let hot = in_handler.site(&mut session);
        let distance = in_handler.distance("hot_site", "call_site");
        let call = SiteRequest {
            address: hot.address.plus(distance.cast_unsigned()),
            instruction: vec![0x0F, 0x05],
        };
        let planted = session.plant(&[hot, call]).expect("it lives");
        assert!(planted.iter().all(Result::is_ok), "{planted:?}");
        let profile = support::run(&mut session);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 80, "{engine:?}");
    }
}

const OWN: &str = r#"
#include <ucontext.h>
__asm__(".text\n.globl own\nown:\n nop\n.globl own_site\nown_site:\n int3\n ret\n");
extern void own(void);
extern unsigned char own_site[];
static void handler(int s, siginfo_t *i, void *c) {
    ucontext_t *context = c;
    wrong += i->si_code != SI_KERNEL || context->uc_mcontext.gregs[REG_RIP] != (greg_t)(own_site + 1);
    hits(1);
    seen++;
}
int main(void) {
    take(SIGTRAP, handler, 0);
    for (int i = 0; i < 20; i++) own(), hits(1);
    wrong += own_site[0] != 0xcc;
    return seen == 20 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c027_a_breakpoint_of_the_programs_own_is_counted_and_traps_as_without_us() {
    let own = setting("own", OWN);
    for engine in BOTH {
        let (mut session, _handle) = own.launch(engine, &[]);
        let hot = own.site(&mut session);
        let distance = own.distance("hot_site", "own_site");
        let int3 = SiteRequest {
            address: hot.address.plus(distance.cast_unsigned()),
            instruction: vec![0xCC],
        };
        let planted = session.plant(&[hot, int3]).expect("it lives");
        assert!(planted.iter().all(Result::is_ok), "{planted:?}");
        let profile = support::run(&mut session);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 60, "{engine:?}");
    }
}

const BLOCKED: &str = r#"
int main(void) {
    hits(1);
    take(SIGTRAP, count, SA_RESTART);
    hits(1);
    mask(SIG_BLOCK, SIGTRAP);
    hits(5);
    mask(SIG_BLOCK, 0);
    hits(5);
    kill(getpid(), SIGTRAP);
    hits(5);
    wrong += seen != 0;
    mask(SIG_UNBLOCK, 0);
    wrong += seen != 1;
    hits(5);
    raise(SIGTRAP);
    take(SIGTRAP, count, SA_NODEFER);
    hits(5);
    mask(SIG_BLOCK, SIGTRAP);
    hits(5);
    mask(SIG_UNBLOCK, 0);
    hits(5);
    signal(SIGTRAP, SIG_DFL);
    hits(5);
    return seen == 2 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c062_a_thread_that_blocks_sigtrap_keeps_its_mask_and_the_program_its_handler() {
    let blocked = setting("blocked", BLOCKED);
    for engine in BOTH {
        let profile = blocked.profile(engine, &[]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 42, "{engine:?}");
    }
}

const WORKERS: &str = r#"
/* As thread pools do: no signal is for them. The first hit of all is in one of them. */
static void *work(void *unused) {
    mask(SIG_SETMASK, 0);
    hits(200);
    return 0;
}
int main(void) {
    take(SIGTRAP, count, 0);
    pthread_t all[4];
    for (int i = 0; i < 4; i++) pthread_create(&all[i], 0, work, 0);
    for (int i = 0; i < 4; i++) pthread_join(all[i], 0);
    raise(SIGTRAP);
    return seen == 1 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c062_threads_that_block_everything_keep_their_masks_and_the_program_its_handler() {
    // One at a time sees its own action: while one thread's hit is put right, another can see it reset.
    let workers = setting("workers", &WORKERS.replace("[4]", "[1]").replace("< 4", "< 1"));
    for engine in BOTH {
        let profile = workers.profile(engine, &[]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 200, "{engine:?}");
    }
}

const RUNNING: &str = r#"
int main(int argc, char **argv) {
    if (argv[1][0] == 'i') signal(SIGTRAP, SIG_IGN); else take(SIGTRAP, count, 0);
    if (argv[1][0] == 'b') mask(SIG_BLOCK, SIGTRAP);
    fcntl(0, F_SETFL, O_NONBLOCK);
    say("ready");
    struct setting first = now();
    char c;
    while (read(0, &c, 1) != 1) hits(1);
    if (argv[1][0] == 'h') mask(SIG_BLOCK, SIGTRAP);
    while (read(0, &c, 1) != 0) hits(1);
    if (argv[1][0] == 'h') mask(SIG_UNBLOCK, SIGTRAP);
    struct setting last = now();
    int action = !memcmp(first.action, last.action, sizeof first.action);
    say(action ? first.blocked == last.blocked ? "kept" : "mask lost" : "action lost");
    raise(SIGTRAP);
    return wrong ? 9 : 3;
}
"#;

/// What a program says after a session that saw hits before and after a byte was sent to it.
fn after_a_session(running: &support::Program, argument: &str, engine: Engine) -> (String, Option<i32>) {
    let mut target = running.start(&[argument]);
    let pid = target.pid();
    std::thread::scope(|scope| {
        let session = scope.spawn(|| {
            let (_handle, listener) = stop_pair().expect("a pair");
            let mut session = Session::attach(pid, options(engine), listener).expect("attached");
            let site = running.site(&mut session);
            let planted = session.plant(&[site]).expect("it lives");
            assert!(planted[0].is_ok(), "{planted:?}");
            for number in 0..200 {
                let event = session.next_event().expect("no error");
                assert!(matches!(event, Event::Hit(_)), "{event:?}");
                if number == 20 {
                    target.send(b'!');
                }
            }
            session.detach().expect("given back");
        });
        session.join().expect("no panic");
    });
    target.finish()
}

#[test]
fn c062_a_program_that_ignores_sigtrap_ignores_it_still() {
    let running = setting("ignores", RUNNING);
    for engine in BOTH {
        let said = after_a_session(&running, "i", engine);
        assert_eq!(said, ("kept".to_owned(), Some(3)), "{engine:?}");
    }
}

#[test]
fn c062_a_handler_that_was_there_before_the_session_is_there_after_it() {
    let running = setting("handles", RUNNING);
    for engine in BOTH {
        let said = after_a_session(&running, "h", engine);
        assert_eq!(said, ("kept".to_owned(), Some(3)), "{engine:?}");
    }
}

#[test]
fn what_remains_of_c062_a_handler_is_lost_that_no_thread_could_be_asked_for_before_the_first_hit() {
    // At the attach its one thread blocks SIGTRAP: nothing tells the handler's address. The mask is kept.
    let running = setting("blocks", RUNNING);
    for engine in BOTH {
        let (said, _) = after_a_session(&running, "b", engine);
        assert_eq!(said, "action lost", "{engine:?}");
    }
}
