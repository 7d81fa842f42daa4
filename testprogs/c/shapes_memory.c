/* Proves: threads, filters, code that changes, and instructions that tracers trip over do as without a profiler.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Profile: work
   Role: shapes */
#define _GNU_SOURCE
#include "../include/shape.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>

/* Threads */

static atomic_int running, stop;

static void *spin(void *unused)
{
    running++;
    while (!stop)
        profiled();
    return unused;
}

static void *make_another(void *depth)
{
    pthread_t thread;
    profiled();
    if (depth != NULL && pthread_create(&thread, NULL, make_another, (char *)depth - 1) == 0)
        pthread_join(thread, NULL);
    return NULL;
}

static int thread_stress(void)
{
    pthread_t thread[10];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++)
            must(pthread_create(&thread[i], NULL, make_another, (void *)3L) == 0);
        for (int i = 0; i < 10; i++)
            pthread_join(thread[i], NULL);
    }
    say("120 threads\n");
    return 0;
}

static void *kill_all(void *unused)
{
    profiled();
    kill(getpid(), SIGTERM);
    return unused;
}

static int thread_exit_signal(void)
{
    pthread_t thread;
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread, NULL, spin, NULL) == 0);
    while (running < 4)
        profiled();
    must(pthread_create(&thread, NULL, kill_all, NULL) == 0);
    spin(NULL);
    return 0;
}

static void *open_close(void *path)
{
    for (int i = 0; i < 100; i++) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        must(file >= 0);
        profiled();
        close(file);
    }
    return NULL;
}

static int thread_open_race(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread[i], NULL, open_close, i % 2 ? "/proc/self/status" : "/proc/self/exe") == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static void *end_later(void *leader)
{
    pthread_join(*(pthread_t *)leader, NULL);
    for (int i = 0; i < 20; i++)
        profiled();
    say("after the first thread\n");
    exit(21);
}

static int main_thread_exit(void)
{
    static pthread_t self;
    pthread_t thread;
    self = pthread_self();
    must(pthread_create(&thread, NULL, end_later, &self) == 0);
    profiled();
    pthread_exit(NULL);
}

static void *exit_alone(void *unused)
{
    profiled();
    syscall(SYS_exit, 44);
    return unused;
}

/* All threads end by themselves; the last one's code is the process's. */
static int looping_threads(void)
{
    pthread_t thread;
    for (int i = 0; i < 20; i++)
        must(pthread_create(&thread, NULL, exit_alone, NULL) == 0);
    profiled();
    syscall(SYS_exit, 44);
    return 0;
}

/* Filters of system calls */

static void filter(unsigned call, unsigned answer, unsigned flags)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = rules};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0);
}

static int seccomp_errno(void)
{
    profiled();
    filter(SYS_getppid, SECCOMP_RET_ERRNO | 77, 0);
    for (int i = 0; i < 10; i++)
        profiled();
    int got = syscall(SYS_getppid);
    say("%d %d\n", got, errno);
    return 0;
}

static void tell_call(int number, siginfo_t *info, void *context)
{
    (void)context;
    profiled();
    say("%d code %d call %d\n", number, info->si_code, info->si_syscall);
}

