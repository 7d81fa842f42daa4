/* Proves: memory over time is seen from outside, in the process and its children.
   Build: cc -g -O0
   Does what each line of its input says, and answers when it is done:
     grow N    has N MiB more          grown
     give      gives all of it back    given
     child N   a child that has N MiB  child PID
     end N     exits with N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static char *blocks[64];
static size_t sizes[64];
static int count;

static void grow(int mebibytes)
{
    size_t size = (size_t)mebibytes << 20;
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        abort();
    memset(block, 1, size);
    blocks[count] = block;
    sizes[count++] = size;
}

static pid_t child(int mebibytes)
{
    int ready[2], life[2];
    char byte = 0;
    if (pipe(ready) || pipe(life))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        close(life[1]);
        grow(mebibytes);
        if (write(ready[1], &byte, 1) != 1)
            abort();
        /* Until the parent is gone. */
        _exit(read(life[0], &byte, 1) != 0);
    }
    if (read(ready[0], &byte, 1) != 1)
        abort();
    return pid;
}

int main(void)
{
    char word[16];
    int number;
    puts("ready");
    fflush(stdout);
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "grow") && scanf("%d", &number) == 1) {
            grow(number);
            puts("grown");
        } else if (!strcmp(word, "give")) {
            while (count > 0)
                count--, munmap(blocks[count], sizes[count]);
            puts("given");
        } else if (!strcmp(word, "child") && scanf("%d", &number) == 1) {
            printf("child %d\n", (int)child(number));
        } else if (!strcmp(word, "end") && scanf("%d", &number) == 1) {
            return number;
        }
        fflush(stdout);
    }
    return 0;
}
