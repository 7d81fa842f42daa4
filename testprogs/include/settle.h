/* Makes what a test program grows by exact to the byte, and gives it the three calls that change memory.

   settle() touches beforehand all that would be touched by chance later: the stack, the code and data of the C
   library that the program needs, and it turns transparent huge pages off. After it, reserve() adds nothing to
   the anonymous memory of the process, touch() adds the pages it writes, release() takes them away. */
#pragma once

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PAGE = 4096 };

static inline char *reserve(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : (char *)block;
}

static inline void touch(char *block, size_t bytes)
{
    memset(block, 1, bytes);
}

static inline void release(char *block, size_t bytes)
{
    munmap(block, bytes);
}

static inline char *grow(size_t bytes)
{
    char *block = reserve(bytes);
    touch(block, bytes);
    return block;
}

__attribute__((noinline)) static void settle(void)
{
    char stack[256 << 10];
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    touch(stack, sizeof stack);
    __asm__ volatile("" : : "r"(stack) : "memory");
    release(grow(PAGE), PAGE);
}
