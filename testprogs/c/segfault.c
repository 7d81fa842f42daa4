/* Proves: a program that handles one SIGSEGV and dies of the next does the same under the profiler.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: SIGSEGV
   Gcov: the program dies before its counters are written */
#include "../include/settle.h"
#include <signal.h>

static char *guarded;
static volatile sig_atomic_t handled;

static void open_guard(int number)
{
    handled++;
    mprotect(guarded, PAGE, PROT_READ | PROT_WRITE);
    signal(number, SIG_DFL);
}

static void work(volatile char *first, volatile char *second) //@ function calls=1
{
    *first = 1;        //@ hits=1 increment=4096
    if (handled == 1)  //@ hits=1 increment=0
        *second = 1;   //@ hits=1
} //@ hits=0

int main(void)
{
    settle();
    guarded = reserve(PAGE);
    mprotect(guarded, PAGE, PROT_NONE);
    char *never = reserve(PAGE);
    mprotect(never, PAGE, PROT_NONE);
    signal(SIGSEGV, open_guard);
    work(guarded, never);
    return 1;
}
