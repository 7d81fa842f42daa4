/* Proves: whichever way a function returns, its closing brace counts it, and lines behind a return stay at 0.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
static int work(int n) //@ function calls=10
{
    if (n < 3)            //@ hits=10
        return 1;         //@ hits=3
    if (n < 7) {          //@ hits=7
        n *= 2;           //@ hits=4
        return n;         //@ hits=4
    }
    if (n > 100)          //@ hits=3
        return -1;        //@ hits=0
    return 0;             //@ hits=3
} //@ hits=10

int main(void)
{
    int sum = 0;
    for (int i = 0; i < 10; i++)
        sum += work(i);
    return sum == 39 ? 0 : 1;
}
