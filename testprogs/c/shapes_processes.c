/* Proves: processes that come and go in every way that other tracers found hard do so as without a profiler.
   Build: cc -g -O0 -pthread
   Build: cc -g -O0 -pthread -no-pie
   Build: cc -g -O0 -pthread -static
   Profile: work
   Role: shapes */
#define _GNU_SOURCE
#include "../include/shape.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

static char *own = "/proc/self/exe";

static void *map_stack(void)
{
    void *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(stack != MAP_FAILED);
    return (char *)stack + 65536;
}

/* fork */

static int in_forked(int code)
{
    profiled();
    return code;
}

static int fork_plain(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(in_forked(3));
    profiled();
    say_end("child", child);
    return 1;
}

static int fork_exec(void)
{
    pid_t child = fork();
    if (child == 0) {
        profiled();
        execl(own, own, "leave", (char *)NULL);
        _exit(96);
    }
    profiled();
    say_end("child", child);
    return 2;
}

static int leave(void)
{
    profiled();
    say("another program\n");
    return 42;
}

/* The child goes on when its parent has ended: the end of the pipe tells. */
static int fork_no_wait(void)
{
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    if (fork() == 0) {
        close(ends[1]);
        profiled();
        must(read(ends[0], &byte, 1) == 0);
        profiled();
        say("on its own\n");
        _exit(0);
    }
    profiled();
    return 3;
}

static int fork_crash(void)
{
    pid_t child = fork();
    if (child == 0) {
        profiled();
        *(volatile int *)8 = 1;
    }
    profiled();
    say_end("child", child);
    return 4;
}

static int fork_multi(void)
{
    for (int generation = 0; generation < 4; generation++) {
        pid_t child = fork();
        profiled();
        if (child != 0) {
            say_end("child", child);
            return 10 + generation;
        }
    }
    return 20;
}

static int fork_many(void)
{
    pid_t child[40];
    for (int i = 0; i < 40; i++)
        if ((child[i] = fork()) == 0)
            _exit(in_forked(i));
    for (int i = 0; i < 40; i++)
        say_end("child", child[i]);
    return 0;
}

static void *fork_in_thread(void *unused)
{
    for (int i = 0; i < 10; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            _exit(in_forked(i));
        profiled();
        must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == i);
    }
    return unused;
}

static int fork_stress(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread[i], NULL, fork_in_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    say("forty children\n");
    return 0;
}

static int by_popen(void)
{
    char line[64] = "";
    FILE *pipe_end = popen("echo from the shell; exit 5", "r");
    profiled();
    must(pipe_end != NULL && fgets(line, sizeof line, pipe_end) != NULL);
    say("%s", line);
    say("%d\n", WEXITSTATUS(pclose(pipe_end)));
    return 0;
}

static int setpgid_kill(void)
{
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        must(write(ends[1], "x", 1) == 1);
        for (;;)
            profiled();
    }
    must(read(ends[0], &byte, 1) == 1);
    profiled();
    must(kill(-child, SIGTERM) == 0);
    say_end("group", child);
    return 0;
}

static int daemonize(void)
{
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        must(setsid() == getpid());
        profiled();
        if (fork() != 0)
            _exit(0);
        close(ends[1]);
        must(chdir("/") == 0);
        must(read(ends[0], &byte, 1) == 0);
        profiled();
        say("daemon\n");
        _exit(0);
    }
    say_end("first child", child);
    return 0;
}

/* vfork */

static atomic_int shared;

static int vfork_plain(void)
{
    for (int i = 0; i < 10; i++) {
        pid_t child = vfork();
        if (child == 0) {
            shared++;
            profiled();
            _exit(7);
        }
        profiled();
        say_end("child", child);
    }
    return shared;
}

static int vfork_exec(void)
{
    pid_t child = vfork();
    if (child == 0) {
        profiled();
        execl(own, own, "leave", (char *)NULL);
        _exit(96);
    }
    profiled();
    say_end("child", child);
    return 0;
}

