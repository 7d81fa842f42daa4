/* Proves: signals come as without a profiler, in every way that other tracers found hard: blocked, ignored, many at once,
           in handlers, with their facts, and as a stop of the whole group.
   Build: cc -g -O0 -pthread
   Profile: work
   Role: shapes */
#define _GNU_SOURCE
#include "../include/shape.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/epoll.h>
#include <time.h>

static atomic_int handled;
static atomic_int last;

static void count(int number)
{
    profiled();
    handled++;
    last = number;
}

static void on(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    must(sigaction(number, &action, NULL) == 0);
}

static void mask(int how, int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    must(pthread_sigmask(how, &set, NULL) == 0);
}

/* Facts of a signal */

static void tell(int number, siginfo_t *info, void *context)
{
    (void)context;
    profiled();
    say("%d code %d from %d value %d\n", number, info->si_code, info->si_pid == getpid(), info->si_value.sival_int);
}

static void tell_on(int number)
{
    struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
    must(sigaction(number, &action, NULL) == 0);
}

static int siginfo(void)
{
    union sigval value = {.sival_int = 4711};
    tell_on(SIGUSR1);
    tell_on(SIGTRAP);
    tell_on(SIGRTMIN + 3);
    profiled();
    kill(getpid(), SIGUSR1);
    raise(SIGTRAP);
    sigqueue(getpid(), SIGRTMIN + 3, value);
    sigqueue(getpid(), SIGTRAP, value);
    return 0;
}

static void tell_fault(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    profiled();
    say("%d code %d at %p\n", number, info->si_code, info->si_addr);
    regs[REG_RIP] += 8; /* mov to an absolute address: eight bytes */
}

static int fault_facts(void)
{
    struct sigaction action = {.sa_sigaction = tell_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    profiled();
    __asm__ volatile("movb $1, 16" ::: "memory");
    profiled();
    return 0;
}

static int sigchld_facts(void)
{
    struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO};
    siginfo_t info;
    sigset_t set;
    mask(SIG_BLOCK, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        if (child == 0) {
            profiled();
            if (round == 1)
                raise(SIGKILL);
            _exit(7);
        }
        must(sigwaitinfo(&set, &info) == SIGCHLD);
        say("code %d status %d right %d\n", info.si_code, info.si_status, info.si_pid == child);
        say_end("child", child);
    }
    return 0;
}

/* Real time: queued in order, none lost. */
static int order[64];

static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)number;
    profiled();
    order[handled++] = info->si_value.sival_int;
}

static int sigrt(void)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigset_t all;
    sigfillset(&all);
    sigaction(SIGRTMIN + 1, &action, NULL);
    sigaction(SIGRTMIN + 2, &action, NULL);
    sigfillset(&action.sa_mask);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 20; i++) {
        union sigval value = {.sival_int = i};
        must(sigqueue(getpid(), SIGRTMIN + 1 + i % 2, value) == 0);
        profiled();
    }
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    profiled();
    int sum = 0;
    for (int i = 0; i < handled; i++)
        sum += order[i];
    say("%d signals, sum %d\n", handled, sum);
    return 0;
}

