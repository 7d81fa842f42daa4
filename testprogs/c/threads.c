/* Proves: counts are exact when 8 threads run the same lines at once. The number of calls of each thread is the first
           argument, a multiple of 4.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Args: 10000
   Args in place: 1000
   Profile: work
   Threads: 8 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

enum { THREADS = 8 };

static atomic_long total;
static long calls;

static int work(int n) //@ function calls=8*$1
{
    int value = n % 4;     //@ hits=8*$1
    if (value == 0)        //@ hits=8*$1
        value += 7;        //@ hits=2*$1
    return value;          //@ hits=8*$1
} //@ hits=8*$1

static void *run(void *unused)
{
    long sum = 0;
    (void)unused;
    for (int i = 0; i < calls; i++)
        sum += work(i);
    total += sum;
    return NULL;
}

int main(int argc, char **argv)
{
    calls = argc > 1 ? atol(argv[1]) : 0;
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, run, NULL) != 0)
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return total > 0 && total == THREADS * calls / 4 * (7 + 1 + 2 + 3) ? 0 : 1;
}
