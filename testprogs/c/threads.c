/* Proves: counts are exact when 8 threads run the same lines at once.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Threads: 8 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { THREADS = 8, CALLS = 10000 };

static atomic_long total;

static int work(int n) //@ function calls=80000
{
    int value = n % 3;     //@ hits=80000
    if (value == 0)        //@ hits=80000
        value += 7;        //@ hits=26672
    return value;          //@ hits=80000
} //@ hits=80000

static void *run(void *unused)
{
    long sum = 0;
    (void)unused;
    for (int i = 0; i < CALLS; i++)
        sum += work(i);
    total += sum;
    return NULL;
}

int main(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, run, NULL) != 0)
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return total == THREADS * (3334L * 7 + 9999) ? 0 : 1;
}
