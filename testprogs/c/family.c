/* Proves: processes that a program makes, and the programs that they become, are profiled each by itself.
   Build: cc -g -O0
   Role: family (arguments: how; then what is passed on)

   `workers N`: N forked children call `work` i + 1 times each, all within the function that forked.
   `spawn`: a vforked child becomes this program with `again`, which calls `work` 5 times and exits with 5.
   `become`: calls `work` twice and becomes `again`.
   `threads`: a thread forks a child while another one calls `work`.
   `daemon`: leaves a child behind that calls `work`, says "ready" and waits for a line, and is gone itself.
   `server`: answers each line by a child that calls `work` twice, and "done" when that has ended well.
   `outlive`: forks a child that goes on when its parent has ended, calls `work` 3 times and says "last". */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 64, PAGE = 4096 };

static void work(void) {
    char *block = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(block, PAGES * PAGE, MADV_NOHUGEPAGE);
    memset(block, 1, PAGES * PAGE);
}

static void work_times(int times) {
    for (int i = 0; i < times; i++)
        work();
}

/* Its frame is open in the child, which was not there when it was entered. */
static pid_t forks_within(int times) {
    pid_t child = fork();
    if (child == 0)
        work_times(times);
    return child;
}

static int wait_for_all(void) {
    int status, failed = 0;
    while (wait(&status) > 0)
        failed += !WIFEXITED(status);
    return failed;
}

static void *works(void *times) {
    work_times(*(int *)times);
    return 0;
}

int main(int count, char **arguments) {
    const char *how = count > 1 ? arguments[1] : "";
    setvbuf(stdout, 0, _IOLBF, 0);
    if (!strcmp(how, "workers")) {
        for (int i = 0; i < atoi(arguments[2]); i++)
            if (forks_within(i + 1) == 0)
                _exit(0);
        return wait_for_all();
    }
    if (!strcmp(how, "spawn")) {
        if (vfork() == 0) {
            execl("/proc/self/exe", arguments[0], "again", (char *)0);
            _exit(127);
        }
        int status;
        wait(&status);
        work();
        return WEXITSTATUS(status);
    }
    if (!strcmp(how, "become")) {
        work_times(2);
        execl("/proc/self/exe", arguments[0], "again", (char *)0);
        return 127;
    }
    if (!strcmp(how, "again")) {
        work_times(5);
        return 5;
    }
    if (!strcmp(how, "threads")) {
        pthread_t thread;
        int times = 200;
        pthread_create(&thread, 0, works, &times);
        for (int i = 0; i < 20; i++) {
            if (fork() == 0) {
                work_times(2);
                _exit(0);
            }
        }
        pthread_join(thread, 0);
        return wait_for_all();
    }
    if (!strcmp(how, "daemon")) {
        if (fork() == 0) {
            char line[8];
            work();
            puts("ready");
            if (fgets(line, sizeof line, stdin))
                puts("heard");
        }
        return 0;
    }
    if (!strcmp(how, "outlive")) {
        int gone[2];
        if (pipe(gone))
            return 1;
        if (fork() == 0) {
            char byte;
            close(gone[1]);
            /* The end of the file is the parent's end. */
            if (read(gone[0], &byte, 1) == 0) {
                work_times(3);
                puts("last");
            }
        }
        return 0;
    }
    if (!strcmp(how, "server")) {
        char line[16];
        puts("ready");
        while (fgets(line, sizeof line, stdin)) {
            int failed;
            if (fork() == 0) {
                work_times(2);
                _exit(0);
            }
            failed = wait_for_all();
            puts(failed ? "failed" : "done");
        }
        return 0;
    }
    return 2;
}
