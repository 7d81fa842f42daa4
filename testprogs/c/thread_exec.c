/* Proves: an exec by a thread that is not the first ends all others, and the report is complete.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: replace
   Profile: spin
   Threads: 4
   Exit: 9
   Gcov: its counters are written at the exec, while other threads run */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int spinning;
static atomic_long turns;

static void replace(void) //@ function calls=1
{
    execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL); //@ hits=1
} //@ hits=0

static void spin(void)
{
    turns++;
}

static void *spin_for_ever(void *unused)
{
    spinning++;
    for (;;)
        spin();
    return unused;
}

static void *run(void *unused)
{
    while (spinning < 3 || turns < 100)
        continue;
    replace();
    return unused;
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, spin_for_ever, NULL) != 0)
            return 2;
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        return 2;
    pthread_join(thread, NULL);
    return 1;
}
