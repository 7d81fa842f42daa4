/* Proves: the report counts the pages of code that breakpoints have made private: no more, no fewer.
   Build: cc -g -O0 -Wl,-z,now
   Profile: first
   Role: tells how much of its code is private

   Prints that in kB, of all files that are mapped to be executed: 0 when nobody profiles it. */
#include <stdio.h>
#include <string.h>

/* Each on pages of its own. */
__attribute__((aligned(4096))) static int first(int n)
{
    return n + 1;
}

__attribute__((aligned(4096))) static int second(int n)
{
    return n + 2;
}

__attribute__((aligned(4096))) static long private_code_kb(void)
{
    char line[4096], rights[8];
    long all = 0, amount;
    int is_code = 0;
    FILE *mappings = fopen("/proc/self/smaps", "r");
    while (mappings && fgets(line, sizeof line, mappings)) {
        if (sscanf(line, "%*lx-%*lx %7s", rights) == 1)
            is_code = rights[2] == 'x' && strchr(line, '/');
        else if (is_code && sscanf(line, "Anonymous: %ld", &amount) == 1)
            all += amount;
    }
    return mappings ? all : -1;
}

int main(void)
{
    if (first(1) + second(2) != 6)
        return 1;
    printf("%ld kB\n", private_code_kb());
    return 0;
}