static int multiple_pending(void)
{
    int numbers[] = {SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH, SIGCONT, SIGURG, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 7; i++) {
        on(numbers[i], count, 0);
        sigaddset(&set, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 14; i++) {
        profiled();
        kill(getpid(), numbers[i % 7]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    say("%d handled\n", handled);
    return 0;
}

static pthread_t crowd[8];
static atomic_int ready, done;

static void *send_many(void *unused)
{
    ready++;
    while (ready < 8)
        profiled();
    for (int i = 0; i < 50; i++) {
        int before = handled;
        (void)before;
        pthread_kill(crowd[(i + 1) % 8], SIGUSR1);
        profiled();
    }
    done++;
    while (done < 8)
        profiled();
    return unused;
}

/* From every thread to every other; one of a number that is pending already is none. */
static int concurrent_signals(void)
{
    on(SIGUSR1, count, SA_RESTART);
    mask(SIG_BLOCK, SIGUSR2);
    for (int i = 0; i < 8; i++)
        must(pthread_create(&crowd[i], NULL, send_many, NULL) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(crowd[i], NULL);
    say("some %d\n", handled > 0 && handled <= 400);
    return 0;
}

/* Blocked, ignored */

static int blocked_sigsegv(void)
{
    on(SIGSEGV, count, 0);
    mask(SIG_BLOCK, SIGSEGV);
    profiled();
    *(volatile int *)8 = 1;
    return 0;
}

static int blocked_sigill(void)
{
    on(SIGILL, count, 0);
    mask(SIG_BLOCK, SIGILL);
    profiled();
    __asm__ volatile("ud2");
    return 0;
}

static int blocked_sigtrap(void)
{
    on(SIGTRAP, count, 0);
    profiled();
    mask(SIG_BLOCK, SIGTRAP);
    profiled();
    kill(getpid(), SIGTRAP);
    profiled();
    say("%d handled\n", handled);
    mask(SIG_UNBLOCK, SIGTRAP);
    say("%d handled\n", handled);
    return 0;
}

static int blocked_own_trap(void)
{
    mask(SIG_BLOCK, SIGTRAP);
    profiled();
    __asm__ volatile("int3");
    return 0;
}

static int ignored_sigsegv(void)
{
    signal(SIGSEGV, SIG_IGN);
    kill(getpid(), SIGSEGV);
    profiled();
    say("sent is ignored\n");
    *(volatile int *)8 = 1;
    return 0;
}

static int ignored_sigtrap(void)
{
    signal(SIGTRAP, SIG_IGN);
    raise(SIGTRAP);
    profiled();
    raise(SIGTRAP);
    say("ignored %d\n", signal(SIGTRAP, SIG_DFL) == SIG_IGN);
    return 0;
}

static int ignored_over_exec(void)
{
    signal(SIGUSR1, SIG_IGN);
    mask(SIG_BLOCK, SIGUSR2);
    profiled();
    execl("/proc/self/exe", "shapes", "tell_signals", (char *)NULL);
    return 96;
}

/* What a program begins with, but for the two signals that are the threads library's own. */
static int tell_signals(void)
{
    sigset_t blocked;
    struct sigaction action;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int number = 1; number <= 64; number++)
        if (sigaction(number, NULL, &action) == 0)
            say("%d%s%s\n", number, action.sa_handler == SIG_IGN ? " ignored" : "",
                sigismember(&blocked, number) == 1 ? " blocked" : "");
    return 0;
}

/* An ignored signal does not end a sleep, and neither does one whose default is nothing. */
static int pipe_ends[2];

static void *ignore_for_a_while(void *thread)
{
    int numbers[] = {SIGUSR1, SIGWINCH, SIGCHLD, SIGURG};
    for (int i = 0; i < 40; i++) {
        pthread_kill(*(pthread_t *)thread, numbers[i % 4]);
        profiled();
    }
    must(write(pipe_ends[1], "x", 1) == 1);
    return NULL;
}

static int ignored_in(int timeout_ms)
{
    pthread_t self = pthread_self(), other;
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    must(pipe(pipe_ends) == 0 && epoll_ctl(set, EPOLL_CTL_ADD, pipe_ends[0], &event) == 0);
    signal(SIGUSR1, SIG_IGN);
    must(pthread_create(&other, NULL, ignore_for_a_while, &self) == 0);
    int got = epoll_wait(set, &event, 1, timeout_ms);
    int why = errno;
    profiled();
    pthread_join(other, NULL);
    say("%d %s\n", got, got < 0 ? strerror(why) : "as it should");
    return 0;
}

static int ignored_in_sleep(void)
{
    return ignored_in(-1);
}

static int ignored_in_timed_sleep(void)
{
    return ignored_in(60000);
}

/* A handler ends a sleep where it does without a tracer. */
static int handled_in_sleep(void)
{
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    struct timespec hour = {.tv_sec = 3600}, left;
    struct epoll_event event;
    int set = epoll_create1(0);
    on(SIGALRM, count, SA_RESTART);
    profiled();
    setitimer(ITIMER_REAL, &soon, NULL);
    int got = epoll_wait(set, &event, 1, -1);
    say("epoll_wait %d %s\n", got, strerror(errno));
    setitimer(ITIMER_REAL, &soon, NULL);
    got = nanosleep(&hour, &left);
    say("nanosleep %d %s, most is left %d\n", got, strerror(errno), left.tv_sec >= 3598);
    say("%d handled\n", handled);
    return 0;
}

/* A sleep goes on after a stop of the group, as restart_syscall(2) has it. */
static int restart_after_stop(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct timespec brief = {.tv_nsec = 300000000};
        profiled();
        say("slept %d\n", nanosleep(&brief, NULL));
        _exit(0);
    }
    for (int i = 0; i < 3; i++) {
        kill(child, SIGSTOP);
        must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        kill(child, SIGCONT);
        must(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    }
    say_end("child", child);
    return 0;
}

static void *interrupt_parent(void *unused)
{
    pid_t pid = getpid();
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            kill(pid, SIGSTOP);
            kill(pid, SIGCONT);
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
    return unused;
}

static int restart_syscall(void)
{
    struct timespec brief = {.tv_nsec = 200000000};
    pthread_t thread;
    must(pthread_create(&thread, NULL, interrupt_parent, NULL) == 0);
    say("slept %d\n", nanosleep(&brief, NULL));
    profiled();
    pthread_join(thread, NULL);
    return 0;
}

/* Stops of the group */

static void *spin(void *unused)
{
    while (!done)
        profiled();
    return unused;
}

/* The child has many hot threads; it is stopped and continued by its parent, and each time handles SIGCONT. */
static int told[2];

static void tell_by_pipe(int number)
{
    (void)number;
    profiled();
    must(write(told[1], "c", 1) == 1);
}

static int stop_herd(int threads, int rounds)
{
    int status = 0;
    char byte;
    must(pipe(told) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        on(SIGCONT, tell_by_pipe, SA_RESTART);
        for (int i = 0; i < threads; i++)
            must(pthread_create(&thread, NULL, spin, NULL) == 0);
        must(write(told[1], "x", 1) == 1);
        spin(NULL);
    }
    must(read(told[0], &byte, 1) == 1);
    for (int round = 0; round < rounds; round++) {
        kill(child, SIGSTOP);
        must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        say("stopped by %d\n", WSTOPSIG(status));
        profiled();
        kill(child, SIGCONT);
        must(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
        must(read(told[0], &byte, 1) == 1);
    }
    kill(child, SIGKILL);
    say_end("child", child);
    return 0;
}

static int group_stop_herd(void)
{
    return stop_herd(8, 5);
}

static int sigcont(void)
{
    return stop_herd(0, 5);
}

/* The same of the program itself: a child of its continues it for as long as it lives. */
static int sigcont_threaded(void)
{
    pthread_t thread[4];
    on(SIGCONT, count, 0);
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread[i], NULL, spin, NULL) == 0);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        struct timespec moment = {.tv_nsec = 5000000};
        while (kill(parent, SIGCONT) == 0)
            nanosleep(&moment, NULL);
        _exit(0);
    }
    for (int i = 0; i < 5; i++) {
        /* To this thread alone, so that it has stopped when the call returns. */
        raise(SIGSTOP);
        profiled();
    }
    kill(child, SIGKILL);
    say_end("child", child);
    done = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    say("continued %d\n", handled > 0);
    return 0;
}

/* Traps of the program's own */

static int sigtrap(void)
{
    on(SIGTRAP, count, 0);
    for (int i = 0; i < 10; i++) {
        raise(SIGTRAP);
        __asm__ volatile("int3");
        profiled();
    }
    say("%d handled\n", handled);
    signal(SIGTRAP, SIG_DFL);
    raise(SIGTRAP);
    return 0;
}

static int sigtrap_group(void)
{
    pid_t child[4];
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    on(SIGTRAP, count, SA_RESTART);
    setpgid(0, 0);
    for (int i = 0; i < 4; i++)
        if ((child[i] = fork()) == 0) {
            must(write(ends[1], "x", 1) == 1);
            while (handled == 0)
                profiled();
            _exit(handled);
        }
    for (int i = 0; i < 4; i++)
        must(read(ends[0], &byte, 1) == 1);
    kill(0, SIGTRAP);
    profiled();
    for (int i = 0; i < 4; i++)
        say_end("child", child[i]);
    say("%d handled\n", handled);
    return 0;
}

/* Masks */

static void note_one(int number)
{
    (void)number;
    handled++;
}

static int sigprocmask_race(void)
{
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    /* Short: one that runs for longer than the timer would leave no time for anything else. */
    on(SIGALRM, note_one, 0);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 300; i++) {
        mask(SIG_BLOCK, SIGALRM);
        int before = handled;
        profiled();
        must(handled == before);
        mask(SIG_UNBLOCK, SIGALRM);
    }
    while (handled == 0)
        profiled();
    setitimer(ITIMER_REAL, &never, NULL);
    return 0;
}

