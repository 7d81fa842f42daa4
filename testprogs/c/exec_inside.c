/* Proves: the report is complete when the program replaces itself by exec inside the profiled function.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: 9
   Gcov: its counters are written at the exec, and it then counts the line behind as run */
#include "../include/settle.h"
#include <unistd.h>

static void work(void) //@ function calls=1
{
    grow(1 << 20);                                         //@ hits=1 increment=1048576
    execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);  //@ hits=1
} //@ hits=0

int main(void)
{
    settle();
    work();
    return 1;
}