static int vfork_killed(void)
{
    pid_t child = vfork();
    if (child == 0) {
        profiled();
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    say_end("child", child);
    profiled();
    return 0;
}

static void *vfork_in_thread(void *unused)
{
    for (int i = 0; i < 10; i++) {
        int status = -1;
        pid_t child = vfork();
        if (child == 0) {
            profiled();
            _exit(7);
        }
        must(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    }
    return unused;
}

static int vfork_stress(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread[i], NULL, i % 2 ? vfork_in_thread : fork_in_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

/* clone */

static int in_clone(void *code)
{
    shared++;
    profiled();
    return (int)(long)code;
}

static int clone_with(int flags)
{
    pid_t child = clone(in_clone, map_stack(), flags, (void *)6L);
    must(child > 0);
    profiled();
    say_end("clone", child);
    say("shared %d\n", shared);
    return 0;
}

static int clone_share_vm(void)
{
    return clone_with(CLONE_VM | SIGCHLD);
}

static int clone_no_signal(void)
{
    return clone_with(CLONE_VM);
}

static int clone_vfork(void)
{
    return clone_with(CLONE_VM | CLONE_VFORK | SIGCHLD);
}

static int clone_untraced(void)
{
    return clone_with(CLONE_UNTRACED | SIGCHLD);
}

static int clone_ptrace(void)
{
    return clone_with(CLONE_PTRACE | SIGCHLD);
}

static int clone_immediate_exit(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        if (child == 0)
            syscall(SYS_exit_group, 0);
        profiled();
        int status = -1;
        must(waitpid(child, &status, 0) == child && status == 0);
    }
    return 5;
}

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    ticks += number == SIGALRM;
}

/* Children are made while a timer interrupts. */
static int clone_interruption(void)
{
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            setitimer(ITIMER_REAL, &never, NULL);
            _exit(in_forked(1));
        }
        while (waitpid(child, &status, 0) != child)
            must(errno == EINTR);
        must(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    }
    while (ticks == 0)
        profiled();
    setitimer(ITIMER_REAL, &never, NULL);
    return 0;
}

/* A child of its grandparent. */
static int clone_parent(void)
{
    int ends[2];
    pid_t grandchild = 0;
    must(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        profiled();
        pid_t made = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
        if (made == 0)
            _exit(in_forked(8));
        must(write(ends[1], &made, sizeof made) == sizeof made);
        _exit(0);
    }
    must(read(ends[0], &grandchild, sizeof grandchild) == sizeof grandchild);
    say_end("child", child);
    say_end("grandchild", grandchild);
    return 0;
}

/* exec */

static void *spin(void *unused)
{
    for (;;)
        profiled();
    return unused;
}

static int exec_from_main(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        must(pthread_create(&thread, NULL, spin, NULL) == 0);
    profiled();
    execl(own, own, "leave", (char *)NULL);
    return 96;
}

static void *exec_in_thread(void *unused)
{
    profiled();
    execl(own, own, "leave", (char *)NULL);
    return unused;
}

static int exec_from_other(void)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, spin, NULL) == 0);
    must(pthread_create(&thread, NULL, exec_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
    return 96;
}

static int execve_loop(void)
{
    const char *text = getenv("SHAPE_TURN");
    int turn = text ? atoi(text) : 0;
    char next[16];
    profiled();
    if (turn == 50) {
        say("fifty\n");
        return 50;
    }
    snprintf(next, sizeof next, "%d", turn + 1);
    setenv("SHAPE_TURN", next, 1);
    execl(own, own, "execve_loop", (char *)NULL);
    return 96;
}

static int in_exec_clone(void *unused)
{
    (void)unused;
    profiled();
    execl(own, own, "leave", (char *)NULL);
    return 96;
}

static int exec_shared_as(void)
{
    pid_t child = clone(in_exec_clone, map_stack(), CLONE_VM | SIGCHLD, NULL);
    for (int i = 0; i < 100; i++)
        profiled();
    say_end("child", child);
    return 0;
}

static int exec_fails(void)
{
    profiled();
    execl("/nowhere", "nowhere", (char *)NULL);
    say("%s\n", strerror(errno));
    profiled();
    return 0;
}

/* The child waits for a word before it goes on: one that has ended already would be reaped in place of its going on. */
static int exec_stop(void)
{
    int status = 0, word[2];
    char byte = 0;
    must(pipe(word) == 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        profiled();
        must(read(word[0], &byte, 1) == 1);
        execl(own, own, "leave", (char *)NULL);
        _exit(96);
    }
    must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    say("stopped by %d\n", WSTOPSIG(status));
    profiled();
    kill(child, SIGCONT);
    must(waitpid(child, &status, WCONTINUED) == child);
    say("continued %d\n", WIFCONTINUED(status) != 0);
    must(write(word[1], &byte, 1) == 1);
    say_end("child", child);
    return 0;
}

/* Ends */

static int kill_newborn(void)
{
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            for (;;)
                profiled();
        kill(child, SIGKILL);
        profiled();
        must(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
    }
    return 0;
}

static int kill_child(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            kill(getppid(), 0);
    profiled();
    kill(child, SIGKILL);
    say_end("child", child);
    kill(getpid(), SIGKILL);
    return 96;
}

static void *leave_all(void *unused)
{
    profiled();
    syscall(SYS_exit_group, 33);
    return unused;
}

static int exit_race(void)
{
    for (int round = 0; round < 10; round++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            for (int i = 0; i < 4; i++)
                must(pthread_create(&thread, NULL, leave_all, NULL) == 0);
            spin(NULL);
        }
        say_end("child", child);
    }
    pthread_t thread;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&thread, NULL, leave_all, NULL) != 0)
            break;
    spin(NULL);
    return 96;
}

