/* Proves: a mark of C++ means one overload, one instance of a template or a method, by the path that it names.
   Build: g++ -g -O0
   Profile: ns::area(int, int)
   Profile: ns::greatest<int>
   Profile: Widget::draw */
#include "../../src/lineprof.h"

namespace ns {
LINEPROF_PROFILE(area(int, int));
LINEPROF_PROFILE(greatest<int>);

int area(int side)
{
    return side * side; //@ blank
}

int area(int a, int b) //@ function calls=3
{
    return a * b; //@ hits=3
} //@ hits=3

template <class T> T greatest(T a, T b) //@ function calls=1
{
    return a < b ? b : a; //@ hits=1
} //@ hits=1

struct Widget {
    int size = 3;
    int draw(int times); //@ blank
};
} // namespace ns

int ns::Widget::draw(int times) //@ function calls=2
{
    return times * size; //@ hits=2
} //@ hits=2

LINEPROF_PROFILE(Widget::draw);

int main()
{
    ns::Widget widget;
    int sum = ns::area(2) + ns::area(1, 2) + ns::area(2, 2) + ns::area(3, 2);
    sum += ns::greatest(1, 2) + static_cast<int>(ns::greatest(1L, 2L));
    return sum + widget.draw(1) + widget.draw(2) == 29 ? 0 : 1;
}
