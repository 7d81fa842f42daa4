/* Proves: a program has the descriptors that it has without lineprof, and may close all that are not its own.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int work(int n) //@ function calls=20
{
    return n + 1;      //@ hits=20
} //@ hits=20

static void show(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int open = 0;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
            printf("%s: flags %#x\n", entry->d_name, fcntl(atoi(entry->d_name), F_GETFD)), open++;
    printf("%d, and the next is %d\n", open, dirfd(folder));
    closedir(folder);
}

int main(void)
{
    int sum = 0;
    show();
    for (int i = 0; i < 10; i++)
        sum += work(i);
    closefrom(3);
    for (int i = 0; i < 10; i++)
        sum += work(i);
    show();
    return sum == 110 ? 0 : 1;
}
