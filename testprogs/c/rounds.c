/* Proves: a hundred times attached to and let go of, a hot process loses no call and gets every result, none of its
           system calls fails with EINTR, and none of its text is changed.
   Build: cc -g -O0 -pthread
   Role: attach (argument: the number of hot threads)

   Each hot thread calls `serve` all the time. Beside them threads sleep in the four calls that fail with EINTR when
   somebody interrupts them: one in each for as long as the program runs, and one in each for 2 ms, again and again.
   The body of `serve` and `counted` counts the calls that came in, their caller those that came back.

   Prints "ready" when all of them do so. Answers lines on the standard input: "go on" by "served N", the calls of
   `serve` so far, at least 50 more per hot thread than at the answer before; "count" by "counted N" when each hot thread
   has made 25 calls of `counted`, N being all of them since the start; "check" by "text same" when the executable text of
   every object is what its file has, and each short sleeper has come back once more. At the end of the input it
   wakes the sleepers and prints "stopped". It exits with 7, and says why, as soon as anything is not as it should be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64, STEP = 50, COUNTED = 25, HOUR = 3600, SHORT_MS = 2 };

static atomic_int started;
static atomic_int stop;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "rounds: %s: %s\n", what, why);
    _exit(7);
}

/* The hot threads. */

static struct hot {
    pthread_t thread;
    long came_in, counted_in, counted_out;
    atomic_long served;
    atomic_int counts;
} hot[MOST];
static atomic_int counts_wanted;

static int serve(struct hot *own, int n)
{
    int value = n % 1000;
    own->came_in++;
    if (value % 3 == 0)
        value += 7;
    for (int i = 0; i < 3; i++)
        value = value * 5 + i;
    return value;
}

static int counted(struct hot *own, int n) //@ function calls=25
{                                          //@ hits=25
    int value = n;                         //@ hits=25
    own->counted_in++;                     //@ hits=25
    for (int i = 0; i < 2; i++)            //@ hits=75
        value += i * n;                    //@ hits=50
    return value;                          //@ hits=25
}                                          //@ hits=25

static int expected(int n)
{
    int value = n % 1000;
    return (value + (value % 3 == 0 ? 7 : 0)) * 125 + 0 * 25 + 1 * 5 + 2;
}

static void *run_hot(void *of)
{
    struct hot *own = of;
    started++;
    for (int n = 0; !stop; n = (n + 1) % 100000) {
        if (serve(own, n) != expected(n))
            fail("serve", "a wrong result");
        own->served++;
        if (own->came_in != own->served)
            fail("serve", "a call is lost");
        if (own->counts == counts_wanted)
            continue;
        for (int i = 0; i < COUNTED; i++) {
            if (counted(own, i) != 2 * i)
                fail("counted", "a wrong result");
            if (own->counted_in != ++own->counted_out)
                fail("counted", "a call is lost");
        }
        own->counts++;
    }
    return NULL;
}

/* The sleepers: each gives back whether the call ended as it should, with errno as the call left it. */

static int wakes[2], never[2], plain[2], with_timeout[2];
static int semaphores;

static int in_epoll_wait(int set, int ms)
{
    struct epoll_event event;
    return epoll_wait(set, &event, 1, ms);
}

static int long_epoll_wait(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    epoll_ctl(set, EPOLL_CTL_ADD, wakes[0], &event);
    return in_epoll_wait(set, HOUR * 1000) == 1;
}

static int short_epoll_wait(void)
{
    static int set;
    struct epoll_event event = {.events = EPOLLIN};
    if (set == 0) {
        set = epoll_create1(0);
        epoll_ctl(set, EPOLL_CTL_ADD, never[0], &event);
    }
    return in_epoll_wait(set, SHORT_MS) == 0;
}

static int in_sigtimedwait(int number, struct timespec time)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return sigtimedwait(&set, NULL, &time);
}

static int long_sigtimedwait(void)
{
    return in_sigtimedwait(SIGUSR1, (struct timespec){.tv_sec = HOUR}) == SIGUSR1;
}

static int short_sigtimedwait(void)
{
    return in_sigtimedwait(SIGUSR2, (struct timespec){.tv_nsec = SHORT_MS * 1000000}) == -1 && errno == EAGAIN;
}

static int long_semop(void)
{
    struct sembuf take = {.sem_num = 0, .sem_op = -1};
    return semop(semaphores, &take, 1) == 0;
}

static int short_semop(void)
{
    struct sembuf take = {.sem_num = 1, .sem_op = -1};
    struct timespec time = {.tv_nsec = SHORT_MS * 1000000};
    return semtimedop(semaphores, &take, 1, &time) == -1 && errno == EAGAIN;
}

static int long_recv(void)
{
    char byte;
    return recv(plain[0], &byte, 1, 0) == 1;
}

