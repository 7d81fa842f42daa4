/* Proves: a recursion of 20,000 frames costs no more for each hit than a shallow one, and is counted exactly.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Recursive: work */
static long work(long n) //@ function calls=20001
{
    if (n == 0)                 //@ hits=20001
        return 0;               //@ hits=1
    long below = work(n - 1);   //@ hits=20000
    return below + n;           //@ hits=20000
} //@ hits=20001

int main(void)
{
    return work(20000) == 200010000 ? 0 : 1;
}
