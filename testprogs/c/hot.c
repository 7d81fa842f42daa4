/* Proves: the numbers of the report's example: a loop of small work, and one large block that is taken and given
           back. The number of turns is the first argument.
   Build: cc -g -O0 -Wl,-z,now
   Args: 1000
   Profile: work */
#include "../include/settle.h"
#include <stdlib.h>

static unsigned long work(long turns) //@ function calls=1 increment=0
{
    unsigned long sum = 0;                //@ hits=1 increment=0
    char *block = malloc(32 << 20);       //@ hits=1 increment=4096
    memset(block, 1, 32 << 20);           //@ hits=1 increment=33554432
    for (long i = 0; i < turns; i++)      //@ hits=1001 increment=0
        sum = sum * 31 + block[i];        //@ hits=1000 increment=0
    free(block);                          //@ hits=1 increment=-33558528
    return sum;                           //@ hits=1 increment=0
} //@ hits=1 increment=0

int main(int argc, char **argv)
{
    long turns = argc > 1 ? atol(argv[1]) : 100;
    settle();
    free(malloc(64 << 20));
    return turns > 0 && work(turns) != 0 ? 0 : 1;
}
