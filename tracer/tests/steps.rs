//! Instructions under sites that are awkward to run, and what a step must leave alone. Numbers like C039 name cases of
//! issue #3.

mod support;

use lineprof_tracer::{End, Event};
use support::{BOTH, program};

const FUTEX: &str = r#"
/* The site is a `syscall` in which one thread sleeps until the other, which comes by the same site, wakes it. */
#include <linux/futex.h>
__asm__(".text\n.globl futex\nfutex:\n mov %rsi,%rdx\n mov %edi,%esi\n lea turn(%rip),%rdi\n"
        " xor %r10d,%r10d\n mov $202,%eax\n.globl futex_site\nfutex_site:\n syscall\n ret\n");
int turn;
extern long futex(int operation, long value);
static void *play(void *own) {
    for (int i = 0; i < 500; i++) {
        int seen;
        while ((seen = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % 2 != (long)own)
            futex(FUTEX_WAIT, seen);
        hot(i);
        __atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
        futex(FUTEX_WAKE, 1);
    }
    return 0;
}
int main(void) {
    pthread_t other;
    pthread_create(&other, 0, play, (void *)1);
    play(0);
    pthread_join(other, 0);
    return turn == 1000 ? 3 : 9;
}
"#;

#[test]
fn c035_a_thread_that_sleeps_in_a_system_call_under_a_site_is_woken_by_another() {
    let futex = program("futex", FUTEX);
    for engine in BOTH {
        let profile = futex.profile_at(engine, &[], &["hot_site", "futex_site"]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        // Each turn wakes the other; how often they sleep is left to chance.
        let [turns, calls] = [0, 1].map(|site| profile.at_site(site));
        assert_eq!(turns, 1000, "{engine:?}");
        assert!(calls > 1000, "{engine:?}: {calls}: nobody has slept");
    }
}

const SHADOW: &str = r#"
/* No trap comes behind a load of %ss: a step covers the next instruction as well (Intel SDM vol. 3, 6.8.3). */
__asm__(".text\n.globl load\nload:\n mov %ss,%eax\n xor %ecx,%ecx\n.globl load_site\nload_site:\n mov %eax,%ss\n"
        ".globl next_site\nnext_site:\n add $1,%ecx\n.globl last_site\nlast_site:\n add $2,%ecx\n mov %ecx,%eax\n ret\n");
extern int load(void);
int main(void) {
    for (int i = 0; i < 100; i++) if (load() != 3) return 9;
    return 3;
}
"#;

#[test]
fn c038_the_instruction_behind_a_load_of_the_stack_segment_runs_once_and_its_site_is_hit_once() {
    let shadow = program("shadow", SHADOW);
    for engine in BOTH {
        for sites in [
            &["load_site"][..],
            &["load_site", "last_site"],
            &["load_site", "next_site"],
            &["load_site", "next_site", "last_site"],
        ] {
            let profile = shadow.profile_at(engine, &[], sites);
            assert_eq!(
                profile.last,
                Some(Event::Ended(End::Exited(3))),
                "{engine:?}: {sites:?}"
            );
            assert_eq!(profile.total(), 100 * sites.len() as u64, "{engine:?}: {sites:?}");
        }
    }
}

const REGISTERS: &str = r#"
/* Everything that a thread has is stored before the sites and behind them: general registers and flags by pushes, the
   rest by xsave. What is in use is loaded with numbers before: x87, mxcsr, vector and mask registers. */
#include <cpuid.h>
#include <immintrin.h>
#include <x86intrin.h>
__asm__(".text\n.globl around\naround:\n"
        " push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " mov $-1,%eax\n mov $-1,%edx\n xsave64 before(%rip)\n"
        " mov $0x1111111111111111,%rax\n mov $0x2222222222222222,%rbx\n mov $0x3333333333333333,%rcx\n"
        " mov $0x4444444444444444,%rdx\n mov $0x5555555555555555,%rsi\n mov $0x6666666666666666,%rdi\n"
        " mov $0x7777777777777777,%rbp\n mov $0x8888888888888888,%r8\n mov $0x9999999999999999,%r9\n"
        " mov $0xaaaaaaaaaaaaaaaa,%r10\n mov $0xbbbbbbbbbbbbbbbb,%r11\n mov $0xcccccccccccccccc,%r12\n"
        " mov $0xdddddddddddddddd,%r13\n mov $0xeeeeeeeeeeeeeeee,%r14\n mov $0xffffffffffffffff,%r15\n"
        " push $0x8d5\n popfq\n"
        ".globl nop_site\nnop_site:\n nop\n.globl wide_site\nwide_site:\n mov %r15,%r15\n"
        " pushfq\n push %rax\n push %rbx\n push %rcx\n push %rdx\n push %rsi\n push %rdi\n push %rbp\n"
        " push %r8\n push %r9\n push %r10\n push %r11\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " cld\n lea general(%rip),%rdi\n mov %rsp,%rsi\n mov $16,%ecx\n rep movsq\n mov %rsi,%rsp\n"
        " mov $-1,%eax\n mov $-1,%edx\n xsave64 after(%rip)\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
        ".globl identify\nidentify:\n push %rbx\n mov %rdi,%r8\n xor %eax,%eax\n"
        ".globl cpuid_site\ncpuid_site:\n cpuid\n mov %ebx,(%r8)\n mov %edx,4(%r8)\n mov %ecx,8(%r8)\n pop %rbx\n ret\n"
        ".globl ticks\nticks:\n.globl rdtsc_site\nrdtsc_site:\n rdtsc\n shl $32,%rdx\n or %rdx,%rax\n ret\n");
unsigned char before[16384] __attribute__((aligned(64))), after[16384] __attribute__((aligned(64)));
unsigned long general[16];
extern void around(void);
extern void identify(unsigned *);
extern unsigned long ticks(void);
static __thread unsigned long local = 0x123456789abcdef;

__attribute__((target("avx512f,avx512bw"))) static void load_512(void) {
    unsigned char bytes[64];
    for (int i = 0; i < 64; i++) bytes[i] = i + 1;
    __m512i v = _mm512_loadu_si512(bytes);
    __asm__ volatile("vmovdqa64 %0,%%zmm0\n vmovdqa64 %0,%%zmm7\n vmovdqa64 %0,%%zmm15\n vmovdqa64 %0,%%zmm31\n"
                     "kmovq %1,%%k1\n kmovq %1,%%k7" :: "v"(v), "r"(0x0123456789abcdefUL));
}
__attribute__((target("avx"))) static void load_256(void) {
    unsigned char bytes[32];
    for (int i = 0; i < 32; i++) bytes[i] = i + 1;
    __asm__ volatile("vmovdqu (%0),%%ymm0\n vmovdqu (%0),%%ymm7\n vmovdqu (%0),%%ymm15" :: "r"(bytes) : "memory");
}

int main(void) {
    unsigned eax, ebx, ecx, edx, mxcsr = 0x3f80, name[3], seen[3];
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 77;
    if (!__get_cpuid(0, &eax, &name[0], &name[2], &name[1])) return 77;
    for (int i = 0; i < 50; i++) {
        __asm__ volatile("fninit\n fldpi\n fldl2e\n fld1\n ldmxcsr %0" :: "m"(mxcsr));
        if (__builtin_cpu_supports("avx512bw")) load_512();
        else if (__builtin_cpu_supports("avx")) load_256();
        else __asm__ volatile("pcmpeqd %xmm0,%xmm0\n pcmpeqd %xmm15,%xmm15");
        around();
        /* The header says which parts are in use; the bytes 416 to 511 are the program's own. */
        if (memcmp(before, after, 416) || memcmp(before + 512, after + 512, sizeof before - 512)) return 8;
        if (before[512] < 3) return 10;
        for (int r = 0; r < 15; r++) {
            static const unsigned char order[15] = { 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };
            if (general[r] != order[r] * 0x1111111111111111UL) return 20 + r;
        }
        /* What popfq set, the bit that is always set, and interrupts, which a program does not see changed. */
        if (general[15] != 0xad7) return 11;
        if (local != 0x123456789abcdef) return 12;
        identify(seen);
        if (memcmp(name, seen, sizeof name)) return 13;
        unsigned long first = ticks(), second = ticks();
        if (second <= first) return 14;
        __asm__ volatile("fninit\n ldmxcsr %0" :: "m"((unsigned){0x1f80}));
    }
    return 3;
}
"#;

#[test]
fn c039_every_register_is_as_it_was_behind_a_site() {
    let registers = program("registers", REGISTERS);
    let sites = ["nop_site", "wide_site", "cpuid_site", "rdtsc_site"];
    for engine in BOTH {
        let profile = registers.profile_at(engine, &[], &sites);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 50 * 5, "{engine:?}");
    }
}

const RECOVERING: &str = r#"
/* The instruction of the site faults, with every signal blocked that may be: forced while it is blocked, SIGSEGV would
   kill (force_sig_info_to_task, kernel/signal.c). The handler goes back to before the site, by siglongjmp. */
#include <setjmp.h>
__asm__(".text\n.globl touch\ntouch:\n.globl touch_site\ntouch_site:\n movb $1,(%rdi)\n ret\n");
extern void touch(char *);
static sigjmp_buf back;
static int faults, wrong;
static void handler(int s, siginfo_t *i, void *c) { faults++; hot(faults); siglongjmp(back, 1); }
static unsigned long blocked(void) {
    unsigned long set;
    syscall(SYS_rt_sigprocmask, 0, 0, &set, 8);
    return set;
}
int main(void) {
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, 0);
    sigset_t set;
    sigfillset(&set);
    int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    for (int i = 0; i < 6; i++) sigdelset(&set, synchronous[i]);
    sigprocmask(SIG_SETMASK, &set, 0);
    unsigned long mask = blocked();
    char good, *page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; i++) {
        if (sigsetjmp(back, 1) == 0) touch(page);
        touch(&good);
        wrong += blocked() != mask;
    }
    return faults == 100 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c059_a_fault_under_a_site_is_recovered_from_with_every_other_signal_blocked() {
    let recovering = program("recovering", RECOVERING);
    for engine in BOTH {
        let profile = recovering.profile_at(engine, &[], &["hot_site", "touch_site"]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
        assert_eq!(profile.total(), 300, "{engine:?}");
    }
}

const HANDLERS: &str = r#"
/* Signals of all kinds come at sites; no handler may find the trap flag, in the state it returns to or in its own. */
#include <sys/time.h>
#include <ucontext.h>
#define TRAP_FLAG 0x100
__asm__(".text\n.globl flags\nflags:\n pushfq\n pop %rax\n ret\n"
        ".globl touch\ntouch:\n.globl touch_site\ntouch_site:\n movb $1,(%rdi)\n ret\n");
extern unsigned long flags(void);
extern void touch(char *);
static volatile int wrong, traps, faults, queued;
static volatile long ticks;
static char *page;
static void handler(int s, siginfo_t *i, void *c) {
    ucontext_t *context = c;
    wrong += (flags() & TRAP_FLAG) != 0 || (context->uc_mcontext.gregs[REG_EFL] & TRAP_FLAG) != 0;
    hot(s);
    if (s == SIGSEGV) faults++, mprotect(page, 4096, PROT_READ | PROT_WRITE);
    if (s == SIGTRAP) traps++;
    if (s == SIGALRM) ticks++;
    if (s == SIGUSR1) queued++;
}
int main(void) {
    int all[] = { SIGSEGV, SIGTRAP, SIGALRM, SIGUSR1 };
    for (int i = 0; i < 4; i++) {
        struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
        sigaction(all[i], &action, 0);
    }
    page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct itimerval often = { { 0, 500 }, { 0, 500 } };
    setitimer(ITIMER_REAL, &often, 0);
    for (int i = 0; i < 100 || ticks < 100; i++) {
        if (!hot_ok(i)) wrong++;
        if (i < 100) {
            raise(SIGTRAP);
            raise(SIGUSR1);
            mprotect(page, 4096, PROT_READ);
            touch(page);
        }
        wrong += (flags() & TRAP_FLAG) != 0;
    }
    return traps == 100 && faults == 100 && queued == 100 && !wrong ? 3 : 9;
}
"#;

#[test]
fn c064_no_handler_finds_the_trap_flag_set() {
    let handlers = program("handlers", HANDLERS);
    for engine in BOTH {
        let profile = handlers.profile_at(engine, &[], &["hot_site", "touch_site"]);
        assert_eq!(profile.last, Some(Event::Ended(End::Exited(3))), "{engine:?}");
    }
}
