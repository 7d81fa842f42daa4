/* Proves: a change of memory that the kernel does not tell of is noticed where that is asked for (--verify-gate).
   Build: cc -g -O0
   Role: attach

   Prints "ready", then answers each line on the standard input by "served N", after N calls of `serve`, each of which touches 1
   MiB more; at the end of the input it exits 0. */
#include <stdio.h>
#include <sys/mman.h>

enum { STEP = 1 << 20, PAGE = 4096 };

static int serve(char *fresh, int calls)
{
    for (int i = 0; i < STEP; i += PAGE)
        fresh[i] = 1;
    return calls + 1;
}

int main(void)
{
    char line[64];
    int calls = 0;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char *fresh = mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED)
            return 2;
        calls = serve(fresh, calls);
        printf("served %d\n", calls);
        fflush(stdout);
    }
    return 0;
}
