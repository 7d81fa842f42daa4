/* Proves: a jump that leaves the function ends its activation: what the function behind a tail call grows by is
           not charged to it.
   Build: cc -g -O2 -Wl,-z,now
   Profile: work
   Profile: rest */
#include "../include/settle.h"

__attribute__((noinline)) static int rest(volatile char *block, int pages) //@ function calls=30 increment=245760
{
    for (int i = 0; i < pages; i++)
        block[i * PAGE] = 1;
    return pages;
}

__attribute__((noinline)) static int work(volatile char *block, int pages) //@ function calls=30 increment=122880
{
    block[0] = 1;
    return rest(block + PAGE, pages + 1);
}

int main(void)
{
    int sum = 0;
    settle();
    for (int i = 0; i < 30; i++)
        sum += work(reserve(3 * PAGE), 1);
    return sum == 60 ? 0 : 1;
}
