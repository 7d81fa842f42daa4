/* Proves: the pages that breakpoints make private are in what there was before the first line, and in no line's charge.
   Build: cc -g -O0 -Wl,-z,now
   Profile: first
   Profile: second
   Profile: work */
#include "../include/settle.h"

/* Each on pages of its own. */
__attribute__((aligned(4096))) static int first(int n) //@ function calls=2 increment=0
{
    return n + 1; //@ hits=2 increment=0
} //@ hits=2 increment=0

__attribute__((aligned(4096))) static int second(int n) //@ function calls=2 increment=0
{
    return n + 2; //@ hits=2 increment=0
} //@ hits=2 increment=0

__attribute__((aligned(4096))) static int work(void) //@ function calls=2 increment=0
{
    int sum = first(1);  //@ hits=2 increment=0
    sum += second(2);    //@ hits=2 increment=0
    return sum;          //@ hits=2 increment=0
} //@ hits=2 increment=0

int main(void)
{
    settle();
    return work() + work() == 12 ? 0 : 1;
}
