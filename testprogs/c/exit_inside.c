/* Proves: the report is complete when the program calls exit() inside the profiled function.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: 3 */
#include "../include/settle.h"
#include <stdlib.h>

static void work(int depth) //@ function calls=1
{
    grow(1 << 20);     //@ hits=1 increment=1048576
    if (depth == 0)    //@ hits=1 increment=0
        exit(3);       //@ hits=1
    grow(1 << 20);     //@ hits=0 increment=0
} //@ hits=0 increment=0

int main(void)
{
    settle();
    work(0);
    return 1;
}
