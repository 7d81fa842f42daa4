/* Proves: with --inline-only a process outlives every process of lineprof's, whatever it does afterwards: threads and
           children that it makes, handlers that come in the middle of a profiled line.
   Build: cc -g -O0 -pthread
   Build: cc -g -O2 -pthread
   Role: attach (argument: the number of hot threads)

   Prints "ready" when that many threads call `serve` all the time. Each line on the standard input is answered by "served
   N", N being all calls so far, once four new threads and two new processes have called it 100,000 times each, and a
   timer's handler, which comes every 100 microseconds in any thread, 20 times more. At the end of the input it exits 0. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 100000, THREADS = 4, PROCESSES = 2, TICKS = 20 };

static atomic_long calls;
static atomic_int ticks, started, stop;

static int sum_up_to(int n)
{
    if (n == 0)
        return 0;
    return n + sum_up_to(n - 1);
}

__attribute__((noinline)) static int serve(int n)
{
    int value = n % 7;
    for (int i = 0; i < 3; i++)
        value = value * 5 + i;
    value += sum_up_to(3);
    return value;
}

static void call(int n)
{
    if (serve(n) != n % 7 * 125 + 7 + 6)
        _exit(9);
    calls++;
}

static void on_timer(int signal)
{
    (void)signal;
    for (int i = 0; i < 3; i++)
        call(i);
    ticks++;
}

static void *hot(void *unused)
{
    started++;
    for (int n = 0; !stop; n = (n + 1) % 1000)
        call(n);
    return unused;
}

static void *some(void *unused)
{
    for (int n = 0; n < CALLS; n++)
        call(n);
    return unused;
}

static int more(void)
{
    pthread_t threads[THREADS];
    int status;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, some, NULL) != 0)
            return 0;
    for (int i = 0; i < PROCESSES; i++) {
        pid_t child = fork();
        if (child == 0) {
            some(NULL);
            _exit(0);
        }
        while (waitpid(child, &status, 0) != child)
            ;
        if (status != 0)
            return 0;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int until = ticks + TICKS; ticks < until;)
        call(1);
    return 1;
}

int main(int argc, char **argv)
{
    char line[64];
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t thread;
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 100}, {0, 100}};
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread, NULL, hot, NULL) != 0)
            return 2;
    while (started < threads)
        usleep(1000);
    setitimer(ITIMER_REAL, &often, NULL);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!more())
            return 3;
        printf("served %ld\n", (long)calls);
        fflush(stdout);
    }
    return 0;
}
