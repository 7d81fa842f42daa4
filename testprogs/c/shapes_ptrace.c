/* Proves: a program that is a tracer itself, of children of its own, traces them as without a profiler.
   Build: cc -g -O0 -pthread
   Profile: work
   Role: shapes */
#define _GNU_SOURCE
#include "../include/shape.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>

enum { SLEEPS, SPINS };

/* A child that is where it is wanted when this returns, and ends with its parent. */
static pid_t make_child(int kind)
{
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        profiled();
        must(write(ends[1], "x", 1) == 1);
        while (kind == SPINS)
            work(1);
        for (;;)
            pause();
    }
    must(read(ends[0], &byte, 1) == 1);
    profiled();
    return child;
}

static void say_stop(pid_t child)
{
    int status = 0;
    must(waitpid(child, &status, __WALL) == child);
    if (WIFSTOPPED(status))
        say("stop %d event %d\n", WSTOPSIG(status), status >> 16);
    else if (WIFEXITED(status))
        say("exits %d\n", WEXITSTATUS(status));
    else
        say("dies of %d\n", WTERMSIG(status));
}

static int finish(pid_t child)
{
    profiled();
    kill(child, SIGKILL);
    say_end("child", child);
    return 0;
}

static int attach_to(pid_t child)
{
    must(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
    say_stop(child);
    profiled();
    must(ptrace(PTRACE_DETACH, child, 0, 0) == 0);
    return finish(child);
}

static int attach_running(void)
{
    return attach_to(make_child(SPINS));
}

static int attach_sleeping(void)
{
    return attach_to(make_child(SLEEPS));
}

static int attach_stopped(void)
{
    pid_t child = make_child(SPINS);
    kill(child, SIGSTOP);
    int status;
    must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    return attach_to(child);
}

/* Without a place for the status. */
static int attach_null_status(void)
{
    pid_t child = make_child(SPINS);
    must(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
    must(waitpid(child, NULL, 0) == child);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    return finish(child);
}

static void wait_until_asleep(pid_t child)
{
    char path[64], text[512] = "x) R";
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    while (strrchr(text, ')')[2] != 'S') {
        FILE *file = fopen(path, "r");
        must(file != NULL && fgets(text, sizeof text, file) != NULL);
        fclose(file);
    }
}

static int attach_syscall(void)
{
    pid_t child = make_child(SLEEPS);
    wait_until_asleep(child);
    struct user_regs_struct regs;
    must(ptrace(PTRACE_ATTACH, child, 0, 0) == 0);
    say_stop(child);
    must(ptrace(PTRACE_GETREGS, child, 0, &regs) == 0);
    say("in pause %d\n", (long)regs.orig_rax == SYS_pause);
    for (int i = 0; i < 2; i++) {
        must(ptrace(PTRACE_SYSCALL, child, 0, 0) == 0);
        profiled();
        if (i == 0)
            say_stop(child);
    }
    return finish(child);
}

static void *work_on(void *unused)
{
    for (;;)
        work(2);
    return unused;
}

static int attach_thread_running(void)
{
    int ends[2];
    pid_t tid = 0;
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        tid = gettid();
        must(pthread_create(&thread, NULL, work_on, NULL) == 0);
        must(write(ends[1], &tid, sizeof tid) == sizeof tid);
        work_on(NULL);
    }
    must(read(ends[0], &tid, sizeof tid) == sizeof tid);
    must(ptrace(PTRACE_SEIZE, tid, 0, 0) == 0);
    must(ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0);
    say_stop(tid);
    must(ptrace(PTRACE_DETACH, tid, 0, 0) == 0);
    return finish(child);
}

static pid_t trace_me(void (*then)(void))
{
    pid_t child = fork();
    if (child == 0) {
        must(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        then();
        _exit(6);
    }
    say_stop(child);
    return child;
}

static void do_work(void)
{
    profiled();
}

static int recursive(void)
{
    pid_t child = trace_me(do_work);
    profiled();
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    return 0;
}

/* A breakpoint of the program's own in its child, on the very function that is profiled. */
static int breakpoint(void)
{
    pid_t child = trace_me(do_work);
    struct user_regs_struct regs;
    long word = ptrace(PTRACE_PEEKTEXT, child, work, 0);
    say("no byte of others %d\n", memcmp(&word, "\xCC", 1) != 0);
    must(ptrace(PTRACE_POKETEXT, child, work, (word & ~0xFFL) | 0xCC) == 0);
    for (int hit = 0; hit < 5; hit++) {
        must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        say_stop(child);
        must(ptrace(PTRACE_GETREGS, child, 0, &regs) == 0);
        must((char *)regs.rip == (char *)work + 1);
        profiled();
        regs.rip--;
        must(ptrace(PTRACE_SETREGS, child, 0, &regs) == 0);
        must(ptrace(PTRACE_POKETEXT, child, work, word) == 0);
        must(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0);
        say_stop(child);
        must(ptrace(PTRACE_POKETEXT, child, work, (word & ~0xFFL) | 0xCC) == 0);
    }
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    return 0;
}

static int single_step(void)
{
    pid_t child = trace_me(do_work);
    for (int i = 0; i < 500; i++) {
        int status;
        must(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0);
        must(waitpid(child, &status, 0) == child);
        if (!WIFSTOPPED(status))
            break;
        must(WSTOPSIG(status) == SIGTRAP);
    }
    profiled();
    say("stepped\n");
    return finish(child);
}

static void exec_other(void)
{
    profiled();
    execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
}

static int exec(void)
{
    pid_t child = trace_me(exec_other);
    must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXEC) == 0);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    profiled();
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    return 0;
}

