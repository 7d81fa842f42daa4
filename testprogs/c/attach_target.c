/* Proves: a process that is attached to while it serves goes on as before: every result is right, no system call is
           interrupted, and after the detach its code is, byte for byte, the file's.
   Build: cc -g -O0 -pthread
   Role: attach (arguments: the number of threads; "awake" for no thread that sleeps in epoll_wait)

   Prints "ready" when all threads serve. Each line on the standard input is answered by "served N" with the number of
   calls so far, which is at least 50 more per thread than at the answer before; "check" makes it compare its text
   with its file and answer "text same"; at the end of the input it stops and exits 0. */
#define _GNU_SOURCE
#include "../include/own_text.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST = 128, STEP = 50 };

static atomic_long served[MOST];
static atomic_int started;
static atomic_int stop;

static void fail(const char *what)
{
    fprintf(stderr, "attach_target: %s: %s\n", what, strerror(errno));
    _exit(9);
}

/* Called by a line that begins with the call. */
static void nothing(void)
{
}

static int serve(int n)
{
    int value = n % 1000;
    nothing();
    if (value % 3 == 0)
        value += 7;
    for (int i = 0; i < 3; i++)
        value = value * 5 + i;
    return value;
}

static int expected(int n)
{
    int value = n % 1000;
    return (value + (value % 3 == 0 ? 7 : 0)) * 125 + 0 * 25 + 1 * 5 + 2;
}

static void *run(void *number)
{
    long own = (long)number;
    started++;
    for (int n = 0; !stop; n = (n + 1) % 100000) {
        if (serve(n) != expected(n))
            fail("a result is wrong");
        served[own]++;
    }
    return NULL;
}

/* A thread that sleeps in a call which an interrupting tracer makes fail with EINTR. */
static void *wait_for_end(void *pipe_end)
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, *(int *)pipe_end, &event) != 0)
        fail("epoll");
    started++;
    if (epoll_wait(set, &event, 1, -1) != 1)
        fail("epoll_wait");
    close(set);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[MOST];
    pthread_t waiting;
    int ends[2];
    char line[256];
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    int sleepers = argc <= 2;
    if (threads < 1 || threads > MOST || pipe(ends) != 0)
        return 2;
    if (sleepers && pthread_create(&waiting, NULL, wait_for_end, &ends[0]) != 0)
        return 2;
    for (long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run, (void *)i) != 0)
            return 2;
    while (started < threads + sleepers)
        sched_yield();
    puts("ready");
    fflush(stdout);
    for (;;) {
        long before[MOST];
        long sum = 0;
        size_t length = 0;
        while (length < sizeof line - 1) {
            ssize_t got = read(0, line + length, 1);
            if (got < 0)
                fail("read");
            if (got == 0 || line[length] == '\n')
                break;
            length++;
        }
        line[length] = 0;
        if (length == 0)
            break;
        if (strcmp(line, "check") == 0) {
            int same = own_text_is_the_files();
            puts(same ? "text same" : "text differs");
            fflush(stdout);
            if (!same)
                _exit(8);
            continue;
        }
        for (int i = 0; i < threads; i++)
            before[i] = served[i];
        for (int i = 0; i < threads; i++) {
            while (served[i] < before[i] + STEP)
                sched_yield();
            sum += served[i];
        }
        printf("served %ld\n", sum);
        fflush(stdout);
    }
    stop = 1;
    if (write(ends[1], "x", 1) != 1)
        fail("write");
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    if (sleepers)
        pthread_join(waiting, NULL);
    puts("stopped");
    return 0;
}
