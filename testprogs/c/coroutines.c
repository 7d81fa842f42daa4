/* Proves: coroutines that take turns, each on a stack of its own, keep their frames: the stack pointer jumping to
           another stack closes none.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#include "../include/settle.h"
#include <ucontext.h>

enum { COROUTINES = 3, TURNS = 20, STACK = 64 << 10 };

static ucontext_t main_context;
static ucontext_t context[COROUTINES];
static int finished;

static void work(int own) //@ function calls=3 increment=245760
{
    for (int i = 0; i < TURNS; i++) {                       //@ hits=63
        grow(PAGE);                                         //@ hits=60
        swapcontext(&context[own], &main_context);          //@ hits=60
    }
    finished++; //@ hits=3
} //@ hits=3

int main(void)
{
    char *stacks = grow(COROUTINES * STACK);
    settle();
    for (int i = 0; i < COROUTINES; i++) {
        getcontext(&context[i]);
        context[i].uc_stack.ss_sp = stacks + i * STACK;
        context[i].uc_stack.ss_size = STACK;
        context[i].uc_link = &main_context;
        makecontext(&context[i], (void (*)(void))work, 1, i);
    }
    for (int turn = 0; turn <= TURNS; turn++)
        for (int i = 0; i < COROUTINES; i++)
            swapcontext(&main_context, &context[i]);
    return finished == COROUTINES ? 0 : 1;
}
