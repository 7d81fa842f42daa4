/* Proves: two functions that call each other keep their frames apart; each function's own recursion counts once.
   Build: cc -g -O0 -Wl,-z,now
   Profile: even
   Profile: odd
   Recursive: even odd */
#include "../include/settle.h"

static int odd(int n);

static int even(int n) //@ function calls=6 increment=45056
{
    grow(PAGE);           //@ hits=6 increment=24576
    if (n == 0)           //@ hits=6
        return 1;         //@ hits=1
    return odd(n - 1);    //@ hits=5 increment=40960
} //@ hits=6

static int odd(int n) //@ function calls=5 increment=40960
{
    grow(PAGE);           //@ hits=5 increment=20480
    if (n == 0)           //@ hits=5
        return 0;         //@ hits=0
    return even(n - 1);   //@ hits=5 increment=36864
} //@ hits=5

int main(void)
{
    settle();
    return even(10) == 1 ? 0 : 1;
}