static int short_recv(void)
{
    char byte;
    return recv(with_timeout[0], &byte, 1, 0) == -1 && errno == EAGAIN;
}

static struct sleeper {
    const char *name;
    int (*sleep)(void);
    int again;
    pthread_t thread;
    atomic_long turns;
} sleepers[] = {
    {"epoll_wait for long", long_epoll_wait, 0},
    {"sigtimedwait for long", long_sigtimedwait, 0},
    {"semop for long", long_semop, 0},
    {"recv with SO_RCVTIMEO for long", long_recv, 0},
    {"epoll_wait for short", short_epoll_wait, 1},
    {"sigtimedwait for short", short_sigtimedwait, 1},
    {"semtimedop for short", short_semop, 1},
    {"recv with SO_RCVTIMEO for short", short_recv, 1},
};

enum { SLEEPERS = sizeof sleepers / sizeof sleepers[0] };

static void *run_sleeper(void *of)
{
    struct sleeper *own = of;
    started++;
    do {
        if (!own->sleep())
            fail(own->name, strerror(errno));
        if (!own->again && !stop)
            fail(own->name, "has ended too early");
        own->turns++;
    } while (own->again && !stop);
    return NULL;
}

static void prepare(void)
{
    struct timeval hour = {.tv_sec = HOUR}, brief = {.tv_usec = SHORT_MS * 1000};
    sigset_t set;
    if (pipe(wakes) || pipe(never) || socketpair(AF_UNIX, SOCK_STREAM, 0, plain) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, with_timeout) ||
        setsockopt(plain[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof hour) ||
        setsockopt(with_timeout[0], SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief) ||
        (semaphores = semget(IPC_PRIVATE, 2, 0600)) < 0)
        fail("prepare", strerror(errno));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void wake_all(void)
{
    struct sembuf give = {.sem_op = 1};
    stop = 1;
    if (write(wakes[1], "x", 1) != 1 || send(plain[1], "x", 1, 0) != 1 || semop(semaphores, &give, 1) != 0 ||
        pthread_kill(sleepers[1].thread, SIGUSR1) != 0)
        fail("wake", strerror(errno));
}

/* The text, of every object but the kernel's own (vdso), against the files. */

static int compare_text(struct dl_phdr_info *info, size_t size, void *compared)
{
    (void)size;
    const char *name = info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe";
    struct stat facts;
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    if (fstat(file, &facts) != 0)
        fail(name, strerror(errno));
    char *bytes = mmap(NULL, facts.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
        fail(name, strerror(errno));
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        if (memcmp((char *)info->dlpi_addr + segment->p_vaddr, bytes + segment->p_offset, segment->p_filesz) != 0)
            fail(name, "its text has changed");
        ++*(int *)compared;
    }
    munmap(bytes, facts.st_size);
    close(file);
    return 0;
}

static void check(void)
{
    int compared = 0;
    dl_iterate_phdr(compare_text, &compared);
    /* The program, libc and the loader. */
    if (compared < 3)
        fail("text", "too few objects were compared");
    for (int i = 0; i < SLEEPERS; i++) {
        long before = sleepers[i].turns;
        while (sleepers[i].again && sleepers[i].turns == before)
            sched_yield();
    }
    puts("text same");
}

static void go_on(int threads)
{
    long before[MOST], sum = 0;
    for (int i = 0; i < threads; i++)
        before[i] = hot[i].served;
    for (int i = 0; i < threads; i++) {
        while (hot[i].served < before[i] + STEP)
            sched_yield();
        sum += hot[i].served;
    }
    printf("served %ld\n", sum);
}

static void count(int threads)
{
    long sum = 0;
    counts_wanted++;
    for (int i = 0; i < threads; i++) {
        while (hot[i].counts != counts_wanted)
            sched_yield();
        sum += hot[i].counted_out;
    }
    printf("counted %ld\n", sum);
}

int main(int argc, char **argv)
{
    char line[256];
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MOST)
        return 2;
    prepare();
    for (int i = 0; i < SLEEPERS; i++)
        if (pthread_create(&sleepers[i].thread, NULL, run_sleeper, &sleepers[i]) != 0)
            return 2;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&hot[i].thread, NULL, run_hot, &hot[i]) != 0)
            return 2;
    while (started < threads + SLEEPERS)
        sched_yield();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "check\n") == 0)
            check();
        else if (strcmp(line, "count\n") == 0)
            count(threads);
        else
            go_on(threads);
        fflush(stdout);
    }
    wake_all();
    for (int i = 0; i < threads; i++)
        pthread_join(hot[i].thread, NULL);
    for (int i = 0; i < SLEEPERS; i++)
        pthread_join(sleepers[i].thread, NULL);
    semctl(semaphores, 0, IPC_RMID);
    puts("stopped");
    return 0;
}
