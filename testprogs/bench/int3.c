/* Proves: nothing by itself: a loop of int3, what the benchmark's bare tracer stops at. The number of turns is the first
           argument; it waits for a byte on its standard input before it begins. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char byte;
    long turns = argc > 1 ? atol(argv[1]) : 0;
    if (read(0, &byte, 1) != 1)
        return 2;
    for (long i = 0; i < turns; i++)
        __asm__ volatile("int3");
    return 0;
}
