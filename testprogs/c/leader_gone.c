/* Proves: memory is read, and sites are hit, when the main thread has ended and others go on.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Exit: 3
   Threads: 2 */
#include "../include/settle.h"
#include <pthread.h>
#include <stdlib.h>

enum { BLOCK = 1 << 20 };

static pthread_t main_thread;

static char *work(void) //@ function calls=3 increment=3145728
{
    char *block = reserve(BLOCK); //@ hits=3 increment=0
    touch(block, BLOCK);          //@ hits=3 increment=3145728
    return block;                 //@ hits=3 increment=0
} //@ hits=3 increment=0

static void *run(void *unused)
{
    (void)unused;
    /* It can be joined when the kernel has let go of it as a thread: its own files of /proc tell nothing any more. */
    pthread_join(main_thread, NULL);
    settle();
    for (int i = 0; i < 3; i++)
        work();
    exit(3);
}

int main(void)
{
    pthread_t thread;
    main_thread = pthread_self();
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        return 2;
    pthread_exit(NULL);
}
