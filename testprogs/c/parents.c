/* Proves: who is whose parent is as without lineprof: a child gets its signal when the thread that made it ends, and an
           orphan goes to the nearest ancestor that asked for it.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Threads: 2 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static int work(int n) //@ function calls=40
{
    return n + 1;      //@ hits=40
} //@ hits=40

static int work_on(int calls)
{
    int sum = 0;
    for (int i = 0; i < calls; i++)
        sum += work(i);
    return sum;
}

/* Ends when its child is ready to hear of that. */
static void *make_child(void *unused)
{
    int ends[2];
    char byte;
    (void)unused;
    work_on(10);
    if (pipe(ends) != 0)
        exit(2);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        if (write(ends[1], "x", 1) != 1)
            _exit(3);
        for (;;)
            pause();
    }
    if (read(ends[0], &byte, 1) != 1)
        exit(4);
    work_on(10);
    return NULL;
}

int main(void)
{
    pthread_t thread;
    int status;
    if (pthread_create(&thread, NULL, make_child, NULL) != 0)
        return 2;
    pthread_join(thread, NULL);
    work_on(10);
    if (waitpid(child, &status, 0) != child)
        return 5;
    printf("a child of a thread that ended: signal %d\n", WTERMSIG(status));
    fflush(stdout);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t self = getpid();
        if (fork() == 0) {
            while (getppid() == self)
                continue;
            _exit(7);
        }
        _exit(0);
    }
    if (waitpid(middle, &status, 0) != middle)
        return 6;
    work_on(10);
    pid_t orphan = wait(&status);
    printf("an orphan: %s, code %d\n", orphan > 0 ? "ours" : "not ours", WEXITSTATUS(status));
    return 0;
}
