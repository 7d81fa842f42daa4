/* Proves: a limit of memory is met on the line behind the one that crosses it, before that line runs; and a program that
           was left there goes on from it.
   Build: cc -g -O0 -pthread -Wl,-z,now
   Build: cc -g -O1 -fomit-frame-pointer -pthread -Wl,-z,now
   Role: breaks (arguments: the number of threads that grow, and "wait" for one that is attached to)

   Each thread touches 8 MiB at a time, eight times, one after the other. Prints "done" and the number of steps, and exits 3;
   before that "text same", when its text is its file's. With "wait" it prints "ready" and waits for a line. */
#define _GNU_SOURCE
#include "../include/settle.h"
#include "../include/own_text.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 8, STEP = 8 << 20, STEPS = 8 };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static atomic_int steps;

__attribute__((noinline)) void load(char *block)
{
    touch(block, STEP);
    steps++;
}

/* As qsort calls it: libc's own frames are between. */
static int through_libc(const void *one, const void *other)
{
    static int has_grown;
    if (!has_grown && (has_grown = 1))
        for (int i = 0; i < STEPS; i++)
            load(reserve(STEP));
    return *(const char *)one - *(const char *)other;
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&turn);
    for (int i = 0; i < STEPS; i++)
        load(reserve(STEP));
    pthread_mutex_unlock(&turn);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[MOST];
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    settle();
    if (argc > 2) {
        puts("ready");
        fflush(stdout);
        getchar();
    }
    if (threads < 0 || threads > MOST)
        return 2;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run, NULL) != 0)
            return 2;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    char letters[] = "ba";
    if (threads == 0)
        qsort(letters, 2, 1, through_libc);
    puts(own_text_is_the_files() ? "text same" : "text differs");
    printf("done %d\n", steps);
    return 3;
}
