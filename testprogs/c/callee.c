/* Proves: what a callee grows by is charged to the line that calls it, whether the callee is profiled or not.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Profile: profiled */
#include "../include/settle.h"

static void unseen(int pages)
{
    grow(pages * PAGE);
}

static void profiled(int pages) //@ function calls=10 increment=163840
{
    unseen(pages);             //@ hits=10 increment=122880
    grow(PAGE);                //@ hits=10 increment=40960
} //@ hits=10 increment=0

static void work(void) //@ function calls=5 increment=184320
{
    unseen(1);                 //@ hits=5 increment=20480
    profiled(1);               //@ hits=5 increment=40960
    profiled(5);               //@ hits=5 increment=122880
} //@ hits=5 increment=0

int main(void)
{
    settle();
    for (int i = 0; i < 5; i++)
        work();
    return 0;
}
