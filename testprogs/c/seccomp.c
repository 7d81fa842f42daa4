/* Proves: a program that allows itself two system calls is profiled, and none is made in its name: its filter would kill
           it.
   Build: cc -g -O0 -Wl,-z,now
   Build: cc -g -O0 -static
   Profile: work
   Gcov: a filter keeps the counts from being written */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int work(int n) //@ function calls=1000
{
    int value = n % 2;  //@ hits=1000
    if (value)          //@ hits=1000
        value += n;     //@ hits=500
    return value;       //@ hits=1000
} //@ hits=1000

int main(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    long sum = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return 9;
    for (int i = 0; i < 1000; i++)
        sum += work(i);
    if (write(1, "done\n", 5) != 5)
        return 8;
    /* exit() makes no other call here, but its promise is not as strong. */
    syscall(SYS_exit_group, sum == 500 + 250000 ? 0 : 1);
}
