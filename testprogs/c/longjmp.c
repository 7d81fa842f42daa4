/* Proves: frames that longjmp leaves are closed; what they grew by before stays charged to their lines, and the
           function can be called again at the same stack pointer.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Profile: deeper */
#include "../include/settle.h"
#include <setjmp.h>

static jmp_buf back;

static void deeper(int leave) //@ function calls=20 increment=81920
{
    grow(PAGE);               //@ hits=20 increment=81920
    if (leave)                //@ hits=20 increment=0
        longjmp(back, 1);     //@ hits=10 increment=0
} //@ hits=10 increment=0

static int work(int leave) //@ function calls=20 increment=163840
{
    grow(PAGE);               //@ hits=20 increment=81920
    deeper(leave);            //@ hits=20 increment=81920
    return 1;                 //@ hits=10 increment=0
} //@ hits=10 increment=0

int main(void)
{
    volatile int left = 0;
    volatile int returned = 0;
    settle();
    for (volatile int i = 0; i < 20; i++) {
        if (setjmp(back) == 0)
            returned += work(i % 2);
        else
            left++;
    }
    return left == 10 && returned == 10 ? 0 : 1;
}
