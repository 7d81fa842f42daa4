/* Proves: a vfork child shares the memory and so the planted sites; it lives, and its parent goes on as before.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Profile: in_child
   Gcov: what the vfork child runs is counted there as the parent's */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

static volatile int shared;

static void in_child(void)
{
    shared++;
}

static int work(void) //@ function calls=10
{
    int status = -1; //@ hits=10
    pid_t child = vfork();
    if (child == 0) {
        in_child();
        _exit(7);
    }
    waitpid(child, &status, 0); //@ hits=10
    return WIFEXITED(status) && WEXITSTATUS(status) == 7; //@ hits=10
} //@ hits=10

int main(void)
{
    int right = 0;
    for (int i = 0; i < 10; i++)
        right += work();
    return right == 10 && shared == 10 ? 0 : 1;
}
