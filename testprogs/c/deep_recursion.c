/* Proves: a recursion of 20,000 frames costs no more for each hit than a shallow one, and is counted exactly.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Recursive: work */
#include "../include/settle.h"
#include <alloca.h>
#include <stdint.h>

static long work(long n) //@ function calls=20001
{
    if (n == 0)                 //@ hits=20001
        return 0;               //@ hits=1
    long below = work(n - 1);   //@ hits=20000
    return below + n;           //@ hits=20000
} //@ hits=20001

int main(void)
{
    /* The stack begins at a random place in a page: from here on it does not, and which line touches its next page is
       the same in every run. */
    char *filler = alloca((uintptr_t)__builtin_frame_address(0) % PAGE);
    __asm__ volatile("" : : "r"(filler) : "memory");
    settle();
    return work(20000) == 200010000 ? 0 : 1;
}
