/* Proves: what the program reads, and writes to its standard output and error, is the same under the profiler.
   Build: cc -g -O0 -Wl,-z,now
   Args: first "second and third" *
   Profile: work */
#include <stdio.h>

static void work(int argc, char **argv) //@ function calls=1
{
    for (int i = 1; i < argc; i++)           //@ hits=4
        printf("%d: %s\n", i, argv[i]);      //@ hits=3
    for (int i = 0; i < 20000; i++)          //@ hits=20001
        putchar(' ' + i % 94);               //@ hits=20000
    putchar('\n');                           //@ hits=1
    fputs("one line for the error stream\n", stderr); //@ hits=1
} //@ hits=1

int main(int argc, char **argv)
{
    work(argc, argv);
    return 0;
}