static int seccomp_sigsys(void)
{
    struct sigaction action = {.sa_sigaction = tell_call, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    filter(SYS_getppid, SECCOMP_RET_TRAP, 0);
    profiled();
    syscall(SYS_getppid);
    profiled();
    return 0;
}

static void note(int number)
{
    (void)number;
    running++;
}

/* A signal of the program's own kind for each call, and SIGTRAP beside. */
static int seccomp_sigsys_sigtrap(void)
{
    signal(SIGTRAP, note);
    signal(SIGSYS, note);
    profiled();
    filter(SYS_getppid, SECCOMP_RET_TRAP, 0);
    for (int i = 0; i < 5; i++) {
        syscall(SYS_getppid);
        raise(SIGTRAP);
        profiled();
    }
    say("%d\n", running);
    return 0;
}

static int seccomp_kill(void)
{
    filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
    profiled();
    syscall(SYS_getppid);
    return 0;
}

static int seccomp_kill_exit(void)
{
    filter(SYS_exit_group, SECCOMP_RET_KILL_PROCESS, 0);
    profiled();
    return 0;
}

static void *killed_alone(void *unused)
{
    profiled();
    syscall(SYS_getppid);
    say("not reached\n");
    return unused;
}

static int seccomp_kill_thread(void)
{
    pthread_t thread;
    filter(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0);
    must(pthread_create(&thread, NULL, killed_alone, NULL) == 0);
    struct timespec moment = {.tv_nsec = 1000000};
    /* The kernel tells of its end, as of every thread's. */
    while (pthread_tryjoin_np(thread, NULL) != 0)
        nanosleep(&moment, NULL);
    profiled();
    say("the others live\n");
    return 0;
}

static void *ask_parent(void *unused)
{
    running++;
    while (!stop)
        profiled();
    errno = 0;
    long got = syscall(SYS_getppid);
    must(got == -1 && errno == 78);
    return unused;
}

static int seccomp_tsync(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        must(pthread_create(&thread[i], NULL, ask_parent, NULL) == 0);
    while (running < 4)
        profiled();
    filter(SYS_getppid, SECCOMP_RET_ERRNO | 78, SECCOMP_FILTER_FLAG_TSYNC);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static int seccomp_veto_exec(void)
{
    filter(SYS_execve, SECCOMP_RET_ERRNO | EACCES, 0);
    profiled();
    execl("/bin/true", "true", (char *)NULL);
    say("%s\n", strerror(errno));
    return 0;
}

/* A filter that hands to a tracer, where there is none for it: ENOSYS. */
static int seccomp_trace(void)
{
    filter(SYS_getppid, SECCOMP_RET_TRACE | 5, 0);
    profiled();
    long got = syscall(SYS_getppid);
    say("%ld %s\n", got, strerror(errno));
    return 0;
}

/* Memory */

static int munmap_segv(void)
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 1;
    profiled();
    munmap(page, 8192);
    profiled();
    *(volatile char *)page = 2;
    return 0;
}

/* The biggest holes between what is mapped are filled, so that a tracer finds no room near the code. */
static int mmap_most(void)
{
    char line[512];
    unsigned long ends[400], starts[400], from, to;
    int count = 0, filled = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (count < 400 && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx", &from, &to) == 2) {
            starts[count] = from;
            ends[count++] = to;
        }
    fclose(maps);
    for (int i = 0; i + 1 < count; i++)
        if (starts[i + 1] > ends[i] && starts[i + 1] - ends[i] < 1UL << 46) {
            void *wanted = (void *)ends[i];
            if (mmap(wanted, starts[i + 1] - ends[i], PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == wanted)
                filled++;
        }
    for (int i = 0; i < 50; i++)
        profiled();
    say("filled %d\n", filled > 0);
    return 0;
}

typedef int small(int);

static const unsigned char add_one[] = {0x8D, 0x47, 0x01, 0xC3}; /* lea 1(%rdi), %eax; ret */

/* Code that the program makes, through its own memory file and without. */
static int jit_proc_mem(void)
{
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    for (int i = 1; i < 20; i++) {
        unsigned char made[sizeof add_one];
        memcpy(made, add_one, sizeof made);
        made[2] = i;
        must(pwrite(memory, made, sizeof made, (off_t)(uintptr_t)code) == sizeof made);
        profiled();
        must(((small *)(uintptr_t)code)(5) == 5 + i);
    }
    say("twenty\n");
    return 0;
}

static int by_dlopen(void)
{
    for (int i = 0; i < 5; i++) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        must(library != NULL);
        double (*root)(double) = (double (*)(double))(uintptr_t)dlsym(library, "sqrt");
        profiled();
        say("%.0f\n", root(49.0));
        dlclose(library);
    }
    return 0;
}

static volatile sig_atomic_t faults;
static unsigned char *protected_page;

static void unprotect(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)number;
    faults++;
    must(info->si_addr >= (void *)protected_page && info->si_addr < (void *)(protected_page + 4096));
    must(mprotect(protected_page, 4096, PROT_READ | PROT_EXEC) == 0);
    profiled();
}

