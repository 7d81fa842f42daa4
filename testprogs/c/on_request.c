/* Proves: nothing of a process runs but what it is asked for, so that a test knows where its threads are.
   Build: cc -g -O0
   Role: attach

   Prints "ready", then calls `serve` once for each line on the standard input and answers "served N", N being the
   number of calls so far; at the end of the input it exits 0. */
#include <stdio.h>

static int serve(int calls)
{
    calls = calls + 1;
    return calls;
}

int main(void)
{
    char line[64];
    int calls = 0;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        calls = serve(calls);
        printf("served %d\n", calls);
        fflush(stdout);
    }
    return 0;
}
