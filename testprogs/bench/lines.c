/* Four lines a turn, and nothing else: what an event costs. The number of turns is the first argument, of threads the
   second. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static long turns;

static unsigned long work(long turns)
{
    unsigned long a = 1, b = 2;
    for (long i = 0; i < turns; i++) {
        a = a * 31 + i;
        b ^= a >> 7;
        a += b;
    }
    return a;
}

static void *run(void *sum)
{
    *(unsigned long *)sum = work(turns);
    return NULL;
}

int main(int argc, char **argv)
{
    turns = argc > 1 ? atol(argv[1]) : 1;
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    if (threads == 0)
        return work(turns) == 0;
    pthread_t made[64];
    unsigned long sums[64];
    for (int i = 0; i < threads; i++)
        pthread_create(&made[i], NULL, run, &sums[i]);
    for (int i = 0; i < threads; i++)
        pthread_join(made[i], NULL);
    return 0;
}
