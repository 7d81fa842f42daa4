/* Proves: a loop that closes on its own line counts n + 1, whatever is written on the line.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
static volatile int sink;

static void work(int n) //@ function calls=1
{
    for (int i = 0; i < n; i++) sink += i;  //@ hits=101
    while (n > 0) n--;                      //@ hits=101
    sink++;                                 //@ hits=1
} //@ hits=1

int main(void)
{
    work(100);
    return sink == 4951 ? 0 : 1;
}