static int sigprocmask_evil(void)
{
    uint64_t all = ~0UL, now = 0;
    must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0);
    profiled();
    must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8) == 0);
    say("%lx\n", (unsigned long)now);
    say("%ld\n", syscall(SYS_rt_sigprocmask, SIG_SETMASK, (void *)8, NULL, 8));
    profiled();
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8);
    say("%lx\n", (unsigned long)now);
    return 0;
}

/* Frames of handlers */

static void grow(int depth)
{
    volatile char page[4096];
    page[0] = depth;
    profiled();
    if (depth > 0)
        grow(depth - 1);
    must(page[0] == (char)depth);
}

static void deep(int number)
{
    grow(200);
    count(number);
}

static int sigframe_grow_stack(void)
{
    on(SIGUSR1, deep, 0);
    profiled();
    raise(SIGUSR1);
    profiled();
    say("%d handled\n", handled);
    return 0;
}

static sigjmp_buf back;

static void jump(int number)
{
    profiled();
    siglongjmp(back, number);
}

static int handler_jumps(void)
{
    on(SIGSEGV, jump, 0);
    for (int i = 0; i < 10; i++) {
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)8 = work(i);
        profiled();
        handled++;
    }
    say("%d faults\n", handled);
    return 0;
}

static void change_registers(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    (void)info;
    profiled();
    if (number == SIGUSR1)
        regs[REG_R12] = 77;
}

