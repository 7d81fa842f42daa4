/* Proves: an expression over several lines, whose rows go A B A, counts A once per run and B as often as it is
           looked at.
   Build: cc -g -O0 -Wl,-z,now
   Profile: both
   Profile: choose
   Profile: call */
static int both(int a, int b) //@ function calls=12
{
    if (a > 3 &&      //@ hits=12
        b % 2 == 0)   //@ hits=8
        return 1;     //@ hits=4
    return 0;         //@ hits=8
} //@ hits=12

static int choose(int a) //@ function calls=12
{
    int chosen = a > 5  //@ hits=12
        ? a * 3
        : a * 5;
    return chosen; //@ hits=12
} //@ hits=12

static int add(int a, int b)
{
    return a + b;
}

static int call(int a) //@ function calls=12
{
    return add(add(a, 1),   //@ hits=12
               add(a, 2));  //@ blank
} //@ hits=12

int main(void)
{
    int sum = 0;
    for (int i = 0; i < 12; i++)
        sum += both(i, i) + choose(i) + call(i);
    return sum == 4 + 75 + 153 + 168 ? 0 : 1;
}
