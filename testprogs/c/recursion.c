/* Proves: in a recursion a charge counts once, in the outermost frame that stands on the line.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Recursive: work */
#include "../include/settle.h"

static int work(int depth) //@ function calls=21 increment=86016
{
    grow(PAGE);                       //@ hits=21 increment=86016
    if (depth == 0)                   //@ hits=21 increment=0
        return 0;                     //@ hits=1 increment=0
    int below = work(depth - 1);      //@ hits=20 increment=81920
    return below + 1;                 //@ hits=20 increment=0
} //@ hits=21 increment=0

int main(void)
{
    settle();
    return work(20) == 20 ? 0 : 1;
}
