/* Proves: a child that shares the memory and was made so that no tracer gets it (CLONE_UNTRACED) dies of the first
           breakpoint; nothing can catch that, and the program itself goes on and is counted.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Role: untraced

   Says how the child ended: with its sum of 100 calls when nobody profiles it. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static int sum;

static int work(int n) //@ function calls=100
{
    return n * 2;      //@ hits=100
} //@ hits=100

static int run(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        sum += work(i);
    return 0;
}

int main(void)
{
    enum { STACK = 1 << 16 };
    int status;
    char *stack = malloc(STACK);
    run(NULL);
    int own = sum;
    if (!stack)
        return 2;
    int child = clone(run, stack + STACK, CLONE_VM | CLONE_UNTRACED | SIGCHLD, NULL);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 3;
    if (WIFSIGNALED(status))
        printf("signal %d\n", WTERMSIG(status));
    printf("%d and %d\n", own, sum - own);
    return 0;
}
