/* A call is all that there is. */
#include <stdio.h>
#include <stdlib.h>

static long fib(int n)
{
    if (n < 2)
        return n;
    return fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    return fib(argc > 1 ? atoi(argv[1]) : 1) < 0;
}
