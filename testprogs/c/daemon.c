/* Proves: a program that makes a daemon of itself is profiled up to there, and the daemon lives on: it does all that it
           is there for, also when the program and lineprof have ended.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Gcov: the daemon's own counts come too */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int work(int n) //@ function calls=100
{
    int value = n * 2; //@ hits=100
    return value;      //@ hits=100
} //@ hits=100

static int work_on(int calls)
{
    int sum = 0;
    for (int i = 0; i < calls; i++)
        sum += work(i);
    return sum;
}

int main(void)
{
    int ends[2];
    char byte;
    printf("program %d\n", work_on(100));
    fflush(stdout);
    if (pipe(ends) != 0)
        return 2;
    /* As daemon(3) and others do it: twice, the second time without a session to lead. */
    if (fork() != 0)
        _exit(0);
    setsid();
    if (fork() != 0)
        _exit(0);
    close(ends[1]);
    /* The program has the other end, and whoever came before. */
    if (read(ends[0], &byte, 1) != 0)
        return 3;
    printf("daemon %d\n", work_on(1000));
    return 0;
}
