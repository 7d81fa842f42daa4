/* Proves: nested loops count the product of their turns, and a `continue` and a `break` do not disturb it.
   Build: cc -g -O0
   Profile: work */
static int work(int rows, int columns) //@ function calls=2
{
    int cells = 0;                              //@ hits=2
    for (int row = 0; row < rows; row++) {      //@ hits=21
        if (row == 3)                           //@ hits=19
            continue;                           //@ hits=2
        for (int at = 0; at < columns; at++) {  //@ hits=187
            if (at == 10)                       //@ hits=179
                break;                          //@ hits=9
            cells++;                            //@ hits=170
        }
    }
    return cells; //@ hits=2
} //@ hits=2

int main(void)
{
    /* Nine of ten rows that break at the eleventh column, then eight of nine that have only ten. */
    int first = work(10, 11);
    int second = work(9, 10);
    return first == 90 && second == 80 ? 0 : 1;
}
