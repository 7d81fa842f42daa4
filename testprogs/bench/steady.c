/* A counted job that keeps one processor and 64 MiB busy; prints the nanoseconds of processor time and of the wall that it took.
   Build: cc -O2 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t words = 8 << 20;
    uint64_t *memory = calloc(words, sizeof *memory), state = 88172645463325252ull;
    long turns = argc > 1 ? atol(argv[1]) : 1;
    if (!memory)
        return 1;
    for (size_t i = 0; i < words; i += 512)
        memory[i] = 1;
    uint64_t processor = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
    for (long i = 0; i < turns; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memory[state % words] += state;
    }
    processor = now(CLOCK_PROCESS_CPUTIME_ID) - processor;
    wall = now(CLOCK_MONOTONIC) - wall;
    printf("%llu %llu %llu\n", (unsigned long long)processor, (unsigned long long)wall, (unsigned long long)memory[state % words]);
    return 0;
}