static void raise_some(void)
{
    profiled();
    raise(SIGUSR1);
    raise(SIGTRAP);
    raise(SIGCHLD);
    profiled();
}

static int signals(void)
{
    pid_t child = trace_me(raise_some);
    for (int i = 0; i < 3; i++) {
        must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        say_stop(child);
        profiled();
    }
    must(ptrace(PTRACE_CONT, child, 0, SIGTERM) == 0);
    say_stop(child);
    return 0;
}

static int exit_event(void)
{
    pid_t child = trace_me(do_work);
    unsigned long code = 0;
    must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEEXIT) == 0);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    must(ptrace(PTRACE_GETEVENTMSG, child, 0, &code) == 0);
    say("code %lx\n", code);
    profiled();
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    return 0;
}

static void fork_once(void)
{
    pid_t child = fork();
    if (child == 0) {
        profiled();
        _exit(4);
    }
    profiled();
    waitpid(child, NULL, 0);
}

static int clone_event(void)
{
    pid_t child = trace_me(fork_once);
    unsigned long made = 0;
    must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK) == 0);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    must(ptrace(PTRACE_GETEVENTMSG, child, 0, &made) == 0);
    must(waitpid(made, NULL, __WALL) == (pid_t)made);
    profiled();
    must(ptrace(PTRACE_CONT, made, 0, 0) == 0);
    say_stop(made);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    int status = 0;
    /* The child of the child tells it of its end. */
    for (;;) {
        must(waitpid(child, &status, 0) == child);
        if (!WIFSTOPPED(status))
            break;
        must(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)) == 0);
    }
    say("exits %d\n", WEXITSTATUS(status));
    return 0;
}

static int group_stop(void)
{
    pid_t child = make_child(SPINS);
    must(ptrace(PTRACE_SEIZE, child, 0, 0) == 0);
    kill(child, SIGSTOP);
    say_stop(child);
    must(ptrace(PTRACE_CONT, child, 0, SIGSTOP) == 0);
    say_stop(child);
    must(ptrace(PTRACE_LISTEN, child, 0, 0) == 0);
    profiled();
    kill(child, SIGCONT);
    say_stop(child);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    return finish(child);
}

static int seize(void)
{
    pid_t child = make_child(SPINS);
    must(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL) == 0);
    must(ptrace(PTRACE_INTERRUPT, child, 0, 0) == 0);
    say_stop(child);
    profiled();
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    return finish(child);
}

