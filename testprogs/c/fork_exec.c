/* Proves: a forked child runs the profiled function unharmed, replaces itself by exec, and does not disturb the
           counts of its parent.
   Build: cc -g -O0 -Wl,-z,now
   Profile: step
   Profile: work
   Gcov: the counts of the forked children are added to those of their parent */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int step(int n) //@ function calls=30
{
    return n + 1; //@ hits=30
} //@ hits=30

static int work(void) //@ function calls=10
{
    int status = -1;                                        //@ hits=10
    pid_t child = fork();                                   //@ hits=10
    if (child == 0) {                                       //@ hits=10
        if (step(1) != 2 || step(2) != 3)                   //@ hits=0
            _exit(3);                                       //@ hits=0
        execl("/proc/self/exe", "fork_exec", "child", (char *)NULL); //@ hits=0
        _exit(4);                                           //@ hits=0
    }
    if (waitpid(child, &status, 0) != child)                //@ hits=10
        return 0;                                           //@ hits=0
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;  //@ hits=10
} //@ hits=10

int main(int argc, char **argv)
{
    int right = 0;
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return step(41);
    for (int i = 0; i < 10; i++)
        right += work() && step(i) && step(i) && step(i);
    return right == 10 ? 0 : 1;
}
