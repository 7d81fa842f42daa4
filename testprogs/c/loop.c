/* Proves: the head of a loop counts once more than its body, and each turn's growth is charged to the body.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
#include "../include/settle.h"

static long work(char *block, int turns) //@ function calls=1 increment=819200
{
    long sum = 0;                     //@ hits=1 increment=0
    for (int i = 0; i < turns; i++)   //@ hits=201 increment=0
        touch(block + i * PAGE, 1);   //@ hits=200 increment=819200
    int left = turns;                 //@ hits=1
    while (left > 150)                //@ hits=51
        left--;                       //@ hits=50
    do {
        sum += left;                  //@ hits=150
        left--;                       //@ hits=150
    } while (left > 0);               //@ hits=150
    return sum;                       //@ hits=1
} //@ hits=1 increment=0

int main(void)
{
    settle();
    return work(reserve(200 * PAGE), 200) == 11325 ? 0 : 1;
}
