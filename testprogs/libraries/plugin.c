/* Proves: a function of a shared library is profiled like one of the program. Each call touches 1 MiB that was never
           touched before and gives it back. */
#include <sys/mman.h>
#include <string.h>

int grow(int turns)
{
    enum { SIZE = 1 << 20 };
    for (int i = 0; i < turns; i++) {
        char *block = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return 1;
        memset(block, 1, SIZE);
        munmap(block, SIZE);
    }
    return 0;
}
