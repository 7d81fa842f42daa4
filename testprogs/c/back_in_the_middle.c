/* Proves: a thread may come back to any instruction of a profiled function, from a handler that began before the function
           was met: also to one of those that a jump of five bytes would lie over.
   Build: cc -g -O0 -fcf-protection=none
   Build: cc -g -O0 -fcf-protection=none -static -no-pie
   Role: attach

   Prints "ready". For a line with a number, which says how many of the ten stores of `serve` are left out, a handler calls
   `serve` whole, then returns to the store with that number, as if its thread had been interrupted there; the answer
   is "stored N", N being the number of stores that were made then. At the end of the input it exits 0. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static char buffer[16];
static long left_out;

/* Instructions of one byte: at the entry, and behind a call. */
#define STORES "stosb\n\tstosb\n\tstosb\n\tstosb\n\tstosb\n\t"

__attribute__((naked)) static void nothing(void)
{
    __asm__("ret");
}

__attribute__((naked)) static void serve(char *to)
{
    __asm__(STORES
            "call nothing\n\t" STORES "ret");
}

static void on_illegal(int signal, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long call = left_out < 5 ? 0 : 5;
    (void)signal, (void)info;
    serve(buffer);
    registers[REG_RSP] -= 8;
    *(greg_t *)registers[REG_RSP] = registers[REG_RIP] + 2;
    registers[REG_RDI] = (greg_t)buffer;
    registers[REG_RIP] = (greg_t)serve + call + left_out;
}

static long stored(void)
{
    char *end;
    /* Below what the compiler may keep under the stack pointer. */
    __asm__ volatile("sub $128, %%rsp\n\t"
                     "ud2\n\t"
                     "add $128, %%rsp\n\t"
                     : "=D"(end)
                     :
                     : "memory");
    return end - buffer;
}

int main(void)
{
    char line[64];
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    if (left_out > 10)
        nothing();
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        left_out = atol(line);
        printf("stored %ld\n", stored());
        fflush(stdout);
    }
    return 0;
}
