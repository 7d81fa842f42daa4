/* Proves: an exception through profiled frames closes them; a catch block counts as often as it catches.
   Build: g++ -g -O0 -Wl,-z,now
   Profile: thrower
   Profile: middle
   Profile: catcher */
#include "../include/settle.h"

static int guarded;

struct Guard {
    ~Guard() { guarded++; }
};

static int thrower(int n) //@ function calls=30
{
    if (n % 3 == 0)  //@ hits=30
        throw n;     //@ hits=10
    return n;        //@ hits=20
} //@ hits=20

static int middle(int n) //@ function calls=30
{
    int value = thrower(n); //@ hits=30
    value += 1;             //@ hits=20
    return value;           //@ hits=20
} //@ hits=20

static int catcher(int n) //@ function calls=30
{
    Guard guard;
    try {
        n = middle(n);         //@ hits=30
    } catch (int thrown) {
        n = -thrown;           //@ hits=10
    }
    return n; //@ hits=30
}

int main()
{
    int sum = 0;
    settle();
    for (int i = 0; i < 30; i++)
        sum += catcher(i);
    return sum == 300 + 20 - 135 && guarded == 30 ? 0 : 1;
}