static int signal_frame(void)
{
    struct sigaction action = {.sa_sigaction = change_registers, .sa_flags = SA_SIGINFO};
    long value = 5, result = SYS_tgkill;
    sigaction(SIGUSR1, &action, NULL);
    profiled();
    __asm__ volatile("mov %1, %%r12\n\tsyscall\n\tmov %%r12, %1"
                     : "+a"(result), "+r"(value)
                     : "D"((long)getpid()), "S"((long)syscall(SYS_gettid)), "d"((long)SIGUSR1)
                     : "r12", "rcx", "r11", "memory");
    say("%ld %ld\n", result, value);
    return 0;
}

static void fork_in_handler(int number)
{
    pid_t child = fork();
    if (child == 0) {
        profiled();
        _exit(number);
    }
    profiled();
    say_end("child", child);
}

static int sighandler_fork(void)
{
    on(SIGUSR1, fork_in_handler, 0);
    for (int i = 0; i < 5; i++) {
        profiled();
        raise(SIGUSR1);
    }
    return 0;
}

/* No stack for the frame of the handler: the signal kills. */
static int bad_stack(void)
{
    on(SIGUSR1, count, 0);
    profiled();
    __asm__ volatile("mov $8, %%rsp\n\tsyscall" ::"a"((long)SYS_tgkill), "D"((long)getpid()),
                     "S"((long)syscall(SYS_gettid)), "d"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    return 0;
}

/* Deaths */

static int dies_of_each(void)
{
    int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV,
                     SIGPIPE, SIGALRM, SIGTERM, SIGXCPU, SIGSYS, 34, 64};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        pid_t child = fork();
        if (child == 0) {
            profiled();
            raise(numbers[i]);
            _exit(0);
        }
        say_end("child", child);
    }
    return 0;
}

static int dies_of_term(void)
{
    profiled();
    raise(SIGTERM);
    return 0;
}

static int dies_of_rt(void)
{
    profiled();
    raise(SIGRTMAX);
    return 0;
}

static int dies_of_trap(void)
{
    profiled();
    __asm__ volatile("int3");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"siginfo", siginfo}, {"fault_facts", fault_facts}, {"sigchld_facts", sigchld_facts}, {"sigrt", sigrt},
        {"multiple_pending", multiple_pending}, {"concurrent_signals", concurrent_signals},
        {"blocked_sigsegv", blocked_sigsegv}, {"blocked_sigill", blocked_sigill}, {"blocked_sigtrap", blocked_sigtrap},
        {"blocked_own_trap", blocked_own_trap}, {"ignored_sigsegv", ignored_sigsegv},
        {"ignored_sigtrap", ignored_sigtrap}, {"ignored_over_exec", ignored_over_exec}, {"tell_signals", tell_signals},
        {"ignored_in_sleep", ignored_in_sleep},
        {"ignored_in_timed_sleep", ignored_in_timed_sleep}, {"handled_in_sleep", handled_in_sleep},
        {"restart_after_stop", restart_after_stop}, {"restart_syscall", restart_syscall},
        {"group_stop_herd", group_stop_herd}, {"sigcont", sigcont}, {"sigcont_threaded", sigcont_threaded},
        {"sigtrap", sigtrap}, {"sigtrap_group", sigtrap_group},
        {"sigprocmask_race", sigprocmask_race}, {"sigprocmask_evil", sigprocmask_evil},
        {"sigframe_grow_stack", sigframe_grow_stack}, {"handler_jumps", handler_jumps},
        {"signal_frame", signal_frame}, {"sighandler_fork", sighandler_fork}, {"bad_stack", bad_stack},
        {"dies_of_each", dies_of_each}, {"dies_of_term", dies_of_term}, {"dies_of_rt", dies_of_rt},
        {"dies_of_trap", dies_of_trap}, {NULL, NULL},
    };
    return run_shape(shapes, argc, argv);
}
