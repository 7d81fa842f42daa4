/* Proves: threads that sleep from one session to the next are counted in each as in the first.
   Build: cc -g -O0 -pthread
   Role: attach

   Prints "ready". "here" has the main thread call `serve`, "there" another thread; both sleep else. The answer is "served N",
   N being the number of calls so far; at the end of the input it exits 0. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int to_other[2], from_other[2];

static int serve(int calls)
{
    calls = calls + 1;
    return calls;
}

static void *other(void *unused)
{
    int calls;
    while (read(to_other[0], &calls, sizeof calls) == sizeof calls) {
        calls = serve(calls);
        if (write(from_other[1], &calls, sizeof calls) != sizeof calls)
            break;
    }
    return unused;
}

int main(void)
{
    char line[64];
    int calls = 0;
    pthread_t thread;
    if (pipe(to_other) != 0 || pipe(from_other) != 0 || pthread_create(&thread, NULL, other, NULL) != 0)
        return 2;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (strncmp(line, "there", 5) != 0)
            calls = serve(calls);
        else if (write(to_other[1], &calls, sizeof calls) != sizeof calls ||
                 read(from_other[0], &calls, sizeof calls) != sizeof calls)
            return 3;
        printf("served %d\n", calls);
        fflush(stdout);
    }
    return 0;
}
