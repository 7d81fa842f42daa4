/* Proves: what a program does while somebody sets the clock of the day. Preloaded into it, this sets that clock back by
   a day each time it is looked at, beginning with the year 2001; the clocks that nobody can set go on. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DAY = 86400, YEAR_2001 = 978307200 };

static atomic_long looks;

int clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_REALTIME)
        return syscall(SYS_clock_gettime, clock, time);
    time->tv_sec = YEAR_2001 - DAY * looks++;
    time->tv_nsec = 0;
    return 0;
}
