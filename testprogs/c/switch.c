/* Proves: a switch that jumps through a table counts each arm as often as it runs; a bare label has no code.
   Build: cc -g -O0 -Wl,-z,now
   Profile: work */
static int work(int n) //@ function calls=70
{
    int value = 0;          //@ hits=70
    switch (n % 7) {        //@ hits=70
    case 0:                 //@ blank
        value = 3;          //@ hits=10
        break;              //@ hits=10
    case 1:                 //@ blank
        value = 5;          //@ hits=10
        /* fall through */
    case 2:                 //@ blank
        value += 7;         //@ hits=20
        break;              //@ hits=20
    case 3:                 //@ blank
        value = 11;         //@ hits=10
        break;              //@ hits=10
    case 4:                 //@ blank
        value = 13;         //@ hits=10
        break;              //@ hits=10
    case 5:                 //@ blank
        return 17;          //@ hits=10
    default:                //@ blank
        value = 19;         //@ hits=10
    }
    return value; //@ hits=60
} //@ hits=70

int main(void)
{
    int sum = 0;
    for (int i = 0; i < 70; i++)
        sum += work(i);
    return sum == 820 ? 0 : 1;
}