static int fault_in_code_page(void)
{
    struct sigaction action = {.sa_sigaction = unprotect, .sa_flags = SA_SIGINFO};
    protected_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(protected_page, add_one, sizeof add_one);
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 5; i++) {
        mprotect(protected_page, 4096, PROT_NONE);
        profiled();
        must(((small *)(uintptr_t)protected_page)(i) == i + 1);
    }
    say("%d faults\n", faults);
    return 0;
}

/* The page of the profiled code itself becomes writable and is closed again. */
static int fault_in_own_page(void)
{
    unsigned char *page = (unsigned char *)((uintptr_t)work & ~4095UL);
    for (int i = 0; i < 5; i++) {
        must(mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
        profiled();
        must(mprotect(page, 8192, PROT_READ | PROT_EXEC) == 0);
        profiled();
    }
    say("protected again\n");
    return 0;
}

/* Instructions */

static int int3_ok(void)
{
    signal(SIGTRAP, note);
    for (int i = 0; i < 10; i++) {
        __asm__ volatile("int3");
        profiled();
        __asm__ volatile(".byte 0xcd, 0x03");
    }
    say("%d traps\n", running);
    return 0;
}

static long flags_now(void)
{
    long flags;
    __asm__ volatile("pushf\n\tpop %0" : "=r"(flags));
    return flags;
}

static int pushf(void)
{
    for (int i = 0; i < 10; i++) {
        profiled();
        must((flags_now() & 0x100) == 0);
    }
    say("no trap flag\n");
    return 0;
}

static volatile sig_atomic_t steps;

static void step(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    if (++steps == 20)
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

/* A program that steps itself by the trap flag. */
static int steps_itself(void)
{
    struct sigaction action = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    profiled();
    __asm__ volatile("pushf\n\torq $0x100, (%%rsp)\n\tpopf\n\t"
                     ".rept 40\n\tnop\n\t.endr" ::: "memory", "cc");
    profiled();
    say("%d steps\n", steps);
    return 0;
}

static int string_instructions(void)
{
    static char from[5000], to[5000];
    for (int i = 0; i < 5000; i++)
        from[i] = i * 7;
    for (int n = 0; n < 5000; n += 499) {
        char *source = from, *target = to;
        long count = n;
        memset(to, 0, sizeof to);
        profiled();
        __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count)::"memory");
        must(count == 0 && source == from + n && target == to + n && memcmp(from, to, n) == 0);
        target = to;
        count = 5000;
        __asm__ volatile("repne scasb" : "+D"(target), "+c"(count) : "a"(-1) : "memory", "cc");
        profiled();
    }
    say("copied\n");
    return 0;
}

static int cpuid(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    for (int i = 0; i < 10; i++) {
        a = c = 0;
        profiled();
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
    say("%d %.4s%.4s%.4s\n", a > 0, (char *)&b, (char *)&d, (char *)&c);
    return 0;
}

static int far_value = 11;

static int pc_relative(void)
{
    int sum = 0;
    for (int i = 0; i < 10; i++) {
        __asm__ volatile("addl far_value(%%rip), %0" : "+r"(sum));
        profiled();
        sum += far_value;
    }
    say("%d\n", sum);
    return 0;
}

static int pkeys(void)
{
    int key = syscall(SYS_pkey_alloc, 0, 0);
    profiled();
    if (key < 0) {
        say("none: %s\n", strerror(errno));
        return 0;
    }
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, key) == 0);
    page[0] = 5;
    must(pkey_set(key, PKEY_DISABLE_WRITE) == 0);
    profiled();
    say("%d %d\n", page[0], pkey_get(key));
    page[0] = 6;
    return 0;
}

