/* Proves: the exit code of the program is passed on.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work
   Exit: 7 */
static int work(int n) //@ function calls=1 hits=1
{
    return n + 3; //@ hits=1
} //@ hits=1

int main(void)
{
    return work(4);
}
