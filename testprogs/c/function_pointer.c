/* Proves: functions called through pointers are seen like any other, also through a table and from qsort.
   Build: cc -g -O0 -Wl,-z,now
   Profile: add
   Profile: multiply
   Profile: compare
   Profile: work */
#include <stdlib.h>

static int add(int a, int b) //@ function calls=50
{
    return a + b; //@ hits=50
} //@ hits=50

static int multiply(int a, int b) //@ function calls=50
{
    return a * b; //@ hits=50
} //@ hits=50

static long compared;

static int compare(const void *a, const void *b) //@ function calls=1
{
    compared++;                                 //@ hits=1
    return *(const int *)a - *(const int *)b;   //@ hits=1
} //@ hits=1

static int (*const operation[])(int, int) = {add, multiply};

static int work(int n) //@ function calls=100
{
    return operation[n % 2](n, 2); //@ hits=100
} //@ hits=100

int main(void)
{
    int sum = 0;
    int pair[] = {2, 1};
    for (int i = 0; i < 100; i++)
        sum += work(i);
    qsort(pair, 2, sizeof pair[0], compare);
    return sum == 2550 + 5000 && compared == 1 && pair[0] == 1 ? 0 : 1;
}
