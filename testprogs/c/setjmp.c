/* Proves: a function that jumps back into itself stays one activation, and its lines run again.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#include <setjmp.h>

static jmp_buf top;

__attribute__((noinline)) static void again(int value)
{
    longjmp(top, value);
}

static int work(void) //@ function calls=1
{
    volatile int turns = 0;     //@ hits=1
    int value = setjmp(top);
    turns += value;             //@ hits=5
    if (value < 4)              //@ hits=5
        again(value + 1);       //@ hits=4
    return turns;               //@ hits=1
} //@ hits=1

int main(void)
{
    return work() == 10 ? 0 : 1;
}
