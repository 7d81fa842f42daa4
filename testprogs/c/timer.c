/* Proves: signals that arrive at any moment, also between a hit and its instruction, lose no count and add none.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Gcov: how often the timer ticks, and how long main waits for it, is chance */
#include "../include/settle.h"
#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    ticks += number == SIGALRM;
}

static int work(int n) //@ function calls=5000
{
    int value = n % 2;     //@ hits=5000
    if (value)             //@ hits=5000
        value += n;        //@ hits=2500
    return value;          //@ hits=5000
} //@ hits=5000

int main(void)
{
    struct itimerval interval = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    struct itimerval never = {0};
    long sum = 0;
    settle();
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &interval, 0);
    for (int i = 0; i < 5000; i++)
        sum += work(i);
    while (ticks == 0)
        continue;
    setitimer(ITIMER_REAL, &never, 0);
    return sum == 2500 + 6250000L ? 0 : 1;
}
