/* Proves: a program's own int3 on a profiled line, and its own SIGTRAP handler, work as without the profiler.
   Build: cc -g -O0
   Profile: work */
#include "../include/settle.h"
#include <signal.h>

static volatile sig_atomic_t trapped;

static void trap(int number)
{
    trapped += number == SIGTRAP;
}

static int work(int n) //@ function calls=10
{
    int before = trapped;        //@ hits=10
    __asm__ volatile("int3");    //@ hits=10
    __asm__ volatile(".byte 0xcd, 0x03"); //@ hits=10
    n += trapped - before;       //@ hits=10
    return n;                    //@ hits=10
} //@ hits=10

int main(void)
{
    int sum = 0;
    settle();
    signal(SIGTRAP, trap);
    for (int i = 0; i < 10; i++)
        sum += work(i);
    return sum == 65 && trapped == 20 ? 0 : 1;
}
