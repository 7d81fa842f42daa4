/* Proves: threads asleep in fourteen system calls sleep on while the process is attached to, profiled and given back,
           each until it is woken as the program means it, and none fails with EINTR.
   Build: cc -g -O0 -pthread
   Role: attach (argument: the number of hot threads)

   Prints "ready" when every sleeper is in its call and the hot threads serve. A line on the standard input is answered
   by "served N" with the number of calls so far, at least 50 more per hot thread than at the answer before; the line
   "asleep?" by "asleep 14" when every sleeper is still in its first call, else by what has become of one. At the end
   of the input every sleeper is woken in its own way; when each woke as it should, it prints "woken" and exits 0. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, STEP = 50, HOUR = 3600 };

static atomic_long served[MOST];
static atomic_int stop;
static atomic_int ending;
static atomic_int handled;
static atomic_int continued;

/* What the sleepers sleep on, and what wakes them. */
static int epoll_pipe[2], poll_pipe[2], select_pipe[2], read_pipe[2], plain[2], with_timeout[2];
static int semaphores, queue, watch;
static int watched;
static int futex_word;

static void fail(const char *what)
{
    fprintf(stderr, "sleepers: %s: %s\n", what, strerror(errno));
    _exit(9);
}

static long in_epoll_wait(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    epoll_ctl(set, EPOLL_CTL_ADD, epoll_pipe[0], &event);
    return syscall(SYS_epoll_wait, set, &event, 1, -1) == 1;
}

static long in_sigtimedwait(void)
{
    uint64_t set = 1UL << (SIGRTMIN - 1);
    struct timespec hour = {.tv_sec = HOUR};
    return syscall(SYS_rt_sigtimedwait, &set, NULL, &hour, sizeof set) == SIGRTMIN;
}

static long in_semop(void)
{
    struct sembuf take = {.sem_op = -1};
    return syscall(SYS_semop, semaphores, &take, 1) == 0;
}

static long in_recv_with_timeout(void)
{
    char byte;
    return syscall(SYS_recvfrom, with_timeout[0], &byte, 1, 0, NULL, NULL) == 1;
}

static long in_futex(void)
{
    return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0;
}

static long in_poll(void)
{
    struct pollfd one = {.fd = poll_pipe[0], .events = POLLIN};
    return syscall(SYS_poll, &one, 1, -1) == 1;
}

static long in_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(select_pipe[0], &set);
    return syscall(SYS_select, select_pipe[0] + 1, &set, NULL, NULL, NULL) == 1;
}

static long in_nanosleep(void)
{
    struct timespec hour = {.tv_sec = HOUR};
    return syscall(SYS_nanosleep, &hour, NULL) == -1 && errno == EINTR;
}

static long in_read(void)
{
    char byte;
    return syscall(SYS_read, read_pipe[0], &byte, 1) == 1;
}

static long in_msgrcv(void)
{
    struct { long type; char text[1]; } message;
    return syscall(SYS_msgrcv, queue, &message, 1, 0, 0) == 1;
}

static long in_inotify(void)
{
    char events[4096];
    return syscall(SYS_read, watch, events, sizeof events) > 0;
}

static long in_pause(void)
{
    return syscall(SYS_pause) == -1 && errno == EINTR;
}

static long in_sigsuspend(void)
{
    uint64_t none = 0;
    return syscall(SYS_rt_sigsuspend, &none, sizeof none) == -1 && errno == EINTR;
}

static long in_recv(void)
{
    char byte;
    return syscall(SYS_recvfrom, plain[0], &byte, 1, 0, NULL, NULL) == 1;
}

static struct sleeper {
    const char *name;
    long number;
    long (*sleep)(void);
    int by_signal; /* woken by a signal that it handles */
    pthread_t thread;
    atomic_int tid;
    atomic_int done;
} sleepers[] = {
    {"epoll_wait", SYS_epoll_wait, in_epoll_wait},
    {"sigtimedwait", SYS_rt_sigtimedwait, in_sigtimedwait},
    {"semop", SYS_semop, in_semop},
    {"recv with SO_RCVTIMEO", SYS_recvfrom, in_recv_with_timeout},
    {"futex", SYS_futex, in_futex},
    {"poll", SYS_poll, in_poll},
    {"select", SYS_select, in_select},
    {"nanosleep", SYS_nanosleep, in_nanosleep, 1},
    {"read of a pipe", SYS_read, in_read},
    {"msgrcv", SYS_msgrcv, in_msgrcv},
    {"read of inotify", SYS_read, in_inotify},
    {"pause", SYS_pause, in_pause, 1},
    {"sigsuspend", SYS_rt_sigsuspend, in_sigsuspend, 1},
    {"recv", SYS_recvfrom, in_recv},
};

enum { SLEEPERS = sizeof sleepers / sizeof sleepers[0] };

