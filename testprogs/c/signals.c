/* Proves: a signal reaches the program once, with its value, also while its own profiled lines run, and a handler
           that runs a profiled function (itself interrupted in one) is counted exactly.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Profile: handle
   Profile: count */
#define _GNU_SOURCE
#include "../include/settle.h"
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static volatile sig_atomic_t queued;

static void count(int by) //@ function calls=300
{
    handled += by; //@ hits=300
} //@ hits=300

static void handle(int number, siginfo_t *info, void *context) //@ function calls=300
{
    (void)context;
    if (number == SIGRTMIN)                     //@ hits=300
        queued += info->si_value.sival_int;     //@ hits=100
    count(1);                                   //@ hits=300
} //@ hits=300

static void work(int n) //@ function calls=100
{
    union sigval value = {.sival_int = n};      //@ hits=100
    raise(SIGUSR1);                             //@ hits=100
    kill(getpid(), SIGTRAP);                    //@ hits=100
    sigqueue(getpid(), SIGRTMIN, value);        //@ hits=100
} //@ hits=100

int main(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    settle();
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    for (int i = 0; i < 100; i++)
        work(i);
    return handled == 300 && queued == 4950 ? 0 : 1;
}
