/* Proves: threads may end inside a profiled function, and the main thread before the others.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: leave
   Threads: 4 */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

static pthread_t main_thread;

static void leave(void) //@ function calls=4
{
    pthread_exit(NULL);  //@ hits=4
} //@ blank

static void *run(void *unused)
{
    (void)unused;
    leave();
    return NULL;
}

static void *last(void *threads)
{
    pthread_t *thread = threads;
    pthread_join(main_thread, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    exit(0);
}

int main(void)
{
    static pthread_t thread[3];
    pthread_t closing;
    main_thread = pthread_self();
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread[i], NULL, run, NULL) != 0)
            return 2;
    if (pthread_create(&closing, NULL, last, thread) != 0)
        return 2;
    leave();
    return 1;
}
