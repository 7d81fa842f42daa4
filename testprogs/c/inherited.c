/* Proves: what a program inherits is what it inherits without lineprof: environment, personality (its addresses are as
           random as ever), limits, what the kernel tells it, masks.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Gcov: run for its counts it has variables of its own in its environment */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int work(int n) //@ function calls=3
{
    return n + 1;      //@ hits=3
} //@ hits=3

/* Behind the environment; no addresses, which are random, and no bytes of a random number. */
static void show_auxiliary(void)
{
    char **end = environ;
    while (*end)
        end++;
    for (ElfW(auxv_t) *entry = (void *)(end + 1); entry->a_type != AT_NULL; entry++) {
        switch (entry->a_type) {
        case AT_EXECFN:
            printf("executed as %s\n", (char *)entry->a_un.a_val);
            break;
        case AT_PHDR: case AT_BASE: case AT_ENTRY: case AT_RANDOM: case AT_PLATFORM: case AT_SYSINFO_EHDR:
            printf("auxiliary %lu\n", entry->a_type);
            break;
        default:
            printf("auxiliary %lu = %lu\n", entry->a_type, entry->a_un.a_val);
        }
    }
}

int main(int argc, char **argv)
{
    sigset_t blocked;
    cpu_set_t cpus;
    struct rlimit limit;
    char folder[4096];
    int sum = 0;
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    for (char **variable = environ; *variable; variable++)
        puts(*variable);
    show_auxiliary();
    printf("personality %#x\n", personality(0xffffffff));
    for (int i = 0; i < RLIM_NLIMITS; i++)
        if (getrlimit(i, &limit) == 0)
            printf("limit %d: %lu %lu\n", i, limit.rlim_cur, limit.rlim_max);
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action;
        int known = sigaction(i, NULL, &action) == 0;
        if (sigismember(&blocked, i) > 0 || (known && action.sa_handler == SIG_IGN))
            printf("signal %d is blocked or ignored\n", i);
    }
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        printf("%d processors\n", CPU_COUNT(&cpus));
    printf("umask %o, nice %d, folder %s\n", umask(0), getpriority(PRIO_PROCESS, 0), getcwd(folder, sizeof folder));
    printf("dumpable %d, no new privileges %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    for (int i = 0; i < 3; i++)
        sum += work(i);
    return sum == 6 ? 0 : 1;
}
