/* Proves: memory is charged to the line that first touches it, not to the line that allocates it; reading a page
           that was never written adds nothing anonymous, writing it twice adds it once.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#include "../include/settle.h"
#include <stdlib.h>

static int work(void) //@ function calls=1 increment=16388096
{
    char *block = calloc(16000, 1024); //@ hits=1 increment=4096
    touch(block, 8000 * 1024);         //@ hits=1 increment=8192000
    touch(block, 8000 * 1024);         //@ hits=1 increment=0
    touch(block, 16000 * 1024);        //@ hits=1 increment=8192000
    return block[9];                   //@ hits=1 increment=0
} //@ hits=1 increment=0

int main(void)
{
    settle();
    free(calloc(40000, 1024));
    return work() - 1;
}
