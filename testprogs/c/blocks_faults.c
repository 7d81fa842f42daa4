/* Proves: a thread that blocks SIGSEGV, and its process's handler for it, are as before once lineprof was there: also
           where the thread sleeps in a profiled function while the process is attached to.
   Build: cc -g -O0 -pthread
   Role: attach (argument: the number of hot threads, which is not heeded: the main thread alone is hot, and only when it
         is told)

   Prints "ready" when the sleeper is about to sleep. "go on" is answered by "served N" after 50 calls, "wake" by what
   the woken sleeper finds: "kept" or what is gone. At the end of the input it exits 0. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int pipe_to_sleeper[2], pipe_back[2];
static int turns;

static void on_fault(int signal)
{
    (void)signal;
    _exit(8);
}

static const char *setting(void)
{
    struct sigaction action;
    sigset_t mask;
    if (sigaction(SIGSEGV, NULL, &action) != 0 || action.sa_handler != on_fault)
        return "the handler is gone";
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0 || !sigismember(&mask, SIGSEGV))
        return "the mask is open";
    return "kept";
}

static int serve(int sleeps)
{
    char byte = 0;
    int result = 0;
    if (sleeps)
        result = (int)read(pipe_to_sleeper[0], &byte, 1);
    result += 1;
    return result;
}

static void *sleeper(void *unused)
{
    for (;;) {
        if (serve(1) != 2)
            return unused;
        const char *found = setting();
        if (write(pipe_back[1], found, strlen(found) + 1) < 0)
            return unused;
    }
}

int main(void)
{
    char line[64], answer[64];
    struct sigaction action = {.sa_handler = on_fault};
    sigset_t all;
    pthread_t thread;
    if (pipe(pipe_to_sleeper) != 0 || pipe(pipe_back) != 0)
        return 2;
    sigaction(SIGSEGV, &action, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_create(&thread, NULL, sleeper, NULL);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "wake", 4) == 0) {
            if (write(pipe_to_sleeper[1], "", 1) != 1 || read(pipe_back[0], answer, sizeof answer) <= 0)
                return 3;
            puts(answer);
        } else {
            for (int i = 0; i < 50; i++)
                turns += serve(0);
            printf("served %d\n", turns);
        }
        fflush(stdout);
    }
    return 0;
}