/* What glibc registers for the thread stays in force, with hits in between. */
static int restartable(void)
{
    char *thread = __builtin_thread_pointer();
    volatile struct rseq *area = (volatile struct rseq *)(thread + __rseq_offset);
    if (__rseq_size == 0) {
        say("not registered\n");
        return 0;
    }
    for (int i = 0; i < 100; i++) {
        profiled();
        must(area->cpu_id_start == area->cpu_id || (int)area->cpu_id >= 0);
        must(area->rseq_cs == 0);
    }
    say("registered %d\n", (int)area->cpu_id >= 0);
    return 0;
}

static int restartable_abort(void)
{
    char *thread = __builtin_thread_pointer();
    struct rseq *area = (struct rseq *)(thread + __rseq_offset);
    static struct rseq_cs section __attribute__((aligned(32)));
    struct timespec now, begin;
    if (__rseq_size == 0) {
        say("not registered\n");
        return 0;
    }
    /* The loop in the section is left by an abort alone, which a change of context makes. */
    profiled();
    clock_gettime(CLOCK_MONOTONIC, &begin);
    __asm__ volatile("lea 1f(%%rip), %%rax\n\tmov %%rax, 8(%0)\n\t"
                     "movq $2f-1f, 16(%0)\n\tlea 3f(%%rip), %%rax\n\tmov %%rax, 24(%0)\n\t"
                     "mov %0, %1\n\t"
                     "1: pause\n\tjmp 1b\n\t"
                     "2:\n\t.long 0x53053053\n\t"
                     "3: movq $0, %1"
                     : : "r"(&section), "m"(area->rseq_cs) : "rax", "memory");
    profiled();
    clock_gettime(CLOCK_MONOTONIC, &now);
    say("aborted %d\n", now.tv_sec >= begin.tv_sec);
    return 0;
}

static int vdso_calls(void)
{
    struct timespec one, other;
    for (int i = 0; i < 20; i++) {
        must(clock_gettime(CLOCK_MONOTONIC, &one) == 0);
        profiled();
        must(clock_gettime(CLOCK_MONOTONIC, &other) == 0);
        must(other.tv_sec > one.tv_sec || (other.tv_sec == one.tv_sec && other.tv_nsec >= one.tv_nsec));
    }
    say("time goes on\n");
    return 0;
}

/* The old page of system calls, where the kernel emulates it; else the call is a fault. */
static int vsyscall(void)
{
    time_t (*old_time)(time_t *) = (time_t (*)(time_t *))0xFFFFFFFFFF600400UL;
    profiled();
    say("right %d\n", old_time(NULL) >= time(NULL) - 5);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {
        {"thread_stress", thread_stress}, {"thread_exit_signal", thread_exit_signal},
        {"thread_open_race", thread_open_race}, {"main_thread_exit", main_thread_exit},
        {"looping_threads", looping_threads}, {"seccomp_errno", seccomp_errno}, {"seccomp_sigsys", seccomp_sigsys},
        {"seccomp_sigsys_sigtrap", seccomp_sigsys_sigtrap}, {"seccomp_kill", seccomp_kill},
        {"seccomp_kill_exit", seccomp_kill_exit}, {"seccomp_kill_thread", seccomp_kill_thread},
        {"seccomp_tsync", seccomp_tsync}, {"seccomp_veto_exec", seccomp_veto_exec}, {"seccomp_trace", seccomp_trace},
        {"munmap_segv", munmap_segv}, {"mmap_most", mmap_most}, {"jit_proc_mem", jit_proc_mem}, {"dlopen", by_dlopen},
        {"fault_in_code_page", fault_in_code_page}, {"fault_in_own_page", fault_in_own_page}, {"int3_ok", int3_ok},
        {"pushf", pushf}, {"steps_itself", steps_itself}, {"string_instructions", string_instructions},
        {"cpuid", cpuid}, {"pc_relative", pc_relative}, {"pkeys", pkeys}, {"restartable", restartable},
        {"restartable_abort", restartable_abort}, {"vdso_calls", vdso_calls}, {"vsyscall", vsyscall}, {NULL, NULL},
    };
    return run_shape(shapes, argc, argv);
}
