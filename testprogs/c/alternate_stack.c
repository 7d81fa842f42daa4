/* Proves: a handler on a stack of its own neither closes the frames of the stack it interrupts nor is closed by
           them.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Profile: handle */
#include "../include/settle.h"
#include <signal.h>

static volatile sig_atomic_t handled;

static void handle(int number) //@ function calls=50 increment=204800
{
    handled += number == SIGUSR1; //@ hits=50 increment=0
    grow(PAGE);                   //@ hits=50 increment=204800
} //@ hits=50 increment=0

static void work(void) //@ function calls=50 increment=409600
{
    grow(PAGE);       //@ hits=50 increment=204800
    raise(SIGUSR1);   //@ hits=50 increment=204800
} //@ hits=50 increment=0

int main(void)
{
    stack_t stack = {.ss_sp = grow(64 << 10), .ss_size = 64 << 10};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    settle();
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0)
        return 2;
    for (int i = 0; i < 50; i++)
        work();
    return handled == 50 ? 0 : 1;
}
