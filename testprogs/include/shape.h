/* What the programs of shapes share: each is many small programs, one for each word that it can be given, and tells
   what happens to it line by line. All of them run the profiled function `work` wherever they come by. */
#ifndef SHAPE_H
#define SHAPE_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((noinline)) int work(int n)
{
    int value = n;
    for (int i = 0; i < 3; i++)
        value += i;
    return value;
}

/* Runs the profiled function; a wrong result ends the process. */
static __attribute__((unused)) void profiled(void)
{
    for (int n = 0; n < 5; n++)
        if (work(n) != n + 3)
            _exit(99);
}

/* One write each: what several processes say does not mix within a line. */
#define say(...) (dprintf(1, __VA_ARGS__), (void)0)

#define must(what) ((what) ? (void)0 : (say("%s:%d: %s: %s\n", __FILE__, __LINE__, #what, strerror(errno)), _exit(98)))

/* Waits for a child and says how it has ended. */
static __attribute__((unused)) void say_end(const char *who, pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, __WALL) != child)
        must(errno == EINTR);
    if (WIFEXITED(status))
        say("%s exits %d\n", who, WEXITSTATUS(status));
    else
        say("%s dies of %d\n", who, WTERMSIG(status));
}

struct shape {
    const char *name;
    int (*run)(void);
};

static int run_shape(const struct shape *shapes, int argc, char **argv)
{
    struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(120);
    for (; shapes->name; shapes++)
        if (argc > 1 && strcmp(argv[1], shapes->name) == 0)
            return shapes->run();
    return 97;
}

#endif
