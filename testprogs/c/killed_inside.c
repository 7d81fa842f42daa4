/* Proves: what a line did is charged to it also when the program is killed within it.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: SIGKILL
   Gcov: a killed program writes no counts */
#include "../include/settle.h"
#include <signal.h>
#include <unistd.h>

static void grow_and_die(void)
{
    grow(20 << 20);
    kill(getpid(), SIGKILL);
}

static void work(void) //@ function calls=1
{
    grow(1 << 20);     //@ hits=1 increment=1048576
    grow_and_die();    //@ hits=1 increment=20971520
    grow(1 << 20);     //@ hits=0 increment=0
} //@ hits=0 increment=0

int main(void)
{
    settle();
    work();
    return 1;
}
