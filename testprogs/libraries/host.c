/* Proves: libraries may come and go as often as they like; memory mapped where one was is the program's own.

   Without a word it waits for commands, one a line, and answers each: "load" loads the plugin and calls it ("grown");
   "unload" unloads it and fills the page of its code with breakpoint instructions as data ("unloaded"); "check" looks
   whether that page is as it was filled ("same"). With a number it loads, calls and unloads so often, and ends. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, BREAKPOINT = 0xCC };

static void *library;
static unsigned char *data;
static void *code;

static int load(const char *path)
{
    if (data)
        munmap(data, PAGE);
    data = NULL;
    library = dlopen(path, RTLD_NOW);
    if (!library) {
        puts(dlerror());
        return 0;
    }
    code = dlsym(library, "grow");
    return ((int (*)(int))code)(1) == 0;
}

static int unload(void)
{
    void *page = (void *)((unsigned long)code & -PAGE);
    dlclose(library);
    data = mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (data == MAP_FAILED)
        return 0;
    memset(data, BREAKPOINT, PAGE);
    return 1;
}

static int same(void)
{
    for (int i = 0; i < PAGE; i++)
        if (data[i] != BREAKPOINT)
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    char line[64];
    if (argc > 2) {
        for (int i = atoi(argv[2]); i > 0; i--)
            if (!load(argv[1]) || !unload() || !same())
                return 1;
        return 0;
    }
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "load\n") == 0)
            puts(load(argv[1]) ? "grown" : "failed");
        else if (strcmp(line, "unload\n") == 0)
            puts(unload() ? "unloaded" : "failed");
        else
            puts(same() ? "same" : "changed");
        fflush(stdout);
    }
    return 0;
}
