/* Proves: a program that aborts dies of its own signal, and its report is complete.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: SIGABRT
   Gcov: the program dies before its counters are written */
#include "../include/settle.h"
#include <stdlib.h>

static void work(void) //@ function calls=1
{
    grow(1 << 20);   //@ hits=1 increment=1048576
    abort();         //@ hits=1
} //@ blank

int main(void)
{
    settle();
    work();
    return 1;
}
