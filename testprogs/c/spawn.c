/* Proves: posix_spawn and system() inside a profiled function work and end.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

static int work(int code) //@ function calls=10
{
    char *const arguments[] = {"sh", "-c", code ? "exit 5" : "exit 0", NULL};           //@ hits=10
    int status = -1;                                                                    //@ hits=10
    pid_t child;
    if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) != 0)            //@ hits=10
        return 0;                                                                       //@ hits=0
    waitpid(child, &status, 0);                                                         //@ hits=10
    int by_shell = system(code ? "exit 5" : "exit 0");                                  //@ hits=10
    return WIFEXITED(status) && WEXITSTATUS(status) == (code ? 5 : 0) && by_shell == status; //@ hits=10
} //@ hits=10

int main(void)
{
    int right = 0;
    for (int i = 0; i < 10; i++)
        right += work(i % 2);
    return right == 10 ? 0 : 1;
}
