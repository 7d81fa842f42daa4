/* Proves: what a program allocates while it does the same again and again. Preloaded into it, this counts what comes
   and goes through malloc(3) and its kin, and lets all of it fail when it is told to.

   The folder ALLOCATIONS gets a file for each process, named by its number: three words of eight bytes, the
   allocations so far and tried, the bytes that are not freed yet, and, for others to write, whether allocations fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct counts {
    atomic_long allocations, live, fails;
};

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static struct counts *counts;

__attribute__((constructor)) static void begin(void)
{
    char path[4096];
    const char *folder = getenv("ALLOCATIONS");
    if (!folder)
        return;
    snprintf(path, sizeof path, "%s/%d", folder, getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *counts) != 0)
        _exit(99);
    struct counts *mapped = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        _exit(99);
    close(file);
    counts = mapped;
}

/* Every attempt counts. */
static int fails(void)
{
    if (counts)
        counts->allocations++;
    return counts && counts->fails;
}

static void *counted(void *block)
{
    if (counts && block)
        counts->live += malloc_usable_size(block);
    return block;
}

void free(void *block)
{
    if (counts)
        counts->live -= malloc_usable_size(block);
    __libc_free(block);
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(number, size));
}

void *realloc(void *block, size_t size)
{
    size_t before = malloc_usable_size(block);
    void *moved = fails() ? NULL : __libc_realloc(block, size);
    if (counts && moved)
        counts->live -= before;
    return counted(moved);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    *block = memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}
