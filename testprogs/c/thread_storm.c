/* Proves: threads that are born and die all the time are traced from their first instruction to their last.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Threads: 8 */
#include <pthread.h>
#include <stddef.h>

enum { WAVES = 100, WAVE = 8 };

static void *work(void *number) //@ function calls=800
{
    long own = (long)number;    //@ hits=800
    own *= 2;                   //@ hits=800
    return (void *)own;         //@ hits=800
} //@ hits=800

int main(void)
{
    long sum = 0;
    for (int wave = 0; wave < WAVES; wave++) {
        pthread_t thread[WAVE];
        for (long i = 0; i < WAVE; i++)
            if (pthread_create(&thread[i], NULL, work, (void *)i) != 0)
                return 2;
        for (int i = 0; i < WAVE; i++) {
            void *result;
            pthread_join(thread[i], &result);
            sum += (long)result;
        }
    }
    return sum == WAVES * 56 ? 0 : 1;
}
