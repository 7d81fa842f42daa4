/* Proves: the instances of a template are one function: one table whose counts and charges are their sum.
   Build: g++ -g -O0 -Wl,-z,now
   Profile: work
   Profile: Box::put */
#include "../include/settle.h"

template <typename Number> Number work(Number n) //@ function calls=6 increment=40960
{
    grow(sizeof(Number) == 1 ? PAGE : 2 * PAGE); //@ hits=6 increment=40960
    if (n > 2)                                   //@ hits=6 increment=0
        return n;                                //@ hits=3 increment=0
    return n + 1;                                //@ hits=3 increment=0
} //@ hits=6 increment=0

template <typename Kept, int Times> struct Box {
    Kept kept{};
    void put(Kept value) //@ function calls=3
    {
        for (int i = 0; i < Times; i++) //@ hits=13
            kept += value;              //@ hits=10
    } //@ hits=3
};

int main()
{
    Box<int, 2> few;
    Box<long, 4> many;
    settle();
    char one = work<char>(1);
    int two = work(2) + work(3);
    long three = work(1L) + work(4L);
    char four = work<char>(5);
    few.put(1);
    many.put(2);
    many.put(3);
    return one == 2 && two == 6 && three == 6 && four == 5 && few.kept == 2 && many.kept == 20 ? 0 : 1;
}
