/* Proves: a mark means the function of its name in its own file, static or not, and costs the program nothing.
   Build: cc -g -O0
   Profile: work */
#include "../../src/lineprof.h"
#include "../include/settle.h"
#include <stdlib.h>

LINEPROF_PROFILE(work);

static unsigned long work(int pages) //@ function calls=3 increment=122880
{
    unsigned long sum = 0;             //@ hits=3 increment=0
    for (int i = 0; i < pages; i++) {  //@ hits=33 increment=0
        char *page = grow(4096);       //@ hits=30 increment=122880
        sum += page[0];                //@ hits=30 increment=0
    }
    return sum;                        //@ hits=3 increment=0
} //@ hits=3 increment=0

static unsigned long other(int pages)
{
    return work(pages) + 1; //@ blank
}

int main(void)
{
    settle();
    return other(10) + other(10) + other(10) == 33 ? 0 : 1;
}