static int prctl_deathsig(void)
{
    int ends[2], ready[2];
    char byte;
    must(pipe(ends) == 0 && pipe(ready) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            must(write(ready[1], "x", 1) == 1);
            for (;;)
                profiled();
        }
        must(read(ready[0], &byte, 1) == 1);
        _exit(in_forked(0));
    }
    close(ends[1]);
    say_end("middle", middle);
    /* The child had the last writing end. */
    must(read(ends[0], &byte, 1) == 0);
    say("gone with its parent\n");
    return 0;
}

/* The first process of a namespace of its own ends, and all others there with it. */
static int pid_ns_kill(void)
{
    int ends[2];
    char byte;
    must(pipe(ends) == 0);
    if (unshare(CLONE_NEWPID) != 0 && (unshare(CLONE_NEWUSER) != 0 || unshare(CLONE_NEWPID) != 0)) {
        say("no namespaces\n");
        return 0;
    }
    pid_t first = fork();
    if (first == 0) {
        close(ends[0]);
        profiled();
        say("pid %d\n", getpid());
        pid_t second = fork();
        if (second == 0)
            for (;;)
                profiled();
        say("its child %d\n", second);
        _exit(in_forked(9));
    }
    close(ends[1]);
    say_end("first", first);
    must(read(ends[0], &byte, 1) == 0);
    profiled();
    return 0;
}

static int orphan_reaper(void)
{
    must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0)
            _exit(in_forked(12));
        _exit(in_forked(11));
    }
    say_end("child", child);
    must(waitpid(-1, &status, 0) > 0);
    say("grandchild exits %d\n", WEXITSTATUS(status));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"fork", fork_plain}, {"fork_exec", fork_exec}, {"leave", leave}, {"fork_no_wait", fork_no_wait},
        {"fork_crash", fork_crash}, {"fork_multi", fork_multi}, {"fork_many", fork_many}, {"fork_stress", fork_stress},
        {"popen", by_popen}, {"setpgid_kill", setpgid_kill}, {"daemon", daemonize}, {"vfork", vfork_plain},
        {"vfork_exec", vfork_exec}, {"vfork_killed", vfork_killed}, {"vfork_stress", vfork_stress},
        {"clone_share_vm", clone_share_vm}, {"clone_no_signal", clone_no_signal}, {"clone_vfork", clone_vfork},
        {"clone_untraced", clone_untraced}, {"clone_ptrace", clone_ptrace}, {"clone_parent", clone_parent},
        {"clone_immediate_exit", clone_immediate_exit}, {"clone_interruption", clone_interruption},
        {"exec_from_main", exec_from_main}, {"exec_from_other", exec_from_other}, {"execve_loop", execve_loop},
        {"exec_shared_as", exec_shared_as}, {"exec_fails", exec_fails}, {"exec_stop", exec_stop},
        {"kill_newborn", kill_newborn}, {"kill_child", kill_child}, {"exit_race", exit_race},
        {"prctl_deathsig", prctl_deathsig}, {"pid_ns_kill", pid_ns_kill}, {"orphan_reaper", orphan_reaper},
        {NULL, NULL},
    };
    return run_shape(shapes, argc, argv);
}