static void *sleep_in_call(void *of)
{
    struct sleeper *own = of;
    own->tid = syscall(SYS_gettid);
    long as_it_should = own->sleep();
    int why = errno;
    if (!ending || !as_it_should) {
        fprintf(stderr, "sleepers: %s ends %s: %s\n", own->name, ending ? "wrongly" : "too early", strerror(why));
        _exit(7);
    }
    own->done = 1;
    return NULL;
}

/* The number of the call that a thread is in: proc(5), /proc/pid/syscall; -1 where it runs. */
static long call_of(int tid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length < 0)
        fail(path);
    close(file);
    text[length] = 0;
    return text[0] == 'r' ? -1 : atol(text);
}

static int serve(int n)
{
    int value = n % 1000;
    if (value % 3 == 0)
        value += 7;
    return value * 5;
}

static void *run(void *number)
{
    long own = (long)number;
    for (int n = 0; !stop; n = (n + 1) % 100000) {
        if (serve(n) != (n % 1000 + (n % 1000 % 3 == 0 ? 7 : 0)) * 5)
            fail("a result is wrong");
        served[own]++;
    }
    return NULL;
}

static void handle(int number)
{
    (number == SIGCONT ? &continued : &handled)[0]++;
}

static void prepare(void)
{
    struct timeval hour = {.tv_sec = HOUR};
    struct sigaction action = {.sa_handler = handle};
    sigset_t waited_for;
    char path[64];
    if (pipe(epoll_pipe) || pipe(poll_pipe) || pipe(select_pipe) || pipe(read_pipe) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, plain) || socketpair(AF_UNIX, SOCK_STREAM, 0, with_timeout))
        fail("pipes");
    if (setsockopt(with_timeout[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof hour) != 0)
        fail("SO_RCVTIMEO");
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    queue = msgget(IPC_PRIVATE, 0600);
    watch = inotify_init1(0);
    watched = memfd_create("watched", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", watched);
    /* Opened anew: what memfd_create(2) gives notifies nobody. */
    watched = open(path, O_WRONLY | O_CLOEXEC);
    if (semaphores < 0 || queue < 0 || watch < 0 || watched < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
        fail("queues");
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &waited_for, NULL);
}

static void wake_all(void)
{
    struct sembuf give = {.sem_op = 1};
    struct { long type; char text[1]; } message = {1, "x"};
    ending = 1;
    if (write(epoll_pipe[1], "x", 1) != 1 || write(poll_pipe[1], "x", 1) != 1 || write(select_pipe[1], "x", 1) != 1 ||
        write(read_pipe[1], "x", 1) != 1 || send(plain[1], "x", 1, 0) != 1 || send(with_timeout[1], "x", 1, 0) != 1)
        fail("write");
    if (semop(semaphores, &give, 1) != 0 || msgsnd(queue, &message, 1, 0) != 0 || write(watched, "x", 1) != 1)
        fail("give");
    while (syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0 && !sleepers[4].done)
        sched_yield();
    pthread_kill(sleepers[1].thread, SIGRTMIN);
    for (int i = 0; i < SLEEPERS; i++)
        if (sleepers[i].by_signal)
            pthread_kill(sleepers[i].thread, SIGUSR1);
}

int main(int argc, char **argv)
{
    pthread_t thread[MOST];
    char line[256];
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MOST)
        return 2;
    prepare();
    for (int i = 0; i < SLEEPERS; i++)
        if (pthread_create(&sleepers[i].thread, NULL, sleep_in_call, &sleepers[i]) != 0)
            return 2;
    for (int i = 0; i < SLEEPERS; i++)
        while (sleepers[i].tid == 0 || call_of(sleepers[i].tid) != sleepers[i].number)
            sched_yield();
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run, (void *)i) != 0)
            return 2;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "asleep?\n") == 0) {
            int asleep = 0;
            for (int i = 0; i < SLEEPERS; i++)
                if (call_of(sleepers[i].tid) == sleepers[i].number)
                    asleep++;
                else
                    printf("%s in call %ld, ", sleepers[i].name, call_of(sleepers[i].tid));
            printf("asleep %d\n", asleep);
        } else {
            long before[MOST], sum = 0;
            for (int i = 0; i < threads; i++)
                before[i] = served[i];
            for (int i = 0; i < threads; i++) {
                while (served[i] < before[i] + STEP)
                    sched_yield();
                sum += served[i];
            }
            printf("served %ld\n", sum);
        }
        fflush(stdout);
    }
    stop = 1;
    wake_all();
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(sleepers[i].thread, NULL);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    semctl(semaphores, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
    /* Signals of the program's own alone: one for each sleeper that waits for one, and nobody has continued it. */
    if (handled != 3 || continued != 0) {
        printf("handled %d, continued %d\n", handled, continued);
        return 8;
    }
    puts("woken");
    return 0;
}
