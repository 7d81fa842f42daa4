/* Proves: threads are counted whatever their thread-local storage is: none of their own, all zeros, above their stack or
           below it.
   Build: cc -g -O0 -fno-stack-protector -fcf-protection=none -Wl,-z,now
   Profile: work
   Threads: 5
   Gcov: a thread without storage of its own cannot count */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KINDS = 4, CALLS = 100, STACK = 1 << 16 };

static atomic_int sums[KINDS];
static atomic_int alive[KINDS];

static int work(int n) //@ function calls=500
{
    int value = n % 2; //@ hits=500
    if (value)         //@ hits=500
        value += n;    //@ hits=250
    return value;      //@ hits=500
} //@ hits=500

/* No function of the C library: they need the storage. */
static int run(void *number)
{
    long own = (long)number;
    for (int i = 0; i < CALLS; i++)
        sums[own] += work(i);
    return 0;
}

static char *map(int flags)
{
    char *memory = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int main(void)
{
    int sum = 0;
    for (long i = 0; i < KINDS; i++) {
        int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                    CLONE_CHILD_CLEARTID | (i == 0 ? 0 : CLONE_SETTLS);
        /* 1: in the lowest page of the stack; 2: low in the address space; 3: on top of the stack. */
        char *stack = map(0);
        char *storage = i == 2 ? map(MAP_32BIT) : i == 3 ? stack + STACK - 4096 : stack;
        if (!stack || !storage)
            return 2;
        alive[i] = 1;
        if (clone(run, stack + STACK - (i == 3 ? 8192 : 0), flags, (void *)i, NULL, storage, &alive[i]) < 0)
            return 3;
    }
    for (int i = 0; i < CALLS; i++)
        sum += work(i);
    for (int i = 0; i < KINDS; i++) {
        while (alive[i])
            syscall(SYS_futex, &alive[i], FUTEX_WAIT, 1, NULL, NULL, 0);
        printf("%d %d\n", sums[i], sum);
    }
    return 0;
}
