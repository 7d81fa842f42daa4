/* Threads that call `serve` at once or in turn, beside others that sleep.

   crowd hot RUNNERS SLEEPERS    each runner calls `serve` all the time
   crowd relay RUNNERS 0         each wakes the next, and sleeps

   Prints "ready"; a line with a number is answered by the number of calls within so many milliseconds, and by how many
   nanoseconds that were; an empty line by the calls so far. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, LINE = 64 };

/* A line of the cache each: what is measured is not how processors share one. */
struct {
    long calls;
    int turn;
    char apart[LINE - sizeof(long) - sizeof(int)];
} threads[MOST];
static int never;
static long runners;

static void wait_while_zero(int *word)
{
    while (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static int serve(int n)
{
    int value = n * 3;
    value += 1;
    return value;
}

static void *sleeper(void *unused)
{
    wait_while_zero(&never);
    return unused;
}

static void *hot(void *number)
{
    long own = (long)number;
    for (int n = 0;; n = (n + 1) % 1000) {
        if (serve(n) != n * 3 + 1)
            _exit(9);
        __atomic_store_n(&threads[own].calls, threads[own].calls + 1, __ATOMIC_RELAXED);
    }
}

static void *relay(void *number)
{
    long own = (long)number;
    int *next = &threads[(own + 1) % runners].turn;
    for (;;) {
        wait_while_zero(&threads[own].turn);
        threads[own].turn = 0;
        if (serve((int)own) != own * 3 + 1)
            _exit(9);
        __atomic_store_n(&threads[own].calls, threads[own].calls + 1, __ATOMIC_RELAXED);
        __atomic_store_n(next, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, next, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static long calls(void)
{
    long all = 0;
    for (long i = 0; i < runners; i++)
        all += __atomic_load_n(&threads[i].calls, __ATOMIC_RELAXED);
    return all;
}

int main(int argc, char **argv)
{
    char line[16];
    pthread_attr_t small;
    pthread_t thread;
    if (argc != 4)
        return 2;
    runners = atol(argv[2]);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (long i = atol(argv[3]); i > 0; i--)
        if (pthread_create(&thread, &small, sleeper, NULL) != 0)
            return 3;
    for (long i = 0; i < runners; i++)
        if (pthread_create(&thread, &small, argv[1][0] == 'r' ? relay : hot, (void *)i) != 0)
            return 3;
    threads[0].turn = 1;
    syscall(SYS_futex, &threads[0].turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        long milliseconds = atol(line), before = calls();
        struct timespec from, to, length = {milliseconds / 1000, milliseconds % 1000 * 1000000};
        if (milliseconds == 0) {
            printf("%ld\n", before);
        } else {
            clock_gettime(CLOCK_MONOTONIC, &from);
            nanosleep(&length, NULL);
            long within = calls() - before;
            clock_gettime(CLOCK_MONOTONIC, &to);
            printf("%ld %ld\n", within, (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec);
        }
        fflush(stdout);
    }
    return 0;
}
