/* Proves: a line that frees is charged a negative number, and a freed block that malloc keeps shows nothing.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#include "../include/settle.h"
#include <stdlib.h>

enum { LARGE = 64 << 20 };

static void work(void) //@ function calls=1 increment=0
{
    char *large = malloc(LARGE); //@ hits=1 increment=4096
    touch(large, LARGE);         //@ hits=1 increment=67108864
    free(large);                 //@ hits=1 increment=-67112960
    char *small = malloc(100);   //@ hits=1 increment=0
    free(small);                 //@ hits=1 increment=0
} //@ hits=1 increment=0

int main(void)
{
    settle();
    free(malloc(LARGE));
    free(malloc(100));
    work();
    return 0;
}
