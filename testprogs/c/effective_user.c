/* Proves: a program that is set-user-ID runs under lineprof as who runs lineprof, and lineprof says so.
   Build: cc -g -O0
   Role: prints the number of its effective user */
#include <stdio.h>
#include <unistd.h>

static void work(void)
{
    printf("%u\n", (unsigned)geteuid());
}

int main(void)
{
    work();
    return 0;
}
