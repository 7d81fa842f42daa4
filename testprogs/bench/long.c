/* Proves: nothing by itself: a function of sixty lines, each of which runs once a call. The number of calls is the first
           argument. gdb takes its breakpoints out and puts them in again at each stop, so its cost grows with a function. */
#include <stdlib.h>

static unsigned long work(unsigned long sum)
{
    sum = sum * 31 + 0;
    sum = sum * 31 + 1;
    sum = sum * 31 + 2;
    sum = sum * 31 + 3;
    sum = sum * 31 + 4;
    sum = sum * 31 + 5;
    sum = sum * 31 + 6;
    sum = sum * 31 + 7;
    sum = sum * 31 + 8;
    sum = sum * 31 + 9;
    sum = sum * 31 + 10;
    sum = sum * 31 + 11;
    sum = sum * 31 + 12;
    sum = sum * 31 + 13;
    sum = sum * 31 + 14;
    sum = sum * 31 + 15;
    sum = sum * 31 + 16;
    sum = sum * 31 + 17;
    sum = sum * 31 + 18;
    sum = sum * 31 + 19;
    sum = sum * 31 + 20;
    sum = sum * 31 + 21;
    sum = sum * 31 + 22;
    sum = sum * 31 + 23;
    sum = sum * 31 + 24;
    sum = sum * 31 + 25;
    sum = sum * 31 + 26;
    sum = sum * 31 + 27;
    sum = sum * 31 + 28;
    sum = sum * 31 + 29;
    sum = sum * 31 + 30;
    sum = sum * 31 + 31;
    sum = sum * 31 + 32;
    sum = sum * 31 + 33;
    sum = sum * 31 + 34;
    sum = sum * 31 + 35;
    sum = sum * 31 + 36;
    sum = sum * 31 + 37;
    sum = sum * 31 + 38;
    sum = sum * 31 + 39;
    sum = sum * 31 + 40;
    sum = sum * 31 + 41;
    sum = sum * 31 + 42;
    sum = sum * 31 + 43;
    sum = sum * 31 + 44;
    sum = sum * 31 + 45;
    sum = sum * 31 + 46;
    sum = sum * 31 + 47;
    sum = sum * 31 + 48;
    sum = sum * 31 + 49;
    sum = sum * 31 + 50;
    sum = sum * 31 + 51;
    sum = sum * 31 + 52;
    sum = sum * 31 + 53;
    sum = sum * 31 + 54;
    sum = sum * 31 + 55;
    sum = sum * 31 + 56;
    sum = sum * 31 + 57;
    sum = sum * 31 + 58;
    sum = sum * 31 + 59;
    return sum;
}

int main(int argc, char **argv)
{
    unsigned long sum = 0;
    for (long i = argc > 1 ? atol(argv[1]) : 1; i > 0; i--)
        sum = work(sum);
    return sum == 1;
}
