/* Proves: what is seen of a program while it runs is what it has done so far, and no more.
   Build: cc -g -O0
   Role: live

   Writes "ready"; then, for each SIGUSR1, calls `step`, which keeps 256 kB more and turns a thousand times, and writes
   "step N" and "again" in turn. SIGUSR2 ends it with 5; SIGINT and SIGTERM are not handled. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned turns;

static void turn(int n)
{
    turns += n & 1;
}

static char *step(void)
{
    char *kept = malloc(256 << 10);
    memset(kept, 1, 256 << 10);
    for (int n = 0; n < 1000; n++)
        turn(n);
    return kept;
}

int main(void)
{
    sigset_t set;
    int number, steps = 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    puts("ready");
    while (sigwait(&set, &number) == 0 && number == SIGUSR1) {
        if (step() == NULL)
            return 1;
        printf("step %d\nagain\n", ++steps);
    }
    return 5;
}