static int kill_grandtracee(void)
{
    pid_t child = trace_me(fork_once);
    unsigned long made = 0;
    must(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACEFORK) == 0);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    must(ptrace(PTRACE_GETEVENTMSG, child, 0, &made) == 0);
    must(waitpid(made, NULL, __WALL) == (pid_t)made);
    profiled();
    kill(made, SIGKILL);
    say_stop(made);
    return finish(child);
}

static volatile sig_atomic_t told;

static void count(int number)
{
    (void)number;
    profiled();
    told++;
}

/* Each stop of a tracee tells its tracer by SIGCHLD. */
static int sigchld(void)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    pid_t child = trace_me(do_work);
    must(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    say_stop(child);
    say("told %d\n", told > 0);
    return 0;
}

static pid_t shared_child;

static void *trace_by_thread(void *unused)
{
    shared_child = trace_me(do_work);
    profiled();
    must(ptrace(PTRACE_CONT, shared_child, 0, 0) == 0);
    say_stop(shared_child);
    return unused;
}

/* The tracer is a thread. */
static int traceme_thread(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, trace_by_thread, NULL) == 0);
    pthread_join(thread, NULL);
    return 0;
}

static void *wait_for_it(void *unused)
{
    say_stop(shared_child);
    profiled();
    return unused;
}

/* One thread traces, another waits. */
static int waiter_thread(void)
{
    pthread_t thread;
    shared_child = trace_me(do_work);
    must(ptrace(PTRACE_CONT, shared_child, 0, 0) == 0);
    must(pthread_create(&thread, NULL, wait_for_it, NULL) == 0);
    pthread_join(thread, NULL);
    return 0;
}

/* A tracer dies: what it traced lives, or is killed where it asked for that. */
static int death_of_tracer(int threads, long options)
{
    int ends[2], ready[2];
    char byte;
    must(pipe(ends) == 0 && pipe(ready) == 0);
    pid_t tracee = fork();
    if (tracee == 0) {
        close(ends[1]);
        profiled();
        must(write(ready[1], "x", 1) == 1);
        for (int i = 0; i < threads; i++) {
            pthread_t thread;
            must(pthread_create(&thread, NULL, work_on, NULL) == 0);
        }
        must(read(ends[0], &byte, 1) == 0);
        profiled();
        _exit(15);
    }
    close(ends[0]);
    must(read(ready[0], &byte, 1) == 1);
    pid_t tracer = fork();
    if (tracer == 0) {
        must(ptrace(PTRACE_SEIZE, tracee, 0, options) == 0);
        profiled();
        raise(SIGKILL);
    }
    say_end("tracer", tracer);
    close(ends[1]);
    say_end("tracee", tracee);
    return 0;
}

static int ptracer_death(void)
{
    return death_of_tracer(0, 0);
}

static int ptracer_death_threads(void)
{
    return death_of_tracer(4, 0);
}

static int ptracer_death_kills(void)
{
    return death_of_tracer(0, PTRACE_O_EXITKILL);
}

/* A tracer asks whether it is traced itself, as a program does that hides from debuggers. */
static int asks_to_be_traced(void)
{
    profiled();
    errno = 0;
    long got = ptrace(PTRACE_TRACEME, 0, 0, 0);
    say("%ld %s\n", got, got == 0 ? "done" : strerror(errno));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"attach_running", attach_running}, {"attach_sleeping", attach_sleeping}, {"attach_stopped", attach_stopped},
        {"attach_null_status", attach_null_status}, {"attach_syscall", attach_syscall},
        {"attach_thread_running", attach_thread_running}, {"recursive", recursive}, {"breakpoint", breakpoint},
        {"single_step", single_step}, {"exec", exec}, {"signals", signals}, {"exit_event", exit_event},
        {"clone_event", clone_event}, {"group_stop", group_stop}, {"seize", seize},
        {"kill_grandtracee", kill_grandtracee}, {"sigchld", sigchld}, {"traceme_thread", traceme_thread},
        {"waiter_thread", waiter_thread}, {"ptracer_death", ptracer_death},
        {"ptracer_death_threads", ptracer_death_threads}, {"ptracer_death_kills", ptracer_death_kills},
        {"asks_to_be_traced", asks_to_be_traced}, {NULL, NULL},
    };
    return run_shape(shapes, argc, argv);
}
