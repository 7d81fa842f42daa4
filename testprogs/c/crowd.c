/* Proves: counts are exact for more threads at one time than the engine has prepared for: none ends before the last has
           begun.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Threads: 150 */
#include <pthread.h>
#include <stddef.h>

enum { CROWD = 150, CALLS = 2 };

static pthread_barrier_t all;

static long work(long own) //@ function calls=300
{
    own *= 2;              //@ hits=300
    return own;            //@ hits=300
} //@ hits=300

static void *run(void *number)
{
    long sum = 0;
    for (int call = 0; call < CALLS; call++) {
        pthread_barrier_wait(&all);
        sum += work((long)number);
    }
    return (void *)sum;
}

int main(void)
{
    pthread_t threads[CROWD];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 16);
    pthread_barrier_init(&all, NULL, CROWD);
    for (long i = 0; i < CROWD; i++)
        if (pthread_create(&threads[i], &small, run, (void *)i) != 0)
            return 1;
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
