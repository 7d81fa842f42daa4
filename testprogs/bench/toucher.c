/* Every page of a block is touched for the first time, in profiled lines: memory changes at one event of three. The
   number of pages is the first argument. */
#include <stdlib.h>
#include <sys/mman.h>

static void touch(char *block, long pages)
{
    for (long i = 0; i < pages; i++) {
        char *page = block + i * 4096;
        *page = 1;
    }
}

int main(int argc, char **argv)
{
    long pages = argc > 1 ? atol(argv[1]) : 1;
    char *block = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED || madvise(block, pages * 4096, MADV_NOHUGEPAGE) != 0)
        return 1;
    touch(block, pages);
    return 0;
}
